-------------------------- MODULE LockstepProperties --------------------------
(***************************************************************************)
(* What holds where the modules meet.  Numbers are those of the list of    *)
(* properties; what concerns one module alone is stated beside that module.*)
(***************************************************************************)
EXTENDS Lockstep

Others(c) == Clients \ {c}
IsNfs(c) == ~IsSmb(c)
InForce(c) == rights.right[c] # {} /\ rights.brk[c] = R!None
Held(c) == \E o \in Owners[c] : locks.held[o] # {}

(* 1. LockExclusion across NLM, NFSv4 and SMB; what was recovered and not  *)
(* reclaimed counts as held.                                               *)
LockExclusion == \A c, d \in Owner :
  c # d => \A l \in locks.held[c] : ~L!ConflictsWith(locks.held[d], l, l.kind)

(* 3. LeaseExclusion, with ranges: while no break of it is out, a Write    *)
(* right stands alone.                                                     *)
LeaseExclusion == \A c \in Clients : InForce(c) /\ "W" \in rights.right[c] =>
  \A d \in Others(c) : /\ rights.right[d] = {} /\ rights.opens[d] = 0
                       /\ IsNfs(d) => ~Held(d)

(* 47. LockVsLease. An NFS lock of another client and a Write right        *)
(* exclude each other, even while a break is out.                          *)
LockVsLease == \A c \in Clients : "W" \in rights.right[c] =>
  \A d \in Others(c) : IsNfs(d) => ~Held(d)

(* 30. NoLostWakeup. Who waits for breaks waits for ones that are out, who *)
(* waits for what is in flight or for grace has cause, and who waits for   *)
(* ranges could not go now.                                                *)
NoLostWakeup == \A i \in DOMAIN locks.queue : LET w == locks.queue[i] IN
  /\ ~w.woken /\ "turn" \notin w.waits
  /\ w.waits \cap Clients \subseteq Out(State)
  /\ "accesses" \in w.waits => Busy(State, w.asks)
  /\ "grace" \in w.waits => phase = "grace"
  /\ ForRanges(w) => ~L!CanGo(Ranges(State), i)

(* 35. Acyclic, whatever the families of the owners.                       *)
Acyclic == LET edges == L!Edges(Ranges(State)) IN
  \A o \in Owner : o \notin L!Reach(edges, {e[2] : e \in {e \in edges : e[1] = o}})

(* 49. HolderPasses. Nobody waits for the end of his own break.            *)
HolderPasses == \A i \in DOMAIN locks.queue : Holder[locks.queue[i].owner] \notin locks.queue[i].waits

(* 21. OneGrace. Whatever is unclaimed keeps all families in grace.        *)
OneGrace == (unclaimed.opens \cup unclaimed.rights # {} \/ Pairs(unclaimed.locks, Owner) # {}) => phase = "grace"

(* What is unclaimed is there.                                             *)
UnclaimedIsHeld == /\ \A o \in unclaimed.opens : shares.opens[o] # {}
                   /\ \A o \in Owner : \A l \in unclaimed.locks[o] :
                        IF Family[o] = "smb" THEN L!Count(locks.held[o], l, l.kind) >= l.n
                        ELSE L!HoldsAs(locks.held[o], l, l.kind)

(* 46. ViewComplete. Whatever anybody has or waits for is in the view,     *)
(* once, whatever its family.                                              *)
RECURSIVE Sum(_, _)
Sum(Of(_), cs) == IF cs = {} THEN 0
                  ELSE LET c == CHOOSE c \in cs : TRUE IN Of(c) + Sum(Of, cs \ {c})
ViewComplete ==
  LET Ranged(o) == Cardinality(locks.held[o])
      Opens(o) == Cardinality(shares.opens[o])
  IN  /\ Cardinality(View.locks) = Sum(Ranged, Owner) /\ Cardinality(View.opens) = Sum(Opens, Owner)
      /\ \A c \in Clients : rights.right[c] # {} => <<c, rights.right[c]>> \in View.rights
      /\ Cardinality(View.waiters) = Len(locks.queue) /\ rights.queue = <<>>

-----------------------------------------------------------------------------
(* Steps: s before, e the event, t = Step(s, e).                           *)
Grown(s, t) == {o \in Owner : ~(t.state.locks.held[o] \subseteq s.locks.held[o])}
GivesBack(e, o) == e.type \in {"Unlocked", "GrantAnswered"} /\ e.owner = o    \* what is left of a lock that was there

(* 12. WriteAfterBreak. A range is granted only when no right of another   *)
(* that has to be waited for is left.                                      *)
WriteAfterBreak(s, e, t) == e.type # "Restarted" => \A o \in Grown(s, t) : \A d \in Others(Holder[o]) :
  R!Cell(IF IsSmb(Holder[o]) THEN "lock_by_smb" ELSE "lock_by_nfs", Flavour[d], t.state.rights.right[d]).how # "wait"
    \/ GivesBack(e, o)

(* 15. GraceBlocks. In grace nobody gets anything new.                     *)
GraceBlocks(s, e, t) == s.phase = "grace" /\ grace_scope = "all" /\ e.type \notin {"Restarted", "GraceEnded"} =>
  /\ \A o \in Grown(s, t) : GivesBack(e, o)
  /\ \A o \in Owner : s.shares.opens[o] = {} => t.state.shares.opens[o] = {}

(* 16. ReclaimOnlyHeld. A reclaim adds nothing to what was on record.      *)
ReclaimOnlyHeld(s, e, t) == e.type = "LockRequested" /\ e.reclaim /\ t.reply = "granted" =>
  t.state.locks.held = s.locks.held /\ s.unclaimed.locks[e.owner] # {}

(* 56. WaitersOfDead. Nothing of a client that is gone is left anywhere.   *)
WaitersOfDead(s, e, t) == e.type = "ClientLeft" =>
  /\ \A o \in OfHost[e.client] : t.state.locks.held[o] = {} /\ t.state.shares.opens[o] = {}
  /\ \A c \in Clients : Host[c] = e.client => t.state.rights.right[c] = {}
  /\ \A i \in DOMAIN t.state.locks.queue : LET w == t.state.locks.queue[i] IN
       HostOf(w.owner) # e.client /\ \A c \in Clients : Host[c] = e.client => c \notin w.waits

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
P_NobodyWaitsForBreak == \A i \in DOMAIN locks.queue : locks.queue[i].waits \cap Clients = {}
P_NobodyWaitsForLock  == \A i \in DOMAIN locks.queue : ~ForRanges(locks.queue[i])
P_NobodyWaitsForGrace == \A i \in DOMAIN locks.queue : "grace" \notin locks.queue[i].waits
P_NobodyWaitsForAccess == \A i \in DOMAIN locks.queue : "accesses" \notin locks.queue[i].waits
P_NoWriteRight   == \A c \in Clients : "W" \notin rights.right[c]
P_NoLockBesideRight == \A c, d \in Clients : ~(c # d /\ Held(c) /\ rights.right[d] # {})
P_NoGrace        == phase = "normal"
P_NobodyReclaims == ~(phase = "grace" /\ \E o \in Owner : locks.held[o] # {} /\ unclaimed.locks[o] = {})
P_NoSmbLock      == \A c \in Clients : IsSmb(c) => ~Held(c)
=============================================================================
