------------------------------ MODULE TraceLocks ------------------------------
(* Recorded runs of the machine are behaviours of Locks: each line's event *)
(* leads by Step to what was said and, where it was recorded, to what was  *)
(* seen.                                                                   *)
EXTENDS LocksProperties, Recorded, Tracing

TheirOwners   == DOMAIN Scene.Protocol
TheirProtocol == Scene.Protocol
TheirClient   == Scene.Client
TheirUnits    == Scene.UnitCount
TheirWaiters  == Scene.waiters_per_file_max

Field(r, name, otherwise) == IF name \in DOMAIN r THEN r[name] ELSE otherwise

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
  /\ r.view.queue = t.state.queue
  /\ r.view.calls = {Bare(c) : c \in t.state.calls}

TraceInit == Init /\ Beginning(Traces)
TraceNext ==
  IF AtEnd(Traces) THEN Accepted /\ UNCHANGED <<vars, trace, line>>
  ELSE LET here == Traces[trace][line]
           t == Step(State, here.event)
       IN  IF Says(here, t) /\ Shows(here, t) THEN Become(t.state) /\ NextLine
           ELSE Refused(here, t) /\ UNCHANGED <<vars, trace, line>>
=============================================================================
