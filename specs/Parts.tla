--------------------------------- MODULE Parts ---------------------------------
(***************************************************************************)
(* What meets in the composition (Lockstep), what the modules see of each  *)
(* other, and who may go when something has changed.                       *)
(*                                                                         *)
(* Whatever has to wait stands in one queue, that of Locks, in order of    *)
(* arrival; when what it waits for has ended it is judged again from the   *)
(* beginning.  Whoever holds a range counts as a holder in Rights, and who *)
(* has to complete a break goes past the queue.                            *)
(*                                                                         *)
(*   locks, rights, shares   the states of the modules.  A place in the    *)
(*              queue is one of Locks with: `asks`, the request; `waits`,  *)
(*              the holders whose breaks it waits for, or "turn" when they *)
(*              have ended, "accesses", "grace"; {}: for ranges; `woken`,  *)
(*              only within a step; `answered`, it was told that it is     *)
(*              blocked (NLM at once, NFSv4 when it first meets ranges):   *)
(*              from then on it has no patience to lose.  Who waits for no *)
(*              range, as queued locks do, stands there with an empty one. *)
(*   phase      "normal" or "grace"                                        *)
(*   unclaimed  what is recovered and not reclaimed: opens, rights, ranges *)
(*   failed     the journal cannot be written                              *)
(***************************************************************************)
EXTENDS Integers, FiniteSets, Sequences, TLC

CONSTANTS Clients, Flavour, Access, Deny,     \* as in Rights: each names its right
          Owner, Holder, Host,                \* [Owner -> Clients], [Clients -> who dies together]
          Wishes, Operations, UnitCount, grace_scope,
          opens_max, waiters_per_file_max, restarts_max

VARIABLES locks, rights, shares, phase, unclaimed, failed, restarts
vars == <<locks, rights, shares, phase, unclaimed, failed, restarts>>
State == [locks |-> locks, rights |-> rights, shares |-> shares, phase |-> phase,
          unclaimed |-> unclaimed, failed |-> failed, restarts |-> restarts, said |-> <<>>]

IsSmb(c)  == Flavour[c] \in {"lease", "oplock"}
HostOf(o) == Host[Holder[o]]
Family    == [o \in Owner |-> IF IsSmb(Holder[o]) THEN "smb"
                              ELSE IF Flavour[Holder[o]] = "none" THEN "nlm" ELSE "v4"]

L == INSTANCE Locks WITH Protocol <- Family, Client <- [o \in Owner |-> HostOf(o)],
       ZeroLengths <- FALSE, stack_max <- 1,
       held <- locks.held, queue <- locks.queue, calls <- locks.calls
R == INSTANCE Rights WITH Overwrites <- {FALSE},
       opens <- rights.opens, right <- rights.right, brk <- rights.brk, need <- rights.need, acked <- rights.acked,
       clock <- rights.clock, lock <- rights.lock, inflight <- rights.inflight,
       queue <- rights.queue, bars <- rights.bars, backoff <- rights.backoff
S == INSTANCE Shares WITH Protocol <- Family, Modes <- [o \in Owner |-> {}],
       smb_deny_on_nfs_io <- TRUE, unlink_while_open <- FALSE,
       opens <- shares.opens, locks <- shares.locks, doomed <- shares.doomed, name <- shares.name

-----------------------------------------------------------------------------
(* What the modules see of a request and of each other.                    *)

IsLock(e) == e.type = "LockRequested"
IsOpen(e) == e.type = "OpenRequested"
Asks(e) == LET c == Holder[e.owner] IN
  [client |-> c, waits |-> {}, woken |-> FALSE,
   wish   |-> IF IsOpen(e) THEN R!Normal(Flavour[c], e.wish) ELSE {},
   what   |-> CASE IsOpen(e) -> IF e.overwrite THEN "overwrite" ELSE "open"
                [] IsLock(e) -> "lock"
                [] e.type = "LockTested" -> "test_lock"
                [] e.type = "AccessRequested" -> e.operation]

OfBytes(p) == p \in {"read", "write"}
Queued(w) == IsLock(w.asks) /\ w.asks.wait      \* nobody overtakes it
ForRanges(w) == Queued(w) /\ w.waits = {} /\ ~w.told
Hurried(w) == ~IsSmb(Holder[w.owner]) /\ ~w.answered             \* it has patience to lose
ForBreaks(w) == w.waits \cap (Clients \cup {"turn"}) # {}
Place(e, waits, answered) == LET r == IF IsLock(e) /\ e.wait THEN e ELSE [first |-> 0, last |-> -1, kind |-> "shared"] IN
  [owner |-> e.owner, first |-> r.first, last |-> r.last, kind |-> r.kind,
   told |-> FALSE, answered |-> answered, waits |-> waits, woken |-> FALSE, asks |-> e]

Say(s, reply) == [state |-> s, reply |-> reply, waits |-> {}, holders |-> {}]

Out(s) == {d \in Clients : s.rights.brk[d] # R!None}
Owners == [c \in Clients |-> {o \in Owner : Holder[o] = c}]
Known(s) == [s EXCEPT !.rights.lock = [c \in Clients |-> \E o \in Owners[c] : s.locks.held[o] # {}]]
(* Who has to complete a break goes past the queue.                        *)
OfHost == [h \in {Host[c] : c \in Clients} |-> {o \in Owner : HostOf(o) = h}]
Passing(s) == UNION {OfHost[Host[d]] : d \in Out(s)}
Ranges(s) == [held |-> s.locks.held, queue |-> s.locks.queue, calls |-> s.locks.calls, passing |-> Passing(s)]
Kept(l) == [held |-> l.held, queue |-> l.queue, calls |-> l.calls]
(* Locks by itself lets go who can at the end of each step; here it is not *)
(* to: while it takes its step nobody in the queue seems to wait for locks.*)
Hidden(l) == [l EXCEPT !.queue = [i \in DOMAIN @ |-> [@[i] EXCEPT !.waits = @ \cup {"nobody"}]]]
Shown(l)  == [l EXCEPT !.queue = [i \in DOMAIN @ |-> [@[i] EXCEPT !.waits = @ \ {"nobody"}]]]
LocksStep(s, e) == LET t == L!Step(Hidden(Ranges(s)), e) IN
  Say([s EXCEPT !.locks = Kept(Shown(t.state))], t.reply)

(* Who waits for breaks, as Rights sees it when it grants: of its own      *)
(* host nothing is in its way.                                             *)
Waiting(s, c) == LET them == SelectSeq(s.locks.queue, LAMBDA w : ForBreaks(w) /\ HostOf(w.owner) # Host[c])
                 IN  [i \in DOMAIN them |-> [Asks(them[i].asks) EXCEPT !.woken = TRUE]]
Went(s, q) == [s EXCEPT !.rights = [R!Go([s.rights EXCEPT !.queue = Waiting(s, q.client)], q) EXCEPT !.queue = <<>>]]
Passed(s, q) == [s EXCEPT !.rights.bars = R!BarsAfter(s.rights, q)]
Tell(s, out) == [s EXCEPT !.said = @ \o out]
Broken(s, j) == IF j.begin = {} /\ j.steps = {} THEN s
                ELSE Tell([s EXCEPT !.rights = R!Begun(@, j)], R!Sent(s.rights, j))

-----------------------------------------------------------------------------
(* Waking.  After every change those are marked whom it may let go; then   *)
(* they are judged in order of arrival, the earliest first, again and      *)
(* again.                                                                  *)

Loosened(was, is, o, w) == \E l \in was \ is : L!Overlap(l, w) /\
  IF Family[o] = "smb" THEN L!Count(is, l, l.kind) < l.n
  ELSE IF L!IsEmpty(w) THEN \A m \in is : L!Overlap(m, w) => l.kind = "exclusive" /\ m.kind = "shared"
  ELSE \E u \in L!Units(l) \cap L!Units(w) : LET k == L!KindAt(is, u) IN
         k = "none" \/ (k = "shared" /\ l.kind = "exclusive")

MayGo(s, t, changed, w) ==
  \/ \E o \in changed : Loosened(s.locks.held[o], t.locks.held[o], o, w)
  \/ \E l \in t.locks.held[w.owner] \ s.locks.held[w.owner] : L!Overlap(l, w)      \* own bytes pass
  \/ \E c \in s.locks.calls \ t.locks.calls : c.owner = w.owner /\ L!Overlap(c, w)
  \/ \E d \in Out(t) \ Out(s) : Host[d] = HostOf(w.owner)          \* who completes a break passes

Marked(s, t) ==
  LET ended  == Out(s) \ Out(t)
      access == \E a \in s.rights.inflight : \A b \in t.rights.inflight : <<a.owner, a.id>> # <<b.owner, b.id>>
      over   == s.phase = "grace" /\ t.phase = "normal"
      changed == {o \in Owner : s.locks.held[o] # t.locks.held[o]}
      Mark(w) == LET left == w.waits \ ended IN
        IF w.told THEN w
        ELSE IF ForRanges(w) THEN [w EXCEPT !.woken = @ \/ MayGo(s, t, changed, w)]
        ELSE [w EXCEPT !.waits = IF left = {} THEN {"turn"} ELSE left,
                       !.woken = @ \/ left = {} \/ ("accesses" \in left /\ access) \/ ("grace" \in left /\ over)]
  IN  IF t.locks.queue = <<>> THEN Known(t)
      ELSE Known([t EXCEPT !.locks.queue = [i \in DOMAIN @ |-> Mark(@[i])]])

(* One leaves the queue without a lock: those behind it may go, and when a *)
(* turn was kept for it, those ahead too.                                  *)
Leave(s, i, how) ==
  LET gone == s.locks.queue[i]
      Freed(w, k) == Queued(gone) /\ ForRanges(w) /\ (k > i \/ gone.told) /\ L!Overlap(w, gone)
      nudged == [k \in DOMAIN s.locks.queue |->
                   [s.locks.queue[k] EXCEPT !.woken = @ \/ Freed(s.locks.queue[k], k)]]
  IN  Tell([s EXCEPT !.locks.queue = L!Without(nudged, i)],
           IF gone.answered THEN <<>> ELSE <<[what |-> "ended", id |-> gone.asks.id, how |-> how]>>)
RECURSIVE LeaveAll(_, _, _)
LeaveAll(s, Gone(_), how) ==
  LET is == {i \in DOMAIN s.locks.queue : Gone(s.locks.queue[i])}
  IN  IF is = {} THEN s ELSE LeaveAll(Leave(s, L!Earliest(is), how), Gone, how)
=============================================================================
