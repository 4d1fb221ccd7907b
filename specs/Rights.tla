------------------------------- MODULE Rights -------------------------------
(***************************************************************************)
(* The caching rights of one file: SMB leases and oplocks, NFSv4           *)
(* delegations; how operations break them, how breaks end, who waits, who  *)
(* passes (semantics, sections 2 and 5).                                   *)
(*                                                                         *)
(* Step(s, e) is a total function, as in Locks.  Its outcome is ONE        *)
(* sequence of effects, in the order in which they leave: replies, parked, *)
(* breaks, revocations.                                                    *)
(***************************************************************************)
EXTENDS RightsJudging

-----------------------------------------------------------------------------
(* Events, named as in core/event.hpp.                                     *)

Openers == {c \in Clients : Flavour[c] # "none"}
WishesOf(c) == CASE Flavour[c] = "lease"      -> Wishes
                 [] Flavour[c] = "oplock"     -> Wishes \ {RH}
                 [] Flavour[c] = "delegation" -> Wishes \cap {R, RW}
                 [] OTHER                     -> {}

Event ==
       UNION {{[type |-> "OpenRequested", client |-> c, wish |-> w, overwrite |-> o] :
                w \in WishesOf(c), o \in Overwrites} : c \in Openers}
  \cup {[type |-> "OpenClosed", client |-> c] : c \in Openers}
  \cup {[type |-> "AccessRequested", client |-> c, operation |-> o] :
          c \in Clients, o \in Operations \ {"lock"}}
  \cup {[type |-> "AccessEnded", client |-> c] : c \in Clients}
  \cup (IF "lock" \in Operations
        THEN {[type |-> t, client |-> c] : c \in Clients, t \in {"LockRequested", "Unlocked"}}
        ELSE {})
  \cup UNION {{[type |-> "BreakAcknowledged", client |-> c, rights |-> r] :
                r \in Wishes \cup {{}}} : c \in {c \in Openers : IsSmb(c)}}
  \cup {[type |-> "RightReturned", client |-> c] : c \in {c \in Openers : Flavour[c] = "delegation"}}
  \cup {[type |-> "RequestCancelled", client |-> c] : c \in Clients}
  \cup {[type |-> "ClientLeft", client |-> c] : c \in Clients}
  \cup {[type |-> "Tick", due |-> d] : d \in {"patience", "bars", "breaks"}}

-----------------------------------------------------------------------------
(* Waking: of those who wait for nothing any more, the earliest is judged  *)
(* again; until none is left.                                              *)

Without(q, i) == SubSeq(q, 1, i - 1) \o SubSeq(q, i + 1, Len(q))
Ready(s, i) == LET q == s.queue[i] IN
  q.waits = {} /\ (q.what # "lock" \/ q.woken \/ LockedBy(s, q, i - 1) = {})
Earliest(is) == CHOOSE i \in is : \A j \in is : i <= j

RECURSIVE Settle(_, _)
Settle(s, out) ==
  LET ready == {i \in DOMAIN s.queue : Ready(s, i)}
  IN  IF ready = {} THEN [state |-> s, out |-> out]
      ELSE LET i == Earliest(ready)
               q == s.queue[i]
               j == Judge(s, q, i - 1)
               t == [Begun(s, j) EXCEPT !.queue[i].woken = FALSE]
               sent == out \o Sent(s, j)
           IN  CASE j.verdict = "break"  -> Settle([t EXCEPT !.queue[i].waits = j.waits], sent)
                 [] j.verdict = "locked" -> Settle(t, sent)      \* begins breaks, stays
                 [] j.verdict = "go"     -> LET u == [t EXCEPT !.queue = Without(@, i)]
                                            IN  Settle(Go(u, q), sent \o Told(q))
                 [] OTHER -> Settle([t EXCEPT !.queue = Without(@, i)],
                                    Append(sent, Reply(q.client, q.what, j.verdict)))

(* Breaks of these holders have ended: right[d] is what is left.           *)
EndBreaks(s, ds, left) ==
  [s EXCEPT !.right = [d \in Clients |-> IF d \in ds THEN left[d] ELSE s.right[d]],
            !.brk   = [d \in Clients |-> IF d \in ds THEN None ELSE s.brk[d]],
            !.need  = [d \in Clients |-> IF d \in ds THEN None ELSE s.need[d]],
            !.acked = [d \in Clients |-> IF d \in ds THEN None ELSE s.acked[d]],
            !.clock = SelectSeq(@, LAMBDA d : d \notin ds),
            !.backoff = @ \/ \E d \in ds : Flavour[d] = "delegation" /\ s.brk[d] # None,
            !.queue = [i \in DOMAIN s.queue |-> [s.queue[i] EXCEPT
              !.waits = @ \ ds, !.woken = @ \/ (s.queue[i].waits \cap ds # {} /\ s.queue[i].waits \subseteq ds)]]]

-----------------------------------------------------------------------------
(* The actions.                                                            *)

Asked(s, q) ==
  LET j == Judge(s, q, Len(s.queue))
      t == Begun(s, j)
      sent == Sent(s, j)
      full == Len(s.queue) >= waiters_per_file_max
  IN  CASE j.verdict \in {"break", "locked"} ->
             IF full THEN Settle(t, Append(sent, Reply(q.client, q.what, "limit")))
             ELSE \* a break that began lets its holder's own lock requests pass
               Settle([t EXCEPT !.queue = Append(@, [q EXCEPT !.waits = j.waits])],
                      Append(sent, [what |-> "parked", client |-> q.client]))
        [] j.verdict = "go" -> LET u == Go(t, q) IN Settle(u, sent \o Told(q))
        [] OTHER -> Settle(t, Append(sent, Reply(q.client, q.what, j.verdict)))

Say(s, c, status) == [state |-> s, out |-> <<Reply(c, "event", status)>>]
Done(s, c) == Settle(s, <<Reply(c, "event", "ok")>>)

Gone(s, c, rest) ==        \* nothing is left of a right
  IF rest # {} THEN s ELSE EndBreaks(s, {c}, [d \in {c} |-> {}])

(* Its lock goes; whoever waits for locks is judged again.                 *)
Released(s, c) == IF ~s.lock[c] THEN s
                  ELSE [s EXCEPT !.lock[c] = FALSE, !.queue = NudgedAfter(@, 0)]

OpenClosed(s, c) ==
  IF s.opens[c] = 0 THEN Say(s, c, "unknown_open")
  ELSE LET t == [s EXCEPT !.opens[c] = @ - 1]
       IN  IF t.opens[c] = 0 /\ IsSmb(c)
           THEN Done(Released(EndBreaks(t, {c}, [d \in {c} |-> {}]), c), c)
           ELSE Done(t, c)

(* An acknowledgment takes effect. When an SMB open needs more of the      *)
(* break, that was one step of it, as with Windows: down to R first while  *)
(* there is anything to flush or to close, from R by a mere notice.        *)
Notice(c, to, ack) == [what |-> "break", client |-> c, to |-> to, ack |-> ack]
Acknowledged(s, c, left, out) ==
  IF left \subseteq s.need[c] THEN Settle(EndBreaks(s, {c}, [d \in {c} |-> left]), out)
  ELSE IF left # R
  THEN Settle([s EXCEPT !.right[c] = left, !.brk[c] = s.need[c] \cup R, !.acked[c] = None,
                        !.clock = InOrder(Append(SelectSeq(@, LAMBDA d : d # c), c))],
              Append(out, Notice(c, s.need[c] \cup R, TRUE)))
  ELSE Settle(EndBreaks(s, {c}, [d \in {c} |-> s.need[c]]), Append(out, Notice(c, s.need[c], FALSE)))

Flushing(s, c) == \E a \in s.inflight : a.client = c /\ a.what \in {"write", "overwrite"}

BreakAcknowledged(s, c, rights) ==
  IF s.opens[c] = 0 THEN Say(s, c, IF Flavour[c] = "oplock" THEN "unknown_open" ELSE "unknown_right")
  ELSE IF Flavour[c] = "oplock" /\ s.right[c] = {} THEN Say(s, c, "unknown_right")
  ELSE IF s.brk[c] = None \/ s.acked[c] # None THEN Say(s, c, "not_breaking")
  ELSE IF ~(rights \subseteq s.brk[c]) THEN Say(s, c, "ack_exceeds")
  ELSE IF Flushing(s, c) THEN Say([s EXCEPT !.acked[c] = Normal(Flavour[c], rights),
                                             !.clock = SelectSeq(@, LAMBDA d : d # c)], c, "ok")
  ELSE Acknowledged(s, c, Normal(Flavour[c], rights), <<Reply(c, "event", "ok")>>)

AccessEnded(s, c) ==
  LET t == [s EXCEPT !.inflight = {a \in @ : a.client # c}]
  IN  IF s.acked[c] = None THEN Settle(t, <<>>) ELSE Acknowledged(t, c, s.acked[c], <<>>)

RightReturned(s, c) ==
  IF s.right[c] = {} THEN Say(s, c, "unknown_right")
  ELSE Done(EndBreaks(s, {c}, [d \in {c} |-> {}]), c)

(* A lock request leaves the queue: those behind it are judged again.      *)
LeftBy(q, i) == IF q[i].what = "lock" THEN Without(NudgedAfter(q, i), i) ELSE Without(q, i)

RequestCancelled(s, c) ==
  LET is == {i \in DOMAIN s.queue : s.queue[i].client = c}
  IN  IF is = {} THEN [state |-> s, out |-> <<>>]
      ELSE LET i == Earliest(is) IN
           Settle([s EXCEPT !.queue = LeftBy(@, i)], <<Reply(c, s.queue[i].what, "cancelled")>>)

RECURSIVE Dropped(_, _, _)   \* all waiters that satisfy a test are answered
Dropped(s, Of(_), status) ==
  LET is == {i \in DOMAIN s.queue : Of(s.queue[i])}
  IN  IF is = {} THEN [state |-> s, out |-> <<>>]
      ELSE LET i == Earliest(is)
               t == Dropped([s EXCEPT !.queue = LeftBy(@, i)], Of, status)
           IN  [t EXCEPT !.out = <<Reply(s.queue[i].client, s.queue[i].what, status)>> \o @]

(* What it was doing on the file ends after it.                            *)
ClientLeft(s, c) ==
  LET Mine(q) == q.client = c
      gone == Dropped(s, Mine, "cancelled")
      t == [EndBreaks(Released(gone.state, c), {c}, [d \in {c} |-> {}]) EXCEPT
              !.opens[c] = 0, !.bars = {b \in @ : b.client # c}]
      u == Settle(t, gone.out)
  IN  Settle([u.state EXCEPT !.inflight = {a \in @ : a.client # c}], u.out)

(* NFS requests other than locks have little patience: JUKEBOX, DELAY, and *)
(* a bar until they come back.                                             *)
Hurried(q) == IsNfs(q.client) /\ q.what # "lock"
Patience(s) ==
  LET gone == Dropped(s, Hurried, "later")
      new  == {[client |-> s.queue[i].client, cause |-> CauseOf(s.queue[i])] :
                 i \in {i \in DOMAIN s.queue : Hurried(s.queue[i])}}
  IN  Settle([gone.state EXCEPT !.bars = @ \cup new], gone.out)

(* The deadlines pass, one after the other; who gave no answer is revoked. *)
RECURSIVE Expire(_, _, _)
Expire(s, ds, out) ==
  IF ds = <<>> THEN [state |-> s, out |-> out]
  ELSE LET d == Head(ds)
           t == Settle(EndBreaks(s, {d}, [x \in {d} |-> {}]),
                       Append(out, [what |-> "revoked", client |-> d]))
       IN  IF \E i \in DOMAIN s.clock : s.clock[i] = d THEN Expire(t.state, Tail(ds), t.out)
           ELSE Expire(s, Tail(ds), out)

Over(s) == [s EXCEPT !.bars = {}, !.backoff = FALSE]
Tick(s, due) ==
  CASE due = "patience" -> Patience(s)
    [] due = "bars"     -> Patience(Over(s))
    [] due = "breaks"   -> LET p == Patience(Over(s)) IN Expire(p.state, s.clock, p.out)

Busy(s, c) == \/ \E i \in DOMAIN s.queue : s.queue[i].client = c
              \/ \E a \in s.inflight : a.client = c

Step(s, e) ==
  CASE e.type = "OpenRequested"     -> Asked(s, Request(e))
    [] e.type = "AccessRequested"   -> Asked(s, Request(e))
    [] e.type = "LockRequested"     -> Asked(s, Request(e))
    [] e.type = "Unlocked"          -> Done(Released(s, e.client), e.client)
    [] e.type = "OpenClosed"        -> OpenClosed(s, e.client)
    [] e.type = "AccessEnded"       -> AccessEnded(s, e.client)
    [] e.type = "BreakAcknowledged" -> BreakAcknowledged(s, e.client, e.rights)
    [] e.type = "RightReturned"     -> RightReturned(s, e.client)
    [] e.type = "RequestCancelled"  -> RequestCancelled(s, e.client)
    [] e.type = "ClientLeft"        -> ClientLeft(s, e.client)
    [] e.type = "Tick"              -> Tick(s, e.due)

-----------------------------------------------------------------------------
Init ==
  /\ opens = [c \in Clients |-> 0]
  /\ right = [c \in Clients |-> {}]
  /\ brk   = [c \in Clients |-> None]
  /\ need = [c \in Clients |-> None] /\ acked = [c \in Clients |-> None] /\ clock = <<>>
  /\ lock  = [c \in Clients |-> FALSE]
  /\ inflight = {} /\ queue = <<>> /\ bars = {} /\ backoff = FALSE

Become(s) ==
  /\ opens' = s.opens /\ right' = s.right /\ brk' = s.brk /\ need' = s.need /\ acked' = s.acked /\ clock' = s.clock /\ lock' = s.lock
  /\ inflight' = s.inflight /\ queue' = s.queue /\ bars' = s.bars /\ backoff' = s.backoff

(* The client's side of the contract, and the bounds of the model: one     *)
(* request of a client at a time (but a lock may wait beside), and SMB     *)
(* works through an open.                                                  *)
Fair(s, e) ==
  CASE e.type = "OpenRequested"   -> ~Busy(s, e.client) /\ s.opens[e.client] < opens_max
                                     /\ (e.overwrite => s.opens[e.client] = 0)
    [] e.type = "AccessRequested" -> ~(\E a \in s.inflight : a.client = e.client)
                                     /\ ~(\E i \in DOMAIN s.queue : s.queue[i].client = e.client /\ s.queue[i].what # "lock")
                                     /\ (IsSmb(e.client) => s.opens[e.client] > 0)
                                     /\ (e.operation = "write" /\ s.opens[e.client] > 0 => "write" \in Access[e.client])
    [] e.type = "LockRequested"   -> ~(\E i \in DOMAIN s.queue : s.queue[i].client = e.client)
                                     /\ ~s.lock[e.client] /\ (IsSmb(e.client) => s.opens[e.client] > 0)
    [] e.type = "OpenClosed"      -> ~Busy(s, e.client)
    [] e.type = "AccessEnded"     -> \E a \in s.inflight : a.client = e.client
    [] e.type = "Unlocked"        -> s.lock[e.client]
    [] OTHER                      -> TRUE

Do(e) == IF Fair(State, e) THEN Become(Step(State, e).state) ELSE FALSE
Next  == \E e \in Event : Do(e)
Spec  == Init /\ [][Next]_vars

View == State
=============================================================================
