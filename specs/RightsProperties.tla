--------------------------- MODULE RightsProperties ---------------------------
(***************************************************************************)
(* What Rights promises.  Numbers are those of the list of properties.     *)
(***************************************************************************)
EXTENDS Rights

Others(c)   == Clients \ {c}
InForce(c)  == right[c] # {} /\ brk[c] = None

(* 3. A right to cache writes stands alone while no break of it is out; a  *)
(* read delegation stands beside no writer.                                *)
LeaseExclusion == \A c \in Clients : InForce(c) =>
  /\ "W" \in right[c] => \A d \in Others(c) :
       right[d] = {} /\ opens[d] = 0 /\ ~(lock[d] /\ IsNfs(d))
  /\ Flavour[c] = "delegation" => \A d \in Others(c) :
       /\ "W" \notin right[d]
       /\ opens[d] > 0 => "write" \notin Access[d] /\ "read" \notin Deny[d]

(* 4. A lease or oplock lives with an open; a delegation with its client.  *)
LeaseNeedsOpen == \A c \in Clients : right[c] # {} /\ IsSmb(c) => opens[c] > 0

(* 5. What a break leaves is less.                                         *)
BreakIsDowngrade == \A c \in Clients :
  /\ brk[c] # None => right[c] # {} /\ brk[c] \subseteq right[c] /\ brk[c] # right[c]
  /\ acked[c] # None => brk[c] # None /\ acked[c] \subseteq brk[c] /\ Flushing(State, c)

(* 12 and 48. While an access is going on, every right of another that it  *)
(* breaks is already on its way out, and what had to be waited for is gone.*)
NoGrantInFlight == \A a \in inflight : \A d \in Others(a.client) :
  LET cell == Cell(CauseInFlight(a), Flavour[d], right[d]) IN
    cell.how # "keep" => brk[d] # None /\ brk[d] \subseteq cell.to /\ cell.how # "wait"

(* 43. No delegation beside a conflicting open or lock, or under a bar.    *)
NoDelegAfterConflict == \A c \in Clients :
  InForce(c) /\ Flavour[c] = "delegation" /\ "W" \in right[c] =>
    \A d \in Others(c) : ~lock[d]

(* 47. An NFS lock of another client and a Write right exclude each other, *)
(* even while a break is out.                                              *)
LockVsLease == \A c \in Clients : "W" \in right[c] =>
  \A d \in Others(c) : ~(lock[d] /\ IsNfs(d))

(* 1, for this module's one big lock.                                      *)
LockExclusion == Cardinality({c \in Clients : lock[c]}) <= 1

(* 30. Whoever waits, waits for a break that is out, or for locks.         *)
NoLostWakeup == \A i \in DOMAIN queue :
  /\ \A d \in queue[i].waits : brk[d] # None
  /\ ~Ready(State, i)

(* 49. Nobody waits for the end of his own break.                          *)
HolderPasses == \A i \in DOMAIN queue : queue[i].client \notin queue[i].waits

-----------------------------------------------------------------------------
(* Steps: s before, e the event, t = Step(s, e).                           *)

Grew(s, t, c)   == ~(t.state.right[c] \subseteq s.right[c])
Shrank(s, t, c) == ~(s.right[c] \subseteq t.state.right[c])
Sends(t, what, c) == {n \in DOMAIN t.out : t.out[n].what = what /\ t.out[n].client = c}
Answers(t, c)   == Sends(t, "reply", c)

(* 5, step. A right grows only by a grant to its holder's open, and never  *)
(* while it breaks.                                                        *)
GrowsByGrant(s, e, t) == \A c \in Clients : Grew(s, t, c) =>
  /\ s.brk[c] = None \/ t.state.brk[c] = None \/ Sends(t, "break", c) # {}
  /\ t.state.opens[c] > s.opens[c]

(* Its own writes end before the break does: who waited sees them.         *)
FlushFirst(s, e, t) == \A c \in Clients :
  s.brk[c] # None /\ t.state.brk[c] = None /\ e.type = "BreakAcknowledged" => ~Flushing(s, c)

(* 38, 42. A right shrinks because its holder said so, or its time was up  *)
(* (never sooner), or for a notice that the table names; a late or wrong   *)
(* acknowledgment changes nothing.                                         *)
RevokeOnlyLate(s, e, t) == \A c \in Clients : Shrank(s, t, c) =>
  \/ e.type \in {"BreakAcknowledged", "RightReturned", "OpenClosed", "ClientLeft"} /\ e.client = c
  \/ e.type = "AccessEnded" /\ e.client = c /\ s.acked[c] # None
  \/ e.type = "Tick" /\ e.due = "breaks" /\ s.brk[c] # None
       /\ Sends(t, "revoked", c) # {}
  \/ \E n \in Sends(t, "break", c) : ~t.out[n].ack
LateAck(s, e, t) == e.type = "BreakAcknowledged" =>
  (s.brk[e.client] = None \/ ~(e.rights \subseteq s.brk[e.client]) => t.state = s)
RevokedAreTold(s, e, t) == \A c \in Clients : Sends(t, "revoked", c) # {} =>
  s.brk[c] # None /\ s.acked[c] = None /\ e.type = "Tick"

(* 39. One break at a time.                                                *)
OneBreak(s, e, t) == \A c \in Clients :
  \/ Cardinality(Sends(t, "break", c)) <= 1
  \/ \E n \in Answers(t, c) : TRUE            \* granted, broken again, in one step
KeepsTarget(s, e, t) == \A c \in Clients :
  s.brk[c] # None /\ t.state.brk[c] # None /\ t.state.brk[c] # s.brk[c] => Sends(t, "break", c) # {}

(* 45. Every break has its cause: a request of another that the table      *)
(* names, made now or judged again now; or it is the next step of one that *)
(* was, for somebody who needs more of it (who may be gone by now).        *)
Causes(s, e) ==
  {Request(e) : x \in IF e.type \in {"OpenRequested", "AccessRequested", "LockRequested"} THEN {1} ELSE {}}
    \cup {s.queue[i] : i \in DOMAIN s.queue}
NoBreakWithoutCause(s, e, t) == \A c \in Clients : Sends(t, "break", c) # {} =>
  \/ s.need[c] # s.brk[c]
  \/ \E q \in Causes(s, e) : \E k \in {CauseOf(q)} \cup (IF IsOpen(q) THEN {"open_conflict"} ELSE {}) :
    LET cell == Cell(k, Flavour[c], s.right[c]) IN
      (q.client # c \/ cell.own_too) /\ (cell.how # "keep" \/ t.state.opens[c] > s.opens[c])

(* 44. A request is answered once, or parked, and then answered once.      *)
GrantOnce(s, e, t) == \A c \in Clients :
  LET waiting(q) == Cardinality({i \in DOMAIN q : q[i].client = c})
      asks == e.type # "Tick" /\ e.client = c /\ e.type \notin {"AccessEnded", "RequestCancelled", "ClientLeft"}
  IN  Cardinality(Answers(t, c)) =
        waiting(s.queue) - waiting(t.state.queue) + (IF asks THEN 1 ELSE 0)

(* 49, step. What completes a break is not held up by who waits for it: a  *)
(* holder's write, lock, close, return, acknowledgment goes on, unless     *)
(* somebody else's right, lock or truncation under way stands in its way.  *)
Completes(e) ==
  \/ e.type \in {"OpenClosed", "BreakAcknowledged", "RightReturned", "Unlocked", "LockRequested"}
  \/ e.type = "AccessRequested" /\ e.operation = "write"
NotHeldUp(s, e, t) ==
  Completes(e) /\ s.brk[e.client] # None /\ Sends(t, "parked", e.client) # {} =>
       \/ \E i \in DOMAIN t.state.queue : t.state.queue[i].client = e.client /\ t.state.queue[i].waits # {}
       \/ \E d \in Others(e.client) : s.lock[d]
       \/ e.type = "LockRequested" /\ \E a \in s.inflight : a.client # e.client /\ a.what = "overwrite"

(* 57. No break of a right before the reply that granted it.               *)
RecallAfterReply(s, e, t) == \A c \in Clients : \A n \in Sends(t, "break", c) :
  s.right[c] = {} => \E m \in Answers(t, c) : m < n

(* 59. What was put off finds no new right that would put it off again.    *)
RegrantBar(s, e, t) == \A c \in Clients : Grew(s, t, c) =>
  \A b \in t.state.bars : b.client # c => Cell(b.cause, Flavour[c], t.state.right[c]).how = "keep"

(* 56. Nothing is left of a client that is gone.                           *)
WaitersOfDead(s, e, t) == e.type = "ClientLeft" =>
  /\ \A i \in DOMAIN t.state.queue : t.state.queue[i].client # e.client /\ e.client \notin t.state.queue[i].waits
  /\ t.state.right[e.client] = {} /\ t.state.brk[e.client] = None /\ t.state.opens[e.client] = 0

Good(name, holds, s, e, t) == holds \/ Assert(FALSE, <<name, e, t>>)

StepIsGood(s, e, t) ==
  /\ Good("GrowsByGrant", GrowsByGrant(s, e, t), s, e, t)
  /\ Good("FlushFirst", FlushFirst(s, e, t), s, e, t)
  /\ Good("RevokeOnlyLate", RevokeOnlyLate(s, e, t), s, e, t)
  /\ Good("LateAck", LateAck(s, e, t), s, e, t)
  /\ Good("RevokedAreTold", RevokedAreTold(s, e, t), s, e, t)
  /\ Good("OneBreak", OneBreak(s, e, t), s, e, t)
  /\ Good("KeepsTarget", KeepsTarget(s, e, t), s, e, t)
  /\ Good("NoBreakWithoutCause", NoBreakWithoutCause(s, e, t), s, e, t)
  /\ Good("GrantOnce", GrantOnce(s, e, t), s, e, t)
  /\ Good("NotHeldUp", NotHeldUp(s, e, t), s, e, t)
  /\ Good("RecallAfterReply", RecallAfterReply(s, e, t), s, e, t)
  /\ Good("RegrantBar", RegrantBar(s, e, t), s, e, t)
  /\ Good("WaitersOfDead", WaitersOfDead(s, e, t), s, e, t)

(* The module's Next, each step of which is checked as it is taken.        *)
CheckedNext == \E e \in {e \in Event : Fair(State, e)} : LET t == Step(State, e) IN
  IF StepIsGood(State, e, t) THEN Become(t.state) ELSE FALSE

-----------------------------------------------------------------------------
(* Liveness needs two things of the world: time passes, accesses end.      *)
(* (Weak fairness, written out: of ENABLED TLC remembers nothing, and a    *)
(* step takes it seconds.)                                                 *)
Moves(e) == Fair(State, e) /\ Step(State, e).state # State
Happens(e) == <>[]Moves(e) => []<><<Do(e)>>_vars
LiveSpec == Spec /\ Happens([type |-> "Tick", due |-> "breaks"])
            /\ \A c \in Clients : Happens([type |-> "AccessEnded", client |-> c])

(* 37. BreakEnds, and 40. ConflictResolves: who waits for a break goes on, *)
(* is refused or is put off.                                               *)
BreakEnds == \A c \in Clients : brk[c] # None ~> brk[c] = None
WaitsForBreak(c) == \E i \in DOMAIN queue : queue[i].client = c /\ queue[i].waits # {}
ConflictResolves == \A c \in Clients : WaitsForBreak(c) ~> ~WaitsForBreak(c)

-----------------------------------------------------------------------------
(* Probes: TLC must violate each of these.                                 *)
Outs == UNION {{Step(State, e).out[n] : n \in DOMAIN Step(State, e).out} :
                 e \in {e \in Event : Fair(State, e)}}
Said(status) == \E o \in Outs : o.what = "reply" /\ o.status = status
P_NoWriteRight   == \A c \in Clients : "W" \notin right[c]
P_NoBreak        == \A c \in Clients : brk[c] = None
P_NobodyWaits    == Len(queue) = 0
P_NobodyWaitsForTwo == \A i \in DOMAIN queue : Cardinality(queue[i].waits) < 2
P_NoBar          == bars = {}
P_NothingInFlight == inflight = {}
P_NoShareConflict == ~Said("share_conflict")
P_NobodyLocksBesideWaiter == \A c \in Clients : lock[c] => brk[c] = None
P_NothingRevoked == \A c \in Clients : [what |-> "revoked", client |-> c] \notin Outs
P_NoSecondBreak  == \A e \in Event : Fair(State, e) => \A c \in Clients :
                       State.brk[c] = None \/ Sends(Step(State, e), "break", c) = {}
P_NoLateAck      == ~Said("not_breaking")
P_NoWrongAck     == ~Said("ack_exceeds")
P_NobodyPutOff   == ~Said("later")
=============================================================================
