------------------------------ MODULE Sessions ------------------------------
(***************************************************************************)
(* Exactly once, over a network that loses, repeats and reorders:          *)
(* NFSv4.1 slots (RFC 8881 2.10.6), stateids (8.2), incarnations of a      *)
(* client (2.4), NSM notifications, and the replays of SMB (MS-SMB2        *)
(* 3.3.5.2.10, 3.3.5.9, 3.3.5.14); semantics, section 8.                   *)
(*                                                                         *)
(* Requests that were sent stay in `network` and may arrive any number of  *)
(* times, in any order, until the client has moved on by more than the     *)
(* sequence numbers can tell apart.                                        *)
(*                                                                         *)
(*   slot      the server's: [seq, body, status, reply, executed]; status  *)
(*             "idle" or "running"; executed counts what really ran (a     *)
(*             ghost, per sequence number, reset when a number is new)     *)
(*   client    [seq, body, waiting, cached]: its current request           *)
(*   network   requests under way                                          *)
(*   state     one stateid: the server's seqid and the client's copy       *)
(*   hosts     NSM: the state number last acted upon, whether locks are    *)
(*             held since; incarnation: of the client, confirmed or not    *)
(*   smb       one CreateGuid: whether its open is there and how often it  *)
(*             was opened; of that open the entry of LockSequence: the     *)
(*             number last acted upon, and how many locks it has           *)
(***************************************************************************)
EXTENDS Integers, FiniteSets, Sequences, TLC

CONSTANTS Bodies,              \* different requests
          SeqMax,              \* sequence numbers are 0 .. SeqMax, then 0 again
          states_max           \* bound on stateid seqids and host states

VARIABLES slot, client, network, stateid, hosts, smb
vars == <<slot, client, network, stateid, hosts, smb>>
State == [slot |-> slot, client |-> client, network |-> network, stateid |-> stateid, hosts |-> hosts,
          smb |-> smb]

Next1(n) == IF n = SeqMax THEN 0 ELSE n + 1
Request(q, b, c) == [seq |-> q, body |-> b, cached |-> c]
NoBody == "nothing"
Uncached == [of |-> NoBody, result |-> 0]

Event ==
       {[type |-> "ClientSent", body |-> b, cached |-> c] : b \in Bodies, c \in BOOLEAN}
  \cup {[type |-> "ClientResent"], [type |-> "ClientLied"]}
  \cup {[type |-> "SequenceArrived", seq |-> q, body |-> b, cached |-> c] :
          q \in 0 .. SeqMax, b \in Bodies, c \in BOOLEAN}
  \cup {[type |-> "RequestFinished"]}
  \cup {[type |-> "ReplyArrived", seq |-> q] : q \in 0 .. SeqMax}
  \cup {[type |-> "StateChanged"], [type |-> "ReplyLost"]}
  \cup {[type |-> "StateidUsed", seqid |-> n] : n \in 0 .. states_max}
  \cup {[type |-> "HostRebooted", state |-> n] : n \in 1 .. states_max}
  \cup {[type |-> t] : t \in {"LockRequested", "ClientRestarted", "SessionCreated", "OpenClosed"}}
  \cup {[type |-> "CreateArrived", replay |-> r] : r \in BOOLEAN}
  \cup {[type |-> "SmbLockArrived", number |-> n] : n \in 1 .. 2}

-----------------------------------------------------------------------------
(* SEQUENCE on one slot.  An error of SEQUENCE changes nothing.            *)

Say(s, reply) == [state |-> s, reply |-> reply, answer |-> Uncached]
Answer(s, reply, answer) == [state |-> s, reply |-> reply, answer |-> answer]

SequenceArrived(s, r) ==
  LET l == s.slot
  IN  IF r.seq = Next1(l.seq) /\ l.status = "idle"
      THEN Say([s EXCEPT !.slot = [seq |-> r.seq, body |-> r.body, cached |-> r.cached,
                                   status |-> "running", reply |-> Uncached, executed |-> l.executed,
                                   runs |-> 0]], "run")
      ELSE IF r.seq = l.seq /\ l.status = "running" THEN Say(s, IF r.body = l.body THEN "delay" ELSE "seq_false_retry")
      ELSE IF r.seq = l.seq /\ r.body # l.body THEN Say(s, "seq_false_retry")
      ELSE IF r.seq = l.seq /\ ~l.cached THEN Say(s, "retry_uncached_rep")
      ELSE IF r.seq = l.seq THEN Answer(s, "replay", l.reply)
      ELSE Say(s, "seq_misordered")

(* What runs changes the one stateid: its result is the new seqid.         *)
RequestFinished(s) ==
  LET n == s.slot.executed + 1
      answer == [of |-> s.slot.body, result |-> n]
  IN  Answer([s EXCEPT !.slot.status = "idle", !.slot.reply = IF s.slot.cached THEN answer ELSE Uncached,
                       !.slot.executed = n, !.slot.runs = @ + 1], "reply", answer)

(* The client: the next request after the reply to the last one; the same  *)
(* again while it waits.  ClientLied is the false retry: the same number   *)
(* with another request.                                                   *)
ClientSent(s, b, c) ==
  LET q == Next1(s.client.seq)
  IN  Say([s EXCEPT !.client = [seq |-> q, body |-> b, cached |-> c, waiting |-> TRUE, got |-> 0],
                    !.network = {m \in @ : m.seq # Next1(q)} \cup {Request(q, b, c)}], "sent")
ClientLied(s) ==
  LET other == CHOOSE b \in Bodies : b # s.client.body
  IN  Say([s EXCEPT !.network = @ \cup {Request(s.client.seq, other, s.client.cached)}], "sent")

(* Any reply that the server would send now for the client's request may   *)
(* reach it.                                                               *)
ReplyArrived(s) ==
  LET t == SequenceArrived(s, Request(s.client.seq, s.client.body, s.client.cached))
      done == s.slot.seq = s.client.seq /\ s.slot.status = "idle"
              /\ t.reply \in {"replay", "retry_uncached_rep"}
  IN  IF done THEN Say([s EXCEPT !.client.waiting = FALSE,
                                 !.client.got = IF t.reply = "replay" THEN t.answer.result ELSE 0], "received")
      ELSE Say(s, "nothing")

-----------------------------------------------------------------------------
(* Stateids: the seqid grows by one with each reply that returns a changed *)
(* state; 0 means the current one.                                         *)
StateChanged(s) == Answer([s EXCEPT !.stateid.server = @ + 1, !.stateid.client = s.stateid.server + 1],
                          "ok", [of |-> "stateid", result |-> s.stateid.server + 1])
ReplyLost(s)    == Answer([s EXCEPT !.stateid.server = @ + 1], "ok",
                          [of |-> "stateid", result |-> s.stateid.server + 1])
StateidUsed(s, n) ==
  Say(s, IF s.stateid.server = 0 THEN "bad_stateid"
         ELSE IF n = 0 \/ n = s.stateid.server THEN "ok"
         ELSE IF n < s.stateid.server THEN "old_stateid" ELSE "bad_stateid")

(* NSM: a repeat of (host, state) frees nothing that was taken after it.   *)
HostRebooted(s, n) ==
  IF n = s.hosts.state THEN Say(s, "known")
  ELSE Say([s EXCEPT !.hosts.state = n, !.hosts.locked = FALSE], "freed")
LockRequested(s) == Say([s EXCEPT !.hosts.locked = TRUE], "granted")

(* A client that restarted comes with a new verifier; its old state stays  *)
(* until the new incarnation is confirmed by CREATE_SESSION.               *)
ClientRestarted(s) == Say([s EXCEPT !.hosts.unconfirmed = TRUE], "unconfirmed")
SessionCreated(s)  == Say([s EXCEPT !.hosts.unconfirmed = FALSE, !.hosts.locked = FALSE], "confirmed")

(* SMB: a CREATE that is replayed finds the open of its CreateGuid, the     *)
(* same guid without the replay flag is an error; a LOCK with the number    *)
(* that its entry has is done already.                                     *)
CreateArrived(s, replay) ==
  IF ~s.smb.there THEN Say([s EXCEPT !.smb = [there |-> TRUE, opened |-> @.opened + 1, last |-> 0, locks |-> 0]],
                           "opened")
  ELSE Say(s, IF replay THEN "same_open" ELSE "duplicate")
SmbLockArrived(s, n) ==
  IF n = s.smb.last THEN Say(s, "locked") ELSE Say([s EXCEPT !.smb.last = n, !.smb.locks = @ + 1], "locked")
OpenClosed(s) == Say([s EXCEPT !.smb = [@ EXCEPT !.there = FALSE, !.last = 0, !.locks = 0]], "closed")

Step(s, e) ==
  CASE e.type = "ClientSent"      -> ClientSent(s, e.body, e.cached)
    [] e.type = "ClientResent"    ->
         Say([s EXCEPT !.network = @ \cup {Request(s.client.seq, s.client.body, s.client.cached)}], "sent")
    [] e.type = "ClientLied"      -> ClientLied(s)
    [] e.type = "SequenceArrived" -> SequenceArrived(s, e)
    [] e.type = "RequestFinished" -> RequestFinished(s)
    [] e.type = "ReplyArrived"    -> ReplyArrived(s)
    [] e.type = "StateChanged"    -> StateChanged(s)
    [] e.type = "ReplyLost"       -> ReplyLost(s)
    [] e.type = "StateidUsed"     -> StateidUsed(s, e.seqid)
    [] e.type = "HostRebooted"    -> HostRebooted(s, e.state)
    [] e.type = "LockRequested"   -> LockRequested(s)
    [] e.type = "ClientRestarted" -> ClientRestarted(s)
    [] e.type = "SessionCreated"  -> SessionCreated(s)
    [] e.type = "CreateArrived"   -> CreateArrived(s, e.replay)
    [] e.type = "SmbLockArrived"  -> SmbLockArrived(s, e.number)
    [] e.type = "OpenClosed"      -> OpenClosed(s)

Fair(s, e) ==
  CASE e.type = "ClientSent"      -> ~s.client.waiting
    [] e.type \in {"ClientResent", "ClientLied"} -> s.client.waiting
    [] e.type = "SequenceArrived" -> Request(e.seq, e.body, e.cached) \in s.network
    [] e.type = "RequestFinished" -> s.slot.status = "running"
    [] e.type = "ReplyArrived"    -> s.client.waiting /\ e.seq = s.client.seq
    [] e.type \in {"StateChanged", "ReplyLost"} -> s.stateid.server < states_max
    [] e.type = "SessionCreated"  -> s.hosts.unconfirmed
    [] e.type = "CreateArrived"   -> s.smb.opened < states_max
    [] e.type \in {"SmbLockArrived", "OpenClosed"} -> s.smb.there /\ s.smb.locks < states_max
    [] OTHER                      -> TRUE

(* Executions are counted modulo what is compared: a model bound.          *)
Bounded(s) == [s EXCEPT !.slot.executed = @ % 4, !.client.got = @ % 4]

Init == /\ slot = [seq |-> 0, body |-> NoBody, cached |-> FALSE, status |-> "idle", reply |-> Uncached,
                   executed |-> 0, runs |-> 0]
        /\ client = [seq |-> 0, body |-> NoBody, cached |-> FALSE, waiting |-> FALSE, got |-> 0]
        /\ network = {}
        /\ stateid = [server |-> 0, client |-> 0]
        /\ hosts = [state |-> 0, locked |-> FALSE, unconfirmed |-> FALSE]
        /\ smb = [there |-> FALSE, opened |-> 0, last |-> 0, locks |-> 0]
Become(s) == slot' = s.slot /\ client' = s.client /\ network' = s.network
             /\ stateid' = s.stateid /\ hosts' = s.hosts /\ smb' = s.smb
Do(e) == IF Fair(State, e) THEN Become(Bounded(Step(State, e).state)) ELSE FALSE
Next  == \E e \in Event : Do(e)
Spec  == Init /\ [][Next]_vars
View  == [slot |-> slot, stateid |-> stateid.server, hosts |-> hosts]

-----------------------------------------------------------------------------
(* 25. ExactlyOnce. What is under one number runs once at most.            *)
ExactlyOnce == slot.runs <= 1 /\ (slot.status = "idle" /\ slot.body # NoBody => slot.runs = 1)

(* The client is never behind or ahead of the slot by more than one.       *)
InStep == client.seq \in {slot.seq, Next1(slot.seq)}

(* 26. SlotOrder. Next runs, same replays or delays, all else is           *)
(* misordered; an error of SEQUENCE changes no slot; a false retry is seen.*)
SlotOrder(s, e, t) == e.type = "SequenceArrived" =>
  /\ t.reply = "run" <=> e.seq = Next1(s.slot.seq) /\ s.slot.status = "idle"
  /\ t.reply # "run" => t.state.slot = s.slot
  /\ e.seq = s.slot.seq /\ s.slot.body # NoBody /\ e.body # s.slot.body => t.reply = "seq_false_retry"
  /\ e.seq \notin {s.slot.seq, Next1(s.slot.seq)} => t.reply = "seq_misordered"
(* 25, step. A replay is the very reply of the one execution.              *)
SameReply(s, e, t) == t.reply = "replay" =>
  t.answer = s.slot.reply /\ t.answer.of = e.body /\ t.state = s
(* 28. StateidMonotone.                                                    *)
StateidMonotone(s, e, t) ==
  /\ t.state.stateid.server \in {s.stateid.server, s.stateid.server + 1}
  /\ e.type = "StateidUsed" /\ e.seqid = s.stateid.client /\ s.stateid.server # 0 /\ e.seqid # 0 =>
       t.reply = IF s.stateid.client = s.stateid.server THEN "ok" ELSE "old_stateid"
(* 27. NlmIdempotent, for SM_NOTIFY: a repeat frees nothing.               *)
NotifyOnce(s, e, t) == e.type = "HostRebooted" /\ e.state = s.hosts.state => t.state = s
(* 52. StateDropAtConfirm: not before the new incarnation is confirmed.    *)
StateDropAtConfirm(s, e, t) == s.hosts.locked /\ ~t.state.hosts.locked =>
  e.type \in {"SessionCreated", "HostRebooted"}

(* 29. Smb2Replay. What is replayed finds the first result and does        *)
(* nothing: neither an open nor a lock is made twice.                      *)
Smb2Replay(s, e, t) ==
  /\ e.type = "CreateArrived" /\ s.smb.there =>
       t.state = s /\ t.reply = IF e.replay THEN "same_open" ELSE "duplicate"
  /\ e.type = "SmbLockArrived" /\ e.number = s.smb.last => t.state = s /\ t.reply = "locked"
Good(name, holds, s, e, t) == holds \/ Assert(FALSE, <<name, e, t>>)
CheckedStep(e) == LET t == Step(State, e) IN
  IF /\ Good("SlotOrder", SlotOrder(State, e, t), State, e, t)
     /\ Good("SameReply", SameReply(State, e, t), State, e, t)
     /\ Good("StateidMonotone", StateidMonotone(State, e, t), State, e, t)
     /\ Good("NotifyOnce", NotifyOnce(State, e, t), State, e, t)
     /\ Good("Smb2Replay", Smb2Replay(State, e, t), State, e, t)
     /\ Good("StateDropAtConfirm", StateDropAtConfirm(State, e, t), State, e, t)
  THEN Become(Bounded(t.state)) ELSE FALSE
CheckedNext == \E e \in {e \in Event : Fair(State, e)} : CheckedStep(e)

(* Probes: TLC must violate each of these.                                 *)
Replies == {Step(State, e).reply : e \in {e \in Event : Fair(State, e)}}
P_NoReplay     == "replay" \notin Replies
P_NoFalseRetry == "seq_false_retry" \notin Replies
P_NoMisordered == "seq_misordered" \notin Replies
P_NoDelay      == "delay" \notin Replies
P_NoUncached   == "retry_uncached_rep" \notin Replies
P_NoWrap       == ~(slot.seq = 0 /\ slot.body # NoBody)
P_NoOldStateid == "old_stateid" \notin Replies
P_NoSmbReplay  == "same_open" \notin Replies
P_NoRepeatedNotify == ~(hosts.locked /\ hosts.state # 0)
=============================================================================
