------------------------------- MODULE Lockstep -------------------------------
(***************************************************************************)
(* The composition: the byte ranges of Locks, the caching rights of Rights *)
(* and one restart with one grace period for all, on one file.             *)
(*                                                                         *)
(* Nothing is decided here that those modules do not decide; this is how   *)
(* they meet (semantics, sections 1 and 2).  A lock request is judged by   *)
(* Rights first: breaks begin, and while one of them has to be waited for  *)
(* the request stands in the queue of Locks with `waits`.  When its breaks *)
(* have ended it is judged again, and then it is Locks' affair.  Whoever   *)
(* holds a range counts as a holder in Rights: an NFS lock keeps Write     *)
(* rights away.                                                            *)
(*                                                                         *)
(*   locks, rights   the states of the two modules                         *)
(*   phase           "normal" or "grace"; unclaimed: whose recorded ranges *)
(*                   nobody has reclaimed yet                              *)
(***************************************************************************)
EXTENDS Integers, FiniteSets, Sequences, TLC

CONSTANTS Clients, Flavour, Access, Deny, Wishes, Operations, UnitCount,
          opens_max, waiters_per_file_max, restarts_max

VARIABLES locks, rights, phase, unclaimed, restarts
vars == <<locks, rights, phase, unclaimed, restarts>>
State == [locks |-> locks, rights |-> rights, phase |-> phase, unclaimed |-> unclaimed,
          restarts |-> restarts]

IsSmb(c) == Flavour[c] \in {"lease", "oplock"}
Family == [c \in Clients |-> IF IsSmb(c) THEN "smb" ELSE IF Flavour[c] = "none" THEN "nlm" ELSE "v4"]

L == INSTANCE Locks WITH Owner <- Clients, Protocol <- Family, Client <- [c \in Clients |-> c],
       ZeroLengths <- FALSE, stack_max <- 1,
       held <- locks.held, queue <- locks.queue, calls <- locks.calls
R == INSTANCE Rights WITH Overwrites <- {FALSE},
       opens <- rights.opens, right <- rights.right, brk <- rights.brk, need <- rights.need, acked <- rights.acked,
       clock <- rights.clock, lock <- rights.lock, inflight <- rights.inflight,
       queue <- rights.queue, bars <- rights.bars, backoff <- rights.backoff

LockEvent == {e \in L!Event : e.type \in {"LockRequested", "Unlocked", "GrantAnswered"}}
RightEvent == {e \in R!Event : e.type \notin {"LockRequested", "Unlocked"}}
Event == LockEvent \cup RightEvent
  \cup {[type |-> "Restarted"], [type |-> "GraceEnded"]}
  \cup {[type |-> "Reclaimed", owner |-> c] : c \in Clients}

-----------------------------------------------------------------------------
(* What Rights says of a lock request: the breaks to begin, and those to   *)
(* wait for.  (Who is locked out Locks decides, byte by byte.)             *)
Asks(c) == [client |-> c, what |-> "lock", wish |-> {}, waits |-> {}, woken |-> FALSE]
Judged(s, c) == R!Judge(s.rights, Asks(c), 0)

(* The two modules after a step of either: holders of ranges are known to  *)
(* Rights; whose breaks have ended and who may go by what is locked is     *)
(* judged against the rights of now, which may be new since it began to    *)
(* wait, in the order of arrival; then it goes.                            *)
Known(s) == [s EXCEPT !.rights.lock = [c \in Clients |-> s.locks.held[c] # {}]]
Out(s) == {d \in Clients : s.rights.brk[d] # R!None}
(* What Locks is told, and what is kept of its answer: who has to complete *)
(* a break goes past the queue.                                            *)
Ranges(s) == [held |-> s.locks.held, queue |-> s.locks.queue, calls |-> s.locks.calls, passing |-> Out(s)]
Kept(l) == [held |-> l.held, queue |-> l.queue, calls |-> l.calls]

(* Locks by itself lets go who can at the end of each step; here it is not *)
(* to: while it takes its step nobody in the queue seems to wait for locks.*)
Hidden(l) == [l EXCEPT !.queue = [i \in DOMAIN @ |->
                IF L!ForLocks(@[i]) THEN [@[i] EXCEPT !.waits = {"nobody"}] ELSE @[i]]]
Shown(l)  == [l EXCEPT !.queue = [i \in DOMAIN @ |-> [@[i] EXCEPT !.waits = @ \ {"nobody"}]]]
LocksStep(s, e) ==
  LET t == L!Step(Ranges(s), e)
      u == L!Step(Hidden(Ranges(s)), e)
  IN  IF e.type = "LockRequested" /\ t.reply # "granted" THEN [t EXCEPT !.state = Kept(@)]
      ELSE [u EXCEPT !.state = Kept(Shown(@))]

RECURSIVE Settle(_, _)
Settle(s, due) ==        \* due: positions in the queue whose breaks have ended
  LET go    == due \cup {i \in DOMAIN s.locks.queue : L!CanGo(Ranges(s), i)}
      i     == L!Earliest(go)
      j     == Judged(s, s.locks.queue[i].owner)
      t     == [s EXCEPT !.rights = R!Begun(s.rights, j), !.locks.queue[i].waits = j.waits]
      u     == Known([t EXCEPT !.locks = Kept(L!Wake(Ranges(t), i))])
      edges == L!Edges(Ranges(s))
      stuck == {k \in DOMAIN s.locks.queue : L!OnCycle(Ranges(s), edges, k)}
  IN  IF go # {}
      THEN IF ~L!CanGo(Ranges(t), i) THEN Settle(t, due \ {i})
           ELSE Settle(u, IF Len(u.locks.queue) = Len(t.locks.queue) THEN due \ {i}
                          ELSE {k - 1 : k \in due \ {i}})
      ELSE IF stuck # {} THEN Settle([s EXCEPT !.locks.queue = L!Without(@, L!Youngest(stuck))], {})
      ELSE Known(s)

After(s) ==
  LET out == Out(s)
      due == {i \in DOMAIN s.locks.queue : LET w == s.locks.queue[i].waits IN w # {} /\ w \cap out = {}}
      t == [s EXCEPT !.locks.queue = [i \in DOMAIN @ |-> [@[i] EXCEPT !.waits = @ \cap out]]]
  IN  Settle(Known(t), due)

Say(s, reply) == [state |-> s, reply |-> reply]

-----------------------------------------------------------------------------
(* The actions.                                                            *)

LockRequested(s, e) ==
  LET j == Judged(s, e.owner)
      begun == [s EXCEPT !.rights = R!Begun(s.rights, j)]
      full == Len(s.locks.queue) >= waiters_per_file_max
  IN  IF s.phase = "grace" THEN Say(s, "grace")
      ELSE IF j.waits # {} /\ (~e.wait \/ full) THEN Say(After(begun), IF full THEN "limit" ELSE "later")
      ELSE IF j.waits # {}
      THEN Say(After([begun EXCEPT !.locks.queue = Append(@, [L!Waiter(e) EXCEPT !.waits = j.waits])]), "blocked")
      ELSE LET t == LocksStep(s, e) IN Say(After([begun EXCEPT !.locks = t.state]), t.reply)

Released(s, e) ==
  LET t == LocksStep(s, e)
  IN  Say(After([s EXCEPT !.locks = t.state,
                          !.unclaimed = IF e.type = "ClientLeft" THEN @ \ {e.client} ELSE @]), t.reply)

(* CLOSE and death take the ranges with them.                              *)
RightStep(s, e) ==
  LET t == [s EXCEPT !.rights = R!Step(s.rights, e).state]
  IN  IF e.type = "OpenRequested" /\ s.phase = "grace" THEN Say(s, "grace")
      ELSE IF e.type = "ClientLeft" THEN Released(t, e)
      ELSE IF e.type = "OpenClosed" /\ IsSmb(e.client) /\ t.rights.opens[e.client] = 0
      THEN Released(t, [type |-> "OpenClosed", owner |-> e.client])
      ELSE Say(After(t), "ok")

(* A restart: what NFS clients hold is on record, everything else is gone. *)
Fresh(f) == [f EXCEPT !.opens = [c \in Clients |-> 0], !.right = [c \in Clients |-> {}],
               !.brk = [c \in Clients |-> R!None], !.need = [c \in Clients |-> R!None], !.acked = [c \in Clients |-> R!None],
               !.clock = <<>>, !.inflight = {}, !.queue = <<>>, !.bars = {}, !.backoff = FALSE]
Restarted(s) ==
  LET held == [c \in Clients |-> IF IsSmb(c) THEN {} ELSE s.locks.held[c]]
      old == {c \in Clients : held[c] # {}}
  IN  Say(Known([s EXCEPT !.locks = [held |-> held, queue |-> <<>>, calls |-> {}],
                          !.rights = Fresh(@), !.restarts = @ + 1, !.unclaimed = old,
                          !.phase = IF old = {} THEN "normal" ELSE "grace"]), "ok")
GraceEnded(s) ==
  Say(After([s EXCEPT !.phase = "normal", !.unclaimed = {},
                !.locks.held = [c \in Clients |-> IF c \in s.unclaimed THEN {} ELSE @[c]]]), "ok")
Reclaimed(s, c) == LET t == [s EXCEPT !.unclaimed = @ \ {c}]
                   IN  Say(IF t.unclaimed = {} THEN [t EXCEPT !.phase = "normal"] ELSE t, "ok")

Step(s, e) ==
  CASE e.type = "LockRequested" -> LockRequested(s, e)
    [] e.type \in {"Unlocked", "GrantAnswered"} -> Released(s, e)
    [] e.type = "Restarted"     -> Restarted(s)
    [] e.type = "GraceEnded"    -> GraceEnded(s)
    [] e.type = "Reclaimed"     -> Reclaimed(s, e.owner)
    [] OTHER                    -> RightStep(s, e)

(* The clients' side: as in Rights; SMB locks through an open; nobody uses *)
(* what it has not reclaimed.                                              *)
Fair(s, e) ==
  CASE e.type = "Restarted"  -> s.restarts < restarts_max
    [] e.type = "GraceEnded" -> s.phase = "grace"
    [] e.type = "Reclaimed"  -> e.owner \in s.unclaimed
    [] e.type = "LockRequested" -> /\ e.owner \notin s.unclaimed
                                   /\ IsSmb(e.owner) => s.rights.opens[e.owner] > 0
                                   /\ ~R!Busy(s.rights, e.owner)
    [] e.type = "Unlocked"   -> s.locks.held[e.owner] # {}
    [] e.type = "GrantAnswered" -> \E c \in s.locks.calls : L!SameRequest(c, e)
    [] e.type \in {"BreakAcknowledged", "RightReturned"} ->
         s.rights.right[e.client] # {} /\ R!Fair(s.rights, e)
    [] OTHER -> R!Fair(s.rights, e)

-----------------------------------------------------------------------------
Nothing == [c \in Clients |-> {}]
Init == /\ locks = [held |-> Nothing, queue |-> <<>>, calls |-> {}]
        /\ rights = [opens |-> [c \in Clients |-> 0], right |-> Nothing,
                     brk |-> [c \in Clients |-> R!None], need |-> [c \in Clients |-> R!None], acked |-> [c \in Clients |-> R!None],
                     clock |-> <<>>, lock |-> [c \in Clients |-> FALSE], inflight |-> {},
                     queue |-> <<>>, bars |-> {}, backoff |-> FALSE]
        /\ phase = "normal" /\ unclaimed = {} /\ restarts = 0
Become(s) == /\ locks' = s.locks /\ rights' = s.rights /\ phase' = s.phase
             /\ unclaimed' = s.unclaimed /\ restarts' = s.restarts
Do(e) == LET t == Step(State, e) IN
  IF Fair(State, e) /\ L!Bounded(t.state.locks) THEN Become(t.state) ELSE FALSE
Next  == \E e \in Event : Do(e)
Spec  == Init /\ [][Next]_vars
(* The unified view: every lock, right, open and waiter of every family.   *)
View == [locks   |-> UNION {{<<c, l>> : l \in locks.held[c]} : c \in Clients},
         rights  |-> {<<c, rights.right[c]>> : c \in {c \in Clients : rights.right[c] # {}}},
         opens   |-> UNION {{<<c, n>> : n \in 1 .. rights.opens[c]} : c \in Clients},
         waiters |-> {<<locks.queue[i].owner, "lock", i>> : i \in DOMAIN locks.queue}
                       \cup {<<rights.queue[i].client, "access", i>> : i \in DOMAIN rights.queue}]
=============================================================================
