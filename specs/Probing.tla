------------------------------- MODULE Probing -------------------------------
(* Probes: statements that must turn out false somewhere, so that no       *)
(* property holds because nothing happens.  They run beside the            *)
(* properties: the first state that refutes one is reported, once, and     *)
(* specs/check fails when one was never refuted.  What a configuration     *)
(* cannot reach (no waiter where nobody may wait) it names in Unreachable. *)
EXTENDS TLC, Integers, Sequences

CONSTANT Unreachable

ASSUME \A n \in 1 .. 40 : TLCSet(n, 0)

Probe(n, name, statement) ==
  name \in Unreachable \/ TLCGet(n) = 1 \/ statement \/ (TLCSet(n, 1) /\ PrintT("probe " \o name))
=============================================================================
