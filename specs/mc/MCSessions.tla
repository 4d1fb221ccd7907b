----------------------------- MODULE MCSessions -----------------------------
(* Constants and probes for Sessions.                                      *)
EXTENDS Sessions, Probing

(* Slots alone, and what is beside the slots alone: they do not touch.     *)
SlotsOnly  == \E e \in {e \in Event : e.type \in {"ClientSent", "ClientResent", "ClientLied",
                "SequenceArrived", "RequestFinished", "ReplyArrived"} /\ Fair(State, e)} :
                CheckedStep(e)
BesideOnly == \E e \in {e \in Event : e.type \in {"StateChanged", "ReplyLost", "StateidUsed",
                "HostRebooted", "LockRequested", "ClientRestarted", "SessionCreated",
                "CreateArrived", "SmbLockArrived", "OpenClosed"} /\ Fair(State, e)} :
                CheckedStep(e)

Probes ==
  /\ Probe(1, "P_NoReplay", P_NoReplay)
  /\ Probe(2, "P_NoFalseRetry", P_NoFalseRetry)
  /\ Probe(3, "P_NoMisordered", P_NoMisordered)
  /\ Probe(4, "P_NoDelay", P_NoDelay)
  /\ Probe(5, "P_NoUncached", P_NoUncached)
  /\ Probe(6, "P_NoWrap", P_NoWrap)
  /\ Probe(7, "P_NoOldStateid", P_NoOldStateid)
  /\ Probe(8, "P_NoRepeatedNotify", P_NoRepeatedNotify)
  /\ Probe(9, "P_NoSmbReplay", P_NoSmbReplay)
=============================================================================
