----------------------------- MODULE LockQueue -------------------------------
(***************************************************************************)
(* Byte-range locks of one file: what is in the way of whom, and who waits *)
(* for whom.  (What happens is in Locks.)                                  *)
(*                                                                         *)
(*   held[o]   the ranges of owner o (see Ranges)                          *)
(*   queue     who waits, in order of arrival; `told` marks an NFSv4       *)
(*             waiter whose turn came and for whom the range is kept;      *)
(*             `waits` are the holders of caching rights whose breaks it   *)
(*             waits for first (Lockstep; here there are none)             *)
(*   calls     NLM_GRANTED calls that have no answer yet, each with what   *)
(*             its grant changed (`undo`: what a refusal puts back)        *)
(***************************************************************************)
EXTENDS Ranges, TLC

CONSTANTS
  Owner,                 \* lock owners
  Protocol,              \* [Owner -> {"nlm", "v4", "smb"}]
  Client,                \* [Owner -> client]: who dies with whom
  UnitCount,             \* the file has this many bytes
  ZeroLengths,           \* whether SMB owners use ranges of length zero
  waiters_per_file_max, stack_max      \* bounds

VARIABLES held, queue, calls
vars == <<held, queue, calls>>

State == [held |-> held, queue |-> queue, calls |-> calls]

Nlm   == {o \in Owner : Protocol[o] = "nlm"}
Smb   == {o \in Owner : Protocol[o] = "smb"}
Posix == Owner \ Smb

-----------------------------------------------------------------------------
(* The conflict relation.                                                  *)

Waiter(e) == [owner |-> e.owner, first |-> e.first, last |-> e.last, kind |-> e.kind,
              told |-> FALSE, waits |-> {}]
SameRequest(w, e) == w.owner = e.owner /\ SameRange(w, e) /\ w.kind = e.kind
Clash(v, w) == v.owner # w.owner /\ Overlap(v, w) /\ Contrary(v.kind, w.kind)

(* Other owners who hold, or have kept for them, what w wants.             *)
Holders(s, w) ==
  {o \in Owner \ {w.owner} : ConflictsWith(s.held[o], w, w.kind)}
    \cup {s.queue[i].owner : i \in {i \in DOMAIN s.queue : s.queue[i].told /\ Clash(s.queue[i], w)}}

(* An SMB open stands in its own way: nothing exclusive on what it has.    *)
InOwnWay(s, w) == w.owner \in Smb /\ OwnStackRefuses(s.held[w.owner], w, w.kind)

(* Who goes past the queue: who asks for bytes that he holds and, in the   *)
(* composition (Lockstep), owners whose client has to complete a break.    *)
OwnBytes(s, w) == ~IsEmpty(w) /\ Holds(s.held[w.owner], w)
Passes(s, w) == OwnBytes(s, w) \/ ("passing" \in DOMAIN s /\ w.owner \in s.passing)

(* Earlier waiters, up to position n, that w may not overtake.             *)
Before(s, w, n) ==
  IF Passes(s, w) THEN {}
  ELSE {s.queue[j].owner : j \in {j \in 1 .. n : Clash(s.queue[j], w)}}

WaitsFor(s, w, n) == Holders(s, w) \cup Before(s, w, n)

(* One GRANTED call at a time about the same bytes of an owner: else its    *)
(* answers could not be told apart from what they take back.               *)
Calling(s, w) == \E c \in s.calls : c.owner = w.owner /\ Overlap(c, w)

CanGo(s, i) == LET w == s.queue[i] IN
  /\ ~w.told /\ w.waits = {}
  /\ ~InOwnWay(s, w) /\ ~Calling(s, w) /\ WaitsFor(s, w, i - 1) = {}

-----------------------------------------------------------------------------
(* The wait-for graph, over owners.  No owner waits for itself here: an    *)
(* SMB open that is in its own way can still be unlocked by its client.    *)

ForLocks(w) == ~w.told /\ w.waits = {}        \* breaks have deadlines: no edges
Edges(s) == UNION {{<<s.queue[i].owner, p>> : p \in WaitsFor(s, s.queue[i], i - 1)} :
                     i \in {i \in DOMAIN s.queue : ForLocks(s.queue[i])}}

RECURSIVE Reach(_, _)
Reach(edges, from) ==
  LET next == from \cup {e[2] : e \in {e \in edges : e[1] \in from}}
  IN  IF next = from THEN from ELSE Reach(edges, next)

OnCycle(s, edges, i) == LET w == s.queue[i] IN
  ForLocks(w) /\ w.owner \in Reach(edges, WaitsFor(s, w, i - 1))

Youngest(is) == CHOOSE i \in is : \A j \in is : j <= i
Earliest(is) == CHOOSE i \in is : \A j \in is : i <= j
=============================================================================
