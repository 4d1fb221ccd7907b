----------------------------- MODULE MCDirRights -----------------------------
(* Constants and probes for DirRights.                                     *)
EXTENDS DirRights, Probing

(* v, w: NFSv4.1 with a delegation (w hears of nothing but additions),     *)
(* s: SMB with a lease, n: anybody who only changes things.                *)
Kinds == [c \in Clients |-> CASE c \in {"v", "w"} -> "directory_delegation"
                              [] c = "s" -> "directory_lease" [] c = "n" -> "none"]
Masks == [c \in Clients |-> CASE c = "v" -> {"add", "remove"} [] c = "w" -> {"add"} [] OTHER -> {}]

Probes ==
  /\ Probe(1, "P_NobodyNotified", P_NobodyNotified)
  /\ Probe(2, "P_QueueNeverFull", P_QueueNeverFull)
  /\ Probe(3, "P_NobodyRecalled", P_NobodyRecalled)
  /\ Probe(4, "P_NobodyWaits", P_NobodyWaits)
  /\ Probe(5, "P_NoStaleListing", P_NoStaleListing)
  /\ Probe(6, "P_NoLetterToLease", P_NoLetterToLease)
=============================================================================
