------------------------------- MODULE Ranges -------------------------------
(***************************************************************************)
(* Byte ranges: what the lock tables of the three families are made of.    *)
(*                                                                         *)
(* A range is a closed interval [first, last]; the end of file is a value  *)
(* like any other.  SMB alone knows ranges of length zero; at offset o it  *)
(* is [first |-> o, last |-> o - 1], and then ONE formula decides overlap  *)
(* for all of them (lemma ZeroLength).  NLM and NFSv4 locks of one owner   *)
(* are laid over each other as POSIX does it: the newest one wins every    *)
(* unit it covers.  SMB locks of one open stack, each with its own exact   *)
(* unlock.                                                                 *)
(*                                                                         *)
(* Everything here is a pure operator; MCRanges checks the lemmas over all *)
(* ranges of four units.                                                   *)
(***************************************************************************)
EXTENDS Integers, FiniteSets, Sequences

Kind == {"shared", "exclusive"}

Range(a, b)   == [first |-> a, last |-> b]
Units(r)      == r.first .. r.last
IsEmpty(r)    == r.last < r.first
RangesOf(n)   == {r \in [first : 0 .. n - 1, last : 0 .. n - 1] : ~IsEmpty(r)}
ZeroRanges(n) == {Range(o, o - 1) : o \in 0 .. n - 1}

Overlap(p, q) == p.first <= q.last /\ q.first <= p.last
Within(p, q)  == q.first <= p.first /\ p.last <= q.last
SameRange(p, q) == p.first = q.first /\ p.last = q.last

(* Two modes contradict each other unless both are shared.                 *)
Contrary(k, l) == "exclusive" \in {k, l}

Min(a, b) == IF a < b THEN a ELSE b
Max(a, b) == IF a > b THEN a ELSE b

-----------------------------------------------------------------------------
(* POSIX (NLM, NFSv4; XNFS C702 ch. 10, RFC 8881 section 9.1.1, fcntl).    *)
(* A table is a set of locks [first, last, kind, n], n always 1 here.      *)

Lock(r, k) == [first |-> r.first, last |-> r.last, kind |-> k, n |-> 1]

(* What is left of one lock when the units of r are cut out: 0, 1, 2 parts *)
Rest(l, r) ==
  IF ~Overlap(l, r) THEN {l}
  ELSE {p \in { [l EXCEPT !.last  = Min(l.last, r.first - 1)],
                [l EXCEPT !.first = Max(l.first, r.last + 1)] } : ~IsEmpty(p)}

Carve(table, r) == UNION {Rest(l, r) : l \in table}

Touches(l, r) == l.first <= r.last + 1 /\ r.first <= l.last + 1

(* Lay r over the table: split what is there, then merge with neighbours   *)
(* of the same kind.  After Carve at most two neighbours touch.            *)
Lay(table, r, k) ==
  LET left  == Carve(table, r)
      near  == {l \in left : l.kind = k /\ Touches(l, r)}
      low   == CHOOSE a \in {l.first : l \in near} \cup {r.first} :
                 \A l \in near : a <= l.first /\ a <= r.first
      high  == CHOOSE b \in {l.last : l \in near} \cup {r.last} :
                 \A l \in near : b >= l.last /\ b >= r.last
  IN  (left \ near) \cup {Lock(Range(low, high), k)}

(* The two ways to say what an owner has: unit by unit, and as ranges.     *)
KindAt(table, u) ==
  IF \E l \in table : u \in Units(l)
  THEN (CHOOSE l \in table : u \in Units(l)).kind ELSE "none"

Holds(table, r) == \A u \in Units(r) : KindAt(table, u) # "none"
HoldsAs(table, r, k) == \A u \in Units(r) : KindAt(table, u) = k

(* Property 8, RangeCanonical, NLM and NFSv4: disjoint, and no two of one  *)
(* kind touch.  A table is then the only one with its units.               *)
Canonical(table) ==
  \A l \in table : /\ ~IsEmpty(l) /\ l.n = 1
                   /\ \A m \in table \ {l} : /\ ~Overlap(l, m)
                                             /\ l.kind = m.kind => ~Touches(l, m)

-----------------------------------------------------------------------------
(* SMB (MS-SMB2 3.3.5.14, MS-FSA 2.1.5.8, 2.1.4.10).  A table is a bag of  *)
(* exact ranges: n counts how often the same lock was taken.               *)

Count(table, r, k) ==
  IF \E l \in table : SameRange(l, r) /\ l.kind = k
  THEN (CHOOSE l \in table : SameRange(l, r) /\ l.kind = k).n ELSE 0

SetCount(table, r, k, n) ==
  {l \in table : ~(SameRange(l, r) /\ l.kind = k)}
    \cup (IF n = 0 THEN {} ELSE {[Lock(r, k) EXCEPT !.n = n]})

Stack(table, r, k) == SetCount(table, r, k, Count(table, r, k) + 1)

CanUnstack(table, r) == \E l \in table : SameRange(l, r)

(* One unlock removes one lock.  An exclusive one goes before a shared one *)
(* of the same range (it is the older: nothing exclusive lies on shared).  *)
Unstack(table, r) ==
  LET k == IF Count(table, r, "exclusive") > 0 THEN "exclusive" ELSE "shared"
  IN  SetCount(table, r, k, Count(table, r, k) - 1)

(* Among the locks of one open: shared may lie on own exclusive, nothing   *)
(* exclusive may lie on anything of its own (MS-FSA 2.1.4.10).             *)
OwnStackRefuses(table, r, k) ==
  k = "exclusive" /\ \E l \in table : Overlap(l, r)

StackCanonical(table) ==
  \A l \in table : /\ l.n >= 1
                   /\ \A m \in table \ {l} : ~(SameRange(l, m) /\ l.kind = m.kind)

-----------------------------------------------------------------------------
(* Conflict of a wanted range with a table of another owner, the same for  *)
(* every pair of families.                                                 *)
ConflictsWith(table, r, k) == \E l \in table : Overlap(l, r) /\ Contrary(l.kind, k)

-----------------------------------------------------------------------------
(* The lemmas.  MCRanges evaluates them for n = 4.                         *)

TableOf(map, n) ==   \* the maximal runs of a map from units to kinds
  LET Run(r) == /\ map[r.first] # "none"
                /\ \A u \in Units(r) : map[u] = map[r.first]
                /\ r.first > 0     => map[r.first - 1] # map[r.first]
                /\ r.last  < n - 1 => map[r.last + 1]  # map[r.first]
  IN  {Lock(r, map[r.first]) : r \in {q \in RangesOf(n) : Run(q)}}

Maps(n)   == [0 .. n - 1 -> Kind \cup {"none"}]
Tables(n) == {TableOf(m, n) : m \in Maps(n)}

(* The canonical form exists and is unique.                                *)
CanonicalForm(n) ==
  \A m \in Maps(n) : LET t == TableOf(m, n) IN
    Canonical(t) /\ \A u \in 0 .. n - 1 : KindAt(t, u) = m[u]

(* Laying: the newest wins its units, the others keep theirs, and the form *)
(* stays canonical: split, merge, up- and downgrade are one step.          *)
LayIsOverride(n) ==
  \A t \in Tables(n), r \in RangesOf(n), k \in Kind :
    LET after == Lay(t, r, k) IN
      /\ Canonical(after)
      /\ \A u \in 0 .. n - 1 :
           KindAt(after, u) = IF u \in Units(r) THEN k ELSE KindAt(t, u)

CarveIsErase(n) ==
  \A t \in Tables(n), r \in RangesOf(n) :
    LET after == Carve(t, r) IN
      /\ Canonical(after)
      /\ \A u \in 0 .. n - 1 :
           KindAt(after, u) = IF u \in Units(r) THEN "none" ELSE KindAt(t, u)

(* Repeating a lock or an unlock changes nothing (NlmIdempotent).          *)
Idempotent(n) ==
  \A t \in Tables(n), r \in RangesOf(n), k \in Kind :
    /\ Lay(Lay(t, r, k), r, k) = Lay(t, r, k)
    /\ Carve(Carve(t, r), r) = Carve(t, r)
    /\ HoldsAs(t, r, k) <=> Lay(t, r, k) = t

(* A range of length zero conflicts only strictly inside another; two of   *)
(* them never; {0,0} never, as nothing begins before it.                   *)
ZeroLength(n) ==
  \A z \in ZeroRanges(n) :
    /\ \A r \in RangesOf(n) : /\ Overlap(z, r) <=> r.first < z.first /\ z.first <= r.last
                              /\ Overlap(z, r) <=> Overlap(r, z)
    /\ \A y \in ZeroRanges(n) : ~Overlap(z, y)
    /\ z.first = 0 => \A r \in RangesOf(n) : ~Overlap(z, r)

(* Every lock of a stack needs its own unlock, and gets it.                *)
StackUnstack(n) ==
  \A r \in RangesOf(n) \cup ZeroRanges(n), q \in RangesOf(n), k \in Kind, l \in Kind :
    LET one == Stack({}, q, l)
        two == Stack(one, r, k)
    IN  /\ StackCanonical(two)
        /\ ~OwnStackRefuses(one, r, k) =>
             /\ SameRange(r, q) /\ k # l => Unstack(two, r) = Stack({}, r, "shared")
             /\ ~(SameRange(r, q) /\ k # l) => Unstack(two, r) = one
        /\ \A p \in RangesOf(n) : CanUnstack(two, p) <=> SameRange(p, q) \/ SameRange(p, r)

(* The overlap of ranges that are not empty is what sets say it is.        *)
OverlapIsIntersection(n) ==
  \A p, q \in RangesOf(n) : Overlap(p, q) <=> Units(p) \cap Units(q) # {}
=============================================================================
