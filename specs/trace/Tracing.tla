------------------------------- MODULE Tracing -------------------------------
(* Where in the recorded traces we are, and how a run says which of them   *)
(* it accepts: every trace is a behaviour of its own; one that comes to    *)
(* its end is accepted, one that has no step at a line is refused there.   *)
EXTENDS Naturals, Sequences, TLC
VARIABLES trace, line

Beginning(traces) == trace \in 1 .. Len(traces) /\ line = 1
AtEnd(traces) == line > Len(traces[trace])
Accepted == PrintT(<<"accepted", trace>>) /\ FALSE
(* `step`: what the specification would do in place of what was recorded.  *)
Refused(here, step) == PrintT(<<"refused", trace, line>>) /\ PrintT(here) /\ PrintT(step) /\ FALSE
NextLine == line' = line + 1 /\ UNCHANGED trace
=============================================================================
