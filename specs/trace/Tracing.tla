------------------------------- MODULE Tracing -------------------------------
(* Where in the recorded traces we are.                                    *)
EXTENDS Naturals, Sequences
VARIABLES trace, line

Beginning(traces) == trace \in 1 .. Len(traces) /\ line = 1
AtEnd(traces) == line > Len(traces[trace])
NextLine == line' = line + 1 /\ UNCHANGED trace
=============================================================================
