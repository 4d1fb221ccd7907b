----------------------------- MODULE DumpDirRights -----------------------------
(* Every transition of DirRights as one line, for replay through the       *)
(* machines.  Notifications and what clients keep are not the core's: to   *)
(* it nobody agreed to be notified, and every change recalls.              *)
\* unmapped: Listed NotificationArrived NotificationLost
EXTENDS MCDirRights

NoMasks == [c \in Clients |-> {}]
ASSUME PrintT(ToString([Flavour |-> Flavour, Names |-> Names]))
(* What is on its way to a client tells states apart only for clients.     *)
Seen == [entries |-> entries, right |-> right, recall |-> recall, waiting |-> waiting, backoff |-> backoff,
         granted |-> granted, clock |-> clock]
Mapped(e) == e.type \notin {"Listed", "NotificationArrived", "NotificationLost"}
DumpNext == \E e \in {e \in Event : Mapped(e) /\ Fair(State, e)} : LET t == Step(State, e) IN
  PrintT(ToString(<<e, State, t>>)) /\ Become(t.state)
=============================================================================
