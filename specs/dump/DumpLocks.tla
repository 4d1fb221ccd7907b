------------------------------ MODULE DumpLocks ------------------------------
(* Every transition of Locks as one line, for replay through the machines: *)
(* <<event, state, step>>.                                                 *)
EXTENDS MCLocks

ASSUME PrintT(ToString([Protocol |-> Protocol, Client |-> Client,
                        waiters_per_file_max |-> waiters_per_file_max]))

DumpNext == \E e \in Event : LET t == Step(State, e) IN
  IF Bounded(t.state) THEN PrintT(ToString(<<e, State, t>>)) /\ Become(t.state) ELSE FALSE
=============================================================================
