-------------------------------- MODULE Grace --------------------------------
(***************************************************************************)
(* Restart and reclaim: what is made durable, in which order, what a grace *)
(* period protects, who gets his state back (semantics, sections 6 and 7;  *)
(* RFC 8881 8.4.2 and 8.4.3).                                              *)
(*                                                                         *)
(* One lock that can be shared or exclusive stands for all state that can  *)
(* be reclaimed: a range, an open, a right of another family behave alike. *)
(* Only an OPEN of NFSv4 can be made of several and comes back in parts:   *)
(* what is not reclaimed of it yet protects like what nobody reclaimed.    *)
(***************************************************************************)
EXTENDS GraceJournal

Event ==
       {[type |-> "LockRequested", client |-> c, mode |-> m, reclaim |-> r] :
          c \in Clients, m \in Modes, r \in BOOLEAN}
  \cup {[type |-> t, client |-> c] : c \in Clients,
          t \in {"Unlocked", "ClientArrived", "ClientLeft"}}
  \cup {[type |-> t, client |-> c] : c \in {c \in Clients : Leased(c)},
          t \in {"LeaseEnded", "ClientRenewed"}}
  \cup {[type |-> "ReclaimCompleted", client |-> c] : c \in {c \in Clients : Kind[c] = "v41"}}
  \cup {[type |-> "Tick"], [type |-> "JournalWritten"], [type |-> "Crashed"], [type |-> "Recovered"]}
  \cup {[type |-> "JournalChanged", failed |-> f] : f \in BOOLEAN}

-----------------------------------------------------------------------------
(* The end of grace: what nobody reclaimed is erased in the same batch in  *)
(* which grace ends, so before the first grant that grace would refuse.    *)

Unclaimed(s) == {c \in Clients : s.recovered[c] # "none"}
Partly(s) == {c \in Unclaimed(s) : s.held[c] # "none"}   \* it knows what it did not ask for

Ended(s) == [s EXCEPT !.phase = "normal", !.lost = {},
                      !.roster = {c \in @ \cap s.present : Kind[c] = "v41" /\ c \notin s.completed}, \* owe it
                      !.recovered = Nobody, !.revoked = @ \cup (Unclaimed(s) \ Partly(s)),
                      !.believes = [c \in Clients |-> IF c \in Partly(s) /\ Covers(@[c], s.held[c])
                                                        THEN s.held[c] ELSE @[c]]]
EndChanges(s) ==
  {PutLock(c, s.held[c]) : c \in Unclaimed(s)}
  \cup {PutClient(c, FALSE) : c \in s.lost \cap s.present}
  \cup {Forget(c) : c \in {c \in WrittenAll(s.disk, s.journal).known :
                             c \notin s.present /\ s.held[c] = "none" /\ Kind[c] # "nlm"}}

(* 4.1 is done when it says so (and gives up the rest); the others when     *)
(* nothing of theirs is left unclaimed.                                    *)
StillOn(s) == {c \in s.roster : IF Kind[c] = "v41" THEN c \notin s.completed ELSE s.recovered[c] # "none"}

Finish(s, changes, c, status, m) ==
  LET t == [s EXCEPT !.roster = StillOn(s)]
      over == s.phase = "grace" /\ t.roster = {}
      ends == IF over THEN EndChanges(t) ELSE {}
      mine == {x \in changes : ~\E y \in ends : y.what = x.what /\ y.client = x.client}   \* before it
  IN  Out(IF over THEN Ended(t) ELSE t, mine \cup ends, c, status, m)

-----------------------------------------------------------------------------
(* A client whose lease ended is in somebody's way: the mark, the erasure  *)
(* and the grant are one batch (RFC 8881 8.4.2.4).                         *)
InTheWay(s, c, m) == {d \in Others(c) : Contrary(s.held[d], m) \/ Contrary(s.recovered[d], m)}
Expired(s, ds) == [s EXCEPT !.held = [c \in Clients |-> IF c \in ds THEN "none" ELSE @[c]],
                            !.recovered = [c \in Clients |-> IF c \in ds THEN "none" ELSE @[c]],
                            !.lost = @ \cup ds, !.courtesy = @ \ ds, !.revoked = @ \cup ds]
Marks(ds) == UNION {{PutClient(d, TRUE), PutLock(d, "none")} : d \in ds}

Say(s, status) == [state |-> s, reply |-> status]

Granted(s, c, m, status, changes) ==
  LET t == [s EXCEPT !.held[c] = m, !.recovered[c] = "none"]
      first == IF c \in WrittenAll(s.disk, s.journal).known THEN {} ELSE {PutClient(c, FALSE)}
  IN  Finish(t, changes \cup first \cup {PutLock(c, m)}, c, status, m)

LockRequested(s, c, m) ==
  LET there == InTheWay(s, c, m)
      gone  == there \cap s.courtesy
      old   == {d \in there \ gone : ~Contrary(s.held[d], m)}
  IN  IF s.failed THEN Say(s, "journal_failed")
      ELSE IF Kind[c] = "v41" /\ c \in s.roster /\ c \notin s.completed THEN Say(s, "grace")
      ELSE IF s.phase = "grace" /\ grace_scope = "all" THEN Say(s, "grace")
      ELSE IF old # {} \/ (s.recovered[c] # "none" /\ Kind[c] # "nlm") THEN Say(s, "grace")
      ELSE IF there # gone THEN Say(s, "denied")
      ELSE Granted(Expired(s, gone), c, m, "granted", Marks(gone))

(* A reclaim gets back what is on record and no more.                      *)
Reclaimed(s, c, m) ==
  IF s.failed THEN Say(s, "journal_failed")
  ELSE IF s.phase # "grace" \/ c \in s.lost \/ c \in s.completed \/ c \notin s.disk.known THEN Say(s, "no_grace")
  ELSE IF ~Covers(s.recovered[c], m) /\ ~Covers(s.held[c], m) THEN Say(s, "reclaim_bad")
  ELSE IF \E d \in Others(c) : Contrary(s.held[d], m) THEN Say(s, "reclaim_conflict")
  ELSE IF c \notin Parts
  THEN \* who asks for less has given up the rest
    Granted([s EXCEPT !.believes[c] = IF Covers(m, @) THEN @ ELSE m], c, m, "reclaimed", {})
  ELSE LET whole == Stronger(s.recovered[c], s.held[c])
           now == Stronger(s.held[c], m)
       IN  Finish([s EXCEPT !.held[c] = now, !.recovered[c] = IF now = whole THEN "none" ELSE whole],
                  {PutLock(c, whole)}, c, "reclaimed", m)

(* Never refused: whoever gives back is welcome at any time.               *)
Unlocked(s, c) ==
  LET t == [s EXCEPT !.held[c] = "none", !.recovered[c] = "none", !.believes[c] = "none"]
  IN  IF s.held[c] = "none" /\ s.recovered[c] = "none" THEN Say(t, "ok")
      ELSE Finish(t, {PutLock(c, "none")}, c, "ok", "none")

ReclaimCompleted(s, c) ==
  IF c \in s.completed THEN Say(s, "complete_already")
  ELSE \* it gives up what it did not reclaim
    Finish([s EXCEPT !.completed = @ \cup {c},
                     !.believes[c] = IF s.recovered[c] # "none" THEN s.held[c] ELSE @], {}, c, "ok", "none")

(* A client that shows itself or renews its lease knows what it lost. What *)
(* it gets from now on may be reclaimed, so the mark goes - but not before *)
(* grace is over: it has nothing to reclaim in this one.                   *)
Forgiven(s, c, status) ==
  IF s.phase = "grace" \/ c \notin s.lost THEN Say(s, status)
  ELSE Out([s EXCEPT !.lost = @ \ {c}], {PutClient(c, FALSE)}, c, status, "none")

(* A client shows itself, after a restart or after it heard that it lost   *)
(* its state: from then on it knows what it has.                           *)
ClientArrived(s, c) ==
  Forgiven([s EXCEPT !.present = @ \cup {c}, !.courtesy = @ \ {c},
                     !.believes[c] = IF c \in s.revoked THEN "none" ELSE @,
                     !.revoked = @ \ {c}], c, "ok")

ClientLeft(s, c) ==
  LET t == [s EXCEPT !.held[c] = "none", !.recovered[c] = "none", !.present = @ \ {c},
                     !.courtesy = @ \ {c}, !.lost = @ \ {c}, !.completed = @ \ {c}, !.roster = @ \ {c},
                     !.believes[c] = "none", !.revoked = @ \ {c}]
      recorded == WrittenAll(s.disk, s.journal)
  IN  Finish(t, (IF recorded.record[c] = "none" THEN {} ELSE {PutLock(c, "none")})
                \cup (IF Kind[c] = "nlm" \/ c \notin recorded.known THEN {} ELSE {Forget(c)}), c, "ok", "none")

(* The lease of a client ran out on the server's clock; nothing is taken   *)
(* from it until somebody wants it.                                        *)
LeaseEnded(s, c) == Say([s EXCEPT !.courtesy = @ \cup {c}], "ok")
ClientRenewed(s, c) ==
  IF c \in s.lost
  THEN Forgiven([s EXCEPT !.believes[c] = "none", !.courtesy = @ \ {c}, !.revoked = @ \ {c}], c, "expired")
  ELSE Say([s EXCEPT !.courtesy = @ \ {c}], "ok")

Tick(s) == IF s.phase # "grace" THEN Say(s, "ok")
           ELSE Out(Ended(s), EndChanges(s), "nobody", "ok", "none")

(* The disk has it: the reply leaves, and the client believes it. Whoever  *)
(* else still believes in what contradicts it has been robbed.             *)
JournalWritten(s) ==
  LET b == Head(s.journal)
      c == b.reply.client
      told == b.reply # NoReply
      t == [s EXCEPT !.disk = Written(@, b.changes), !.journal = Tail(@)]
  IN  Say(IF ~told THEN t
          ELSE [t EXCEPT !.believes[c] = IF c \in Parts /\ b.reply.status = "reclaimed"
                                         THEN Stronger(@, b.reply.mode) ELSE b.reply.mode,
                         !.taint = (@ \ {c}) \cup {d \in Others(c) : Contrary(t.believes[d], b.reply.mode)}], "ok")

Crashed(s) ==
  Say([s EXCEPT !.phase = "down", !.journal = <<>>, !.held = Nobody, !.recovered = Nobody,
                !.present = {}, !.completed = {}, !.roster = {}, !.courtesy = {}, !.lost = {},
                !.failed = FALSE], "ok")

Recovered(s) ==
  LET old == {c \in Clients : s.disk.record[c] # "none"}
      t == [s EXCEPT !.phase = IF old = {} THEN "normal" ELSE "grace",
                     !.recovered = s.disk.record, !.roster = old,
                     !.lost = IF old = {} THEN {} ELSE s.disk.lost]
  IN  Out(t, {[what |-> "epoch", client |-> "nobody", mode |-> "none"]}
               \cup (IF old = {} THEN EndChanges(t) ELSE {}), "nobody", "ok", "none")

Step(s, e) ==
  CASE e.type = "LockRequested"    -> IF e.reclaim THEN Reclaimed(s, e.client, e.mode)
                                      ELSE LockRequested(s, e.client, e.mode)
    [] e.type = "Unlocked"         -> Unlocked(s, e.client)
    [] e.type = "ReclaimCompleted" -> ReclaimCompleted(s, e.client)
    [] e.type = "ClientArrived"    -> ClientArrived(s, e.client)
    [] e.type = "ClientLeft"       -> ClientLeft(s, e.client)
    [] e.type = "LeaseEnded"       -> LeaseEnded(s, e.client)
    [] e.type = "ClientRenewed"    -> ClientRenewed(s, e.client)
    [] e.type = "Tick"             -> Tick(s)
    [] e.type = "JournalWritten"   -> JournalWritten(s)
    [] e.type = "JournalChanged"   -> Say([s EXCEPT !.failed = e.failed], "ok")
    [] e.type = "Crashed"          -> Crashed(s)
    [] e.type = "Recovered"        -> Recovered(s)

(* Who can do what: a client asks after it showed itself, once at a time;  *)
(* nothing reaches a server that is down.                                  *)
Up(s) == s.phase # "down"
Pending(s, c) == \E i \in DOMAIN s.journal : s.journal[i].reply.client = c
Room(s, c) == c \in s.lost => Len(s.journal) < journal_max
Fair(s, e) ==
  CASE e.type \in {"LockRequested", "Unlocked", "ReclaimCompleted", "ClientLeft"} ->
         /\ Up(s) /\ e.client \in s.present \ s.courtesy     \* any request renews first
         /\ ~Pending(s, e.client) /\ Len(s.journal) < journal_max
         /\ e.type = "LockRequested" /\ ~e.reclaim =>
              s.held[e.client] = "none" /\ (e.client \in Parts => s.recovered[e.client] = "none")
         /\ s.phase # "grace" => e.client \notin s.lost        \* it hears of that first
    [] e.type = "ClientArrived"  -> Up(s) /\ (e.client \notin s.present \/ e.client \in s.lost) /\ Room(s, e.client)
    [] e.type = "LeaseEnded"     -> Up(s) /\ s.held[e.client] # "none" /\ e.client \notin s.courtesy
                                    /\ ~Pending(s, e.client)
    [] e.type = "ClientRenewed"  -> Up(s) /\ e.client \in s.present \cap (s.courtesy \cup s.lost) /\ Room(s, e.client)
    [] e.type = "Tick"           -> s.phase = "grace"
    [] e.type = "JournalWritten" -> s.journal # <<>> /\ ~s.failed
    [] e.type = "JournalChanged" -> Up(s) /\ s.failed # e.failed
    [] e.type = "Crashed"        -> Up(s) /\ WrittenAll(s.disk, s.journal).epoch <= crashes_max
    [] e.type = "Recovered"      -> s.phase = "down"

-----------------------------------------------------------------------------
Init ==
  /\ phase = "down" /\ held = Nobody /\ recovered = Nobody
  /\ present = {} /\ completed = {} /\ roster = {} /\ courtesy = {} /\ lost = {}
  /\ disk = [record |-> Nobody, known |-> {}, lost |-> {}, epoch |-> 0]
  /\ journal = <<>> /\ failed = FALSE
  /\ believes = Nobody /\ taint = {} /\ revoked = {}
Become(s) ==
  /\ phase' = s.phase /\ held' = s.held /\ recovered' = s.recovered /\ present' = s.present
  /\ completed' = s.completed /\ roster' = s.roster /\ courtesy' = s.courtesy /\ lost' = s.lost
  /\ disk' = s.disk /\ journal' = s.journal /\ failed' = s.failed
  /\ believes' = s.believes /\ taint' = s.taint /\ revoked' = s.revoked
Do(e) == IF Fair(State, e) THEN Become(Step(State, e).state) ELSE FALSE
Next  == \E e \in Event : Do(e)
Spec  == Init /\ [][Next]_vars
(* Time passes and the disk writes, whatever the clients do.               *)
(* (Weak fairness, written out: of ENABLED TLC remembers nothing.)         *)
Moves(e) == Fair(State, e) /\ Step(State, e).state # State
Happens(e) == <>[]Moves(e) => []<><<Do(e)>>_vars
Fairness == Happens([type |-> "Tick"]) /\ Happens([type |-> "JournalWritten"])
            /\ Happens([type |-> "Recovered"]) /\ Happens([type |-> "JournalChanged", failed |-> FALSE])
FairSpec == Spec /\ Fairness
View == [phase |-> phase, held |-> held, recovered |-> recovered, completed |-> completed,
         roster |-> roster, courtesy |-> courtesy, lost |-> lost, disk |-> disk]
=============================================================================
