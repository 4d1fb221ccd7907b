------------------------------- MODULE Lockstep -------------------------------
(***************************************************************************)
(* The composition: byte ranges (Locks), share reservations (Shares),      *)
(* caching rights (Rights), and restarts with one grace period for all, on *)
(* one file.                                                               *)
(*                                                                         *)
(* Nothing is decided here that those modules do not decide; this is how   *)
(* they meet (semantics, sections 1, 2, 5 and 7).  Parts says what they    *)
(* see of each other and who may go when something changed, Judging how a  *)
(* request is judged; here is the rest: how every step ends, what gives    *)
(* back, what time does, what a restart finds.                             *)
(***************************************************************************)
EXTENDS Judging

-----------------------------------------------------------------------------
(* Every step ends here.                                                   *)

Again(s, i) ==
  LET w == s.locks.queue[i]
      t == Judged(s, w.asks, i)
      told == [what |-> "ended", id |-> w.asks.id, how |-> t.reply]
      \* Locks may have taken it out, or a turn before it that it used.
      left == {k \in DOMAIN t.state.locks.queue : LET v == t.state.locks.queue[k] IN
                 v.owner = w.owner /\ v.asks = w.asks /\ ~v.told}
      now  == ~w.answered /\ Blocked(w.asks, t.waits)
  IN  IF t.reply = "parked"
      THEN Tell([t.state EXCEPT !.locks.queue[i].waits = t.waits, !.locks.queue[i].answered = @ \/ now],
                IF now THEN <<[what |-> "blocked", id |-> w.asks.id]>> ELSE <<>>)
      ELSE IF Queued(w) /\ t.reply = "granted"       \* Locks has taken it out, or keeps its turn
      THEN Tell(IF Len(t.state.locks.queue) = Len(s.locks.queue) /\ ~t.state.locks.queue[i].told
                THEN [t.state EXCEPT !.locks.queue = L!Without(@, i)] ELSE t.state, <<told>>)
      ELSE IF t.reply \in {"granted", "ok"}
      THEN Tell(IF left = {} THEN t.state
                ELSE [t.state EXCEPT !.locks.queue = L!Without(@, L!Earliest(left))], <<told>>)
      ELSE Leave(t.state, i, t.reply)

RECURSIVE Settle(_)
Settle(s) ==
  LET due == {i \in DOMAIN s.locks.queue : s.locks.queue[i].woken}
      i   == L!Earliest(due)
      t   == [s EXCEPT !.locks.queue[i].woken = FALSE]
      r   == Ranges(s)
      edges == L!Edges(r)
      stuck == {k \in DOMAIN s.locks.queue : ForRanges(s.locks.queue[k]) /\ L!OnCycle(r, edges, k)}
  IN  IF due # {} THEN Settle(Marked(t, Again(t, i)))
      ELSE IF \A k \in DOMAIN s.locks.queue : ~ForRanges(s.locks.queue[k]) THEN s
      ELSE IF stuck # {} THEN Settle(Leave(s, L!Youngest(stuck), "deadlock"))
      ELSE s
Settled(s, t) == [t EXCEPT !.state = Settle(Marked(s, @))]

-----------------------------------------------------------------------------
(* What is no request.                                                     *)

Theirs(s, id, o) == {i \in DOMAIN s.locks.queue : s.locks.queue[i].asks.id = id /\ s.locks.queue[i].owner = o}

(* Giving back.  An unlock of NLM or NFSv4 ends the waits for its range.   *)
Unlocked(s, e) ==
  LET Mine(w) == Family[e.owner] # "smb" /\ w.owner = e.owner /\ IsLock(w.asks) /\ L!SameRange(w.asks, e)
      t == LocksStep(LeaveAll(s, Mine, "cancelled"), e)
  IN  Say(Claimed(t.state, e.owner, e), t.reply)
LockCancelled(s, e) ==
  LET Mine(w) == IsLock(w.asks) /\ L!SameRequest(w.asks, e)
      t == LeaveAll(s, Mine, "cancelled")
  IN  IF Len(t.locks.queue) < Len(s.locks.queue) THEN Say(t, "ok") ELSE Say(s, L!LockCancelled(Ranges(s), e).reply)

(* CLOSE and death take the ranges and the waits with them.                *)
Closed(s, o, c) ==
  LET last == s.rights.opens[c] = 1 /\ IsSmb(c)
      t == [s EXCEPT !.rights.opens[c] = @ - 1, !.shares = S!OpenClosed(s.shares, o).state,
                     !.unclaimed.opens = @ \ {o}, !.unclaimed.locks[o] = IF Family[o] = "nlm" THEN @ ELSE {}]
  IN  IF last THEN [t EXCEPT !.rights = R!EndBreaks(@, {c}, [d \in {c} |-> {}]), !.unclaimed.rights = @ \ {c}] ELSE t
OpenClosed(s, e) ==
  LET o == e.owner
      c == Holder[o]
      Mine(w) == w.owner = o
      t == LeaveAll(s, Mine, "closed")
      u == IF Family[o] # "nlm" THEN LocksStep(t, [type |-> "OpenClosed", owner |-> o]).state ELSE t
      removes == S!OpenClosed(s.shares, o).reply = "remove"
  IN  IF s.shares.opens[o] = {} THEN Say(s, "unknown_open") ELSE Say(Closed(u, o, c), IF removes THEN "remove" ELSE "ok")

ClientLeft(s, h) ==
  LET Mine(w) == HostOf(w.owner) = h
      t  == LocksStep(LeaveAll(s, Mine, "cancelled"), [type |-> "ClientLeft", client |-> h]).state
      cs == {c \in Clients : Host[c] = h}
      os == {o \in Owner : HostOf(o) = h}
      smb == \E o \in Owner \ os : Family[o] = "smb" /\ t.shares.opens[o] # {}
  IN  Say([t EXCEPT !.rights = [R!EndBreaks(@, cs, [c \in cs |-> {}]) EXCEPT
                       !.opens = [c \in Clients |-> IF c \in cs THEN 0 ELSE @[c]],
                       !.bars = {b \in @ : b.client \notin cs}],
                    !.shares = [@ EXCEPT !.opens = [o \in Owner |-> IF o \in os THEN {} ELSE @[o]], !.locks = @ \ os,
                                         !.doomed = IF smb THEN @ ELSE {}],
                    !.unclaimed = [opens |-> @.opens \ os, rights |-> @.rights \ cs,
                                   locks |-> [o \in Owner |-> IF o \in os THEN {} ELSE @.locks[o]]]], "ok")

(* Rights' own steps; its replies and notices are said.                    *)
RightStep(s, t) ==
  LET Reply(x) == x.what = "reply"
      Other(x) == ~Reply(x)
      replies  == SelectSeq(t.out, Reply)
  IN  Say(Tell([s EXCEPT !.rights = t.state], SelectSeq(t.out, Other)), IF replies = <<>> THEN "ok" ELSE Head(replies).status)
BreakAcknowledged(s, e) ==
  LET c == e.client
      Write(a) == a.client = c /\ a.what \in {"write", "overwrite"}
      t == RightStep(s, R!BreakAcknowledged(s.rights, c, e.rights))
  IN  IF t.state.rights.acked[c] = s.rights.acked[c] THEN t
      ELSE [t EXCEPT !.state.rights.inflight = {IF Write(a) THEN [a EXCEPT !.flush = TRUE] ELSE a : a \in @}]
AccessEnded(s, e) ==
  LET of == {a \in s.rights.inflight : a.id = e.id /\ a.owner = e.owner}
      t  == [s EXCEPT !.rights.inflight = @ \ of, !.shares.name = IF @ = "going" THEN "gone" ELSE @]
      done == {a.client : a \in {a \in of : a.flush}} \ {a.client : a \in {a \in t.rights.inflight : a.flush}}
      c  == CHOOSE c \in done : TRUE
  IN  IF done = {} \/ s.rights.acked[c] = R!None THEN Say(t, "ok")
      ELSE RightStep(t, R!Acknowledged(t.rights, c, s.rights.acked[c], <<>>))
BreakTimedOut(s, c) == IF c \notin Out(s) THEN Say(s, "ok")
                       ELSE Say(Tell([s EXCEPT !.rights = R!EndBreaks(@, {c}, [d \in {c} |-> {}])],
                                <<[what |-> "revoked", client |-> c]>>), "ok")
PatienceEnded(s, e) ==
  LET is == Theirs(s, e.id, e.owner)
      i == L!Earliest(is)
      w == s.locks.queue[i]
      word == LaterWord(s, w.asks, w.waits)
  IN  IF is = {} THEN Say(s, "ok") ELSE Say(Leave(Barred(s, w.asks, word), i, word), "ok")
RequestCancelled(s, e) ==
  LET is == Theirs(s, e.id, e.owner)
  IN  Say(IF is = {} THEN s ELSE Leave(s, L!Earliest(is), e.how), "ok")

(* A restart finds what is on record: what NFS clients hold, and what SMB  *)
(* clients hold with a lease.  Until it is reclaimed it is theirs.         *)
OnRecord(s) ==
  [held  |-> Pairs(s.locks.held, OfRecord), opens |-> Pairs(s.shares.opens, OfRecord),
   right |-> {<<c, s.rights.right[c]>> : c \in {c \in Clients : Flavour[c] # "oplock" /\ s.rights.right[c] # {}}}]
Nothing == [held |-> {}, opens |-> {}, right |-> {}]
Fresh(right, count) ==
  [opens |-> count, right |-> right, brk |-> [c \in Clients |-> R!None], need |-> [c \in Clients |-> R!None],
   acked |-> [c \in Clients |-> R!None], clock |-> <<>>, lock |-> [c \in Clients |-> FALSE],
   inflight |-> {}, queue |-> <<>>, bars |-> {}, backoff |-> FALSE]
Recovered(found, n, grace) ==
  LET open == {p[1] : p \in found.opens}
      held == Table(found.held, Owner)
  IN  Known([locks |-> [held |-> held, queue |-> <<>>, calls |-> {}],
             rights |-> Fresh([c \in Clients |-> UNION Table(found.right, Clients)[c]],
                              [c \in Clients |-> Cardinality(open \cap Owners[c])]),
             shares |-> [opens |-> Table(found.opens, Owner), locks |-> {}, doomed |-> {}, name |-> "there"],
             phase |-> IF grace THEN "grace" ELSE "normal",
             unclaimed |-> [opens |-> open, locks |-> held,
                            rights |-> {p[1] : p \in found.right} \cup
                                       {c \in {Holder[o] : o \in open} : Flavour[c] = "lease"}],
             failed |-> FALSE, restarts |-> n, said |-> <<>>])

(* What nobody reclaimed is gone with the end of grace.                    *)
RECURSIVE Without(_, _, _)
Without(table, o, gone) ==
  IF gone = {} THEN table
  ELSE LET l == CHOOSE l \in gone : TRUE
       IN  Without(IF Family[o] # "smb" THEN L!Carve(table, l)
                   ELSE L!SetCount(table, l, l.kind, L!Count(table, l, l.kind) - l.n), o, gone \ {l})
RECURSIVE ClosedAll(_, _)
ClosedAll(s, os) == IF os = {} THEN s ELSE LET o == CHOOSE o \in os : TRUE IN ClosedAll(Closed(s, o, Holder[o]), os \ {o})
GraceEnded(s) ==
  LET t == [s EXCEPT !.locks.held = [o \in Owner |-> Without(@[o], o, s.unclaimed.locks[o])]]
      u == ClosedAll(t, s.unclaimed.opens)
      v == [u EXCEPT !.rights = R!EndBreaks(@, u.unclaimed.rights, [c \in u.unclaimed.rights |-> {}])]
  IN  Say([v EXCEPT !.phase = "normal",
                    !.unclaimed = [opens |-> {}, rights |-> {}, locks |-> [o \in Owner |-> {}]]], "ok")

Act(s, e) ==
  CASE e.type \in {"OpenRequested", "LockRequested", "LockTested", "AccessRequested"} -> Asked(s, e)
    [] e.type = "Unlocked"          -> Unlocked(s, e)
    [] e.type = "LockCancelled"     -> LockCancelled(s, e)
    [] e.type = "RequestCancelled"  -> RequestCancelled(s, e)
    [] e.type = "GrantAnswered"     -> LocksStep(s, e)
    [] e.type = "OpenClosed"        -> OpenClosed(s, e)
    [] e.type = "ClientLeft"        -> ClientLeft(s, e.client)
    [] e.type = "BreakAcknowledged" -> BreakAcknowledged(s, e)
    [] e.type = "RightReturned"     -> RightStep(s, R!RightReturned(s.rights, e.client))
    [] e.type = "AccessEnded"       -> AccessEnded(s, e)
    [] e.type = "BreakTimedOut"     -> BreakTimedOut(s, e.client)
    [] e.type = "PatienceEnded"     -> PatienceEnded(s, e)
    [] e.type = "BarsLifted"        -> Say([s EXCEPT !.rights.bars = @ \ e.bars, !.rights.backoff = FALSE], "ok")
    [] e.type = "JournalChanged"    -> Say([s EXCEPT !.failed = e.failed], "ok")
    [] e.type = "GraceEnded"        -> GraceEnded(s)
Restarted(s) == LET found == OnRecord(s) IN Say(Recovered(found, s.restarts + 1, found # Nothing), "ok")
Step(s, e) == IF e.type = "Restarted" THEN Restarted(s) ELSE Settled(s, Act(s, e))

-----------------------------------------------------------------------------
(* The events that the model checker explores.                             *)

With(e) == e @@ [id |-> 0, patient |-> TRUE]
Event ==
       {With([type |-> "OpenRequested", owner |-> o, access |-> Access[Holder[o]], deny |-> Deny[Holder[o]], wish |-> w,
              overwrite |-> FALSE, first |-> 0, last |-> UnitCount - 1, reclaim |-> r]) :
          o \in Owner, w \in Wishes, r \in BOOLEAN}
  \cup {With([type |-> "AccessRequested", owner |-> o, operation |-> p, first |-> 0, last |-> UnitCount - 1,
              io |-> IF OfBytes(p) THEN p ELSE "none", families |-> IF OfBytes(p) THEN {"smb"} ELSE {}]) :
          o \in Owner, p \in Operations}
  \cup {With(e) @@ [reclaim |-> r, beside |-> FALSE] :
          e \in {e \in L!Event : e.type = "LockRequested"}, r \in BOOLEAN}
  \cup {e \in L!Event : e.type \in {"Unlocked", "GrantAnswered"}}
  \cup {[type |-> t, owner |-> o, id |-> 0, how |-> "cancelled"] :
          t \in {"OpenClosed", "AccessEnded", "PatienceEnded", "RequestCancelled"}, o \in Owner}
  \cup {e \in R!Event : e.type \in {"BreakAcknowledged", "RightReturned"}}
  \cup {[type |-> "BreakTimedOut", client |-> c] : c \in Clients}
  \cup {[type |-> "ClientLeft", client |-> Host[c]] : c \in Clients}
  \cup {[type |-> "BarsLifted", bars |-> {[client |-> c, cause |-> k] : c \in Clients, k \in R!Cause}],
        [type |-> "GraceEnded"], [type |-> "Restarted"]}

(* The clients' side: one request of an owner at a time; SMB works through *)
(* an open, NFSv4 locks through one; nobody uses what it has not reclaimed.*)
Idle(s, o) == /\ \A i \in DOMAIN s.locks.queue : s.locks.queue[i].owner # o
              /\ \A a \in s.rights.inflight : a.owner # o
HasOpen(s, o) == s.shares.opens[o] # {} /\ o \notin s.unclaimed.opens
Fair(s, e) ==
  CASE e.type = "OpenRequested" ->
         /\ Flavour[Holder[e.owner]] # "none" /\ e.wish \in R!WishesOf(Holder[e.owner]) /\ Idle(s, e.owner)
         /\ IF e.reclaim THEN ~IsSmb(Holder[e.owner]) /\ e.owner \in s.unclaimed.opens
            ELSE e.owner \in s.unclaimed.opens \/ s.rights.opens[Holder[e.owner]] < opens_max
    [] e.type = "AccessRequested" -> Idle(s, e.owner) /\ (IsSmb(Holder[e.owner]) => HasOpen(s, e.owner))
    [] e.type = "LockRequested" ->
         /\ Idle(s, e.owner) \/ \E i \in DOMAIN s.locks.queue : s.locks.queue[i].told /\ L!SameRequest(s.locks.queue[i], e)
         /\ Flavour[Holder[e.owner]] # "none" => HasOpen(s, e.owner)
         /\ IF e.reclaim THEN ~IsSmb(Holder[e.owner]) /\ L!Lock(e, e.kind) \in s.unclaimed.locks[e.owner]
            ELSE IsSmb(Holder[e.owner]) \/ s.unclaimed.locks[e.owner] = {}
    [] e.type = "Unlocked"      -> s.locks.held[e.owner] # {} /\ (IsSmb(Holder[e.owner]) => HasOpen(s, e.owner))
    [] e.type = "GrantAnswered" -> \E c \in s.locks.calls : L!SameRequest(c, e)
    [] e.type = "OpenClosed"    -> HasOpen(s, e.owner) /\ Idle(s, e.owner)
    [] e.type = "AccessEnded"   -> \E a \in s.rights.inflight : a.owner = e.owner
    [] e.type = "PatienceEnded" -> \E i \in DOMAIN s.locks.queue : s.locks.queue[i].owner = e.owner /\ Hurried(s.locks.queue[i])
    [] e.type = "RequestCancelled" -> ~Idle(s, e.owner)
    [] e.type \in {"BreakAcknowledged", "RightReturned"} ->
         s.rights.right[e.client] # {} /\ e.client \notin s.unclaimed.rights
    [] e.type = "BreakTimedOut" -> e.client \in Out(s)
    [] e.type = "ClientLeft"    -> TRUE
    [] e.type = "BarsLifted"    -> s.rights.bars # {} \/ s.rights.backoff
    [] e.type = "GraceEnded"    -> s.phase = "grace"
    [] e.type = "Restarted"     -> s.restarts < restarts_max

Become(s) == /\ locks' = s.locks /\ rights' = s.rights /\ shares' = s.shares /\ phase' = s.phase
             /\ unclaimed' = s.unclaimed /\ failed' = s.failed /\ restarts' = s.restarts
Init == LET s == Recovered(Nothing, 0, FALSE) IN
  /\ locks = s.locks /\ rights = s.rights /\ shares = s.shares /\ phase = s.phase
  /\ unclaimed = s.unclaimed /\ failed = s.failed /\ restarts = 0
Do(e) == LET t == Step(State, e) IN
  IF Fair(State, e) /\ L!Bounded(t.state.locks) THEN Become(t.state) ELSE FALSE
Next  == \E e \in Event : Do(e)
Spec  == Init /\ [][Next]_vars
(* The unified view: every lock, right, open and waiter of every family.   *)
View == [locks   |-> Pairs(locks.held, Owner), opens |-> Pairs(shares.opens, Owner),
         rights  |-> {<<c, rights.right[c]>> : c \in {c \in Clients : rights.right[c] # {}}},
         waiters |-> {<<locks.queue[i].owner, locks.queue[i].asks.type, i>> : i \in DOMAIN locks.queue}]
=============================================================================
