------------------------------ MODULE TraceBreaks ------------------------------
(***************************************************************************)
(* What recorded servers did to the caching rights of a file, as Rights    *)
(* judges it: which breaks a request begins, to what, whether it has to    *)
(* wait for them, and what an acknowledgment leaves.                       *)
(*                                                                         *)
(* A line is a request with the breaks that left, or an acknowledgment     *)
(* with its answer; `after` are the rights as they were seen then.  Where  *)
(* Rights has a word it must say what was recorded.  What came between     *)
(* (opens that were granted rights, closes, deadlines) is taken over as it *)
(* was seen, by lines `Elsewhere`.                                         *)
(***************************************************************************)
EXTENDS Rights, Recorded, Tracing

TheirClients == DOMAIN Scene.Flavour
TheirFlavour == Scene.Flavour
ReadAndWrite == [c \in Clients |-> {"read", "write"}]
Nothing      == [c \in Clients |-> {}]

Seen(table, otherwise) == [c \in Clients |-> IF c \in DOMAIN table THEN table[c] ELSE otherwise]
After(r) == [State EXCEPT !.right = Seen(r.after.right, {}), !.brk = Seen(r.after.brk, None),
                          !.need = Seen(r.after.need, None)]

Asking(e) == [client |-> e.client, what |-> e.what, wish |-> {}, waits |-> {}, woken |-> FALSE]
Breaks(out) == {[client |-> x.client, to |-> x.to, ack |-> x.ack] :
                  x \in {out[i] : i \in {i \in DOMAIN out : out[i].what = "break"}}}

(* What an open is granted itself is not judged here.                      *)
Same(s, t, cs) == \A c \in cs : s.right[c] = t.right[c] /\ s.brk[c] = t.brk[c] /\ s.need[c] = t.need[c]

JudgedSo(r, j) == LET t == Begun(State, j) IN
  /\ r.said.breaks = Breaks(Sent(State, j))
  /\ r.said.waits = (j.waits # {})
  /\ Same(t, After(r), IF r.event.what \in {"open", "overwrite"} THEN Clients \ {r.event.client} ELSE Clients)

AcknowledgedSo(r, t) ==
  /\ \E i \in DOMAIN t.out : t.out[i].what = "reply" /\ t.out[i].status = r.said.status
  /\ r.said.breaks = Breaks(t.out)
  /\ Same(t.state, After(r), {r.event.client})

TraceInit == /\ Beginning(Traces)
             /\ opens = [c \in Clients |-> 1] /\ right = Nothing
             /\ brk = [c \in Clients |-> None] /\ need = brk /\ acked = brk /\ clock = <<>>
             /\ lock = [c \in Clients |-> FALSE] /\ inflight = {} /\ queue = <<>> /\ bars = {} /\ backoff = FALSE
TraceNext ==
  IF AtEnd(Traces) THEN Accepted /\ UNCHANGED <<vars, trace, line>>
  ELSE LET here == Traces[trace][line]
           e == here.event
           next == Become(After(here)) /\ NextLine
           stop(step) == Refused(here, step) /\ UNCHANGED <<vars, trace, line>>
       IN  CASE e.type = "Judged" -> LET j == Judge(State, Asking(e), 0) IN
                  IF JudgedSo(here, j) THEN next ELSE stop(<<j, Begun(State, j)>>)
             [] e.type = "BreakAcknowledged" -> LET t == Step(State, e) IN
                  IF AcknowledgedSo(here, t) THEN next ELSE stop(t)
             [] e.type = "Elsewhere" -> next
=============================================================================
