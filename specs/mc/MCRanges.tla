------------------------------ MODULE MCRanges ------------------------------
(* The lemmas of Ranges, over all ranges and all tables of N units.        *)
EXTENDS Ranges
CONSTANT N
VARIABLE done

Init == done = FALSE
Next == UNCHANGED done

L_CanonicalForm == CanonicalForm(N)
L_LayIsOverride == LayIsOverride(N)
L_CarveIsErase  == CarveIsErase(N)
L_Idempotent    == Idempotent(N)
L_ZeroLength    == ZeroLength(N)
L_StackUnstack  == StackUnstack(N)
L_Overlap       == OverlapIsIntersection(N)

(* Probes: each is false, so that no lemma holds because nothing happens.  *)
P_NeverSplits   == \A t \in Tables(N), r \in RangesOf(N) :
                     Cardinality(Carve(t, r)) <= Cardinality(t)
P_NeverMerges   == \A t \in Tables(N), r \in RangesOf(N), k \in Kind :
                     Cardinality(Lay(t, r, k)) >= Cardinality(t)
P_ZeroIsHarmless == \A z \in ZeroRanges(N), r \in RangesOf(N) : ~Overlap(z, r)
P_NothingStacks == \A r, q \in RangesOf(N), k \in Kind : ~OwnStackRefuses(Stack({}, q, "shared"), r, k)
=============================================================================
