------------------------------ MODULE MCShares ------------------------------
(* Constants and probes for Shares.                                        *)
EXTENDS Shares, Probing

(* a, d: NFSv4 owners; b, e: SMB opens; c: NLM SHARE; n: NFSv3.            *)
Kinds == [o \in Owner |-> CASE o \in {"a", "d"} -> "v4" [] o \in {"b", "e"} -> "smb"
                            [] o = "c" -> "nlm" [] o = "n" -> "v3"]
rw == {"read", "write"}
NfsModes == {Mode(a, d) : a \in SUBSET rw \ {{}}, d \in {{}, {"read"}, {"write"}}}
SmbModes == {Mode(a, d) : a \in {{"read"}, {"read", "write"}, {"write", "remove"}},
                          d \in {{}, {"remove"}, {"write", "remove"}}}
FewModes == {Mode({"read"}, {}), Mode({"write"}, {}), Mode({"read"}, {"write"})}
AllModes == [o \in Owner |-> CASE Kinds[o] = "v4" -> NfsModes [] Kinds[o] = "smb" -> SmbModes
                               [] Kinds[o] = "nlm" -> FewModes [] OTHER -> {}]

Probes ==
  /\ Probe(1, "P_NoShareConflict", P_NoShareConflict)
  /\ Probe(2, "P_NoFileOpen", P_NoFileOpen)
  /\ Probe(3, "P_NoDowngrade", P_NoDowngrade)
  /\ Probe(4, "P_NoBadDowngrade", P_NoBadDowngrade)
  /\ Probe(5, "P_NeverGone", P_NeverGone)
  /\ Probe(6, "P_NobodyWidens", P_NobodyWidens)
  /\ Probe(7, "P_NeverAllThree", P_NeverAllThree)
=============================================================================
