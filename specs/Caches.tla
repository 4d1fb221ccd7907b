-------------------------------- MODULE Caches --------------------------------
(***************************************************************************)
(* Honest clients that use the rights which Rights gives them: they keep   *)
(* what they read, write into their cache, flush and acknowledge when a    *)
(* break arrives.  Breaks travel; they may arrive late, but in order with  *)
(* replies.  Theorem: Caches => Coherence (properties 9 to 11 and 14).     *)
(*                                                                         *)
(*   data       the version of the file that the server has                *)
(*   written    how many versions there ever were                          *)
(*   cache[c]   the version that c keeps, or -1; dirty: those whose        *)
(*              version the server has not seen                            *)
(*   belief[c]  the rights that c thinks it has                            *)
(*   letter[c]  a break on its way to c: what it leaves, and whether an    *)
(*              acknowledgment is due; due[c] what c has to acknowledge    *)
(*   floor, seen  as in Coherence (ghosts)                                 *)
(***************************************************************************)
EXTENDS Rights

CONSTANT versions_max

VARIABLES data, written, cache, dirty, belief, letter, due, floor, seen
own == <<data, written, cache, dirty, belief, letter, due, floor, seen>>
all == <<vars, own>>

NoCopy == -1
NoLetter == [to |-> None, ack |-> FALSE]

(* The newest version is in the one dirty cache, or else in the server.    *)
Newest == IF dirty = {} THEN data ELSE cache[CHOOSE c \in dirty : TRUE]
Late == {c \in Clients : letter[c] # NoLetter}

CInit == /\ Init
         /\ data = 0 /\ written = 0 /\ dirty = {}
         /\ cache = [c \in Clients |-> NoCopy] /\ belief = [c \in Clients |-> {}]
         /\ letter = [c \in Clients |-> NoLetter] /\ due = [c \in Clients |-> None]
         /\ floor = [c \in Clients |-> 0] /\ seen = [c \in Clients |-> 0]

-----------------------------------------------------------------------------
(* A step of the server, and what it sends.  A reply that grants is read   *)
(* after the letters sent before it: a notice that was still on its way    *)
(* has arrived then.  Who is revoked is no longer honest: it starts anew.  *)

OkTo(t, c)   == {n \in DOMAIN t.out : t.out[n].what = "reply" /\ t.out[n].client = c /\ t.out[n].status = "ok"}
BreaksTo(t, c) == {n \in DOMAIN t.out : t.out[n].what = "break" /\ t.out[n].client = c}
CutOff(e, t) == {c \in Clients : [what |-> "revoked", client |-> c] \in {t.out[n] : n \in DOMAIN t.out}}
                \cup (IF e.type = "ClientLeft" \/ (e.type = "OpenClosed" /\ t.state.right[e.client] = {})
                      THEN {e.client} ELSE {})
Opened(t, c) == t.state.opens[c] > opens[c]

LetterAfter(e, t, c) ==
  IF c \in CutOff(e, t) THEN NoLetter
  ELSE IF BreaksTo(t, c) # {}
  THEN LET n == CHOOSE n \in BreaksTo(t, c) : TRUE IN [to |-> t.out[n].to, ack |-> t.out[n].ack]
  ELSE IF Opened(t, c) /\ ~letter[c].ack THEN NoLetter ELSE letter[c]
BeliefAfter(e, t, c) ==
  IF c \in CutOff(e, t) THEN {}
  ELSE IF e.type = "BreakAcknowledged" /\ c = e.client THEN e.rights
  ELSE IF e.type = "RightReturned" /\ c = e.client THEN {}
  ELSE IF ~Opened(t, c) THEN belief[c]
  ELSE IF t.state.brk[c] # None \/ BreaksTo(t, c) = {} THEN t.state.right[c] ELSE belief[c]
(* What a client keeps after what it heard; dirty data stays until flushed.*)
CacheAfter(e, t, c) ==
  IF \/ c \in CutOff(e, t)
     \/ Opened(t, c) /\ letter[c] # NoLetter /\ ~letter[c].ack
     \/ "R" \notin BeliefAfter(e, t, c) /\ c \notin dirty
  THEN NoCopy ELSE cache[c]

Letters(e, t) ==
  /\ letter' = [c \in Clients |-> LetterAfter(e, t, c)]
  /\ belief' = [c \in Clients |-> BeliefAfter(e, t, c)]
  /\ due'    = [c \in Clients |-> IF c \in CutOff(e, t)
                    \/ (e.type \in {"BreakAcknowledged", "RightReturned"} /\ c = e.client) THEN None ELSE due[c]]
  /\ floor'  = [c \in Clients |-> IF LetterAfter(e, t, c) # NoLetter /\ letter[c] = NoLetter
                                  THEN data' ELSE floor[c]]

(* What honest clients ask of the server, beyond Fair: dirty data is       *)
(* flushed before anything else; a break is answered when it has arrived   *)
(* and what it takes is flushed.                                           *)
Honest(e) ==
  CASE e.type \in {"BreakAcknowledged", "RightReturned"} ->
         (* what is dirty is at least on its way: the acknowledgment may overtake the reply *)
         /\ due[e.client] # None
         /\ e.client \in dirty => [client |-> e.client, what |-> "write"] \in inflight /\ IsSmb(e.client)
         /\ ~\E i \in DOMAIN queue : queue[i].client = e.client
         /\ e.type = "BreakAcknowledged" => e.rights = due[e.client]
    [] e.type = "AccessRequested" /\ e.operation # "write" -> e.client \notin dirty
    [] e.type \in {"OpenClosed", "OpenRequested"} -> e.client \notin dirty
    [] OTHER -> TRUE

Server(e) ==
  /\ Fair(State, e) /\ Honest(e) /\ e.type # "AccessEnded"
  /\ LET t == Step(State, e) IN
       /\ Become(t.state)
       /\ data' = data
       /\ Letters(e, t)
       /\ cache' = [c \in Clients |-> CacheAfter(e, t, c)]
       /\ dirty' = dirty \ CutOff(e, t)
       /\ UNCHANGED <<written, seen>>

(* An access has its effect when it ends, and that may wake others.        *)
End(c) == [type |-> "AccessEnded", client |-> c]
WriteEnds(c) ==
  /\ [client |-> c, what |-> "write"] \in inflight
  /\ LET t == Step(State, End(c)) IN
       /\ Become(t.state)
       /\ IF c \in dirty
          THEN data' = cache[c] /\ dirty' = dirty \ {c} /\ UNCHANGED written
          ELSE /\ written < versions_max
               /\ written' = written + 1 /\ data' = written + 1 /\ UNCHANGED dirty
       /\ Letters(End(c), t)
       /\ cache' = [d \in Clients |-> IF d # c THEN CacheAfter(End(c), t, d)
                      ELSE IF "R" \in belief[c] THEN data' ELSE NoCopy]
  /\ UNCHANGED seen
ReadEnds(c) ==
  /\ [client |-> c, what |-> "read"] \in inflight
  /\ Become(Step(State, End(c)).state)
  /\ seen' = [seen EXCEPT ![c] = data]
  /\ cache' = [cache EXCEPT ![c] = IF "R" \in belief[c] THEN data ELSE NoCopy]
  /\ UNCHANGED <<data, written, dirty, belief, letter, due, floor>>

(* Without asking the server: reads and writes of the cache.               *)
LocalRead(c) ==
  /\ "R" \in belief[c] /\ cache[c] # NoCopy
  /\ seen' = [seen EXCEPT ![c] = cache[c]]
  /\ UNCHANGED <<vars, data, written, cache, dirty, belief, letter, due, floor>>
LocalWrite(c) ==
  /\ "W" \in belief[c] /\ written < versions_max /\ ~Busy(State, c)
  /\ written' = written + 1 /\ cache' = [cache EXCEPT ![c] = written + 1] /\ dirty' = dirty \cup {c}
  /\ UNCHANGED <<vars, data, belief, letter, due, floor, seen>>

(* A break arrives: what it takes is not used any more; dirty data is kept *)
(* until it is flushed.                                                    *)
LetterArrives(c) ==
  /\ letter[c] # NoLetter
  /\ letter' = [letter EXCEPT ![c] = NoLetter]
  /\ belief' = [belief EXCEPT ![c] = @ \cap letter[c].to]
  /\ due' = [due EXCEPT ![c] = IF letter[c].ack THEN letter[c].to ELSE None]
  /\ cache' = [cache EXCEPT ![c] = IF "R" \in letter[c].to \/ c \in dirty THEN @ ELSE NoCopy]
  /\ UNCHANGED <<vars, data, written, dirty, floor, seen>>

CNext == \/ \E e \in Event : Server(e)
         \/ \E c \in Clients : \/ WriteEnds(c) \/ ReadEnds(c)
                               \/ LocalRead(c) \/ LocalWrite(c) \/ LetterArrives(c)
CSpec == CInit /\ [][CNext]_all

-----------------------------------------------------------------------------
(* 9. NoStaleRead. What an honest client keeps is current, or a break is   *)
(* on its way to it.  (Who was revoked has been cut off above.)            *)
NoStaleRead == \A c \in Clients :
  "R" \in belief[c] /\ cache[c] # NoCopy => cache[c] = Newest \/ letter[c] # NoLetter

(* strict: nothing at all is newer than what the holder of a right whose   *)
(* break waits keeps, letter or not, until it answered.                    *)
Strict(c) == "W" \in right[c] \/ Flavour[c] = "delegation"
StrictRead == \A c \in Clients :
  right[c] # {} /\ Strict(c) /\ "R" \in belief[c] /\ cache[c] # NoCopy => cache[c] = Newest

(* 10. DirtyNeedsW. Only who has W on the server has dirty data.           *)
DirtyNeedsW == \A c \in dirty : "W" \in right[c]
OneDirty == Cardinality(dirty) <= 1

(* Versions never go back: nobody's flush overwrites what is newer.        *)
(* 11. NoLostDirty. Dirty data goes by flush, revocation or own crash.     *)
NoLostDirty == [][\A c \in dirty \ dirty' :
  \/ data' = cache[c]
  \/ right'[c] = {}]_all
NeverBack == [][data' >= data]_all

(* 14. The refinement.                                                     *)
Abstract == INSTANCE Coherence WITH
  newest <- Newest, shared <- data, written <- written, late <- Late, floor <- floor, seen <- seen
IsCoherent == Abstract!Spec

(* Probes: TLC must violate each of these.                                 *)
P_NobodyDirty   == dirty = {}
P_NobodyLate    == Late = {}
P_NoStaleCache  == \A c \in Clients : "R" \in belief[c] /\ cache[c] # NoCopy => cache[c] = Newest
P_NothingDue    == \A c \in Clients : due[c] = None
P_NoFlush       == \A c \in dirty : due[c] = None
P_TwoReadersNever == Cardinality({c \in Clients : cache[c] # NoCopy}) < 2
=============================================================================
