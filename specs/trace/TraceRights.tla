------------------------------ MODULE TraceRights ------------------------------
(* Recorded runs of the machine are behaviours of Rights: each line's      *)
(* event, which its client may cause, leads by Step to what was said and   *)
(* seen.                                                                   *)
EXTENDS MCRights, Recorded, Tracing

ASSUME Scene.Flavour = Flavour /\ Scene.Access = Access /\ Scene.Deny = Deny
       /\ Scene.waiters_per_file_max = waiters_per_file_max

Names == [c \in Clients |-> IF c = "t" THEN {"remove"} ELSE {}]

(* A NLM request that waits has had its reply: it is not told when it is   *)
(* cancelled.  Breaks that begin together may leave in any order, and what *)
(* is revoked at one time may, too.                                        *)
Aloud(x)    == ~(x.what = "reply" /\ x.of = "lock" /\ Flavour[x.client] = "none" /\ x.status = "cancelled")
Free(x)     == x.what \in {"break", "revoked"}
Bound(x)    == ~Free(x)
Bare(x)     == IF x.what = "reply" THEN [what |-> "reply", client |-> x.client, status |-> x.status] ELSE x
Spoken(out)   == LET all == SelectSeq(out, Aloud) IN [i \in DOMAIN all |-> Bare(all[i])]
Set(seq)    == {seq[i] : i \in DOMAIN seq}
Says(r, t)  == LET out == Spoken(t.out) IN
  /\ SelectSeq(r.said, Bound) = SelectSeq(out, Bound)
  /\ Set(SelectSeq(r.said, Free)) = Set(SelectSeq(out, Free))
Shows(r, t) == "view" \in DOMAIN r =>
  /\ r.view.opens = t.state.opens /\ r.view.right = t.state.right /\ r.view.brk = t.state.brk
  /\ r.view.need = t.state.need
  /\ r.view.lock = t.state.lock /\ r.view.inflight = t.state.inflight
  /\ r.view.bars = t.state.bars /\ r.view.backoff = t.state.backoff
  /\ r.view.queue = [i \in DOMAIN t.state.queue |->
       [client |-> t.state.queue[i].client, waits |-> t.state.queue[i].waits # {},
        what |-> IF IsOpen(t.state.queue[i]) THEN "open" ELSE t.state.queue[i].what]]

TraceInit == Init /\ Beginning(Traces)
TraceNext ==
  IF AtEnd(Traces) THEN Accepted /\ UNCHANGED <<vars, trace, line>>
  ELSE LET here == Traces[trace][line]
           t == Step(State, here.event)
       IN  IF Fair(State, here.event) /\ Says(here, t) /\ Shows(here, t) THEN Become(t.state) /\ NextLine
           ELSE Refused(here, t) /\ UNCHANGED <<vars, trace, line>>
=============================================================================
