------------------------------- MODULE MCLocks -------------------------------
(* Constants and probes for Locks.                                         *)
EXTENDS LocksProperties, Probing

(* a: an NLM owner, b: an NFSv4 owner, c: an SMB open.                     *)
Mixed    == [o \in Owner |-> CASE o = "a" -> "nlm" [] o = "b" -> "v4" [] o = "c" -> "smb"]
(* a and b: NLM, c and e: SMB, d: NFSv4.                                         *)
TwoNlm   == [o \in Owner |-> CASE o \in {"a", "b"} -> "nlm" [] o \in {"c", "e"} -> "smb" [] o = "d" -> "v4"]
AllSmb   == [o \in Owner |-> "smb"]
AllV4    == [o \in Owner |-> "v4"]
Alone    == [o \in Owner |-> o]
Together == [o \in Owner |-> IF o = "b" THEN "a" ELSE o]     \* two owners of one client

Probes ==
  /\ Probe(1, "P_NobodyWaits", P_NobodyWaits)
  /\ Probe(2, "P_NobodyWaitsTwice", P_NobodyWaitsTwice)
  /\ Probe(3, "P_NoDeadlock", P_NoDeadlock)
  /\ Probe(4, "P_NoVictim", P_NoVictim)
  /\ Probe(5, "P_NoCallback", P_NoCallback)
  /\ Probe(6, "P_NothingPutBack", P_NothingPutBack)
  /\ Probe(7, "P_NobodyTold", P_NobodyTold)
  /\ Probe(8, "P_NoOneOvertakes", P_NoOneOvertakes)
  /\ Probe(9, "P_NoGrantFreesBytes", P_NoGrantFreesBytes)
  /\ Probe(10, "P_NothingStacks", P_NothingStacks)
  /\ Probe(11, "P_CancelAlwaysWins", P_CancelAlwaysWins)
  /\ Probe(12, "P_NoIoStopped", P_NoIoStopped)

=============================================================================
