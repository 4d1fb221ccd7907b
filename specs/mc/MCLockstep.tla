------------------------------ MODULE MCLockstep ------------------------------
(* Constants and probes for Lockstep.                                      *)
EXTENDS LockstepProperties, Probing

(* s, t: SMB with leases; o: with oplocks; v: NFSv4 with delegations; n:   *)
(* NFSv3 and NLM.                                                          *)
Kinds   == [c \in Clients |-> CASE c \in {"s", "t"} -> "lease" [] c = "o" -> "oplock"
                                [] c = "v" -> "delegation" [] c = "n" -> "none"]
MayAll  == [c \in Clients |-> {"read", "write"}]
DenyNothing == [c \in Clients |-> {}]
Few     == {{"R", "H"}, {"R", "W"}}
WriteOnly == {{"R", "W"}}
HandleOnly == {{"R", "H"}}
(* Each client is one process, or one open.                                *)
Itself  == [c \in Clients |-> c]
Processes == Clients
(* Two processes of the host n.                                            *)
WithTwo   == (Clients \ {"n"}) \cup {"n1", "n2"}
OfTheirs  == [o \in WithTwo |-> IF o \in Clients THEN o ELSE "n"]

Probes ==
  /\ Probe(1, "P_NobodyWaitsForBreak", P_NobodyWaitsForBreak)
  /\ Probe(2, "P_NobodyWaitsForLock", P_NobodyWaitsForLock)
  /\ Probe(3, "P_NoWriteRight", P_NoWriteRight)
  /\ Probe(4, "P_NoLockBesideRight", P_NoLockBesideRight)
  /\ Probe(5, "P_NoGrace", P_NoGrace)
  /\ Probe(6, "P_NobodyReclaims", P_NobodyReclaims)
  /\ Probe(7, "P_NoSmbLock", P_NoSmbLock)
  /\ Probe(8, "P_NobodyWaitsForGrace", P_NobodyWaitsForGrace)
  /\ Probe(9, "P_NobodyWaitsForAccess", P_NobodyWaitsForAccess)
=============================================================================
