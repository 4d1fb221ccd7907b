------------------------------ MODULE TraceLocks ------------------------------
(* Recorded runs of the machine are behaviours of Locks: each line's event *)
(* leads by Step to what was said and, where it was recorded, to what was  *)
(* seen.  A trace that is not accepted ends in a deadlock at its line.     *)
EXTENDS MCLocks, Recorded, Tracing

ASSUME Scene.Protocol = Protocol /\ Scene.Client = Client /\ Scene.UnitCount = UnitCount
       /\ Scene.waiters_per_file_max = waiters_per_file_max

(* What is said aloud of endings: a dropped NLM or NFSv4 waiter has had    *)
(* its reply long ago.                                                     *)
Aloud(end) == end.how \in {"granted", "told"} \/ (end.owner \in Smb /\ end.how # "lapsed")
Says(r, t) ==
  /\ r.said.reply = t.reply
  /\ r.said.holder = "" \/ r.said.holder \in t.holders
  /\ r.said.ended = SelectSeq(t.ended, Aloud)
Shows(r, t) == "view" \in DOMAIN r =>
  /\ r.view.held = t.state.held /\ r.view.queue = t.state.queue
  /\ r.view.calls = {[owner |-> c.owner, first |-> c.first, last |-> c.last, kind |-> c.kind] :
                          c \in t.state.calls}

TraceInit == Init /\ Beginning(Traces)
TraceNext == IF AtEnd(Traces) THEN UNCHANGED <<vars, trace, line>>
             ELSE LET here == Traces[trace][line]
                      t == Step(State, here.event)
                  IN  /\ Says(here, t) /\ Shows(here, t)
                      /\ Become(t.state) /\ NextLine
=============================================================================
