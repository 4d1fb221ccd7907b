------------------------------- MODULE Locks ---------------------------------
(***************************************************************************)
(* The byte-range locks of one file: NLM, NFSv4 and SMB owners, one table, *)
(* one queue, one wait-for graph (semantics, section 3).                   *)
(*                                                                         *)
(* The module is written as the core is: Step(s, e) takes a state and an   *)
(* event and gives the next state, the reply to the one who asked, and     *)
(* what became of waiters in that same step.  It is total: a refusal is a  *)
(* reply, not a disabled action.                                           *)
(***************************************************************************)
EXTENDS LockQueue

-----------------------------------------------------------------------------
(* Events, named as in core/event.hpp.  `wait` stands for Wait::callback,  *)
(* reserve or queue, whichever is the owner's protocol's; ~wait is a try.  *)

Wanted(o) == RangesOf(UnitCount)
             \cup (IF ZeroLengths /\ o \in Smb THEN ZeroRanges(UnitCount) \ {Range(0, -1)} ELSE {})

LockEvent(t, o, r, k) == [type |-> t, owner |-> o, first |-> r.first, last |-> r.last, kind |-> k]

Event ==
       UNION {{[type |-> "LockRequested", owner |-> o, first |-> r.first, last |-> r.last,
                kind |-> k, wait |-> w] : r \in Wanted(o), k \in Kind, w \in BOOLEAN} : o \in Owner}
  \cup UNION {{[type |-> "Unlocked", owner |-> o, first |-> r.first, last |-> r.last] :
                r \in Wanted(o)} : o \in Owner}
  \cup UNION {{LockEvent("LockCancelled", o, r, k) : r \in Wanted(o), k \in Kind} : o \in Nlm \cup Smb}
  \cup UNION {{[type |-> "GrantAnswered", owner |-> o, first |-> r.first, last |-> r.last,
                kind |-> k, accepted |-> a] : r \in Wanted(o), k \in Kind, a \in BOOLEAN} : o \in Nlm}
  \cup UNION {{[type |-> "AccessRequested", owner |-> o, first |-> r.first, last |-> r.last,
                kind |-> k, enforced |-> p] : r \in RangesOf(UnitCount), k \in Kind,
                p \in IF o \in Smb THEN {TRUE} ELSE BOOLEAN} : o \in Owner}
  \cup {[type |-> "OpenClosed", owner |-> o] : o \in Owner \ Nlm}
  \cup {[type |-> "ClientLeft", client |-> c] : c \in {Client[o] : o \in Owner}}
  \cup {[type |-> "Tick"]}

-----------------------------------------------------------------------------
(* Granting: the newest POSIX lock replaces, an SMB lock stacks.           *)

Granted(s, w) == [s.held EXCEPT ![w.owner] =
                    IF w.owner \in Posix THEN Lay(@, w, w.kind) ELSE Stack(@, w, w.kind)]

(* What a refusal of this grant puts back: units newly held are released,  *)
(* units that were shared are shared again.                                *)
Undo(s, w) == {u \in {[unit |-> n, was |-> k] : n \in Units(w), k \in {"none", "shared"}} :
                 KindAt(s.held[w.owner], u.unit) = u.was /\ u.was # w.kind}

(* The client has shown that it knows better: no call about these bytes.   *)
EndCalls(cs, w) == {c \in cs : ~(c.owner = w.owner /\ Overlap(c, w))}
(* Who waits for a range has heard of its last grant: clients compare no   *)
(* modes, and would take a late copy of that call for the one to come.     *)
Heard(cs, w) == {c \in cs : ~(c.owner = w.owner /\ SameRange(c, w))}

Without(q, i) == SubSeq(q, 1, i - 1) \o SubSeq(q, i + 1, Len(q))

End(w, how) == [owner |-> w.owner, first |-> w.first, last |-> w.last, kind |-> w.kind, how |-> how]

(* The turn of waiter i: NLM is granted and called, SMB is granted and     *)
(* answered, NFSv4 is told and the range is kept.                          *)
Wake(s, i) == LET w == s.queue[i] IN
  CASE Protocol[w.owner] = "v4"  -> [s EXCEPT !.queue[i].told = TRUE]
    [] Protocol[w.owner] = "smb" -> [s EXCEPT !.held = Granted(s, w), !.queue = Without(@, i)]
    [] Protocol[w.owner] = "nlm" ->
         [s EXCEPT !.held  = Granted(s, w),
                   !.queue = Without(@, i),
                   !.calls = @ \cup
                     {[owner |-> w.owner, first |-> w.first, last |-> w.last, kind |-> w.kind,
                       undo |-> Undo(s, w)]}]

(* Every step ends here: the earliest waiter that can go goes, again and   *)
(* again (a grant may free bytes, when it replaces exclusive by shared);   *)
(* then, if a request went past the queue and closed a cycle, the youngest *)
(* waiter on it is refused.                                                *)
RECURSIVE Settle(_, _)
Settle(s, ended) ==
  LET go    == {i \in DOMAIN s.queue : CanGo(s, i)}
      edges == Edges(s)
      stuck == {i \in DOMAIN s.queue : OnCycle(s, edges, i)}
  IN  IF go # {} THEN
        LET i == Earliest(go)
        IN  Settle(Wake(s, i), Append(ended, End(s.queue[i],
              IF Protocol[s.queue[i].owner] = "v4" THEN "told" ELSE "granted")))
      ELSE IF stuck # {} THEN
        LET i == Youngest(stuck)
        IN  Settle([s EXCEPT !.queue = Without(@, i)], Append(ended, End(s.queue[i], "deadlock")))
      ELSE [state |-> s, ended |-> ended]

Done(s, ended, reply) == LET t == Settle(s, ended) IN
  [state |-> t.state, ended |-> t.ended, reply |-> reply, holders |-> {}]
Say(s, reply) == [state |-> s, ended |-> <<>>, reply |-> reply, holders |-> {}]

RECURSIVE Drop(_, _, _, _)        \* waiters that satisfy a test leave the queue
Drop(s, Gone(_), how, ended) ==
  LET is == {i \in DOMAIN s.queue : Gone(s.queue[i])}
  IN  IF is = {} THEN [state |-> s, ended |-> ended]
      ELSE LET i == Earliest(is) IN
        Drop([s EXCEPT !.queue = Without(@, i)], Gone, how, Append(ended, End(s.queue[i], how)))

-----------------------------------------------------------------------------
(* The actions.                                                            *)

(* What an NFSv4 owner waited for, or was told of, is what it has with w.  *)
Had(v, w) == /\ Protocol[v.owner] = "v4" /\ v.owner = w.owner
             /\ Within(v, w) /\ w.kind \in {v.kind, "exclusive"}

LockRequested(s, e) ==
  LET w       == Waiter(e)
      mine    == {i \in DOMAIN s.queue : w.owner \in Posix /\ SameRequest(s.queue[i], w)}
      place   == IF mine # {} THEN Earliest(mine) - 1 ELSE Len(s.queue)
      holders == Holders(s, w)
      ahead   == IF e.wait THEN Before(s, w, place) ELSE {}
      queued  == [s EXCEPT !.queue = Append(@, w)]
      full    == Len(s.queue) >= waiters_per_file_max
      rest    == SelectSeq(s.queue, LAMBDA v : ~Had(v, w))
  IN  IF e.wait /\ w.owner \in Nlm /\ mine # {} THEN Say(s, "blocked")    \* told so again
      ELSE IF w.owner \in Posix /\ HoldsAs(s.held[w.owner], w, w.kind)
      THEN Done([s EXCEPT !.queue = rest, !.calls = EndCalls(@, w)], <<>>, "granted")
      ELSE IF holders \cup ahead = {} /\ ~InOwnWay(s, w)
      THEN Done([s EXCEPT !.held = Granted(s, w), !.queue = rest, !.calls = EndCalls(@, w)],
                <<>>, "granted")
      ELSE IF ~e.wait THEN [Say(s, "denied") EXCEPT !.holders = holders \cup
                              (IF InOwnWay(s, w) THEN {w.owner} ELSE {})]
      ELSE IF mine # {} THEN Say(s, "blocked")
      ELSE IF OnCycle(queued, Edges(queued), Len(queued.queue)) THEN Say(s, "deadlock")
      ELSE IF full THEN Say(s, "limit")
      ELSE Done([queued EXCEPT !.calls = Heard(@, w)], <<>>, "blocked")

Unlocked(s, e) ==
  LET o == e.owner
      Mine(w) == w.owner = o /\ SameRange(w, e)
      gone == Drop(s, Mine, "cancelled", <<>>)
      t == gone.state
  IN  IF o \in Posix
      THEN Done([t EXCEPT !.held[o] = Carve(@, e), !.calls = EndCalls(@, e)],
                gone.ended, "ok")
      ELSE IF CanUnstack(s.held[o], e)
      THEN Done([s EXCEPT !.held[o] = Unstack(@, e)], <<>>, "ok")
      ELSE Say(s, "range_not_locked")

(* NLM CANCEL, SMB CANCEL.  A lock that was granted meanwhile stays:       *)
(* exactly one of the two wins.  NLM is told which (the client that hears  *)
(* `denied` sends UNLOCK); SMB's CANCEL has no reply of its own.           *)
LockCancelled(s, e) ==
  LET is == {i \in DOMAIN s.queue : SameRequest(s.queue[i], e)}
  IN  IF is = {} THEN Say(s, IF e.owner \in Smb THEN "ignored"
                             ELSE IF Holds(s.held[e.owner], e) THEN "denied" ELSE "ok")
      ELSE LET i == Earliest(is)
           IN  Done([s EXCEPT !.queue = Without(@, i)], <<End(e, "cancelled")>>, "ok")

RECURSIVE PutBack(_, _)
PutBack(table, undo) ==
  IF undo = {} THEN table
  ELSE LET u == CHOOSE u \in undo : TRUE
           r == Range(u.unit, u.unit)
       IN  PutBack(IF u.was = "none" THEN Carve(table, r) ELSE Lay(table, r, u.was), undo \ {u})

GrantAnswered(s, e) ==
  LET cs == {c \in s.calls : SameRequest(c, e)}
  IN  IF cs = {} THEN Say(s, "ignored")
      ELSE IF e.accepted THEN Done([s EXCEPT !.calls = @ \ cs], <<>>, "ok")
      ELSE LET c == CHOOSE c \in cs : TRUE
           IN  Done([s EXCEPT !.held[e.owner] = PutBack(@, c.undo), !.calls = @ \ cs], <<>>, "ok")

(* I/O, of an owner through its open or of its host: a read is as a shared *)
(* lock, a write as an exclusive one, but they ask by the rules of I/O.    *)
(* SMB is stopped by ranges of others, and its writes by its own shared    *)
(* ones; NFS by ranges of SMB and of other NFS clients where the policies  *)
(* smb_ranges_on_nfs_io and nfs_ranges_on_nfs_io enforce them.             *)
IoStoppedBy(s, e) ==
  {p \in Owner :
     IF p = e.owner
     THEN p \in Smb /\ e.kind = "exclusive" /\ \E l \in s.held[p] : l.kind = "shared" /\ Overlap(l, e)
     ELSE /\ ConflictsWith(s.held[p], e, e.kind)
          /\ e.owner \in Smb \/ (e.enforced /\ Client[p] # Client[e.owner])}

AccessRequested(s, e) == LET by == IoStoppedBy(s, e) IN
  [Say(s, IF by = {} THEN "ok" ELSE "lock_conflict") EXCEPT !.holders = by]

(* FREE_ALL, SM_NOTIFY, expiry, session end: all owners of the client.     *)
(* CLOSE: the one owner.                                                   *)
Leave(s, owners, how) ==
  LET Theirs(w) == w.owner \in owners
      gone == Drop(s, Theirs, how, <<>>)
  IN  Done([gone.state EXCEPT !.held  = [o \in Owner |-> IF o \in owners THEN {} ELSE @[o]],
                              !.calls = {c \in @ : c.owner \notin owners}], gone.ended, "ok")

OpenClosed(s, e) == Leave(s, {e.owner}, "closed")
ClientLeft(s, e) == Leave(s, {o \in Owner : Client[o] = e.client}, "cancelled")

(* Time: what was kept for a waiter that does not come is given up.        *)
Tick(s) == LET Told(w) == w.told
               gone == Drop(s, Told, "lapsed", <<>>)
           IN  Done(gone.state, gone.ended, "ok")

Step(s, e) ==
  CASE e.type = "LockRequested" -> LockRequested(s, e)
    [] e.type = "Unlocked"      -> Unlocked(s, e)
    [] e.type = "LockCancelled" -> LockCancelled(s, e)
    [] e.type = "GrantAnswered" -> GrantAnswered(s, e)
    [] e.type = "AccessRequested" -> AccessRequested(s, e)
    [] e.type = "OpenClosed"    -> OpenClosed(s, e)
    [] e.type = "ClientLeft"    -> ClientLeft(s, e)
    [] e.type = "Tick"          -> Tick(s)

-----------------------------------------------------------------------------
Init == /\ held = [o \in Owner |-> {}]
        /\ queue = <<>>
        /\ calls = {}

Become(s) == held' = s.held /\ queue' = s.queue /\ calls' = s.calls

Fair(s, e) == TRUE          \* clients may ask anything at any time

(* A model bound, not a rule: stacks are finite.                           *)
Bounded(s) == \A o \in Owner : \A l \in s.held[o] : l.n <= stack_max

Do(e) == LET t == Step(State, e) IN IF Bounded(t.state) THEN Become(t.state) ELSE FALSE
Next  == \E e \in Event : Do(e)
Spec  == Init /\ [][Next]_vars

(* The one projection: what replay, traces and the core's view agree on.   *)
View == [held |-> held, queue |-> queue,
         calls |-> {[owner |-> c.owner, first |-> c.first, last |-> c.last, kind |-> c.kind] : c \in calls}]
=============================================================================
