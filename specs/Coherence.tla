------------------------------ MODULE Coherence ------------------------------
(***************************************************************************)
(* What users care about, in a page: a file is ONE register.               *)
(*                                                                         *)
(* Versions are numbered in the order in which they are written.  A read   *)
(* by a client that is not `late` returns the newest version, wherever     *)
(* that version is kept: in the server or in the cache of somebody who may *)
(* cache writes.  A client to which a break is on its way (of a right that *)
(* may be broken without waiting) is late: it may still read what it has,  *)
(* but nothing older than what the last break that reached it left.        *)
(* Versions that nobody but their writer has seen are lost only when the   *)
(* writer crashes or is cut off, and then the register is what it was.     *)
(***************************************************************************)
EXTENDS Integers

CONSTANT Clients
VARIABLES newest,      \* the version that a read returns
          shared,      \* the newest version that the server has
          written,     \* how many versions there ever were
          late,        \* clients to which a break is on its way
          floor,       \* what a late client may read no older version than
          seen         \* what each client read last
vars == <<newest, shared, written, late, floor, seen>>

Init == /\ newest = 0 /\ shared = 0 /\ written = 0 /\ late = {}
        /\ floor = [c \in Clients |-> 0] /\ seen = [c \in Clients |-> 0]

(* What happens to the register: a read changes nothing but what its       *)
(* client knows; a write is newest at once, and reaches the server at once *)
(* or later; the one who alone has the newest version may be cut off.      *)
Read(c) ==
  /\ \/ seen' = [seen EXCEPT ![c] = newest]
     \/ c \in late /\ \E v \in floor[c] .. newest : seen' = [seen EXCEPT ![c] = v]
  /\ UNCHANGED <<newest, shared, written>>
Write(c) == /\ written' = written + 1 /\ newest' = written + 1
            /\ shared' \in {shared, newest'}
            /\ UNCHANGED seen
Flush    == shared' = newest /\ UNCHANGED <<newest, written, seen>>
Lost     == newest' = shared /\ UNCHANGED <<shared, written, seen>>
Nothing  == UNCHANGED <<newest, shared, written, seen>>

(* In the same moment breaks may arrive (from then on nothing older is     *)
(* read) and leave.                                                        *)
Breaks(arriving, leaving) ==
  /\ late' = (late \ arriving) \cup leaving
  /\ floor' = [c \in Clients |-> IF c \in leaving /\ c \notin late \ arriving THEN shared' ELSE floor[c]]

Next == /\ (\E c \in Clients : Read(c) \/ Write(c)) \/ Flush \/ Lost \/ Nothing
        /\ \E arriving, leaving \in SUBSET Clients : Breaks(arriving, leaving)
Spec == Init /\ [][Next]_vars
=============================================================================
