------------------------------ MODULE DumpLocks ------------------------------
(* Every transition of Locks as one line, for replay through the core:     *)
(* <<event, state, outcome, state'>>, in tuples and sets of small values.  *)
EXTENDS Locks

Mixed    == [o \in Owner |-> CASE o = "a" -> "nlm" [] o = "b" -> "v4" [] o = "c" -> "smb"]
Named    == [o \in Owner |-> CASE o \in {"a", "b"} -> "nlm" [] o \in {"c", "e"} -> "smb" [] o = "d" -> "v4"]
Alone    == [o \in Owner |-> o]
Together == [o \in Owner |-> IF o = "b" THEN "a" ELSE o]

Mode(k) == IF k = "exclusive" THEN "X" ELSE "S"
TheEvent(e) ==
  CASE e.type = "LockRequested" -> <<e.type, e.owner, e.first, e.last, Mode(e.kind), e.wait>>
    [] e.type = "Unlocked"      -> <<e.type, e.owner, e.first, e.last>>
    [] e.type = "LockCancelled" -> <<e.type, e.owner, e.first, e.last, Mode(e.kind)>>
    [] e.type = "GrantAnswered" -> <<e.type, e.owner, e.first, e.last, Mode(e.kind), e.accepted>>
    [] e.type = "OpenClosed"    -> <<e.type, e.owner>>
    [] e.type = "ClientLeft"    -> <<e.type, e.client>>
    [] e.type = "Tick"          -> <<e.type>>
TheState(s) ==
  << UNION {{<<o, l.first, l.last, Mode(l.kind), l.n>> : l \in s.held[o]} : o \in Owner},
     [i \in DOMAIN s.queue |-> <<s.queue[i].owner, s.queue[i].first, s.queue[i].last,
                                 Mode(s.queue[i].kind), s.queue[i].told>>],
     {<<c.owner, c.first, c.last, Mode(c.kind), {<<u.unit, u.was>> : u \in c.undo}>> : c \in s.calls} >>
TheOutcome(t) ==
  << t.reply, t.holders,
     [i \in DOMAIN t.ended |-> <<t.ended[i].owner, t.ended[i].first, t.ended[i].last,
                                 Mode(t.ended[i].kind), t.ended[i].how>>] >>

DumpNext == \E e \in Event : LET t == Step(State, e) IN
  IF Bounded(t.state)
  THEN PrintT(ToString(<<TheEvent(e), TheState(State), TheOutcome(t), TheState(t.state)>>)) /\ Become(t.state)
  ELSE FALSE
=============================================================================
