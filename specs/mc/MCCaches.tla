------------------------------ MODULE MCCaches ------------------------------
(* Constants and probes for Caches and its refinement of Coherence.        *)
EXTENDS Caches, Probing

Kinds   == [c \in Clients |-> CASE c \in {"s", "t"} -> "lease" [] c = "o" -> "oplock"
                                [] c \in {"v", "w"} -> "delegation" [] c = "n" -> "none"]
MayAll  == [c \in Clients |-> {"read", "write"}]
MayRead == [c \in Clients |-> IF c \in {"t", "w"} THEN {"read"} ELSE {"read", "write"}]
DenyNothing == [c \in Clients |-> {}]
Few     == {RH, RW}

Probes ==
  /\ Probe(1, "P_NobodyDirty", P_NobodyDirty)
  /\ Probe(2, "P_NobodyLate", P_NobodyLate)
  /\ Probe(3, "P_NoStaleCache", P_NoStaleCache)
  /\ Probe(4, "P_NothingDue", P_NothingDue)
  /\ Probe(5, "P_NoFlush", P_NoFlush)
  /\ Probe(6, "P_TwoReadersNever", P_TwoReadersNever)
=============================================================================
