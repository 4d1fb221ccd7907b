------------------------------- MODULE DumpGrace -------------------------------
(* Every transition of Grace as one line, for replay through the machines. *)
EXTENDS MCGrace

Hosts == [c \in Clients |-> "nlm"]

ASSUME PrintT(ToString([Kind |-> Kind, grace_scope |-> grace_scope]))
DumpNext == \E e \in {e \in Event : Fair(State, e)} : LET t == Step(State, e) IN
  PrintT(ToString(<<e, State, t>>)) /\ Become(t.state)
=============================================================================
