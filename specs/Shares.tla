-------------------------------- MODULE Shares --------------------------------
(***************************************************************************)
(* Share reservations of one file: SMB opens, NFSv4 OPENs and NLM SHAREs   *)
(* in one table (semantics, section 4; MS-SMB2 3.3.5.9, RFC 8881 9.7 and   *)
(* 18.18, XNFS C702 ch. 10), with what hangs on an open: the lock state of *)
(* an NFSv4 owner, the delete disposition of an SMB open.                  *)
(*                                                                         *)
(*   opens[o]  the OPENs of owner o still in effect, each [access, deny]:  *)
(*             an SMB owner is one open and has at most one; an NFSv4      *)
(*             owner collects what it asked for, until CLOSE or            *)
(*             OPEN_DOWNGRADE; an NLM SHARE replaces the one before        *)
(*   locks     NFSv4 owners with lock state                                *)
(*   doomed    SMB opens whose delete disposition is set                   *)
(*   name      "there", "going" (the last SMB open is closed, the name is  *)
(*             being removed), "gone"                                      *)
(***************************************************************************)
EXTENDS Integers, FiniteSets, Sequences, TLC

CONSTANTS
  Owner, Protocol,       \* [Owner -> {"v4", "smb", "nlm", "v3"}]; v3 only reads, writes, removes
  Modes,                 \* [Owner -> set of [access, deny]] that it asks for
  smb_deny_on_nfs_io,    \* policies of semantics, section 9
  unlink_while_open

VARIABLES opens, locks, doomed, name
vars == <<opens, locks, doomed, name>>
State == [opens |-> opens, locks |-> locks, doomed |-> doomed, name |-> name]

Mode(a, d) == [access |-> a, deny |-> d]
Of(p) == {o \in Owner : Protocol[o] = p}

Event ==
       UNION {{[type |-> "OpenRequested", owner |-> o, access |-> m.access, deny |-> m.deny] :
                m \in Modes[o]} : o \in Owner \ Of("v3")}
  \cup UNION {{[type |-> "OpenDowngraded", owner |-> o, access |-> a, deny |-> d] :
                a \in SUBSET {"read", "write"} \ {{}}, d \in SUBSET {"read", "write"}} : o \in Of("v4")}
  \cup {[type |-> "OpenClosed", owner |-> o] : o \in Owner \ Of("v3")}
  \cup {[type |-> "LockRequested", owner |-> o] : o \in Of("v4")}
  \cup {[type |-> "DispositionSet", owner |-> o, remove |-> r] : o \in Of("smb"), r \in BOOLEAN}
  \cup {[type |-> "AccessRequested", owner |-> o, operation |-> op] :
          o \in Of("v3") \cup Of("v4"), op \in {"read", "write", "remove"}}
  \cup {[type |-> "AccessRequested", owner |-> o, operation |-> op] :
          o \in Of("smb"), op \in {"read", "write"}}
  \cup {[type |-> "AccessEnded"]}
  \cup {[type |-> "ClientLeft", owner |-> o] : o \in Owner \ Of("v3")}

-----------------------------------------------------------------------------
Union(set)  == UNION set
AccessOf(s, o) == Union({m.access : m \in s.opens[o]})
DenyOf(s, o)   == Union({m.deny : m \in s.opens[o]})
Clash(m, n) == m.access \cap n.deny # {} \/ n.access \cap m.deny # {}

(* All opens in effect count, the asking owner's own included; only an NLM *)
(* SHARE does not see the one that it replaces.                            *)
ShareClash(s, o, m) == \E p \in Owner :
  ~(p = o /\ Protocol[o] = "nlm") /\ \E n \in s.opens[p] : Clash(m, n)

(* I/O that goes through no open: NFSv3, NFSv4 with a special stateid. Deny *)
(* modes of NFS opens always stop NFSv4; everything else is policy.        *)
IoDenied(s, o, op) == s.opens[o] = {} /\ \E p \in Owner \ {o} :
  op \in DenyOf(s, p) /\ ((Protocol[p] # "smb" /\ Protocol[o] = "v4") \/ smb_deny_on_nfs_io)

(* A name that an SMB open does not share, or an NFSv4 open that denies    *)
(* writing, keeps the file from REMOVE (and from being renamed over).      *)
NameHeld(s) == \E p \in Owner :
  \/ Protocol[p] = "smb" /\ "remove" \in DenyOf(s, p) /\ ~unlink_while_open
  \/ Protocol[p] = "v4" /\ "write" \in DenyOf(s, p)

(* OPEN_DOWNGRADE: access and deny must each be the union of some of the   *)
(* OPENs in effect; of these, those inside the new modes stay, and so      *)
(* would an OPEN of just these modes.                                      *)
Inside(ms, m) == {n \in ms : n.access \subseteq m.access /\ n.deny \subseteq m.deny}
Downgrades(ms, m) ==
  /\ Union({n.access : n \in {n \in ms : n.access \subseteq m.access}}) = m.access
  /\ Union({n.deny : n \in {n \in ms : n.deny \subseteq m.deny}}) = m.deny

-----------------------------------------------------------------------------
Say(s, reply) == [state |-> s, reply |-> reply]
Doomed(s) == s.doomed # {} \/ s.name # "there"

OpenRequested(s, o, m) ==
  IF Doomed(s) THEN Say(s, "delete_pending")
  ELSE IF ShareClash(s, o, m) THEN Say(s, "share_conflict")
  ELSE Say([s EXCEPT !.opens[o] = IF Protocol[o] = "nlm" THEN {m} ELSE @ \cup {m}], "ok")

OpenDowngraded(s, o, m) ==
  IF s.opens[o] = {} THEN Say(s, "unknown_open")
  ELSE IF ~Downgrades(s.opens[o], m) THEN Say(s, "bad_mode")
  ELSE Say([s EXCEPT !.opens[o] = Inside(@, m) \cup {m}], "ok")

(* The disposition belongs to the file once it is set: it outlives the     *)
(* open that set it.  The close of the last SMB open takes the name with   *)
(* it; a client that is gone has nobody who could (its opens are closed    *)
(* one by one as long as anybody is there).                                *)
LastSmb(s, o) == Protocol[o] = "smb" /\ \A p \in Of("smb") \ {o} : s.opens[p] = {}
Closed(s, o) == [s EXCEPT !.opens[o] = {}, !.locks = @ \ {o},
                          !.doomed = IF LastSmb(s, o) THEN {} ELSE @]

OpenClosed(s, o) ==
  IF s.opens[o] = {} THEN Say(s, "unknown_open")
  ELSE IF s.doomed # {} /\ LastSmb(s, o)
  THEN Say([Closed(s, o) EXCEPT !.name = "going"], "remove")
  ELSE Say(Closed(s, o), "ok")

LockRequested(s, o) ==
  IF s.opens[o] = {} THEN Say(s, "unknown_open")
  ELSE IF "write" \notin AccessOf(s, o) THEN Say(s, "bad_mode")
  ELSE Say([s EXCEPT !.locks = @ \cup {o}], "ok")

DispositionSet(s, o, remove) ==
  IF s.opens[o] = {} THEN Say(s, "unknown_open")
  ELSE IF remove THEN Say([s EXCEPT !.doomed = {o}], "ok")
  ELSE Say([s EXCEPT !.doomed = {}], "ok")

(* NFS clients read what they may only write: a page is filled up.         *)
Allowing(o, op) == IF op = "read" /\ Protocol[o] # "smb" THEN {"read", "write"} ELSE {op}

AccessRequested(s, o, op) ==
  IF op = "remove" THEN Say(s, IF NameHeld(s) THEN "file_open" ELSE "ok")
  ELSE IF IoDenied(s, o, op) THEN Say(s, "share_conflict")
  ELSE IF s.opens[o] # {} /\ Allowing(o, op) \cap AccessOf(s, o) = {} THEN Say(s, "bad_mode")
  ELSE Say(s, "ok")

Step(s, e) ==
  CASE e.type = "OpenRequested"   -> OpenRequested(s, e.owner, Mode(e.access, e.deny))
    [] e.type = "OpenDowngraded"  -> OpenDowngraded(s, e.owner, Mode(e.access, e.deny))
    [] e.type = "OpenClosed"      -> OpenClosed(s, e.owner)
    [] e.type = "LockRequested"   -> LockRequested(s, e.owner)
    [] e.type = "DispositionSet"  -> DispositionSet(s, e.owner, e.remove)
    [] e.type = "AccessRequested" -> AccessRequested(s, e.owner, e.operation)
    [] e.type = "AccessEnded"     -> Say([s EXCEPT !.name = IF @ = "going" THEN "gone" ELSE @], "ok")
    [] e.type = "ClientLeft"      -> Say(Closed(s, e.owner), "ok")

(* The clients' side: an SMB open is opened once; SMB works through it; of *)
(* a file that is gone nobody asks any more.                               *)
Fair(s, e) ==
  CASE e.type = "OpenRequested"   -> s.name # "gone" /\ (Protocol[e.owner] = "smb" => s.opens[e.owner] = {})
    [] e.type = "AccessRequested" -> s.name = "there" /\ (Protocol[e.owner] = "smb" => s.opens[e.owner] # {})
    [] e.type = "DispositionSet"  -> s.name = "there"
    [] e.type = "AccessEnded"     -> s.name = "going"
    [] OTHER                      -> TRUE

-----------------------------------------------------------------------------
Init == /\ opens = [o \in Owner |-> {}]
        /\ locks = {} /\ doomed = {} /\ name = "there"
Become(s) == opens' = s.opens /\ locks' = s.locks /\ doomed' = s.doomed /\ name' = s.name
Do(e) == IF Fair(State, e) THEN Become(Step(State, e).state) ELSE FALSE
Next  == \E e \in Event : Do(e)
Spec  == Init /\ [][Next]_vars
View  == [opens |-> [o \in Owner |-> [access |-> AccessOf(State, o), deny |-> DenyOf(State, o)]],
          locks |-> locks, delete_pending |-> doomed # {} \/ name = "going"]

-----------------------------------------------------------------------------
(* 2. ShareReservation. No two OPENs in effect contradict each other (but  *)
(* what OPEN_DOWNGRADE left of an owner's contains what it is made of).    *)
ShareReservation == \A o, p \in Owner : \A m \in opens[o], n \in opens[p] :
  o # p \/ (n \notin Inside(opens[p], m) /\ m \notin Inside(opens[o], n)) => ~Clash(m, n)

(* 53. LockStateNeedsOpen. Lock state of an NFSv4 owner has an open.       *)
LockStateNeedsOpen == \A o \in locks : opens[o] # {}

(* The name of a doomed file is held by an SMB open; one mark at most.     *)
DoomedIsOpen == doomed # {} => \E o \in Of("smb") : opens[o] # {}
OneDoom == Cardinality(doomed) <= 1

(* 54. DowngradeSubset. What is left is the union of a subset of what was  *)
(* opened, and exactly what was asked; a refused one changes nothing.      *)
DowngradeSubset(s, e, t) == e.type = "OpenDowngraded" =>
  IF t.reply = "ok"
  THEN /\ t.state.opens[e.owner] \ {Mode(e.access, e.deny)} \subseteq s.opens[e.owner]
       /\ e.access \subseteq AccessOf(s, e.owner) /\ e.deny \subseteq DenyOf(s, e.owner)
       /\ AccessOf(t.state, e.owner) = e.access /\ DenyOf(t.state, e.owner) = e.deny
  ELSE t.state = s

(* A refusal changes nothing, and is due to an open that is in effect.     *)
RefusalIsTrue(s, e, t) == t.reply \in {"share_conflict", "file_open", "delete_pending"} =>
  /\ t.state = s
  /\ t.reply # "delete_pending" => \E p \in Owner : s.opens[p] # {}

(* An open changes by its owner's events only.                             *)
OwnerOnly(s, e, t) == \A o \in Owner : t.state.opens[o] # s.opens[o] => e.owner = o

(* No open is taken on a name that is to go (DELETE_PENDING), and the name *)
(* goes with the last SMB open, not sooner.                                *)
NameGoesLast(s, e, t) ==
  /\ Doomed(s) /\ e.type = "OpenRequested" => t.reply = "delete_pending"
  /\ s.name = "there" /\ t.state.name = "going" =>
       s.doomed # {} /\ \A o \in Of("smb") : t.state.opens[o] = {}

Good(label, holds, s, e, t) == holds \/ Assert(FALSE, <<label, e, t>>)
StepIsGood(s, e, t) ==
  /\ Good("DowngradeSubset", DowngradeSubset(s, e, t), s, e, t)
  /\ Good("RefusalIsTrue", RefusalIsTrue(s, e, t), s, e, t)
  /\ Good("OwnerOnly", OwnerOnly(s, e, t), s, e, t)
  /\ Good("NameGoesLast", NameGoesLast(s, e, t), s, e, t)
CheckedNext == \E e \in {e \in Event : Fair(State, e)} : LET t == Step(State, e) IN
  IF StepIsGood(State, e, t) THEN Become(t.state) ELSE FALSE

(* Probes: TLC must violate each of these.                                 *)
Replies == {Step(State, e).reply : e \in {e \in Event : Fair(State, e)}}
P_NoShareConflict == "share_conflict" \notin Replies
P_NoFileOpen      == "file_open" \notin Replies
P_NoDowngrade     == \A e \in Event : e.type = "OpenDowngraded" /\ Step(State, e).reply = "ok"
                       => Step(State, e).state = State
P_NoBadDowngrade  == \A e \in Event : e.type = "OpenDowngraded" => Step(State, e).reply # "bad_mode"
P_NeverGone       == name # "gone"
P_NobodyWidens    == \A o \in Owner : Cardinality(opens[o]) < 2
P_NeverAllThree   == ~(\A p \in {"v4", "smb", "nlm"} : \E o \in Of(p) : opens[o] # {})
=============================================================================
