-------------------------- MODULE LockstepProperties --------------------------
(***************************************************************************)
(* What holds where the modules meet.  Numbers are those of the list of    *)
(* properties; what concerns one module alone is stated beside that module.*)
(***************************************************************************)
EXTENDS Lockstep

Others(c) == Clients \ {c}
IsNfs(c) == ~IsSmb(c)
InForce(c) == rights.right[c] # {} /\ rights.brk[c] = R!None

(* 1. LockExclusion across NLM, NFSv4 and SMB; what was recovered and not  *)
(* reclaimed counts as held.                                               *)
LockExclusion == \A c, d \in Clients :
  c # d => \A l \in locks.held[c] : ~L!ConflictsWith(locks.held[d], l, l.kind)

(* 3. LeaseExclusion, with ranges: while no break of it is out, a Write    *)
(* right stands alone.                                                     *)
LeaseExclusion == \A c \in Clients : InForce(c) /\ "W" \in rights.right[c] =>
  \A d \in Others(c) : /\ rights.right[d] = {} /\ rights.opens[d] = 0
                       /\ IsNfs(d) => locks.held[d] = {}

(* 47. LockVsLease. An NFS lock of another client and a Write right        *)
(* exclude each other, even while a break is out.                          *)
LockVsLease == \A c \in Clients : "W" \in rights.right[c] =>
  \A d \in Others(c) : IsNfs(d) => locks.held[d] = {}

(* 30. NoLostWakeup. Who waits for breaks waits for ones that are out, and *)
(* who waits for locks could not go now.                                   *)
NoLostWakeup == \A i \in DOMAIN locks.queue :
  /\ \A d \in locks.queue[i].waits : rights.brk[d] # R!None
  /\ ~L!CanGo(Ranges(State), i)

(* 35. Acyclic, whatever the families of the owners.                       *)
Acyclic == LET edges == L!Edges(Ranges(State)) IN
  \A o \in Clients : o \notin L!Reach(edges, {e[2] : e \in {e \in edges : e[1] = o}})

(* 49. HolderPasses. Nobody waits for the end of his own break.            *)
HolderPasses == \A i \in DOMAIN locks.queue : locks.queue[i].owner \notin locks.queue[i].waits

(* 21. OneGrace. Whatever is unclaimed keeps all families in grace.        *)
OneGrace == unclaimed # {} => phase = "grace"

(* 46. ViewComplete. Whatever anybody has or waits for is in the view,     *)
(* once, whatever its family.                                              *)
RECURSIVE Sum(_, _)
Sum(Of(_), cs) == IF cs = {} THEN 0
                  ELSE LET c == CHOOSE c \in cs : TRUE IN Of(c) + Sum(Of, cs \ {c})
ViewComplete ==
  LET Locked(c) == Cardinality(locks.held[c])
      Opened(c) == rights.opens[c]
  IN  /\ Cardinality(View.locks) = Sum(Locked, Clients) /\ Cardinality(View.opens) = Sum(Opened, Clients)
      /\ \A c \in Clients : rights.right[c] # {} => <<c, rights.right[c]>> \in View.rights
      /\ Cardinality(View.waiters) = Len(locks.queue) + Len(rights.queue)

-----------------------------------------------------------------------------
(* Steps: s before, e the event, t = Step(s, e).                           *)
Grown(s, t) == {c \in Clients : ~(t.state.locks.held[c] \subseteq s.locks.held[c])}

(* 12. WriteAfterBreak. A range is granted only when no right of another   *)
(* that has to be waited for is left.                                      *)
WriteAfterBreak(s, e, t) == e.type \notin {"Restarted"} => \A c \in Grown(s, t) : \A d \in Others(c) :
  R!Cell(IF IsSmb(c) THEN "lock_by_smb" ELSE "lock_by_nfs", Flavour[d], t.state.rights.right[d]).how # "wait"
    \/ e.type \in {"Unlocked", "GrantAnswered"}       \* what is left of a lock that was there

(* 15. GraceBlocks. In grace nobody gets anything new.                     *)
GraceBlocks(s, e, t) == s.phase = "grace" /\ e.type # "Restarted" =>
  \A c \in Grown(s, t) : e.type \in {"Unlocked", "GrantAnswered"} /\ e.owner = c

(* 16. ReclaimOnlyHeld. A reclaim adds nothing to what was on record.      *)
ReclaimOnlyHeld(s, e, t) == e.type = "Reclaimed" =>
  t.state.locks.held = s.locks.held /\ e.owner \in s.unclaimed

(* 56. WaitersOfDead. Nothing of a client that is gone is left anywhere.   *)
WaitersOfDead(s, e, t) == e.type = "ClientLeft" =>
  /\ t.state.locks.held[e.client] = {} /\ t.state.rights.right[e.client] = {}
  /\ \A i \in DOMAIN t.state.locks.queue : LET w == t.state.locks.queue[i] IN
       w.owner # e.client /\ e.client \notin w.waits

Good(name, holds, s, e, t) == holds \/ Assert(FALSE, <<name, e, t>>)
StepIsGood(s, e, t) ==
  /\ Good("WriteAfterBreak", WriteAfterBreak(s, e, t), s, e, t)
  /\ Good("GraceBlocks", GraceBlocks(s, e, t), s, e, t)
  /\ Good("ReclaimOnlyHeld", ReclaimOnlyHeld(s, e, t), s, e, t)
  /\ Good("WaitersOfDead", WaitersOfDead(s, e, t), s, e, t)
CheckedNext == \E e \in {e \in Event : Fair(State, e)} : LET t == Step(State, e) IN
  IF L!Bounded(t.state.locks) /\ StepIsGood(State, e, t) THEN Become(t.state) ELSE FALSE

-----------------------------------------------------------------------------
(* Probes: TLC must violate each of these.                                 *)
P_NobodyWaitsForBreak == \A i \in DOMAIN locks.queue : locks.queue[i].waits = {}
P_NobodyWaitsForLock  == \A i \in DOMAIN locks.queue : locks.queue[i].waits # {}
P_NoWriteRight   == \A c \in Clients : "W" \notin rights.right[c]
P_NoLockBesideRight == \A c, d \in Clients : ~(c # d /\ locks.held[c] # {} /\ rights.right[d] # {})
P_NoGrace        == phase = "normal"
P_NobodyReclaims == ~(phase = "grace" /\ \E c \in Clients \ unclaimed : locks.held[c] # {})
P_NoSmbLock      == \A c \in Clients : IsSmb(c) => locks.held[c] = {}
=============================================================================
