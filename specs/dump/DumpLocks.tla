------------------------------ MODULE DumpLocks ------------------------------
(* Every transition of Locks as one line, for replay through the machines: *)
(* <<event, state, step>>.                                                 *)
EXTENDS MCLocks

ASSUME PrintT(ToString([Protocol |-> Protocol, Client |-> Client,
                        waiters_per_file_max |-> waiters_per_file_max]))

(* I/O does not look at the queue; with one byte that is seen in every     *)
(* state, with more it would only make the graph twice as large.           *)
Mapped(e) == e.type = "AccessRequested" => UnitCount = 1 \/ queue = <<>>
DumpNext == \E e \in {e \in Event : Mapped(e)} : LET t == Step(State, e) IN
  IF Bounded(t.state) THEN PrintT(ToString(<<e, State, t>>)) /\ Become(t.state) ELSE FALSE
=============================================================================
