------------------------------ MODULE DumpRights ------------------------------
(* Every transition of Rights as one line, for replay through the core:    *)
(* <<event, state, outcome, state'>>, in tuples and sets of small values.  *)
EXTENDS Rights

Kinds   == [c \in Clients |-> CASE c \in {"s", "t"} -> "lease" [] c = "o" -> "oplock"
                                [] c \in {"v", "w"} -> "delegation" [] c = "n" -> "none"]
MayAll  == [c \in Clients |-> {"read", "write"}]
MayRead == [c \in Clients |-> IF c \in {"t", "w"} THEN {"read"} ELSE {"read", "write"}]
DenyNothing == [c \in Clients |-> {}]
TDenies == [c \in Clients |-> IF c = "t" THEN {"write", "remove"} ELSE {}]
AllWishes == {R, RH, RW, RWH}

Letters(r) == IF r = None THEN "none"
              ELSE (IF "R" \in r THEN "R" ELSE "") \o (IF "W" \in r THEN "W" ELSE "") \o (IF "H" \in r THEN "H" ELSE "")
TheEvent(e) ==
  CASE e.type = "OpenRequested"     -> <<e.type, e.client, Letters(e.wish), e.overwrite>>
    [] e.type = "AccessRequested"   -> <<e.type, e.client, e.operation>>
    [] e.type = "BreakAcknowledged" -> <<e.type, e.client, Letters(e.rights)>>
    [] e.type = "Tick"              -> <<e.type, e.due>>
    [] OTHER                        -> <<e.type, e.client>>
TheState(s) ==
  << {<<c, s.opens[c], Letters(s.right[c]), Letters(s.brk[c]), s.lock[c]>> : c \in Clients},
     {<<a.client, a.what>> : a \in s.inflight},
     [i \in DOMAIN s.queue |-> <<s.queue[i].client, s.queue[i].what, Letters(s.queue[i].wish), s.queue[i].waits>>],
     {<<b.client, b.cause>> : b \in s.bars}, s.backoff >>
TheOutcome(t) ==
  << [i \in DOMAIN t.out |->
        CASE t.out[i].what = "reply"   -> <<"reply", t.out[i].client, t.out[i].status>>
          [] t.out[i].what = "break"   -> <<"break", t.out[i].client, Letters(t.out[i].to), t.out[i].ack>>
          [] OTHER                     -> <<t.out[i].what, t.out[i].client>>] >>

DumpNext == \E e \in {e \in Event : Fair(State, e)} : LET t == Step(State, e) IN
  PrintT(ToString(<<TheEvent(e), TheState(State), TheOutcome(t), TheState(t.state)>>)) /\ Become(t.state)
=============================================================================
