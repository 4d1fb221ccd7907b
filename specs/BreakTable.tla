------------------------------ MODULE BreakTable ------------------------------
(***************************************************************************)
(* Which operation breaks which right to what, and whether it waits:       *)
(* semantics section 2, as a table.  Sources: MS-FSA 2.1.4.12 and          *)
(* 2.1.5.18 for leases and oplocks, RFC 8881 10.2 and 10.4 for             *)
(* delegations.  core/break_table.hpp is the same table; specs/check       *)
(* compares them cell by cell.                                             *)
(*                                                                         *)
(*   "keep"    nothing is broken                                           *)
(*   "notice"  gone at once, the holder is told                            *)
(*   "ack"     an acknowledgment is due, nobody waits for it               *)
(*   "wait"    the operation waits until the break has ended               *)
(*                                                                         *)
(* "By another key" everywhere; only level II oplocks are broken by their  *)
(* holder's own write and lock (own_too).                                  *)
(***************************************************************************)
EXTENDS Integers, Sequences

R   == {"R"}
RH  == {"R", "H"}
RW  == {"R", "W"}
RWH == {"R", "W", "H"}

Keep  == [how |-> "keep",   to |-> {}, own_too |-> FALSE]
Note0 == [how |-> "notice", to |-> {}, own_too |-> FALSE]
Own0  == [how |-> "notice", to |-> {}, own_too |-> TRUE]
Ack0  == [how |-> "ack",    to |-> {}, own_too |-> FALSE]
Wait0 == [how |-> "wait",   to |-> {}, own_too |-> FALSE]
WaitR  == [Wait0 EXCEPT !.to = R]
WaitRH == [Wait0 EXCEPT !.to = RH]
WaitRW == [Wait0 EXCEPT !.to = RW]

Columns == <<"lease_r", "lease_rh", "lease_rw", "lease_rwh", "level2", "exclusive", "batch",
             "read_delegation", "write_delegation",
             "directory_r", "directory_rh", "directory_delegation">>

Rows == [
(*                     lease R  RH     RW      RWH     level2 excl.  batch   rd del wr del dir R  dir RH dir del *)
  open             |-> <<Keep,  Keep,  WaitR,  WaitRH, Keep,  WaitR, WaitR,  Keep,  Wait0, Keep,  Keep,  Keep>>,
  open_for_write   |-> <<Keep,  Keep,  WaitR,  WaitRH, Keep,  WaitR, WaitR,  Wait0, Wait0, Keep,  Keep,  Keep>>,
  open_security    |-> <<Keep,  Keep,  Keep,   Keep,   Keep,  WaitR, WaitR,  Keep,  Keep,  Keep,  Keep,  Keep>>,
  open_conflict    |-> <<Keep,  WaitR, Keep,   WaitRW, Keep,  Keep,  WaitR,  Keep,  Keep,  Keep,  WaitR, Keep>>,
  overwrite        |-> <<Note0, Ack0,  Wait0,  Wait0,  Note0, Wait0, Wait0,  Wait0, Wait0, Keep,  Keep,  Keep>>,
  read             |-> <<Keep,  Keep,  WaitR,  WaitRH, Keep,  WaitR, WaitR,  Keep,  Wait0, Keep,  Keep,  Keep>>,
  write            |-> <<Note0, Ack0,  Wait0,  Wait0,  Own0,  Wait0, Wait0,  Wait0, Wait0, Keep,  Keep,  Keep>>,
  lock_by_smb      |-> <<Note0, Ack0,  Wait0,  Ack0,   Own0,  Wait0, Wait0,  Wait0, Wait0, Keep,  Keep,  Keep>>,
  lock_by_nfs      |-> <<Note0, Ack0,  Wait0,  Wait0,  Note0, Wait0, Wait0,  Keep,  Wait0, Keep,  Keep,  Keep>>,
  test_lock        |-> <<Keep,  Keep,  Wait0,  Wait0,  Keep,  Wait0, Wait0,  Keep,  Wait0, Keep,  Keep,  Keep>>,
  rename           |-> <<Keep,  WaitR, Keep,   WaitRW, Keep,  Keep,  Wait0,  Wait0, Wait0, Keep,  WaitR, Wait0>>,
  remove           |-> <<Keep,  WaitR, Keep,   WaitRW, Keep,  Keep,  Wait0,  Wait0, Wait0, Keep,  WaitR, Wait0>>,
  set_attributes   |-> <<Keep,  Keep,  Keep,   Keep,   Keep,  Keep,  Keep,   Wait0, Wait0, Keep,  Keep,  Wait0>>,
  get_attributes   |-> <<Keep,  Keep,  Keep,   Keep,   Keep,  Keep,  Keep,   Keep,  Wait0, Keep,  Keep,  Keep>>,
  change_directory |-> <<Keep,  Keep,  Keep,   Keep,   Keep,  Keep,  Keep,   Keep,  Keep,  Note0, Ack0,  Wait0>>
]

Cause == DOMAIN Rows

(* The column of a right: its flavour and what is left of it.              *)
Column(flavour, rights) ==
  CASE flavour = "lease" -> IF "W" \in rights THEN IF "H" \in rights THEN 4 ELSE 3
                            ELSE IF "H" \in rights THEN 2 ELSE 1
    [] flavour = "oplock" -> IF "W" \notin rights THEN 5 ELSE IF "H" \in rights THEN 7 ELSE 6
    [] flavour = "delegation" -> IF "W" \in rights THEN 9 ELSE 8
    [] flavour = "directory_lease" -> IF "H" \in rights THEN 11 ELSE 10
    [] flavour = "directory_delegation" -> 12

Cell(cause, flavour, rights) ==
  IF rights = {} THEN Keep ELSE Rows[cause][Column(flavour, rights)]

(* Laws of the table, so that a slip of the pen does not survive.          *)
Full == <<R, RH, RW, RWH, R, RW, RWH, R, RW, R, RH, R>>
BreaksDown == \A c \in Cause : \A i \in 1 .. 12 :
  LET b == Rows[c][i] IN b.how # "keep" => b.to \subseteq Full[i] /\ b.to # Full[i]
(* What holds back writes must be gone before anybody else reads.          *)
DirtyWaits == \A c \in {"open", "overwrite", "read", "write", "lock_by_nfs"} :
  \A i \in {3, 4, 6, 7, 9} : Rows[c][i].how = "wait" /\ "W" \notin Rows[c][i].to
(* A clean cache is invalidated by every write.                            *)
WritesEndReads == \A i \in 1 .. 9 : Rows["write"][i].how # "keep" /\ Rows["write"][i].to = {}
(* Only Handle rights care for names.                                      *)
NamesEndHandles == \A c \in {"rename", "remove", "open_conflict"} : \A i \in {2, 4, 7} :
  Rows[c][i].how = "wait" /\ "H" \notin Rows[c][i].to
ASSUME BreaksDown /\ DirtyWaits /\ WritesEndReads /\ NamesEndHandles
=============================================================================
