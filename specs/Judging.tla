-------------------------------- MODULE Judging --------------------------------
(***************************************************************************)
(* How a request is judged where the modules meet: first grace, then deny  *)
(* modes (Shares), then rights (Rights), then ranges (Locks), then what is *)
(* in flight; the first that stands in the way decides.  Each gives what   *)
(* it leaves behind, the reply (or "parked" and what it waits for), and    *)
(* who was in the way.                                                     *)
(***************************************************************************)
EXTENDS Parts

(* A request is judged at its arrival (i = 0), or again at its place i.    *)
Wait(s, waits) == [Say(s, "parked") EXCEPT !.waits = waits]
Refuse(s, reply, holders) == [Say(s, reply) EXCEPT !.holders = holders]

(* NLM and NFSv4 have a word for grace; the others wait, and so does who   *)
(* has had his reply.                                                      *)
ForGrace(s, e, i) ==
  IF IsSmb(Holder[e.owner]) \/ (e.type = "AccessRequested" /\ Family[e.owner] = "nlm")
     \/ (i > 0 /\ s.locks.queue[i].answered)
  THEN Wait(s, {"grace"}) ELSE Say(s, "grace")
(* Who has said RECLAIM_COMPLETE has nothing left to reclaim, and the      *)
(* other way round: before that an NFSv4 client gets nothing new.          *)
NotDone(s, o) == Family[o] = "v4" /\ (Holder[o] \in s.unclaimed.rights \/
  \E p \in Owner : Holder[p] = Holder[o] /\ (p \in s.unclaimed.opens \/ s.unclaimed.locks[p] # {}))
Gated(s, o) == s.phase = "grace" /\ (grace_scope = "all" \/ NotDone(s, o))
Protected(s, j) == j.there \cap s.unclaimed.rights # {}
Recorded(o) == ~IsSmb(Holder[o]) \/ Flavour[Holder[o]] = "lease"
OfRecord == {o \in Owner : Recorded(o)}
Pairs(table, of) == UNION {{<<o, x>> : x \in table[o]} : o \in of}
Table(pairs, of) == [o \in of |-> {p[2] : p \in {p \in pairs : p[1] = o}}]
UnclaimedHolds(s, w) == \E o \in Owner :
  IF o = w.owner THEN Family[o] = "smb" /\ L!OwnStackRefuses(s.unclaimed.locks[o], w, w.kind)
  ELSE L!ConflictsWith(s.unclaimed.locks[o], w, w.kind)

(* What is taken over or given back is unclaimed no more.                  *)
Claimed(s, o, r) == [s EXCEPT !.unclaimed.locks[o] = IF Family[o] # "smb" THEN L!Carve(@, r)
                       ELSE IF s.unclaimed.locks[o] = {} THEN {}
                       ELSE {[l EXCEPT !.n = L!Min(l.n, L!Count(s.locks.held[o], l, l.kind))] :
                               l \in {l \in @ : L!Count(s.locks.held[o], l, l.kind) > 0}}]

Flying(s, e, what, io) == [s EXCEPT !.rights.inflight = @ \cup
  {[client |-> Holder[e.owner], what |-> what, io |-> io, owner |-> e.owner,
    first |-> e.first, last |-> e.last, id |-> e.id, flush |-> FALSE]}]

(* Opens.                                                                  *)
OwnUnclaimed(s, e) ==
  IF s.phase = "normal" \/ e.overwrite \/ ~(e.reclaim \/ IsSmb(Holder[e.owner])) THEN {}
  ELSE {o \in s.unclaimed.opens : /\ Holder[o] = Holder[e.owner]
                                  /\ e.access \subseteq S!AccessOf(s.shares, o) /\ e.deny \subseteq S!DenyOf(s.shares, o)}
OpenReclaimed(s, e) ==
  LET o == e.owner c == Holder[o] IN
  Say([s EXCEPT !.shares.opens[o] = {S!Mode(e.access, e.deny)}, !.unclaimed.opens = @ \ {o}, !.unclaimed.rights = @ \ {c},
         !.rights.right[c] = IF c \in s.unclaimed.rights THEN R!Normal(Flavour[c], @ \cap e.wish) ELSE @], "ok")
(* In grace a delegation is given back, never given.                       *)
Wishing(s, e) == LET q == Asks(e) IN
  IF s.phase = "grace" /\ Flavour[q.client] = "delegation" THEN [q EXCEPT !.wish = {}] ELSE q
Opened(s, e) ==
  LET c     == Holder[e.owner]
      m     == S!Mode(e.access, e.deny)
      clash == S!ShareClash(s.shares, e.owner, m)
      j     == R!Judged(s.rights, Asks(e), clash, FALSE)
      t     == Broken(s, j)
  IN  IF s.failed /\ Recorded(e.owner) THEN Say(s, "journal_failed")
      ELSE IF S!Doomed(s.shares) /\ OwnUnclaimed(s, e) = {} THEN Say(s, "delete_pending")
      ELSE IF OwnUnclaimed(s, e) # {}
      THEN IF e.owner \in OwnUnclaimed(s, e) THEN OpenReclaimed(s, e) ELSE Say(s, "reclaim_bad")
      ELSE IF e.reclaim THEN Say(s, IF s.phase = "grace" THEN "reclaim_bad" ELSE "no_grace")
      ELSE IF Gated(s, e.owner) \/ c \in s.unclaimed.rights THEN ForGrace(s, e, 0)
      ELSE IF (\E o \in s.unclaimed.opens : \E n \in s.shares.opens[o] : S!Clash(m, n)) \/ Protected(s, j)
      THEN ForGrace(s, e, 0)
      ELSE IF j.waits # {} THEN Wait(t, j.waits)
      ELSE IF clash THEN Say(t, j.verdict)
      ELSE LET u == [Went(t, Wishing(s, e)) EXCEPT !.shares = S!OpenRequested(@, e.owner, m).state,
                                             !.rights.inflight = s.rights.inflight]
           IN  Say(IF e.overwrite THEN Flying(u, e, "overwrite", "write") ELSE u, "ok")

(* Accesses.  `io` is what they do to bytes, and `families` whose ranges   *)
(* stop it.                                                                *)
KindOf(e) == IF e.io = "write" THEN "exclusive" ELSE "shared"
Accessed(s, e) ==
  LET o     == e.owner
      named == e.operation \in {"remove", "rename"}
      clash == IF named THEN S!NameHeld(s.shares) ELSE S!IoDenied(s.shares, o, e.io)
      j     == R!Judged(s.rights, Asks(e), clash, FALSE)
      t     == Broken(s, j)
      asked == [owner |-> o, first |-> e.first, last |-> e.last, kind |-> KindOf(e), enforced |-> TRUE]
      by    == IF e.families = {} THEN {}
               ELSE {p \in L!IoStoppedBy(s.locks, asked) : Family[o] = "smb" \/ Family[p] \in e.families}
  IN  IF clash /\ \E p \in s.unclaimed.opens : (IF named THEN "remove" ELSE e.io) \in S!DenyOf(s.shares, p)
      THEN ForGrace(s, e, 0)
      ELSE IF Protected(s, j) THEN ForGrace(s, e, 0)
      ELSE IF j.waits # {} THEN Wait(t, j.waits)
      ELSE IF clash THEN Say(t, j.verdict)
      ELSE IF \E p \in by : L!ConflictsWith(s.unclaimed.locks[p], asked, asked.kind) THEN ForGrace(t, e, 0)
      ELSE IF by # {} THEN Refuse(t, "lock_conflict", by)
      ELSE Say(Flying(Passed(t, Asks(e)), e, e.operation, e.io), "ok")

(* A test asks what a try-lock would meet.                                 *)
Tested(s, e) ==
  LET j == R!Judged(s.rights, Asks(e), FALSE, FALSE)
      t == Broken(s, j)
  IN  IF Protected(s, j) THEN ForGrace(s, e, 0)
      ELSE IF j.waits # {} THEN Wait(t, j.waits)
      ELSE IF UnclaimedHolds(s, e) THEN ForGrace(t, e, 0)
      ELSE IF L!Holders(t.locks, e) # {} THEN Refuse(t, "denied", L!Holders(t.locks, e)) ELSE Say(Passed(t, Asks(e)), "ok")

(* Locks.                                                                  *)
Busy(s, e) == \E a \in s.rights.inflight :      \* SMB locks bind everybody's I/O, NFS locks that of SMB
  /\ a.owner # e.owner /\ "smb" \in {Family[e.owner], Family[a.owner]}
  /\ L!Overlap(a, e) /\ (a.io = "write" \/ (a.io = "read" /\ e.kind = "exclusive"))

LockReclaimed(s, e) ==
  LET o == e.owner t == LocksStep(s, [e EXCEPT !.wait = FALSE]) IN
  IF Family[o] = "smb"
  THEN Say([s EXCEPT !.unclaimed.locks[o] = L!SetCount(@, e, e.kind, L!Count(@, e, e.kind) - 1)], "granted")
  ELSE IF s.phase = "normal" THEN Say(s, "no_grace")
  ELSE IF ~(\A u \in L!Units(e) : L!KindAt(s.locks.held[o], u) \in {e.kind, "exclusive"}) THEN Say(s, "reclaim_bad")
  ELSE IF t.reply # "granted" THEN Say(s, "reclaim_conflict")
  ELSE Say(Claimed(t.state, o, e), "granted")

Locked(s, e, i) ==
  LET o == e.owner
      j == R!Judged(s.rights, Asks(e), FALSE, FALSE)
      t == Broken(s, j)
      w == L!Waiter(e)
      new == L!Step(Ranges(t), e)
      old == [t EXCEPT !.locks.queue[i].waits = {}]
      turn == i > 0 /\ Family[o] = "v4" /\ s.locks.queue[i].answered       \* to come and take it
      granted == IF i = 0 \/ ~e.wait THEN LocksStep(t, e).state
                 ELSE IF Family[o] # "v4" THEN [t EXCEPT !.locks = Kept(L!Wake(Ranges(old), i))]
                 ELSE [t EXCEPT !.locks.held = L!Granted(Ranges(t), w),
                                !.locks.queue = SelectSeq(L!Without(@, i), LAMBDA v : ~(v.answered /\ L!Had(v, w)))]
  IN  IF s.failed /\ Recorded(o) THEN Say(s, "journal_failed")
      ELSE IF e.reclaim \/ (Family[o] = "smb" /\ L!Count(s.unclaimed.locks[o], e, e.kind) > 0) THEN LockReclaimed(s, e)
      ELSE IF Gated(s, o) THEN ForGrace(s, e, i)
      ELSE IF i = 0 /\ e.wait /\ Family[o] = "nlm"
              /\ \E k \in DOMAIN s.locks.queue : Queued(s.locks.queue[k]) /\ L!SameRequest(s.locks.queue[k], e)
      THEN Say(s, "blocked")
      ELSE IF Protected(s, j) THEN ForGrace(s, e, i)
      ELSE IF j.waits # {} THEN Wait(t, j.waits)
      ELSE IF UnclaimedHolds(s, w) THEN ForGrace(t, e, i)
      ELSE IF IF i = 0 \/ ~e.wait THEN new.reply = "granted" ELSE L!CanGo(Ranges(old), i)
      THEN IF Busy(t, e) THEN Wait(t, {"accesses"})
           ELSE IF turn THEN Say([t EXCEPT !.locks = Kept(L!Wake(Ranges(old), i))], "granted")
           ELSE Say(Claimed(Passed(granted, Asks(e)), o, e), "granted")
      ELSE IF i = 0 \/ ~e.wait
      THEN IF new.reply = "blocked" THEN IF e.beside THEN Say(t, "deadlock") ELSE Wait(t, {})
           ELSE Refuse(t, new.reply, new.holders)
      ELSE IF s.locks.queue[i].waits # {} /\ L!OnCycle(Ranges(old), L!Edges(Ranges(old)), i) THEN Say(t, "deadlock")
      ELSE Wait(t, {})

Judged(s, e, i) == CASE IsOpen(e) -> Opened(s, e)
                     [] IsLock(e) -> Locked(s, e, i)
                     [] e.type = "LockTested" -> Tested(s, e)
                     [] e.type = "AccessRequested" -> Accessed(s, e)

(* Patience ends: JUKEBOX, DELAY, and a bar until it comes back.  A test   *)
(* of NLM has no such word: it names the right that is being broken.       *)
LaterWord(s, e, waits) ==
  IF "grace" \in waits THEN "grace"
  ELSE IF e.type = "LockTested" /\ Family[e.owner] = "nlm" /\ \E d \in Out(s) : Host[d] # HostOf(e.owner) THEN "denied"
  ELSE "later"
Barred(s, e, word) == IF word # "later" THEN s
  ELSE [s EXCEPT !.rights.bars = @ \cup {[client |-> Holder[e.owner], cause |-> R!CauseOf(Asks(e))]}]

(* A blocking lock of NLM is told so whatever it waits for, one of NFSv4   *)
(* when it is ranges: for anything else it is held for a while, then DELAY.*)
Blocked(e, waits) == IsLock(e) /\ e.wait /\
  (Family[e.owner] = "nlm" \/ (Family[e.owner] = "v4" /\ waits = {}))

Asked(s, e) ==
  LET t    == Judged(s, e, 0)
      word == LaterWord(t.state, e, t.waits)
      blocked == Blocked(e, t.waits)
  IN  IF t.reply # "parked" THEN t
      ELSE IF ~e.patient /\ ~blocked /\ ~(IsLock(e) /\ t.waits = {}) THEN Say(Barred(t.state, e, word), word)
      ELSE IF Len(s.locks.queue) >= waiters_per_file_max THEN Say(t.state, "limit")
      ELSE Say([t.state EXCEPT !.locks.queue = Append(@, Place(e, t.waits, blocked)),
                               !.locks.calls = IF blocked THEN L!Heard(@, e) ELSE @],
               IF blocked THEN "blocked" ELSE "parked")
=============================================================================
