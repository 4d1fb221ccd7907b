------------------------------ MODULE DumpShares ------------------------------
(* Every transition of Shares as one line, for replay through the machines.*)
EXTENDS MCShares

ASSUME PrintT(ToString([Protocol |-> Protocol, smb_deny_on_nfs_io |-> smb_deny_on_nfs_io,
                        unlink_while_open |-> unlink_while_open]))
DumpNext == \E e \in {e \in Event : Fair(State, e)} : LET t == Step(State, e) IN
  PrintT(ToString(<<e, State, t>>)) /\ Become(t.state)
=============================================================================
