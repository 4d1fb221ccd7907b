------------------------------- MODULE MCGrace -------------------------------
(* Constants and probes for Grace.                                         *)
EXTENDS GraceProperties, Probing

(* a: NFSv4.1, b: NFSv4.0, n: NLM, s: an SMB client with durable handles.  *)
Kinds == [c \in Clients |-> CASE c = "a" -> "v41" [] c = "b" -> "v40" [] c = "n" -> "nlm" [] c = "s" -> "smb"]

Probes ==
  /\ Probe(1, "P_NoGrace", P_NoGrace)
  /\ Probe(2, "P_NoReclaim", P_NoReclaim)
  /\ Probe(3, "P_NoBadReclaim", P_NoBadReclaim)
  /\ Probe(4, "P_NoGraceReply", P_NoGraceReply)
  /\ Probe(5, "P_NoLateReclaim", P_NoLateReclaim)
  /\ Probe(6, "P_NoTheftTried", P_NoTheftTried)
  /\ Probe(7, "P_NothingLost", P_NothingLost)
  /\ Probe(8, "P_NothingRevoked", P_NothingRevoked)
  /\ Probe(9, "P_NoSecondCrash", P_NoSecondCrash)
  /\ Probe(10, "P_NoEarlyEnd", P_NoEarlyEnd)
  /\ Probe(11, "P_NoLostBatch", P_NoLostBatch)
  /\ Probe(12, "P_NoPart", P_NoPart)
  /\ Probe(13, "P_NoPartInTheWay", P_NoPartInTheWay)
=============================================================================
