--------------------------- MODULE GraceProperties ---------------------------
(***************************************************************************)
(* What Grace promises.  Numbers are those of the list of properties.      *)
(***************************************************************************)
EXTENDS Grace

Has(c) == Stronger(held[c], recovered[c])

(* 1. Held and recovered state excludes; what is recovered counts as held. *)
LockExclusion == \A c, d \in Clients : c # d => ~Contrary(Has(c), Has(d))

(* The point of it all: no two clients that are within their lease and     *)
(* were not told otherwise believe in locks that contradict each other,    *)
(* before, during and after any number of restarts.                        *)
NoTwoBelieve == \A c, d \in Clients :
  c # d /\ {c, d} \cap (revoked \cup courtesy) = {} => ~Contrary(believes[c], believes[d])

(* 19. RecordCovers. Whatever a client was told is on record, with its     *)
(* client, before it was told.  24. NoAmnesia: and every later server run  *)
(* honours it, or has revoked it and will say so.                          *)
RecordCovers == \A c \in Clients : believes[c] # "none" /\ c \notin revoked =>
  Covers(disk.record[c], believes[c]) /\ c \in disk.known
NoAmnesia == phase # "down" => \A c \in Clients : believes[c] # "none" /\ c \notin revoked =>
  Covers(held[c], believes[c]) \/ Covers(recovered[c], believes[c])

(* 18. NoTheft2: what the journal will have made of the disk is exactly    *)
(* what the server has.  So when grace is over nothing unclaimed is left   *)
(* that a second restart could give back.                                  *)
RecordIsState == phase # "down" => \A c \in Clients :
  WrittenAll(disk, journal).record[c] = Has(c)

(* The durable orders: (4) the new boot epoch comes before all else of a   *)
(* run; (1), (2), (3), (5) are RecordCovers, MarkFirst, RecordIsState.     *)
EpochFirst == \A i \in DOMAIN journal : (\E x \in journal[i].changes : x.what = "epoch") => i = 1

-----------------------------------------------------------------------------
(* Steps: s before, e the event, t = Step(s, e).                           *)

(* 15. In grace nothing new is granted (scope all), or nothing that        *)
(* contradicts what is on record (scope recorded) of a client whose lease  *)
(* did not run out since.                                                  *)
GraceBlocks(s, e, t) == s.phase = "grace" /\ t.reply = "granted" =>
  /\ grace_scope = "recorded"
  /\ \A d \in Others(e.client) \ s.courtesy : ~Contrary(s.recovered[d], e.mode)

(* 16. A reclaim gives what is on record, never more.                      *)
ReclaimOnlyHeld(s, e, t) == t.reply = "reclaimed" =>
  Covers(s.disk.record[e.client], e.mode) /\ s.phase = "grace"

(* 17. NoTheft (edge 1), and with RecordIsState edge 2: nobody reclaims    *)
(* what was given to somebody else since.                                  *)
NoTheft(s, e, t) == t.reply = "reclaimed" => e.client \notin s.taint

(* 55, 19. When a grant is told, whoever believes in what contradicts it   *)
(* is durably marked and erased.                                           *)
MarkFirst(s, e, t) == e.type = "JournalWritten" /\ Head(s.journal).reply # NoReply =>
  \A d \in Others(Head(s.journal).reply.client) :
    Contrary(s.believes[d], Head(s.journal).reply.mode) =>
      d \in s.revoked /\ t.state.disk.record[d] = "none"

(* 20. Early end only when everybody on the roster is done, or expired.    *)
EarlyEnd(s, e, t) == s.phase = "grace" /\ t.state.phase = "normal" /\ e.type # "Tick" =>
  \A c \in Clients \ ({e.client} \cup s.courtesy) : s.recovered[c] # "none" => c \in s.completed

(* 21. RECLAIM_COMPLETE counts once in a run.                              *)
CompleteOnce(s, e, t) == e.type = "ReclaimCompleted" =>
  (e.client \in s.completed <=> t.reply = "complete_already")

(* 22. A crash takes nothing from the disk and gives it nothing; replaying *)
(* a batch is idempotent.                                                  *)
Recovery(s, e, t) ==
  /\ e.type = "Crashed" => t.state.disk = s.disk
  /\ e.type = "JournalWritten" =>
       LET once == Written(s.disk, Head(s.journal).changes)
           twice == Written(once, Head(s.journal).changes)
       IN  once.record = twice.record /\ once.known = twice.known /\ once.lost = twice.lost

(* 23. A promise leaves when it is durable, not before.                    *)
PersistBeforeReply(s, e, t) == \A c \in Clients :
  ~Covers(s.believes[c], t.state.believes[c]) => e.type = "JournalWritten"

(* 41. State is taken from a client only when its lease ended and somebody *)
(* wants it, or when grace ended and it was not reclaimed.                 *)
ExpiryHonest(s, e, t) == \A c \in t.state.revoked \ s.revoked :
  \/ c \in s.courtesy /\ e.type = "LockRequested" /\ Contrary(Stronger(s.held[c], s.recovered[c]), e.mode)
  \/ s.phase = "grace" /\ t.state.phase = "normal" /\ s.recovered[c] # "none"

(* Releases are never refused.                                             *)
ReleaseAlways(s, e, t) == e.type = "Unlocked" =>
  t.reply = "ok" /\ t.state.held[e.client] = "none" /\ t.state.recovered[e.client] = "none"

Good(name, holds, s, e, t) == holds \/ Assert(FALSE, <<name, e, t>>)
StepIsGood(s, e, t) ==
  /\ Good("GraceBlocks", GraceBlocks(s, e, t), s, e, t)
  /\ Good("ReclaimOnlyHeld", ReclaimOnlyHeld(s, e, t), s, e, t)
  /\ Good("NoTheft", NoTheft(s, e, t), s, e, t)
  /\ Good("MarkFirst", MarkFirst(s, e, t), s, e, t)
  /\ Good("EarlyEnd", EarlyEnd(s, e, t), s, e, t)
  /\ Good("CompleteOnce", CompleteOnce(s, e, t), s, e, t)
  /\ Good("Recovery", Recovery(s, e, t), s, e, t)
  /\ Good("PersistBeforeReply", PersistBeforeReply(s, e, t), s, e, t)
  /\ Good("ExpiryHonest", ExpiryHonest(s, e, t), s, e, t)
  /\ Good("ReleaseAlways", ReleaseAlways(s, e, t), s, e, t)
CheckedNext == \E e \in {e \in Event : Fair(State, e)} : LET t == Step(State, e) IN
  IF StepIsGood(State, e, t) THEN Become(t.state) ELSE FALSE

(* 20. GraceEnds: also when a recorded client never returns.               *)
GraceEnds == phase = "grace" ~> phase # "grace"

-----------------------------------------------------------------------------
(* Probes: TLC must violate each of these.                                 *)
Replies == {Step(State, e).reply : e \in {e \in Event : Fair(State, e)}}
P_NoGrace       == phase # "grace"
P_NoReclaim     == "reclaimed" \notin Replies
P_NoBadReclaim  == "reclaim_bad" \notin Replies
P_NoGraceReply  == "grace" \notin Replies
P_NoLateReclaim == "no_grace" \notin Replies
P_NoTheftTried  == \A c \in taint : ~(phase = "grace" /\ c \in present)
P_NothingLost   == lost = {}
P_NothingRevoked == revoked = {}
P_NoSecondCrash == disk.epoch < 3
P_NoEarlyEnd    == \A e \in Event : ~(phase = "grace" /\ Fair(State, e) /\ e.type # "Tick"
                                      /\ Step(State, e).state.phase = "normal")
P_NoPart        == \A c \in Clients : held[c] = "none" \/ recovered[c] = "none"
P_NoPartInTheWay == \A e \in Event : ~(~P_NoPart /\ Fair(State, e) /\ e.type = "LockRequested"
                       /\ \A c \in Others(e.client) : ~Contrary(held[c], e.mode)
                       /\ Step(State, e).reply = "grace" /\ grace_scope = "recorded")
P_NoLostBatch   == ~(phase # "down" /\ Len(journal) > 1)
=============================================================================
