------------------------------ MODULE DirRights ------------------------------
(***************************************************************************)
(* Caching of one directory: NFSv4.1 directory delegations (RFC 8881       *)
(* 10.9, 18.39) and SMB directory leases (MS-SMB2 3.3.5.9.11), semantics   *)
(* sections 1 and 2.                                                       *)
(*                                                                         *)
(* A change by somebody else that the holder agreed to hear of is applied  *)
(* and queued for him as a notification; any other change recalls the      *)
(* delegation and WAITS.  When his queue is full, or a notification got    *)
(* lost, the delegation is recalled: never silence.  A directory lease is  *)
(* broken to none: R by notice, RH with an acknowledgment that nobody      *)
(* waits for; it is told of a change as soon as that is asked for, even    *)
(* when the change then waits for others.  A holder's own change breaks    *)
(* nothing of his.                                                         *)
(*                                                                         *)
(*   entries    names in the directory                                     *)
(*   right[c]   {}, R or RH; recall[c] whether its break is out            *)
(*   notes[c]   notifications queued for c, in order                       *)
(*   letter[c]  a break, recall or notice is on its way to c               *)
(*   cache[c]   the listing that c keeps, or Nothing                       *)
(*   waiting    changes that wait for recalls: [client, change, waits]     *)
(*   backoff    a recall ended a moment ago: no delegation yet             *)
(*   granted    who has a delegation, in the order in which they got it    *)
(*   clock      who has to answer a recall, in the order of the deadlines  *)
(***************************************************************************)
EXTENDS Integers, FiniteSets, Sequences, TLC

CONSTANTS Clients, Flavour,    \* [Clients -> {"directory_delegation", "directory_lease", "none"}]
          Mask,                \* [Clients -> changes that c agreed to be notified of]
          Names, notes_max

R == {"R"}  RH == {"R", "H"}
Nothing == {"no listing"}      \* no set of names is this
Changes == {[kind |-> k, name |-> n] : k \in {"add", "remove"}, n \in Names}
           \cup {[kind |-> "rename", name |-> n] : n \in Names}

VARIABLES entries, right, recall, notes, letter, cache, waiting, backoff, granted, clock
vars == <<entries, right, recall, notes, letter, cache, waiting, backoff, granted, clock>>
State == [entries |-> entries, right |-> right, recall |-> recall, notes |-> notes,
          letter |-> letter, cache |-> cache, waiting |-> waiting, backoff |-> backoff,
          granted |-> granted, clock |-> clock]

Delegated(c) == Flavour[c] = "directory_delegation"
Holders == {c \in Clients : Flavour[c] # "none"}
Others(c) == Clients \ {c}

Event ==
       {[type |-> "OpenRequested", client |-> c, wish |-> w] : c \in Holders, w \in {R, RH}}
  \cup {[type |-> "AccessRequested", client |-> c, change |-> x] : c \in Clients, x \in Changes}
  \cup {[type |-> t, client |-> c] : c \in Holders,
          t \in {"BreakAcknowledged", "RightReturned", "Listed", "NoticeArrived",
                 "NotificationArrived", "NotificationLost"}}
  \cup {[type |-> t, client |-> c] : c \in Clients, t \in {"ClientLeft", "RequestCancelled"}}
  \cup {[type |-> "Tick"]}

-----------------------------------------------------------------------------
(* A rename inside the directory gives the one free name, if there is one. *)
Possible(set, x) == CASE x.kind = "add"    -> x.name \notin set
                      [] x.kind = "remove" -> x.name \in set
                      [] x.kind = "rename" -> x.name \in set /\ Names \ set # {}
Applied(set, x) == CASE x.kind = "add"    -> set \cup {x.name}
                     [] x.kind = "remove" -> set \ {x.name}
                     [] x.kind = "rename" -> (set \ {x.name}) \cup {CHOOSE n \in Names : n \notin set}
RECURSIVE AppliedAll(_, _)
AppliedAll(set, xs) == IF xs = <<>> THEN set ELSE AppliedAll(Applied(set, Head(xs)), Tail(xs))

Say(s, reply) == [state |-> s, reply |-> reply, told |-> {}]

(* The delegations that this change has to recall first; those of holders  *)
(* that will be notified; the leases that it ends.                         *)
Recalls(s, c, x)  == {d \in Others(c) : Delegated(d) /\ s.right[d] # {}
                        /\ (s.recall[d] \/ x.kind \notin Mask[d] \/ Len(s.notes[d]) >= notes_max)}
Notified(s, c, x) == {d \in Others(c) : Delegated(d) /\ s.right[d] # {}} \ Recalls(s, c, x)
Leases(s, c)      == {d \in Others(c) : ~Delegated(d) /\ s.right[d] # {} /\ ~s.recall[d]}

Recalling(s, ds) == LET New(d) == d \in ds /\ ~s.recall[d] IN
                    [s EXCEPT !.clock = @ \o SelectSeq(s.granted, New),
                              !.recall = [d \in Clients |-> @[d] \/ d \in ds],
                              !.letter = [d \in Clients |-> @[d] \/ (d \in ds /\ ~s.recall[d])]]

Begun(s, c, x) ==      \* all breaks of this change, whether it can go on or not
  [Recalling(s, Recalls(s, c, x) \cup {d \in Leases(s, c) : "H" \in s.right[d]}) EXCEPT
     !.letter = [d \in Clients |-> @[d] \/ d \in Leases(s, c)],
     !.right  = [d \in Clients |-> IF d \in Leases(s, c) /\ "H" \notin s.right[d] THEN {} ELSE @[d]]]

Change(s, c, x) ==
  LET t == [s EXCEPT
        !.entries = Applied(@, x),
        !.notes  = [d \in Clients |-> IF d \in Notified(s, c, x) THEN Append(@[d], x) ELSE @[d]],
        !.cache[c] = IF @ = Nothing THEN @ ELSE Applied(s.entries, x)]    \* it saw its own change
  IN  [t EXCEPT !.cache[c] = IF s.notes[c] = <<>> THEN @ ELSE s.cache[c],
                !.notes[c] = IF @ = <<>> \/ s.cache[c] = Nothing THEN @ ELSE Append(@, x)]

(* The first waiting change that waits for nothing is judged again.        *)
RECURSIVE Settle(_, _, _)
Settle(s, reply, told) ==
  LET ready == {i \in DOMAIN s.waiting : s.waiting[i].waits = {}}
  IN  IF ready = {} THEN [state |-> s, reply |-> reply, told |-> told]
      ELSE LET i == CHOOSE i \in ready : \A j \in ready : i <= j
               w == s.waiting[i]
               ds == Recalls(s, w.client, w.change)
               rest == SubSeq(s.waiting, 1, i - 1) \o SubSeq(s.waiting, i + 1, Len(s.waiting))
               begun == Begun(s, w.client, w.change)
           IN  IF ~Possible(s.entries, w.change)
               THEN Settle([s EXCEPT !.waiting = rest], reply, told \cup {<<w.client, "no_such_name">>})
               ELSE IF ds # {}
               THEN Settle([begun EXCEPT !.waiting[i].waits = ds], reply, told)
               ELSE Settle(Change([begun EXCEPT !.waiting = rest], w.client, w.change), reply,
                           told \cup {<<w.client, "ok">>})

Released(s, ds, reply) ==        \* rights of ds are gone, their breaks have ended
  Settle([s EXCEPT !.granted = SelectSeq(@, LAMBDA d : d \notin ds),
                   !.clock  = SelectSeq(@, LAMBDA d : d \notin ds),
                   !.right  = [d \in Clients |-> IF d \in ds THEN {} ELSE @[d]],
                   !.recall = [d \in Clients |-> IF d \in ds THEN FALSE ELSE @[d]],
                   !.notes  = [d \in Clients |-> IF d \in ds THEN <<>> ELSE @[d]],
                   !.backoff = @ \/ \E d \in ds : Delegated(d) /\ s.recall[d],
                   !.waiting = [i \in DOMAIN @ |-> [@[i] EXCEPT !.waits = @ \ ds]]], reply, {})

-----------------------------------------------------------------------------
AccessRequested(s, c, x) ==
  LET ds == Recalls(s, c, x)
      begun == Begun(s, c, x)
  IN  IF ~Possible(s.entries, x) THEN Say(s, "no_such_name")
      ELSE IF ds = {} THEN Say(Change(begun, c, x), "ok")
      ELSE Say([begun EXCEPT
                  !.waiting = Append(@, [client |-> c, change |-> x, waits |-> ds])], "parked")

(* GET_DIR_DELEGATION or CREATE of the directory with a lease; not into a  *)
(* change that is waiting; no delegation while one is recalled or just     *)
(* was; a second one is not to be had.  A lease grows, but not while it    *)
(* breaks.                                                                 *)
OpenRequested(s, c, wish) ==
  LET meets  == \E i \in DOMAIN s.waiting : s.waiting[i].client # c
      barred == s.backoff \/ \E d \in Clients : Delegated(d) /\ s.recall[d]
  IN  IF Delegated(c) /\ (s.right[c] # {} \/ meets \/ barred) THEN Say(s, "unavailable")
      ELSE IF s.right[c] # {}
      THEN Say(IF meets \/ s.recall[c] \/ ~(s.right[c] \subseteq wish) THEN s
               ELSE [s EXCEPT !.right[c] = wish], "ok")
      ELSE IF meets THEN Say(s, "unavailable")
      ELSE Say([s EXCEPT !.right[c] = IF Delegated(c) THEN R ELSE wish, !.cache[c] = Nothing,
                         !.granted = IF Delegated(c) THEN Append(@, c) ELSE @, !.letter[c] = FALSE], "ok")

(* The deadlines pass, one after the other; who gave no answer is revoked, *)
(* and told with its next call. Nobody waits for leases.                   *)
RECURSIVE Expire(_, _, _)
Expire(s, ds, told) ==
  IF ds = <<>> THEN [state |-> s, reply |-> "ok", told |-> told]
  ELSE LET t == Released(s, {Head(ds)}, "ok")
       IN  IF \E i \in DOMAIN s.clock : s.clock[i] = Head(ds) THEN Expire(t.state, Tail(ds), told \cup t.told)
           ELSE Expire(s, Tail(ds), told)

Tick(s) == LET late == {d \in Clients : s.recall[d]}
               t == Released([s EXCEPT !.backoff = FALSE, !.letter = [d \in Clients |-> @[d] \/ d \in late]],
                             {d \in late : ~Delegated(d)}, "ok")
           IN  Expire(t.state, s.clock, t.told)

Step(s, e) ==
  CASE e.type = "OpenRequested"   -> OpenRequested(s, e.client, e.wish)
    [] e.type = "AccessRequested" -> AccessRequested(s, e.client, e.change)
    [] e.type = "Listed"          -> Say([s EXCEPT !.cache[e.client] = s.entries, !.notes[e.client] = <<>>], "ok")
    [] e.type = "BreakAcknowledged" /\ ~s.recall[e.client]   -> Say(s, "not_breaking")
    [] e.type = "RightReturned" /\ s.right[e.client] = {}    -> Say(s, "unknown_right")
    [] e.type \in {"BreakAcknowledged", "RightReturned"} ->
         Released([s EXCEPT !.cache[e.client] = Nothing, !.letter[e.client] = FALSE], {e.client}, "ok")
    [] e.type = "NoticeArrived"   ->
         Say([s EXCEPT !.letter[e.client] = FALSE, !.cache[e.client] = Nothing], "ok")
    [] e.type = "NotificationArrived" ->
         Say([s EXCEPT !.cache[e.client] = IF @ = Nothing THEN @ ELSE AppliedAll(@, s.notes[e.client]),
                       !.notes[e.client] = <<>>], "ok")
    [] e.type = "NotificationLost" ->
         Say([Recalling(s, {e.client}) EXCEPT !.notes[e.client] = <<>>], "ok")
    [] e.type = "RequestCancelled" ->
         Say([s EXCEPT !.waiting = SelectSeq(@, LAMBDA w : w.client # e.client)], "ok")
    [] e.type = "ClientLeft"      ->
         Released([s EXCEPT !.cache[e.client] = Nothing, !.letter[e.client] = FALSE,
                            !.waiting = SelectSeq(@, LAMBDA w : w.client # e.client)], {e.client}, "ok")
    [] e.type = "Tick"            -> Tick(s)

(* The clients' side: one change at a time; listings are kept only under a *)
(* right; an acknowledgment may come at any time, also too late.  A client *)
(* that has notifications to read makes no further changes (a bound of the *)
(* model, not a rule).                                                     *)
Fair(s, e) ==
  CASE e.type = "AccessRequested" -> ~(\E i \in DOMAIN s.waiting : s.waiting[i].client = e.client)
                                     /\ Len(s.notes[e.client]) <= notes_max
    [] e.type = "Listed"          -> s.right[e.client] # {} /\ ~s.letter[e.client]
                                     /\ ~s.recall[e.client]
    [] e.type = "BreakAcknowledged" -> ~Delegated(e.client)
    [] e.type = "RightReturned"   -> Delegated(e.client)
    [] e.type = "NoticeArrived"   -> s.letter[e.client]
    [] e.type \in {"NotificationArrived", "NotificationLost"} -> s.notes[e.client] # <<>>
    [] e.type = "RequestCancelled" -> \E i \in DOMAIN s.waiting : s.waiting[i].client = e.client
    [] OTHER                      -> TRUE

Init == /\ entries = {} /\ waiting = <<>> /\ backoff = FALSE /\ granted = <<>> /\ clock = <<>>
        /\ right = [c \in Clients |-> {}] /\ recall = [c \in Clients |-> FALSE]
        /\ notes = [c \in Clients |-> <<>>] /\ letter = [c \in Clients |-> FALSE]
        /\ cache = [c \in Clients |-> Nothing]
Become(s) == /\ entries' = s.entries /\ right' = s.right /\ recall' = s.recall /\ notes' = s.notes
             /\ letter' = s.letter /\ cache' = s.cache /\ waiting' = s.waiting /\ backoff' = s.backoff
             /\ granted' = s.granted /\ clock' = s.clock
Do(e) == IF Fair(State, e) THEN Become(Step(State, e).state) ELSE FALSE
Next  == \E e \in Event : Do(e)
Spec  == Init /\ [][Next]_vars
View  == [right |-> right, recall |-> recall, waiting |-> waiting, backoff |-> backoff]

-----------------------------------------------------------------------------
(* 13. DirCoherence. A listing that is kept is the directory as soon as    *)
(* what is queued for its holder has arrived, or a break is on its way.    *)
DirCoherence == \A c \in Clients : cache[c] # Nothing =>
  \/ letter[c]
  \/ AppliedAll(cache[c], notes[c]) = entries

(* No one waits for a recall that is not out, or for his own.              *)
NoLostWakeup == \A i \in DOMAIN waiting :
  /\ waiting[i].waits # {} /\ waiting[i].client \notin waiting[i].waits
  /\ \A d \in waiting[i].waits : recall[d]

(* 58. DirRecallWaits. A change that a holder is not notified of is        *)
(* applied only when nobody else holds the delegation any more.            *)
DirRecallWaits(s, e, t) == t.state.entries # s.entries => \A d \in Clients :
  \/ ~Delegated(d) \/ t.state.right[d] = {}
  \/ Len(t.state.notes[d]) > Len(s.notes[d])
  \/ (e.type = "AccessRequested" /\ e.client = d)
  \/ <<d, "ok">> \in t.told

(* No delegation while one is recalled, nor before the change that it was  *)
(* recalled for had its turn.                                              *)
RegrantBar(s, e, t) == \A c \in Clients : Delegated(c) /\ s.right[c] = {} /\ t.state.right[c] # {} =>
  ~s.backoff /\ \A d \in Clients : Delegated(d) => ~s.recall[d]

(* Never silence: a full queue or a lost notification becomes a recall.    *)
NeverSilent(s, e, t) == e.type = "NotificationLost" => t.state.recall[e.client]

Good(name, holds, s, e, t) == holds \/ Assert(FALSE, <<name, e, t>>)
CheckedNext == \E e \in {e \in Event : Fair(State, e)} : LET t == Step(State, e) IN
  IF /\ Good("DirRecallWaits", DirRecallWaits(State, e, t), State, e, t)
     /\ Good("RegrantBar", RegrantBar(State, e, t), State, e, t)
     /\ Good("NeverSilent", NeverSilent(State, e, t), State, e, t)
  THEN Become(t.state) ELSE FALSE

(* Probes: TLC must violate each of these.                                 *)
P_NobodyNotified == \A c \in Clients : notes[c] = <<>>
P_QueueNeverFull == \A c \in Clients : Len(notes[c]) < notes_max
P_NobodyRecalled == \A c \in Clients : ~recall[c]
P_NobodyWaits    == waiting = <<>>
P_NoStaleListing == \A c \in Clients : cache[c] \in {Nothing, entries}
P_NoLetterToLease == \A c \in Clients : letter[c] => Delegated(c)
=============================================================================
