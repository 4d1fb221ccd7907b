------------------------------ MODULE DumpRights ------------------------------
(* Every transition of Rights as one line, for replay through the machines.*)
(* NFSv4 lock requests are left to Locks: their waiting is another.        *)
EXTENDS Rights

Kinds   == [c \in Clients |-> CASE c \in {"s", "t"} -> "lease" [] c = "o" -> "oplock"
                                [] c \in {"v", "w"} -> "delegation" [] c = "n" -> "none"]
MayAll  == [c \in Clients |-> {"read", "write"}]
MayRead == [c \in Clients |-> IF c \in {"t", "w"} THEN {"read"} ELSE {"read", "write"}]
DenyNothing == [c \in Clients |-> {}]
TDenies == [c \in Clients |-> IF c = "t" THEN {"write", "remove"} ELSE {}]
AllWishes == {R, RH, RW, RWH}

ASSUME PrintT(ToString([Flavour |-> Flavour, Access |-> Access, Deny |-> Deny,
                        waiters_per_file_max |-> waiters_per_file_max]))

Mapped(e) == e.type \in {"LockRequested", "Unlocked"} => Flavour[e.client] # "delegation"
DumpNext == \E e \in {e \in Event : Mapped(e) /\ Fair(State, e)} : LET t == Step(State, e) IN
  PrintT(ToString(<<e, State, t>>)) /\ Become(t.state)
=============================================================================
