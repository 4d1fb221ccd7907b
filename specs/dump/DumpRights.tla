------------------------------ MODULE DumpRights ------------------------------
(* Every transition of Rights as one line, for replay through the machines.*)
(* NFSv4 lock requests are left to Locks: their waiting is another.        *)
EXTENDS MCRights

ASSUME PrintT(ToString([Flavour |-> Flavour, Access |-> Access, Deny |-> Deny,
                        waiters_per_file_max |-> waiters_per_file_max]))

Mapped(e) == e.type \in {"LockRequested", "Unlocked"} => Flavour[e.client] # "delegation"
DumpNext == \E e \in {e \in Event : Mapped(e) /\ Fair(State, e)} : LET t == Step(State, e) IN
  PrintT(ToString(<<e, State, t>>)) /\ Become(t.state)
=============================================================================
