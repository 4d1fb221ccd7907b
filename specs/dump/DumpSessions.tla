----------------------------- MODULE DumpSessions -----------------------------
(* The transitions of Sessions that are the core's, for replay through the *)
(* machines: NSM. What the wire remembers is not in any of them yet.       *)
\* unmapped: ClientSent ClientResent ClientLied SequenceArrived RequestFinished ReplyArrived
\* unmapped: StateChanged ReplyLost StateidUsed ClientRestarted SessionCreated
\* unmapped: CreateArrived SmbLockArrived OpenClosed
EXTENDS MCSessions

ASSUME PrintT(ToString([states_max |-> states_max]))
DumpNext == \E e \in {e \in Event : e.type \in {"HostRebooted", "LockRequested"}} : LET t == Step(State, e) IN
  PrintT(ToString(<<e, State, t>>)) /\ Become(t.state)
=============================================================================
