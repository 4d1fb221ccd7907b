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

(* A read changes nothing but what its client knows.                       *)
Read(c) ==
  /\ \/ seen' = [seen EXCEPT ![c] = newest]
     \/ c \in late /\ \E v \in floor[c] .. newest : seen' = [seen EXCEPT ![c] = v]
  /\ UNCHANGED <<newest, shared, written, late, floor>>

(* A write is newest at once; it reaches the server at once or later.      *)
Write(c) ==
  /\ written' = written + 1 /\ newest' = written + 1
  /\ shared' \in {shared, newest'}
  /\ UNCHANGED <<late, floor, seen>>
Flush == shared' = newest /\ UNCHANGED <<newest, written, late, floor, seen>>

(* Breaks arrive (from then on nothing older is read) and leave; the one   *)
(* who alone has the newest version may be cut off in the same moment.     *)
Breaks(arriving, leaving, cutoff) ==
  /\ late' = (late \ arriving) \cup leaving
  /\ floor' = [c \in Clients |-> IF c \in leaving /\ c \notin late \ arriving THEN shared ELSE floor[c]]
  /\ newest' = IF cutoff THEN shared ELSE newest
  /\ UNCHANGED <<shared, written, seen>>

Next == \/ \E c \in Clients : Read(c) \/ Write(c)
        \/ Flush
        \/ \E arriving, leaving \in SUBSET Clients, cutoff \in BOOLEAN : Breaks(arriving, leaving, cutoff)
Spec == Init /\ [][Next]_vars
=============================================================================
