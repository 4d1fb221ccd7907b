--------------------------- MODULE LocksProperties ---------------------------
(***************************************************************************)
(* What Locks promises.  Numbers are those of the list of properties.      *)
(*                                                                         *)
(* Invariants speak of one state.  What a step may do is said of (s, e, t):  *)
(* the state before, the event, and Step(s, e); CheckedNext takes no step  *)
(* that is not checked, so event and outcome can be named without history. *)
(***************************************************************************)
EXTENDS Locks

(* 1. No two held ranges of different owners conflict, whatever protocol.  *)
LockExclusion == \A o, p \in Owner :
  o # p => \A l \in held[o] : ~ConflictsWith(held[p], l, l.kind)

(* 8. POSIX owners: sorted, disjoint, merged; SMB: a bag of exact ranges.  *)
RangeCanonical == \A o \in Owner :
  IF o \in Smb THEN StackCanonical(held[o]) ELSE Canonical(held[o])

(* 30. Every waiter is blocked in this very state, or was told.            *)
NoLostWakeup == \A i \in DOMAIN queue : ~CanGo(State, i)

(* 32. One entry for each NLM and NFSv4 request (an SMB repeat is another  *)
(* request).  A told waiter holds nothing anybody else has.                *)
WaitersLive == \A i, j \in DOMAIN queue :
  i # j /\ queue[i].owner \in Posix => ~SameRequest(queue[i], queue[j])
ReservationsHold == \A i \in DOMAIN queue :
  queue[i].told => Holders(State, queue[i]) = {}

(* 35. No deadlock stands: a cycle is refused at enqueue, or the youngest  *)
(* waiter on it when a grant closes it.                                    *)
Acyclic == LET edges == Edges(State) IN
  \A o \in Owner : o \notin Reach(edges, {e[2] : e \in {e \in edges : e[1] = o}})

(* 51. While a GRANTED call is out, what its grant added is held.          *)
GrantedOnce ==
  /\ \A c \in calls : \A u \in c.undo : KindAt(held[c.owner], u.unit) = c.kind
  /\ \A c, d \in calls : SameRequest(c, d) => c = d
  /\ \A c, d \in calls : c.owner = d.owner /\ Overlap(c, d) => c = d

-----------------------------------------------------------------------------
(* Steps: s before, e the event, t = Step(s, e).                           *)

InQueue(q, w) == {i \in DOMAIN q : SameRequest(q[i], w)}
Ended(t, w)   == {i \in DOMAIN t.ended : SameRequest(t.ended[i], w)}
GrantsTo(t, o) == {i \in DOMAIN t.ended : t.ended[i].owner = o /\ t.ended[i].how = "granted"}
Of(e, o) == \/ e.type = "ClientLeft" /\ Client[o] = e.client
            \/ e.type \notin {"ClientLeft", "Tick"} /\ e.owner = o

(* 7. Locks change only by their owner's event; a waiter's only grow by    *)
(* its grant.                                                              *)
OwnerOnly(s, e, t) == \A o \in Owner :
  t.state.held[o] # s.held[o] => Of(e, o) \/ GrantsTo(t, o) # {}

(* 8, action part: a direct lock or unlock changes exactly the units it    *)
(* names (waiters' grants apart).                                          *)
ExactSplit(s, e, t) ==
  e.type \in {"LockRequested", "Unlocked"} /\ e.owner \in Posix /\ GrantsTo(t, e.owner) = {} =>
    \A u \in 0 .. UnitCount - 1 :
      KindAt(t.state.held[e.owner], u) =
        IF u \notin Units(e) THEN KindAt(s.held[e.owner], u)
        ELSE IF e.type = "Unlocked" THEN "none"
        ELSE IF t.reply = "granted" THEN e.kind ELSE KindAt(s.held[e.owner], u)

(* 31. Whoever got something in this step overtook no clashing waiter that *)
(* came before, unless it has (or got just now) those very bytes.          *)
Overtaken(s, t, w, n) == {i \in 1 .. n : LET v == s.queue[i] IN
  Clash(v, w) /\ InQueue(t.state.queue, v) # {} /\ Ended(t, v) = {}}
Owned(s, e, t, w) == ~IsEmpty(w) /\ \A u \in Units(w) :
  \/ KindAt(s.held[w.owner], u) # "none"
  \/ e.type = "LockRequested" /\ t.reply = "granted" /\ e.owner = w.owner /\ u \in Units(e)
  \/ \E i \in GrantsTo(t, w.owner) : ~SameRequest(t.ended[i], w) /\ u \in Units(t.ended[i])
Fifo(s, e, t) ==
  /\ \A n \in DOMAIN s.queue : LET w == s.queue[n] IN
       (* of equal SMB waiters the earliest is the one that was granted *)
       Cardinality({i \in InQueue(s.queue, w) : i <= n}) <=
         Cardinality({i \in Ended(t, w) : t.ended[i].how \in {"granted", "told"}}) =>
          Overtaken(s, t, w, n - 1) = {} \/ Owned(s, e, t, w)
  /\ e.type = "LockRequested" /\ t.reply = "granted" =>
       IF e.wait THEN Overtaken(s, t, e, Len(s.queue)) = {} \/ OwnBytes(s, e)
                      \/ \E i \in InQueue(s.queue, e) : Overtaken(s, t, e, i - 1) = {}
       ELSE Holders(s, Waiter(e)) = {}       \* a try-lock is judged by what is held or kept

(* 32. No waiter, lock or call of a client that is gone (56).              *)
WaitersOfDead(s, e, t) == e.type \in {"ClientLeft", "OpenClosed"} =>
  LET dead == {o \in Owner : Of(e, o)} IN
    /\ \A o \in dead : t.state.held[o] = {}
    /\ \A i \in DOMAIN t.state.queue : t.state.queue[i].owner \notin dead
    /\ \A c \in t.state.calls : c.owner \notin dead

(* 33. Of a cancel and a grant exactly one wins, and the loser is told.    *)
CancelRace(s, e, t) == e.type = "LockCancelled" =>
  IF InQueue(s.queue, e) # {}
  THEN /\ t.reply = "ok"
       /\ Cardinality(Ended(t, e)) = 1 \/ e.owner \in Smb
       /\ t.ended[1] = End(e, "cancelled")
  ELSE t.state = s /\ (e.owner \in Nlm => (t.reply = "ok" => ~Holds(s.held[e.owner], e)))

(* 34. Deadlock is said only if this request would close a cycle now.      *)
DeadlockSound(s, e, t) == t.reply = "deadlock" =>
  LET after == [s EXCEPT !.queue = Append(@, Waiter(e))]
      edges == Edges(after)
      mine  == WaitsFor(after, Waiter(e), Len(s.queue))
  IN  t.state = s /\ e.wait /\ e.owner \notin mine /\ e.owner \in Reach(edges, mine)

(* 44. A waiter that leaves the queue is answered, once; who stays is not  *)
(* (a told NFSv4 waiter stays until its owner's lock covers it).           *)
GrantOnce(s, e, t) == \A i \in DOMAIN s.queue : LET w == s.queue[i]
      added == IF e.type = "LockRequested" /\ t.reply = "blocked" /\ SameRequest(e, w)
                  /\ e.owner \in Smb THEN 1 ELSE 0
      gone  == Cardinality(InQueue(s.queue, w)) + added - Cardinality(InQueue(t.state.queue, w))
      asked == /\ e.type = "LockRequested" /\ t.reply = "granted"
               /\ e.owner = w.owner /\ Within(w, e) /\ Protocol[w.owner] = "v4"
               /\ e.kind \in {w.kind, "exclusive"}
      final == {n \in Ended(t, w) : t.ended[n].how # "told"}
  IN  IF asked THEN gone <= 1 ELSE Cardinality(final) = gone

(* 50. A denial names somebody who holds, or for whom it is kept.          *)
NoInventedHolder(s, e, t) == t.reply = "denied" /\ e.type = "LockRequested" =>
  /\ t.holders # {}
  /\ \A o \in t.holders :
       \/ \E l \in s.held[o] : Overlap(l, e) /\ Contrary(l.kind, e.kind)
       \/ \E i \in DOMAIN s.queue : s.queue[i].owner = o /\ s.queue[i].told /\ Clash(s.queue[i], e)

(* 27. A lock that is held already, and a blocking request that waits      *)
(* already, change nothing but the callback (and of NFSv4 what its owner   *)
(* waited for and has: that was the turn it was told of).                  *)
NlmIdempotent(s, e, t) == e.type = "LockRequested" /\ e.owner \in Posix =>
  LET Kept(w) == w.owner # e.owner \/ e.owner \in Nlm IN
  /\ HoldsAs(s.held[e.owner], e, e.kind) /\ t.reply # "blocked" =>
       /\ t.reply = "granted"
       /\ t.ended = <<>> => /\ t.state.held = s.held
                            /\ SelectSeq(t.state.queue, Kept) = SelectSeq(s.queue, Kept)
  /\ t.reply = "blocked" /\ (InQueue(s.queue, e) # {} \/ HoldsAs(s.held[e.owner], e, e.kind)) =>
       t.state = s /\ InQueue(s.queue, e) # {}

(* 51, step: a refusal releases what the grant added and no more.          *)
RefusalIsExact(s, e, t) == e.type = "GrantAnswered" =>
  /\ e.accepted /\ GrantsTo(t, e.owner) = {} => t.state.held[e.owner] = s.held[e.owner]
  /\ ~(\E c \in s.calls : SameRequest(c, e)) => t.state = s /\ t.reply = "ignored"
  /\ \A c \in s.calls : SameRequest(c, e) /\ ~e.accepted /\ GrantsTo(t, e.owner) = {} =>
       \A u \in 0 .. UnitCount - 1 :
         KindAt(t.state.held[e.owner], u) =
           IF \E x \in c.undo : x.unit = u THEN (CHOOSE x \in c.undo : x.unit = u).was
           ELSE KindAt(s.held[e.owner], u)

(* 6. MandatoryIO. No SMB read or write goes through a range of somebody   *)
(* else that clashes with it, whatever the policies are; no NFS I/O either *)
(* where they say so.                                                      *)
MandatoryIO(s, e, t) == e.type = "AccessRequested" /\ t.reply = "ok" =>
  \A p \in Owner \ {e.owner} : ConflictsWith(s.held[p], e, e.kind) =>
    e.owner \notin Smb /\ (~e.enforced \/ Client[p] = Client[e.owner])

(* Nobody who waits for a range is still called about its last grant.      *)
NoStaleCall(s, e, t) == e.type = "LockRequested" /\ t.reply = "blocked" /\ InQueue(s.queue, e) = {} =>
  \A c \in t.state.calls : c.owner = e.owner /\ SameRange(c, e) => c \notin s.calls

Good(name, holds, s, e, t) == holds \/ Assert(FALSE, <<name, e, t>>)

StepIsGood(s, e, t) ==
  /\ Good("OwnerOnly", OwnerOnly(s, e, t), s, e, t)
  /\ Good("ExactSplit", ExactSplit(s, e, t), s, e, t)
  /\ Good("Fifo", Fifo(s, e, t), s, e, t)
  /\ Good("WaitersOfDead", WaitersOfDead(s, e, t), s, e, t)
  /\ Good("CancelRace", CancelRace(s, e, t), s, e, t)
  /\ Good("DeadlockSound", DeadlockSound(s, e, t), s, e, t)
  /\ Good("GrantOnce", GrantOnce(s, e, t), s, e, t)
  /\ Good("NoInventedHolder", NoInventedHolder(s, e, t), s, e, t)
  /\ Good("NlmIdempotent", NlmIdempotent(s, e, t), s, e, t)
  /\ Good("RefusalIsExact", RefusalIsExact(s, e, t), s, e, t)
  /\ Good("NoStaleCall", NoStaleCall(s, e, t), s, e, t)
  /\ Good("MandatoryIO", MandatoryIO(s, e, t), s, e, t)

(* The module's Next, each step of which is checked as it is taken.        *)
CheckedNext == \E e \in Event : LET t == Step(State, e) IN
  IF StepIsGood(State, e, t) /\ Bounded(t.state) THEN Become(t.state) ELSE FALSE

-----------------------------------------------------------------------------
(* 36. Progress. If holders unlock sooner or later and reservations lapse, *)
(* every waiter is granted, refused or told.  Blocking requests only: try- *)
(* locks are judged by what is held and not queued, so a client that tries *)
(* for ever can starve a waiter; that is the price of the rule.  And one   *)
(* request of an owner at a time, else there is always another of it.      *)
Patient(e) == e.type = "LockRequested" =>
                e.wait /\ \A i \in DOMAIN queue : queue[i].owner # e.owner
LiveNext == \E e \in {e \in Event : Patient(e)} : Do(e)
Unlock(o, r) == held[o] # {} /\ Do([type |-> "Unlocked", owner |-> o, first |-> r.first, last |-> r.last])
Accept(o, r, k) == Do([type |-> "GrantAnswered", owner |-> o, first |-> r.first, last |-> r.last,
                       kind |-> k, accepted |-> TRUE])
(* Fairness, written out: of ENABLED TLC remembers nothing, which takes    *)
(* long.  Who holds something can unlock some of it.                       *)
Unlocks == \A o \in Owner : []<>(held[o] # {}) => []<><<\E r \in Wanted(o) : Unlock(o, r)>>_vars
Answers == <>[](calls # {}) =>
             []<><<\E o \in Nlm : \E r \in Wanted(o), k \in Kind : Accept(o, r, k)>>_vars
Lapses  == <>[](\E i \in DOMAIN queue : queue[i].told) => []<><<Do([type |-> "Tick"])>>_vars
LiveSpec == Init /\ [][LiveNext]_vars /\ Lapses /\ Unlocks /\ Answers
Waits(o) == \E i \in DOMAIN queue : ~queue[i].told /\ queue[i].owner = o /\ queue[i].kind = "exclusive"
Progress == \A o \in Owner : Waits(o) ~> ~Waits(o)

-----------------------------------------------------------------------------
(* Probes: TLC must violate each of these.                                 *)
P_NobodyWaits      == Len(queue) = 0
P_NobodyWaitsTwice == Len(queue) < 2
P_NoDeadlock       == \A e \in Event : Step(State, e).reply # "deadlock"
P_NoVictim         == \A e \in Event : \A i \in DOMAIN Step(State, e).ended :
                        Step(State, e).ended[i].how # "deadlock"
P_NoCallback       == calls = {}
P_NothingPutBack   == \A c \in calls : \A u \in c.undo : u.was # "shared"
P_NobodyTold       == \A i \in DOMAIN queue : ~queue[i].told
P_NoOneOvertakes   == \A e \in Event : LET t == Step(State, e) IN
                        e.type = "LockRequested" /\ t.reply = "granted" /\ e.wait
                          => Overtaken(State, t, Waiter(e), Len(queue)) = {}
P_NoGrantFreesBytes == \A i \in DOMAIN queue : \A e \in Event : LET t == Step(State, e) IN
                        \A n, m \in DOMAIN t.ended :
                          n < m /\ t.ended[n].how = "granted" /\ t.ended[m].how = "granted" =>
                            \A x, y \in DOMAIN queue :
                              SameRequest(queue[x], t.ended[n]) /\ SameRequest(queue[y], t.ended[m])
                                => x < y
P_NothingStacks    == \A o \in Owner : \A l \in held[o] : l.n = 1
P_NoIoStopped      == \A e \in Event : Step(State, e).reply # "lock_conflict"
P_CancelAlwaysWins == \A e \in Event : e.type = "LockCancelled" => Step(State, e).reply # "denied"
=============================================================================
