----------------------------- MODULE TraceLockstep -----------------------------
(***************************************************************************)
(* Recorded runs of whole servers are behaviours of the composition: each  *)
(* line's events lead by Step to what was answered and said and, where it  *)
(* was recorded, to what was seen.                                         *)
(*                                                                         *)
(* A line is one step of the server: the deadlines that had passed by then *)
(* and what it was told, in that order.  A line `found` is a restart: what *)
(* it finds was on record at a moment of the run before (its last records  *)
(* may not have come to the disk), and nothing else.                       *)
(***************************************************************************)
EXTENDS Lockstep, Recorded, Tracing

TheirClients == DOMAIN Scene.Flavour
TheirFlavour == Scene.Flavour
TheirHost    == Scene.Host
TheirOwners  == DOMAIN Scene.Holder
TheirHolder  == Scene.Holder
TheirScope   == Scene.grace_scope
AllModes     == [c \in Clients |-> {"read", "write"}]
NoDeny       == [c \in Clients |-> {}]

VARIABLE past       \* what was on record at the moments of the run that are `near` its end

RECURSIVE Run(_, _, _)
Run(s, es, replies) ==
  IF es = <<>> THEN [state |-> s, replies |-> replies]
  ELSE LET t == Step(s, Head(es)) IN Run(t.state, Tail(es), Append(replies, [reply |-> t.reply, holders |-> t.holders]))

-----------------------------------------------------------------------------
(* What was said.  Breaks that begin together may leave in any order, and  *)
(* what is revoked at one time may, too.                                   *)
Free(x)  == x.what \in {"break", "revoked"}
Bound(x) == ~Free(x)
Set(seq) == {seq[i] : i \in DOMAIN seq}
Says(r, t) ==
  /\ \A i \in DOMAIN r.replies : r.replies[i] \in {"", t.replies[i].reply}
  /\ r.holder = "" \/ \E i \in DOMAIN t.replies : r.holder \in t.replies[i].holders
  /\ SelectSeq(r.said, Bound) = SelectSeq(t.state.said, Bound)
  /\ Set(SelectSeq(r.said, Free)) = Set(SelectSeq(t.state.said, Free))

(* What was seen.                                                          *)
Why(w) == IF w.waits = {} THEN "ranges"
          ELSE IF w.waits = {"accesses"} \/ w.waits = {"grace"} THEN CHOOSE x \in w.waits : TRUE ELSE "breaks"
Bare(c) == [owner |-> c.owner, first |-> c.first, last |-> c.last, kind |-> c.kind]
Projected(s) ==
  [held      |-> Pairs(s.locks.held, Owner),
   queue     |-> [i \in DOMAIN s.locks.queue |-> [id |-> s.locks.queue[i].asks.id, why |-> Why(s.locks.queue[i])]],
   calls     |-> {Bare(c) : c \in s.locks.calls},
   opens     |-> {<<o, [access |-> S!AccessOf(s.shares, o), deny |-> S!DenyOf(s.shares, o)]>> :
                    o \in {o \in Owner : s.shares.opens[o] # {}}},
   right     |-> {<<c, s.rights.right[c]>> : c \in {c \in Clients : s.rights.right[c] # {}}},
   brk       |-> {<<c, s.rights.brk[c], s.rights.need[c]>> : c \in Out(s)},
   inflight  |-> {a.id : a \in s.rights.inflight},
   unclaimed |-> [s.unclaimed EXCEPT !.locks = Pairs(@, Owner)]]
Shows(r, t) == "view" \in DOMAIN r => r.view = Projected(t.state)

(* For people: where the two differ.                                       *)
Differs(r, t) ==
  <<t.replies, t.state.said, IF "view" \notin DOMAIN r THEN {}
    ELSE LET v == r.view p == Projected(t.state) IN {<<k, v[k], p[k]>> : k \in {k \in DOMAIN v : v[k] # p[k]}}>>

-----------------------------------------------------------------------------
TraceInit == /\ Beginning(Traces)
             /\ LET b == Traces[trace][1] s == Recovered(b.found, 0, FALSE) IN
                /\ locks = s.locks /\ rights = s.rights /\ shares = s.shares
                /\ phase = IF b.grace THEN "grace" ELSE "normal"
                /\ unclaimed = [b.unclaimed EXCEPT !.locks = Table(@, Owner)]
                /\ failed = b.failed /\ restarts = 0 /\ past = {}
TraceNext ==
  IF AtEnd(Traces) THEN Accepted /\ UNCHANGED <<vars, trace, line, past>>
  ELSE LET here == Traces[trace][line]
           stop(why) == Refused(here, why) /\ UNCHANGED <<vars, trace, line, past>>
       IN  IF "found" \in DOMAIN here
           THEN LET found == here.found
                    s == Recovered(found, restarts + 1, here.grace)
                IN  IF line = 1 THEN UNCHANGED <<vars, past>> /\ NextLine
                    ELSE IF found \in past \cup {OnRecord(State)} THEN Become(s) /\ past' = {} /\ NextLine
                    ELSE stop(<<"not on record", past>>)
           ELSE LET t == Run(State, here.events, <<>>) IN
                IF Says(here, t) /\ Shows(here, t)
                THEN Become(t.state) /\ past' = (IF here.near THEN past \cup {OnRecord(State)} ELSE {}) /\ NextLine
                ELSE stop(Differs(here, t))
=============================================================================
