------------------------------ MODULE DumpLocks ------------------------------
(* Every transition of Locks as one line, for replay through the machines: *)
(* <<event, state, step>>.                                                 *)
EXTENDS Locks

Mixed    == [o \in Owner |-> CASE o = "a" -> "nlm" [] o = "b" -> "v4" [] o = "c" -> "smb"]
Named    == [o \in Owner |-> CASE o \in {"a", "b"} -> "nlm" [] o \in {"c", "e"} -> "smb" [] o = "d" -> "v4"]
Alone    == [o \in Owner |-> o]
Together == [o \in Owner |-> IF o = "b" THEN "a" ELSE o]

ASSUME PrintT(ToString([Protocol |-> Protocol, Client |-> Client,
                        waiters_per_file_max |-> waiters_per_file_max]))

DumpNext == \E e \in Event : LET t == Step(State, e) IN
  IF Bounded(t.state) THEN PrintT(ToString(<<e, State, t>>)) /\ Become(t.state) ELSE FALSE
=============================================================================
