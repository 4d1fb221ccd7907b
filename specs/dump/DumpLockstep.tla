----------------------------- MODULE DumpLockstep -----------------------------
(* Every transition of the composition as one line, for replay through the *)
(* machines: <<event, state, step>>.  The file is all there is: grace ends *)
(* by itself when nothing on it is left unclaimed.                         *)
EXTENDS MCLockstep

CONSTANTS Sleepers, Tries, Also      \* whose locks wait, whose do not, what happens beside Event

ASSUME PrintT(ToString([Flavour |-> Flavour, Holder |-> Holder, Host |-> Host, grace_scope |-> grace_scope,
                        waiters_per_file_max |-> waiters_per_file_max]))

(* What of Step is not in Event. (To shared locks Locks is the place.)     *)
Nfs == {o \in Owner : Family[o] # "smb"}
Tests == {With([type |-> "LockTested", owner |-> o, first |-> 0, last |-> UnitCount - 1, kind |-> "exclusive"]) : o \in Nfs}
Fails == {[type |-> "JournalChanged", failed |-> f] : f \in BOOLEAN}
Cancels == {e \in L!Event : e.type = "LockCancelled" /\ e.owner \in Nfs}
Exclusive(e) == "kind" \in DOMAIN e => e.kind = "exclusive"
Chosen(e) == e.type = "LockRequested" =>
  IF e.reclaim THEN ~e.wait ELSE e.owner \in (IF e.wait THEN Sleepers ELSE Tries)
DumpEvent == {e \in Event \cup {e \in Tests \cup Cancels \cup Fails : e.type \in Also} : Exclusive(e) /\ Chosen(e)}

(* A request is known by who asked: each owner has one at a time, but who  *)
(* was told that its turn has come asks again.                             *)
Of(s, o) == {i \in DOMAIN s.locks.queue : s.locks.queue[i].owner = o}
Id(s, e) ==
  CASE e.type \in {"PatienceEnded", "RequestCancelled"} ->
         IF Of(s, e.owner) = {} THEN "nobody" ELSE s.locks.queue[L!Youngest(Of(s, e.owner))].asks.id
    [] e.type = "LockRequested" /\ Of(s, e.owner) # {} -> e.owner \o "2"
    [] OTHER -> e.owner
Named(s, e) == IF "id" \in DOMAIN e THEN [e EXCEPT !.id = Id(s, e)] ELSE e

(* Time passes in this order: patience, bars, breaks, grace.               *)
Hasty(s) == {i \in DOMAIN s.locks.queue : Hurried(s.locks.queue[i])}
NextDue(clock, c) == /\ clock # <<>> /\ Head(clock) = c          \* two of a kind may be due at one time
                     /\ \A i \in 2 .. Len(clock) : IsSmb(clock[i]) # IsSmb(c)
NoBars(s) == s.rights.bars = {} /\ ~s.rights.backoff
InTime(s, e) ==
  CASE e.type = "PatienceEnded" -> s.locks.queue[L!Earliest(Hasty(s))].owner = e.owner
    [] e.type = "BarsLifted"    -> Hasty(s) = {}
    [] e.type = "BreakTimedOut" -> Hasty(s) = {} /\ NoBars(s) /\ NextDue(s.rights.clock, e.client)
    [] e.type = "GraceEnded"    -> Hasty(s) = {} /\ NoBars(s) /\ s.rights.clock = <<>>
    [] OTHER -> TRUE

Happens(s, e) ==
  /\ CASE e.type = "LockTested" -> Idle(s, e.owner)
       [] e.type = "LockCancelled" -> \E i \in Of(s, e.owner) : IsLock(s.locks.queue[i].asks)
       [] e.type = "JournalChanged" -> e.failed # s.failed
       [] OTHER -> Fair(s, e)
  /\ InTime(s, e)

(* With the last that was unclaimed grace ends; after that, what a client  *)
(* that is gone was doing on the file.                                     *)
Then(t, e) == [t EXCEPT !.state = Step(@, e).state]
Unclaimed(s) == s.unclaimed # [opens |-> {}, rights |-> {}, locks |-> [o \in Owner |-> {}]]
Over(t) == IF t.state.phase = "grace" /\ ~Unclaimed(t.state) THEN Then(t, [type |-> "GraceEnded"]) ELSE t
RECURSIVE Ended(_, _)
Ended(t, as) == IF as = {} THEN t
  ELSE LET a == CHOOSE a \in as : TRUE IN Ended(Then(t, [type |-> "AccessEnded", owner |-> a.owner, id |-> a.id]), as \ {a})
Whole(e) == LET t == Over(Step(State, e)) IN
  IF e.type = "ClientLeft" THEN Ended(t, {a \in t.state.rights.inflight : Host[a.client] = e.client}) ELSE t

(* Where there is a restart, what waits and is in flight before it, and    *)
(* what comes after grace, is for the graph without one.                   *)
Told(s) == IF s.restarts < restarts_max THEN s.locks.queue = <<>> /\ s.rights.inflight = {}
           ELSE restarts_max = 0 \/ s.phase = "grace"

DumpNext == \E e \in {Named(State, e) : e \in {e \in DumpEvent : Happens(State, e)}} : LET t == Whole(e) IN
  IF Told(State) /\ L!Bounded(t.state.locks)
  THEN /\ PrintT(ToString(<<e, State, [state |-> [t.state EXCEPT !.said = <<>>], said |-> t.state.said,
                                      reply |-> t.reply, holders |-> t.holders]>>))
       /\ Become(t.state)
  ELSE FALSE
=============================================================================
