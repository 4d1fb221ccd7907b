------------------------------ MODULE MCRights ------------------------------
(* Constants and probes for Rights.                                        *)
EXTENDS RightsProperties, Probing

(* s, t: SMB; v, w: NFSv4; n: NFSv3 or NLM.                                *)
Kinds   == [c \in Clients |-> CASE c \in {"s", "t"} -> "lease" [] c = "o" -> "oplock"
                                [] c \in {"v", "w"} -> "delegation" [] c = "n" -> "none"]
MayAll  == [c \in Clients |-> {"read", "write"}]
(* The second of a kind only reads.                                        *)
MayRead == [c \in Clients |-> IF c \in {"t", "w"} THEN {"read"} ELSE {"read", "write"}]
DenyNothing == [c \in Clients |-> {}]
(* t denies writing and does not share the name.                           *)
TDenies == [c \in Clients |-> IF c = "t" THEN {"write", "remove"} ELSE {}]
AllWishes == {R, RH, RW, RWH}

Probes ==
  /\ Probe(1, "P_NoWriteRight", P_NoWriteRight)
  /\ Probe(2, "P_NoBreak", P_NoBreak)
  /\ Probe(3, "P_NobodyWaits", P_NobodyWaits)
  /\ Probe(4, "P_NobodyWaitsForTwo", P_NobodyWaitsForTwo)
  /\ Probe(5, "P_NoBar", P_NoBar)
  /\ Probe(6, "P_NothingInFlight", P_NothingInFlight)
  /\ Probe(7, "P_NoShareConflict", P_NoShareConflict)
  /\ Probe(8, "P_NobodyLocksBesideWaiter", P_NobodyLocksBesideWaiter)
  /\ Probe(9, "P_NothingRevoked", P_NothingRevoked)
  /\ Probe(10, "P_NoSecondBreak", P_NoSecondBreak)
  /\ Probe(11, "P_NoLateAck", P_NoLateAck)
  /\ Probe(12, "P_NoWrongAck", P_NoWrongAck)
  /\ Probe(13, "P_NobodyPutOff", P_NobodyPutOff)
=============================================================================
