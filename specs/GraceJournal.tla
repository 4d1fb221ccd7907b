---------------------------- MODULE GraceJournal -----------------------------
(***************************************************************************)
(* Restart and reclaim: the state, and what is made durable, in order.     *)
(* The journal is a sequence of batches; JournalWritten makes the first of *)
(* them durable and only then do the replies that depend on it leave.  A   *)
(* crash may come at any moment; batches that were not written are lost.   *)
(*                                                                         *)
(*   phase        "down", "grace", "normal"                                *)
(*   held, recovered   what clients have now; what the records protect for *)
(*                them until they reclaim it or grace ends                 *)
(*   present, completed, roster, courtesy, lost   sets of clients          *)
(*   disk         [record, known, lost, epoch]                             *)
(*   journal      batches: [changes, reply]                                *)
(*   believes     what a client was told that it has, and not told to have *)
(*                lost                                                     *)
(* and two ghosts: taint (somebody was told since of a grant that          *)
(* contradicts what the client had), revoked (the server took the state    *)
(* away and will say so).                                                  *)
(***************************************************************************)
EXTENDS Integers, FiniteSets, Sequences, TLC

CONSTANTS Clients, Kind,          \* [Clients -> {"v41", "v40", "nlm", "smb"}]
          Modes,                  \* what can be asked for
          Parts,                  \* clients whose lock is such an OPEN
          grace_scope,            \* "all" or "recorded"
          crashes_max, journal_max

VARIABLES phase, held, recovered, present, completed, roster, courtesy, lost,
          disk, journal, failed, believes, taint, revoked
vars == <<phase, held, recovered, present, completed, roster, courtesy, lost,
          disk, journal, failed, believes, taint, revoked>>

State == [phase |-> phase, held |-> held, recovered |-> recovered, present |-> present,
          completed |-> completed, roster |-> roster, courtesy |-> courtesy, lost |-> lost,
          disk |-> disk, journal |-> journal, failed |-> failed, believes |-> believes,
          taint |-> taint, revoked |-> revoked]

Strength(m) == CASE m = "none" -> 0 [] m = "shared" -> 1 [] m = "exclusive" -> 2
Covers(m, n) == Strength(m) >= Strength(n)
Stronger(m, n) == IF Covers(m, n) THEN m ELSE n
Contrary(m, n) == m # "none" /\ n # "none" /\ "exclusive" \in {m, n}
Leased(c) == Kind[c] \in {"v40", "v41"}
Others(c) == Clients \ {c}
Nobody == [c \in Clients |-> "none"]

-----------------------------------------------------------------------------
(* Journal. A change puts one record; the last change of a thing counts.   *)

PutLock(c, m)   == [what |-> "lock", client |-> c, mode |-> m]
PutClient(c, l) == [what |-> "client", client |-> c, mode |-> IF l THEN "lost" ELSE "good"]
Forget(c)       == [what |-> "client", client |-> c, mode |-> "none"]
NoReply == [client |-> "nobody", status |-> "none", mode |-> "none"]

Written(d, changes) ==
  LET Of(w, c) == {x \in changes : x.what = w /\ x.client = c}
      New(w, c) == (CHOOSE x \in Of(w, c) : TRUE).mode
  IN  [record |-> [c \in Clients |-> IF Of("lock", c) # {} THEN New("lock", c) ELSE d.record[c]],
       known  |-> {c \in Clients : IF Of("client", c) # {} THEN New("client", c) # "none" ELSE c \in d.known},
       lost   |-> {c \in Clients : IF Of("client", c) # {} THEN New("client", c) = "lost" ELSE c \in d.lost},
       epoch  |-> d.epoch + Cardinality({x \in changes : x.what = "epoch"})]

(* What the disk will hold when all that is in the journal is written.     *)
RECURSIVE WrittenAll(_, _)
WrittenAll(d, j) == IF j = <<>> THEN d ELSE WrittenAll(Written(d, Head(j).changes), Tail(j))

Batch(changes, reply) == [changes |-> changes, reply |-> reply]
Reply(c, status, m) == [client |-> c, status |-> status, mode |-> m]

(* Every step ends here: one batch if anything changed on record; a reply  *)
(* that promises waits for it, any other leaves at once.                   *)
Out(s, changes, c, status, m) ==
  LET promises == status = "granted" \/ status = "reclaimed"
  IN  [state |-> IF changes = {} /\ ~promises THEN s
                 ELSE [s EXCEPT !.journal = Append(@, Batch(changes,
                                 IF promises THEN Reply(c, status, m) ELSE NoReply))],
       reply |-> status]
=============================================================================
