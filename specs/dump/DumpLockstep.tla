----------------------------- MODULE DumpLockstep -----------------------------
(* Every transition of the composition as one line, for replay through the *)
(* machines: <<event, state, step>>.  The file is all there is: grace ends *)
(* by itself when nothing on it is left unclaimed.                         *)
EXTENDS MCLockstep

CONSTANTS LockKinds, Sleepers, Also      \* of locks, whose locks wait, what else happens

ASSUME PrintT(ToString([Flavour |-> Flavour, Access |-> Access, Deny |-> Deny, Holder |-> Holder, Host |-> Host,
                        grace_scope |-> grace_scope, waiters_per_file_max |-> waiters_per_file_max]))

Tests == {With(e) @@ [type |-> "LockTested"] : e \in
            {[owner |-> o, first |-> 0, last |-> UnitCount - 1, kind |-> "exclusive"] : o \in {o \in Owner : Family[o] # "smb"}}}
Cancels == {e \in L!Event : e.type = "LockCancelled" /\ Family[e.owner] # "smb"}
Fails == {[type |-> "JournalChanged", failed |-> f] : f \in BOOLEAN}
DumpEvent == Event \cup {e \in Tests \cup Cancels \cup Fails : e.type \in Also}

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
Hurried(s) == {i \in DOMAIN s.locks.queue : ~IsSmb(Holder[s.locks.queue[i].owner]) /\ ~s.locks.queue[i].answered}
NoBars(s) == s.rights.bars = {} /\ ~s.rights.backoff
InTime(s, e) ==
  CASE e.type = "PatienceEnded" -> s.locks.queue[L!Earliest(Hurried(s))].owner = e.owner
    [] e.type = "BarsLifted"    -> Hurried(s) = {}
    [] e.type = "BreakTimedOut" -> Hurried(s) = {} /\ NoBars(s) /\ s.rights.clock # <<>> /\ Head(s.rights.clock) = e.client
    [] e.type = "GraceEnded"    -> Hurried(s) = {} /\ NoBars(s) /\ s.rights.clock = <<>>
    [] OTHER -> TRUE

Happens(s, e) ==
  /\ CASE e.type = "LockTested" -> Idle(s, e.owner)
       [] e.type = "LockCancelled" -> \E i \in Of(s, e.owner) : IsLock(s.locks.queue[i].asks)
       [] e.type = "JournalChanged" -> e.failed # s.failed
       [] OTHER -> Fair(s, e)
  /\ InTime(s, e)
  /\ e.type = "LockRequested" => e.kind \in LockKinds /\ (e.reclaim => ~e.wait) /\ (e.wait => e.owner \in Sleepers)
  /\ e.type = "GrantAnswered" => e.kind \in LockKinds

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

DumpNext == \E e \in {Named(State, e) : e \in {e \in DumpEvent : Happens(State, e)}} : LET t == Whole(e) IN
  IF L!Bounded(t.state.locks)
  THEN /\ PrintT(ToString(<<e, State, [state |-> [t.state EXCEPT !.said = <<>>], said |-> t.state.said,
                                      reply |-> t.reply, holders |-> t.holders]>>))
       /\ Become(t.state)
  ELSE FALSE
=============================================================================
