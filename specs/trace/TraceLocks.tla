------------------------------ MODULE TraceLocks ------------------------------
(***************************************************************************)
(* Recorded runs are behaviours of Locks: each line's event leads by Step  *)
(* to what was said and, where it was recorded, to what was seen.          *)
(*                                                                         *)
(* A run of the whole server is one of the composition (Lockstep), seen    *)
(* from one file's ranges.  What Locks has no word for stands in the line  *)
(* as it was recorded, in the place where Lockstep gives it:               *)
(*   held_up   positions in the queue that wait for something else than    *)
(*             locks after the step (breaks, accesses, grace): `waits`     *)
(*   stay      positions that do not leave for such a reason               *)
(*   passing   owners whose client has to complete a break: they go past   *)
(*             the queue                                                   *)
(*   elsewhere the request of this line joins the queue held up            *)
(***************************************************************************)
EXTENDS LocksProperties, Recorded, Tracing

TheirOwners   == DOMAIN Scene.Protocol
TheirProtocol == Scene.Protocol
TheirClient   == Scene.Client
TheirUnits    == Scene.UnitCount
TheirWaiters  == Scene.waiters_per_file_max

Field(r, name, otherwise) == IF name \in DOMAIN r THEN r[name] ELSE otherwise

-----------------------------------------------------------------------------
(* The interface to the rest of the composition.                           *)

Elsewhere == {"elsewhere"}
Held(up) == IF up THEN Elsewhere ELSE {}

Around(s, r) ==
  [held |-> s.held, calls |-> s.calls, passing |-> Field(r, "passing", {}),
   queue |-> IF "stay" \notin DOMAIN r THEN s.queue
             ELSE [n \in DOMAIN r.stay |->
               [s.queue[r.stay[n]] EXCEPT !.waits = Held(r.stay[n] \in r.held_up)]]]

(* As in Lockstep: judged by the rights first, it joins the queue.         *)
HeldUp(s, e) == Say([s EXCEPT !.queue = Append(@, [Waiter(e) EXCEPT !.waits = Elsewhere])], "blocked")

(* A test asks what a try-lock would meet, and changes nothing.            *)
LockTested(s, e) == LET there == Holders(s, Waiter(e)) IN
  [Say(s, IF there = {} THEN "ok" ELSE "denied") EXCEPT !.holders = there]

(* I/O on an export that lets the ranges of these families stop NFS I/O.   *)
Accessed(s, e) ==
  LET by == {p \in IoStoppedBy(s, e) : e.owner \in Smb \/ Protocol[p] \in e.families}
  IN  Say(s, IF by = {} THEN "ok" ELSE "lock_conflict")

(* What nobody reclaimed goes with grace; after a restart what was on      *)
(* record is held.                                                         *)
RECURSIVE WithoutAll(_, _, _)
WithoutAll(table, o, rs) ==
  IF rs = {} THEN table
  ELSE LET r == CHOOSE r \in rs : TRUE
       IN  WithoutAll(IF o \in Posix THEN Carve(table, r)
                       ELSE IF CanUnstack(table, r) THEN Unstack(table, r) ELSE table, o, rs \ {r})
GraceEnded(s, e) ==
  Say([s EXCEPT !.held = [o \in Owner |-> WithoutAll(@[o], o, {r \in e.unclaimed : r.owner = o})]], "ok")
Restarted(e) == Say([held |-> [o \in Owner |-> Field(e.held, o, {})], queue |-> <<>>, calls |-> {}], "ok")

(* Who waits no longer for anything else goes, whatever the event was.     *)
Settled(t) == LET u == Settle(t.state, t.ended) IN [t EXCEPT !.state = u.state, !.ended = u.ended]

StepOf(state, r) ==
  LET s == Around(state, r)
      e == r.event
  IN  Settled(
      CASE e.type = "Restarted"  -> Restarted(e)
        [] e.type = "GraceEnded" -> GraceEnded(s, e)
        [] e.type = "LockTested" -> LockTested(s, e)
        [] e.type = "AccessRequested" /\ "families" \in DOMAIN e -> Accessed(s, e)
        [] e.type = "Elsewhere"  -> Say(s, "ok")
        [] OTHER -> IF Field(r, "elsewhere", FALSE) THEN HeldUp(s, e) ELSE Step(s, e))

-----------------------------------------------------------------------------
(* What is said aloud of endings: a dropped NLM or NFSv4 waiter has had    *)
(* its reply long ago.                                                     *)
Aloud(end) == end.how \in {"granted", "told"} \/ (end.owner \in Smb /\ end.how # "lapsed")
Says(r, t) ==
  /\ r.said.reply = t.reply
  /\ r.said.holder = "" \/ r.said.holder \in t.holders
  /\ r.said.ended = SelectSeq(t.ended, Aloud)
Bare(w) == [owner |-> w.owner, first |-> w.first, last |-> w.last, kind |-> w.kind]
Shows(r, t) == "view" \in DOMAIN r =>
  /\ \A o \in Owner : t.state.held[o] = Field(r.view.held, o, {})
  /\ r.view.queue = [i \in DOMAIN t.state.queue |-> [t.state.queue[i] EXCEPT !.waits = {}]]
  /\ r.view.calls = {Bare(c) : c \in t.state.calls}

TraceInit == Init /\ Beginning(Traces)
TraceNext ==
  IF AtEnd(Traces) THEN Accepted /\ UNCHANGED <<vars, trace, line>>
  ELSE LET here == Traces[trace][line]
           t == StepOf(State, here)
       IN  IF Says(here, t) /\ Shows(here, t) THEN Become(t.state) /\ NextLine
           ELSE Refused(here, t) /\ UNCHANGED <<vars, trace, line>>
=============================================================================
