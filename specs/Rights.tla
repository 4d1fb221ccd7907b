------------------------------- MODULE Rights -------------------------------
(***************************************************************************)
(* The caching rights of one file: SMB leases and oplocks, NFSv4           *)
(* delegations; how operations break them, how breaks end, who waits, who  *)
(* passes (semantics, sections 2 and 5).                                   *)
(*                                                                         *)
(* Step(s, e) is a total function, as in Locks.  Its outcome is ONE        *)
(* sequence of effects, in the order in which they leave: replies, parked, *)
(* breaks, revocations.                                                    *)
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
(* Events, named as in core/event.hpp.                                     *)

Openers == {c \in Clients : Flavour[c] # "none"}
WishesOf(c) == CASE Flavour[c] = "lease"      -> Wishes
                 [] Flavour[c] = "oplock"     -> Wishes \ {RH}
                 [] Flavour[c] = "delegation" -> Wishes \cap {R, RW}
                 [] OTHER                     -> {}

Event ==
       UNION {{[type |-> "OpenRequested", client |-> c, wish |-> w, overwrite |-> o] :
                w \in WishesOf(c), o \in Overwrites} : c \in Openers}
  \cup {[type |-> "OpenClosed", client |-> c] : c \in Openers}
  \cup {[type |-> "AccessRequested", client |-> c, operation |-> o] :
          c \in Clients, o \in Operations \ {"lock"}}
  \cup {[type |-> "AccessEnded", client |-> c] : c \in Clients}
  \cup (IF "lock" \in Operations
        THEN {[type |-> t, client |-> c] : c \in Clients, t \in {"LockRequested", "Unlocked"}}
        ELSE {})
  \cup UNION {{[type |-> "BreakAcknowledged", client |-> c, rights |-> r] :
                r \in Wishes \cup {{}}} : c \in {c \in Openers : IsSmb(c)}}
  \cup {[type |-> "RightReturned", client |-> c] : c \in {c \in Openers : Flavour[c] = "delegation"}}
  \cup {[type |-> "RequestCancelled", client |-> c] : c \in Clients}
  \cup {[type |-> "ClientLeft", client |-> c] : c \in Clients}
  \cup {[type |-> "Tick", due |-> d] : d \in {"patience", "bars", "breaks"}}

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

-----------------------------------------------------------------------------
(* Waking: of those who wait for nothing any more, the earliest is judged  *)
(* again; until none is left.                                              *)

Without(q, i) == SubSeq(q, 1, i - 1) \o SubSeq(q, i + 1, Len(q))
Ready(s, i) == LET q == s.queue[i] IN
  q.waits = {} /\ (q.what # "lock" \/ q.woken \/ LockedBy(s, q, i - 1) = {})
Earliest(is) == CHOOSE i \in is : \A j \in is : i <= j

RECURSIVE Settle(_, _)
Settle(s, out) ==
  LET ready == {i \in DOMAIN s.queue : Ready(s, i)}
  IN  IF ready = {} THEN [state |-> s, out |-> out]
      ELSE LET i == Earliest(ready)
               q == s.queue[i]
               j == Judge(s, q, i - 1)
               t == [Begun(s, j) EXCEPT !.queue[i].woken = FALSE]
               sent == out \o Sent(s, j)
           IN  CASE j.verdict = "break"  -> Settle([t EXCEPT !.queue[i].waits = j.waits], sent)
                 [] j.verdict = "locked" -> Settle(t, sent)      \* begins breaks, stays
                 [] j.verdict = "go"     -> LET u == [t EXCEPT !.queue = Without(@, i)]
                                            IN  Settle(Go(u, q), sent \o Told(q))
                 [] OTHER -> Settle([t EXCEPT !.queue = Without(@, i)],
                                    Append(sent, Reply(q.client, q.what, j.verdict)))

(* Breaks of these holders have ended: right[d] is what is left.           *)
EndBreaks(s, ds, left) ==
  [s EXCEPT !.right = [d \in Clients |-> IF d \in ds THEN left[d] ELSE s.right[d]],
            !.brk   = [d \in Clients |-> IF d \in ds THEN None ELSE s.brk[d]],
            !.need  = [d \in Clients |-> IF d \in ds THEN None ELSE s.need[d]],
            !.acked = [d \in Clients |-> IF d \in ds THEN None ELSE s.acked[d]],
            !.clock = SelectSeq(@, LAMBDA d : d \notin ds),
            !.backoff = @ \/ \E d \in ds : Flavour[d] = "delegation" /\ s.brk[d] # None,
            !.queue = [i \in DOMAIN s.queue |-> [s.queue[i] EXCEPT
              !.waits = @ \ ds, !.woken = @ \/ (s.queue[i].waits \cap ds # {} /\ s.queue[i].waits \subseteq ds)]]]

-----------------------------------------------------------------------------
(* The actions.                                                            *)

Asked(s, q) ==
  LET j == Judge(s, q, Len(s.queue))
      t == Begun(s, j)
      sent == Sent(s, j)
      full == Len(s.queue) >= waiters_per_file_max
  IN  CASE j.verdict \in {"break", "locked"} ->
             IF full THEN Settle(t, Append(sent, Reply(q.client, q.what, "limit")))
             ELSE \* a break that began lets its holder's own lock requests pass
               Settle([t EXCEPT !.queue = Append(@, [q EXCEPT !.waits = j.waits])],
                      Append(sent, [what |-> "parked", client |-> q.client]))
        [] j.verdict = "go" -> LET u == Go(t, q) IN Settle(u, sent \o Told(q))
        [] OTHER -> Settle(t, Append(sent, Reply(q.client, q.what, j.verdict)))

Say(s, c, status) == [state |-> s, out |-> <<Reply(c, "event", status)>>]
Done(s, c) == Settle(s, <<Reply(c, "event", "ok")>>)

Gone(s, c, rest) ==        \* nothing is left of a right
  IF rest # {} THEN s ELSE EndBreaks(s, {c}, [d \in {c} |-> {}])

(* Its lock goes; whoever waits for locks is judged again.                 *)
Released(s, c) == IF ~s.lock[c] THEN s
                  ELSE [s EXCEPT !.lock[c] = FALSE, !.queue = NudgedAfter(@, 0)]

OpenClosed(s, c) ==
  IF s.opens[c] = 0 THEN Say(s, c, "unknown_open")
  ELSE LET t == [s EXCEPT !.opens[c] = @ - 1]
       IN  IF t.opens[c] = 0 /\ IsSmb(c)
           THEN Done(Released(EndBreaks(t, {c}, [d \in {c} |-> {}]), c), c)
           ELSE Done(t, c)

(* An acknowledgment takes effect. When an SMB open needs more of the      *)
(* break, that was one step of it, as with Windows: down to R first while  *)
(* there is anything to flush or to close, from R by a mere notice.        *)
Notice(c, to, ack) == [what |-> "break", client |-> c, to |-> to, ack |-> ack]
Acknowledged(s, c, left, out) ==
  IF left \subseteq s.need[c] THEN Settle(EndBreaks(s, {c}, [d \in {c} |-> left]), out)
  ELSE IF left # R
  THEN Settle([s EXCEPT !.right[c] = left, !.brk[c] = s.need[c] \cup R, !.acked[c] = None,
                        !.clock = InOrder(Append(SelectSeq(@, LAMBDA d : d # c), c))],
              Append(out, Notice(c, s.need[c] \cup R, TRUE)))
  ELSE Settle(EndBreaks(s, {c}, [d \in {c} |-> s.need[c]]), Append(out, Notice(c, s.need[c], FALSE)))

Flushing(s, c) == \E a \in s.inflight : a.client = c /\ a.what \in {"write", "overwrite"}

BreakAcknowledged(s, c, rights) ==
  IF s.opens[c] = 0 THEN Say(s, c, IF Flavour[c] = "oplock" THEN "unknown_open" ELSE "unknown_right")
  ELSE IF Flavour[c] = "oplock" /\ s.right[c] = {} THEN Say(s, c, "unknown_right")
  ELSE IF s.brk[c] = None \/ s.acked[c] # None THEN Say(s, c, "not_breaking")
  ELSE IF ~(rights \subseteq s.brk[c]) THEN Say(s, c, "ack_exceeds")
  ELSE IF Flushing(s, c) THEN Say([s EXCEPT !.acked[c] = Normal(Flavour[c], rights),
                                             !.clock = SelectSeq(@, LAMBDA d : d # c)], c, "ok")
  ELSE Acknowledged(s, c, Normal(Flavour[c], rights), <<Reply(c, "event", "ok")>>)

AccessEnded(s, c) ==
  LET t == [s EXCEPT !.inflight = {a \in @ : a.client # c}]
  IN  IF s.acked[c] = None THEN Settle(t, <<>>) ELSE Acknowledged(t, c, s.acked[c], <<>>)

RightReturned(s, c) ==
  IF s.right[c] = {} THEN Say(s, c, "unknown_right")
  ELSE Done(EndBreaks(s, {c}, [d \in {c} |-> {}]), c)

(* A lock request leaves the queue: those behind it are judged again.      *)
LeftBy(q, i) == IF q[i].what = "lock" THEN Without(NudgedAfter(q, i), i) ELSE Without(q, i)

RequestCancelled(s, c) ==
  LET is == {i \in DOMAIN s.queue : s.queue[i].client = c}
  IN  IF is = {} THEN [state |-> s, out |-> <<>>]
      ELSE LET i == Earliest(is) IN
           Settle([s EXCEPT !.queue = LeftBy(@, i)], <<Reply(c, s.queue[i].what, "cancelled")>>)

RECURSIVE Dropped(_, _, _)   \* all waiters that satisfy a test are answered
Dropped(s, Of(_), status) ==
  LET is == {i \in DOMAIN s.queue : Of(s.queue[i])}
  IN  IF is = {} THEN [state |-> s, out |-> <<>>]
      ELSE LET i == Earliest(is)
               t == Dropped([s EXCEPT !.queue = LeftBy(@, i)], Of, status)
           IN  [t EXCEPT !.out = <<Reply(s.queue[i].client, s.queue[i].what, status)>> \o @]

(* What it was doing on the file ends after it.                            *)
ClientLeft(s, c) ==
  LET Mine(q) == q.client = c
      gone == Dropped(s, Mine, "cancelled")
      t == [EndBreaks(Released(gone.state, c), {c}, [d \in {c} |-> {}]) EXCEPT
              !.opens[c] = 0, !.bars = {b \in @ : b.client # c}]
      u == Settle(t, gone.out)
  IN  Settle([u.state EXCEPT !.inflight = {a \in @ : a.client # c}], u.out)

(* NFS requests other than locks have little patience: JUKEBOX, DELAY, and *)
(* a bar until they come back.                                             *)
Hurried(q) == IsNfs(q.client) /\ q.what # "lock"
Patience(s) ==
  LET gone == Dropped(s, Hurried, "later")
      new  == {[client |-> s.queue[i].client, cause |-> CauseOf(s.queue[i])] :
                 i \in {i \in DOMAIN s.queue : Hurried(s.queue[i])}}
  IN  Settle([gone.state EXCEPT !.bars = @ \cup new], gone.out)

(* The deadlines pass, one after the other; who gave no answer is revoked. *)
RECURSIVE Expire(_, _, _)
Expire(s, ds, out) ==
  IF ds = <<>> THEN [state |-> s, out |-> out]
  ELSE LET d == Head(ds)
           t == Settle(EndBreaks(s, {d}, [x \in {d} |-> {}]),
                       Append(out, [what |-> "revoked", client |-> d]))
       IN  IF \E i \in DOMAIN s.clock : s.clock[i] = d THEN Expire(t.state, Tail(ds), t.out)
           ELSE Expire(s, Tail(ds), out)

Over(s) == [s EXCEPT !.bars = {}, !.backoff = FALSE]
Tick(s, due) ==
  CASE due = "patience" -> Patience(s)
    [] due = "bars"     -> Patience(Over(s))
    [] due = "breaks"   -> LET p == Patience(Over(s)) IN Expire(p.state, s.clock, p.out)

Busy(s, c) == \/ \E i \in DOMAIN s.queue : s.queue[i].client = c
              \/ \E a \in s.inflight : a.client = c

Step(s, e) ==
  CASE e.type = "OpenRequested"     -> Asked(s, Request(e))
    [] e.type = "AccessRequested"   -> Asked(s, Request(e))
    [] e.type = "LockRequested"     -> Asked(s, Request(e))
    [] e.type = "Unlocked"          -> Done(Released(s, e.client), e.client)
    [] e.type = "OpenClosed"        -> OpenClosed(s, e.client)
    [] e.type = "AccessEnded"       -> AccessEnded(s, e.client)
    [] e.type = "BreakAcknowledged" -> BreakAcknowledged(s, e.client, e.rights)
    [] e.type = "RightReturned"     -> RightReturned(s, e.client)
    [] e.type = "RequestCancelled"  -> RequestCancelled(s, e.client)
    [] e.type = "ClientLeft"        -> ClientLeft(s, e.client)
    [] e.type = "Tick"              -> Tick(s, e.due)

-----------------------------------------------------------------------------
Init ==
  /\ opens = [c \in Clients |-> 0]
  /\ right = [c \in Clients |-> {}]
  /\ brk   = [c \in Clients |-> None]
  /\ need = [c \in Clients |-> None] /\ acked = [c \in Clients |-> None] /\ clock = <<>>
  /\ lock  = [c \in Clients |-> FALSE]
  /\ inflight = {} /\ queue = <<>> /\ bars = {} /\ backoff = FALSE

Become(s) ==
  /\ opens' = s.opens /\ right' = s.right /\ brk' = s.brk /\ need' = s.need /\ acked' = s.acked /\ clock' = s.clock /\ lock' = s.lock
  /\ inflight' = s.inflight /\ queue' = s.queue /\ bars' = s.bars /\ backoff' = s.backoff

(* The client's side of the contract, and the bounds of the model: one     *)
(* request of a client at a time (but a lock may wait beside), and SMB     *)
(* works through an open.                                                  *)
Fair(s, e) ==
  CASE e.type = "OpenRequested"   -> ~Busy(s, e.client) /\ s.opens[e.client] < opens_max
                                     /\ (e.overwrite => s.opens[e.client] = 0)
    [] e.type = "AccessRequested" -> ~(\E a \in s.inflight : a.client = e.client)
                                     /\ ~(\E i \in DOMAIN s.queue : s.queue[i].client = e.client /\ s.queue[i].what # "lock")
                                     /\ (IsSmb(e.client) => s.opens[e.client] > 0)
                                     /\ (e.operation = "write" /\ s.opens[e.client] > 0 => "write" \in Access[e.client])
    [] e.type = "LockRequested"   -> ~(\E i \in DOMAIN s.queue : s.queue[i].client = e.client)
                                     /\ ~s.lock[e.client] /\ (IsSmb(e.client) => s.opens[e.client] > 0)
    [] e.type = "OpenClosed"      -> ~Busy(s, e.client)
    [] e.type = "AccessEnded"     -> \E a \in s.inflight : a.client = e.client
    [] e.type = "Unlocked"        -> s.lock[e.client]
    [] OTHER                      -> TRUE

Do(e) == IF Fair(State, e) THEN Become(Step(State, e).state) ELSE FALSE
Next  == \E e \in Event : Do(e)
Spec  == Init /\ [][Next]_vars

View == State
=============================================================================
