--------------------------- MODULE RightsJudging -----------------------------
(***************************************************************************)
(* The caching rights of one file: what an operation meets (breaks to      *)
(* begin, breaks to wait for, deny modes, locks), and what may be granted  *)
(* beside it (semantics, sections 2 and 5).  (What happens is in Rights.)  *)
(*                                                                         *)
(* Each client has at most one right on the file, named by the client      *)
(* itself (its lease key, its open, its client id); Flavour says of which  *)
(* kind.  A client of flavour "none" is NFSv3: no opens, no rights, but it *)
(* reads, writes, locks, removes.  What an open of the client may do and   *)
(* denies is fixed for the model: Access, Deny.                            *)
(*                                                                         *)
(*   opens[c]   how many opens of c are in effect                          *)
(*   right[c]   what c may cache; brk[c] what its break leaves, or None    *)
(*   need[c]    what the break leaves in the end: its target, or less when *)
(*              an SMB open came later and needs more of it                *)
(*   acked[c]   what c acknowledged while writes of its own are still in   *)
(*              flight (it flushes and acknowledges without waiting for    *)
(*              the replies): the break ends with the last of them         *)
(*   clock      who has to answer a break, in the order of the deadlines    *)
(*   lock[c]    whether c holds an exclusive lock on the whole file        *)
(*   inflight   accesses that were let through and have not ended          *)
(*   queue      who waits, in order of arrival, each with the holders      *)
(*              whose breaks it waits for ({}: it waits for locks); woken, *)
(*              only within a step: what it waited for changed, judge it   *)
(*   bars       operations that were put off: nobody else gets a right     *)
(*              that they would have to break again                        *)
(*   backoff    a recall ended a moment ago: no delegation yet             *)
(***************************************************************************)
EXTENDS BreakTable, FiniteSets, Integers, TLC

CONSTANTS
  Clients, Flavour,      \* [Clients -> {"lease", "oplock", "delegation", "none"}]
  Access, Deny,          \* [Clients -> SUBSET {"read", "write", "remove"}]
  Wishes,                \* what opens may ask for
  Operations,            \* accesses: causes of BreakTable, and "lock"
  Overwrites,            \* whether opens may overwrite
  opens_max, waiters_per_file_max

None == {"no break"}     \* a set, so that TLC can compare it with rights

VARIABLES opens, right, brk, need, acked, clock, lock, inflight, queue, bars, backoff
vars == <<opens, right, brk, need, acked, clock, lock, inflight, queue, bars, backoff>>

State == [opens |-> opens, right |-> right, brk |-> brk, need |-> need, acked |-> acked, clock |-> clock, lock |-> lock,
          inflight |-> inflight, queue |-> queue, bars |-> bars, backoff |-> backoff]

IsSmb(c) == Flavour[c] \in {"lease", "oplock"}
IsNfs(c) == ~IsSmb(c)

-----------------------------------------------------------------------------
(* A request, as it is judged now or after it waited.                      *)
Request(e) ==
  [client |-> e.client,
   what   |-> CASE e.type = "OpenRequested" -> IF e.overwrite THEN "overwrite" ELSE "open"
                [] e.type = "AccessRequested" -> e.operation
                [] e.type = "LockRequested" -> "lock",
   wish   |-> IF e.type = "OpenRequested" THEN e.wish ELSE {},
   waits  |-> {}, woken |-> FALSE]

CauseOf(q) ==
  CASE q.what = "open" -> IF "write" \in Access[q.client] \/ "read" \in Deny[q.client]
                          THEN "open_for_write" ELSE "open"
    [] q.what = "lock" -> IF IsSmb(q.client) THEN "lock_by_smb" ELSE "lock_by_nfs"
    [] OTHER -> q.what

IsOpen(q) == q.what \in {"open", "overwrite"}

-----------------------------------------------------------------------------
(* Judging a request: deny modes, then rights, then locks; the first that  *)
(* stands in the way decides.                                              *)

Clashes(c, d) == Access[c] \cap Deny[d] # {} \/ Access[d] \cap Deny[c] # {}

(* Deny modes: of opens against opens, of remove and rename against opens  *)
(* that do not share the name.                                             *)
DenyClash(s, q) == \E d \in Clients : s.opens[d] > 0 /\
  CASE IsOpen(q) -> (d # q.client \/ s.opens[d] > 0) /\ Clashes(q.client, d)
    [] q.what = "remove" \/ (q.what = "rename" /\ IsSmb(q.client)) ->
         (d # q.client \/ s.opens[d] > 1) /\ "remove" \in Deny[d]
    [] OTHER -> FALSE

(* The rights in the way and their cells: of others, and a level II oplock *)
(* of its own where it writes or locks.  After a clash of deny modes only  *)
(* rights with H count: a cached handle may go.                            *)
InTheWay(s, q, cause, clash) ==
  {d \in Clients :
     /\ d # q.client \/ Cell(cause, Flavour[d], s.right[d]).own_too
     /\ Cell(cause, Flavour[d], s.right[d]).how # "keep"
     /\ clash => "H" \in s.right[d]}

RowFor(q, clash) == IF clash /\ (IsOpen(q) \/ q.what \in {"read", "write"}) THEN "open_conflict" ELSE CauseOf(q)

(* A right whose break is out: the request waits for the end of that break *)
(* unless what is left then does not trouble it.                           *)
MustWait(s, cause, d) == LET cell == Cell(cause, Flavour[d], s.right[d]) IN
  \/ cell.how = "wait"
  \/ s.brk[d] # None /\ ~(s.brk[d] \subseteq cell.to)

(* Locks: of others, truncations that are going on, and earlier waiters    *)
(* (who holds it already, and who has to answer a break on the file, goes  *)
(* past the queue).                                                        *)
LockedBy(s, q, n) ==
  {d \in Clients \ {q.client} : s.lock[d]}
    \cup {a.client : a \in {a \in s.inflight : a.what = "overwrite" /\ a.client # q.client
                                              /\ (IsSmb(a.client) \/ IsSmb(q.client))}}
    \cup (IF s.lock[q.client] \/ s.brk[q.client] # None THEN {}
          ELSE {s.queue[j].client : j \in {j \in 1 .. n : s.queue[j].what = "lock"
                                                          /\ s.queue[j].client # q.client}})

Judged(s, q, clash, locked) ==
  LET cause == RowFor(q, clash)
      there == InTheWay(s, q, cause, clash)
      waits == {d \in there : MustWait(s, cause, d)}
  IN  [there   |-> there,
       begin   |-> {d \in there : s.brk[d] = None},
       cause   |-> cause,
       waits   |-> waits,
       steps   |-> IF IsOpen(q) /\ IsSmb(q.client) THEN waits ELSE {},
       verdict |-> IF waits # {} THEN "break"
                   ELSE IF clash THEN IF q.what \in {"remove", "rename"} THEN "file_open" ELSE "share_conflict"
                   ELSE IF locked THEN "locked"
                   ELSE "go"]
Judge(s, q, n) == Judged(s, q, DenyClash(s, q), q.what = "lock" /\ LockedBy(s, q, n) # {})

-----------------------------------------------------------------------------
(* Breaks begin, all in one pass.  A notice takes the right at once.       *)

RECURSIVE Listed(_)
Listed(set) == IF set = {} THEN <<>>
               ELSE LET x == CHOOSE x \in set : TRUE IN <<x>> \o Listed(set \ {x})

(* A delegation has a whole NFSv4 lease period, longer than any lease.     *)
InOrder(ds) == LET Long(d) == Flavour[d] = "delegation"  Short(d) == ~Long(d)
               IN  SelectSeq(ds, Short) \o SelectSeq(ds, Long)

Asks(s, j) == {d \in j.begin : Cell(j.cause, Flavour[d], s.right[d]).how # "notice"}
Nudged(q) == [q EXCEPT !.woken = @ \/ (q.what = "lock" /\ q.waits = {})]
NudgedAfter(q, n) == [i \in DOMAIN q |-> IF i > n THEN Nudged(q[i]) ELSE q[i]]

Begun(s, j) ==
  [s EXCEPT
     !.right = [d \in Clients |->
        IF d \in j.begin \ Asks(s, j)
        THEN Cell(j.cause, Flavour[d], s.right[d]).to ELSE s.right[d]],
     !.brk   = [d \in Clients |->
        IF d \in Asks(s, j)
        THEN Cell(j.cause, Flavour[d], s.right[d]).to ELSE s.brk[d]],
     !.need  = [d \in Clients |->
        IF d \in Asks(s, j) THEN Cell(j.cause, Flavour[d], s.right[d]).to
        ELSE IF d \in j.steps /\ s.brk[d] # None
        THEN s.need[d] \cap Cell(j.cause, Flavour[d], s.right[d]).to ELSE s.need[d]],
     (* what completes a break passes the queue: the holder's own lock requests may go *)
     !.queue = [i \in DOMAIN @ |-> IF @[i].client \in Asks(s, j) THEN Nudged(@[i]) ELSE @[i]],
     !.clock = InOrder(@ \o Listed(Asks(s, j)))]

Sent(s, j) == Listed({[what |-> "break", client |-> d, to |-> Cell(j.cause, Flavour[d], s.right[d]).to,
                       ack |-> Cell(j.cause, Flavour[d], s.right[d]).how # "notice"] : d \in j.begin})

Reply(c, of, status) == [what |-> "reply", client |-> c, of |-> of, status |-> status]

-----------------------------------------------------------------------------
(* Granting a right with an open.                                          *)

Normal(flavour, r) ==
  IF "R" \notin r THEN {}
  ELSE CASE flavour = "lease"      -> r
         [] flavour = "oplock"     -> IF "W" \in r THEN r ELSE R
         [] flavour = "delegation" -> r \ {"H"}
         [] OTHER                  -> {}

CauseInFlight(a) == IF a.what = "overwrite" THEN "write" ELSE a.what

(* What anything that goes on, waits for breaks or was put off would break.*)
Pending(s, c) ==
       {CauseInFlight(a) : a \in {a \in s.inflight : a.client # c}}
  \cup {CauseOf(s.queue[i]) : i \in {i \in DOMAIN s.queue : s.queue[i].client # c
                                  /\ (s.queue[i].waits # {} \/ s.queue[i].woken)}}
  \cup {b.cause : b \in {b \in s.bars : b.client # c}}

RECURSIVE Worn(_, _, _)         \* reduce until every pending cause keeps it
Worn(flavour, r, causes) ==
  LET hit == {k \in causes : Cell(k, flavour, r).how # "keep"}
  IN  IF hit = {} THEN r
      ELSE Worn(flavour, Normal(flavour, Cell(CHOOSE k \in hit : TRUE, flavour, r).to), causes)

Grantable(s, c, wish) ==
  LET f      == Flavour[c]
      others == {d \in Clients \ {c} : s.right[d] # {}}
      seers  == {d \in Clients \ {c} : s.opens[d] > 0}
      deleg  == f = "delegation"
      none   == \/ \E d \in others : "W" \in s.right[d]
                \/ f = "oplock" /\ \E d \in others : Flavour[d] = "lease" /\ "H" \in s.right[d]
                \/ deleg /\ (s.backoff \/ \E d \in seers : "write" \in Access[d] \/ "read" \in Deny[d])
                \/ deleg /\ \E d \in Clients : s.brk[d] # None /\ Flavour[d] = "delegation"
      noW    == \/ others # {} \/ seers # {}
                \/ \E d \in Clients : s.lock[d] /\ IF deleg THEN d # c ELSE IsNfs(d)
      noH    == f = "lease" /\ \E d \in others : Flavour[d] = "oplock"
      left   == (wish \ (IF noW THEN {"W"} ELSE {})) \ (IF noH THEN {"H"} ELSE {})
  IN  IF none THEN {} ELSE Worn(f, Normal(f, left), Pending(s, c))

(* The right after an open: a key that has its lease already is upgraded   *)
(* all or nothing, and never while it breaks.                              *)
RightAfter(s, c, wish) ==
  LET g == Grantable(s, c, wish)
      has == Flavour[c] = "lease" /\ s.opens[c] > 0
  IN  IF ~has /\ s.right[c] = {} THEN g
      ELSE IF has /\ s.brk[c] = None /\ g = wish /\ s.right[c] \subseteq wish THEN g
      ELSE s.right[c]

-----------------------------------------------------------------------------
(* A request that nothing stands in the way of.                            *)

BarsAfter(s, q) == {b \in s.bars : ~(b.client = q.client /\ b.cause = CauseOf(q))}

Go(s, q) ==
  LET c == q.client
      t == [s EXCEPT !.bars = BarsAfter(s, q)]
  IN  CASE IsOpen(q) ->
             [t EXCEPT !.right[c] = RightAfter(t, c, q.wish),
                       !.opens[c] = @ + 1,
                       !.inflight = @ \cup (IF q.what = "overwrite"
                                            THEN {[client |-> c, what |-> "overwrite"]} ELSE {})]
        [] q.what = "lock" -> [t EXCEPT !.lock[c] = TRUE]
        [] OTHER -> [t EXCEPT !.inflight = @ \cup {[client |-> c, what |-> q.what]}]

Told(q) == <<Reply(q.client, q.what, "ok")>>
=============================================================================
