"""Recordings of the whole server (shell/recording) in the words of specs/trace/TraceLocks.

A recording is what the core was told and what it did, step by step, with the files' views. Locks
speaks of the byte ranges of one file; a trace is one file's part of a recording, until 500 requests of
clients have been told. Whoever holds and waits for nothing may be called by another name from then on,
so a few names are enough for any number of opens and processes. Ranges are counted in units between
the offsets that occur.

What Locks has no word for, and what becomes of it, stands in specs/README.md ("Traces").
"""
import json
from collections import Counter

from recorded_rights import RightsReader

LENGTH = 500
VIEW_EVERY = 8
NLM, SMB = "nlm", "smb"
REPLIES = {"ok": "granted", "denied": "denied", "blocked": "blocked", "parked": "blocked",
           "deadlock": "deadlock"}
ENDS = {"ok": "granted", "cancelled": "cancelled", "closed": "closed", "deadlock": "deadlock"}
ASIDE = {"Restarted", "GraceEnded", "Elsewhere"}  # not counted: lines that no client asked for
TAKES_BACK = {"Unlocked", "LockCancelled", "RequestCancelled", "ClientLeft", "HostRebooted", "OpenClosed"}
EMPTY = {"opens": [], "locks": [], "waiters": [], "grants": [], "rights": [], "accesses": []}


class Line:
    """One line of a trace: names are final, ranges are pairs of offsets still."""

    def __init__(self, event, reply="ok", holder="", ended=()):
        self.event, self.reply, self.holder, self.ended = event, reply, holder, list(ended)
        self.held_up, self.stay, self.passing = set(), None, set()
        self.elsewhere, self.view = False, None


def span(thing):
    return thing["first"], thing["last"]


def held_up(waiter):
    return waiter["for_breaks"] or waiter["for_accesses"] or waiter["for_grace"]


def queue_of(view):
    return [w for w in view["waiters"] if w["what"] == "lock" and w["queued"]]


def beside(whole, ranges):
    """What of a range lies in none of these (in order)."""
    first, last = whole
    for one, other in ranges:
        if one <= last and first <= other:
            if first < one:
                yield first, one - 1
            first = other + 1
    if first <= last:
        yield first, last


class Names:
    """Owners and clients by short names; an owner that has nothing gives its name back."""

    def __init__(self, clients):
        self.clients, self.client_names, self.owners = clients, {}, {}

    def client(self, number):
        if number not in self.client_names:
            letter = {NLM: "n", SMB: "s"}.get(self.clients[number], "h")
            taken = set(self.client_names.values())
            self.client_names[number] = next(name for n in range(1, 1000)
                                             for name in [f"{letter}{n}"] if name not in taken)
        return self.client_names[number]

    def key(self, client, open_, owner):
        return (client, open_ if self.clients.get(client) == SMB else owner)

    def owner(self, client, open_, owner):
        key = self.key(client, open_, owner)
        if key not in self.owners:
            prefix, taken = self.client(client), set(self.owners.values())
            self.owners[key] = next(name for n in range(1, 1000)
                                    for name in [f"{prefix}_{n}"] if name not in taken)
        return self.owners[key]

    def of(self, thing):
        return self.owner(thing["client"], thing["open"] if "open" in thing else 0, thing["owner"])

    def keep(self, keys):
        self.owners = {key: name for key, name in self.owners.items() if key in keys}
        there = {client for client, _ in self.owners}
        self.client_names = {c: name for c, name in self.client_names.items() if c in there}


class LocksReader:
    """One file's part of a recording, as traces."""

    def __init__(self, name, clients, addresses):
        self.file, self.clients, self.addresses = name, clients, addresses
        self.view, self.pending = EMPTY, {}
        self.traces, self.lines, self.names, self.told = [], None, None, 0
        self.events, self.spoken, self.unspoken = 0, 0, Counter()

    # Where traces begin and end ------------------------------------------------------------------

    def begin(self):
        """A trace begins where nobody waits: then the view is all of the state."""
        self.names, self.told = Names(self.clients), 0
        self.lines = [Line({"type": "Restarted", "held": self.held(self.view)})]

    def end(self):
        if self.told >= LENGTH:
            self.traces.append(self.lines)
        self.lines, self.names, self.told = None, None, 0

    def restart(self, view):
        self.pending.clear()
        self.view = view
        if self.lines is not None:
            self.lines.append(Line({"type": "Restarted", "held": self.held(view)}))
            self.forget()

    def forget(self):
        keys = {self.names.key(t["client"], t.get("open", 0), t["owner"])
                for what in ("locks", "grants") for t in self.view[what]}
        keys |= {self.names.key(w["client"], w["open"], w["owner"]) for w in self.view["waiters"]}
        keys |= {self.names.key(o["client"], o["open"], "") for o in self.view["opens"]}
        self.names.keep(keys)

    # Views ---------------------------------------------------------------------------------------

    def held(self, view):
        tables = {}
        for lock in view["locks"]:
            table = tables.setdefault(self.names.of(lock), Counter())
            (first, last), kind = span(lock), lock["kind"]
            # What was reclaimed and what was not are shown apart.
            beside_it = next(((r, k) for r, k in table if k == kind and r[1] + 1 == first), None)
            if beside_it and self.clients[lock["client"]] != SMB:
                del table[beside_it]
                first = beside_it[0][0]
            table[(first, last), kind] += 1
        return tables

    def shown(self, view):
        return {"held": self.held(view),
                "queue": [(self.names.of(w), *span(w["element"]), w["element"]["kind"], w["told"])
                          for w in queue_of(view)],
                "calls": [(self.names.of(g), *span(g["element"]), g["element"]["kind"])
                          for g in view["grants"]]}

    # One step of the recording -------------------------------------------------------------------

    def step(self, event, effects, after, journal_failed, waits_beside):
        self.events += 1
        self.journal_failed, self.waits_beside = journal_failed, waits_beside
        if self.lines is None and not queue_of(self.view) and not self.view["grants"]:
            self.begin()
        lines = [] if self.lines is None else self.translate(event, effects, after)
        self.view = after
        if self.lines is None:
            self.unspoken["while a trace waited for its beginning"] += 1
            return
        if lines is None:  # what it did cannot be said at all
            return self.end()
        if not lines:
            self.unspoken[event["type"]] += 1
            return
        self.spoken += 1
        self.told += sum(line.event["type"] not in ASIDE for line in lines)
        if len(self.lines) % VIEW_EVERY < len(lines) or self.told >= LENGTH:
            lines[-1].view = self.shown(after)
        self.lines += lines
        self.forget()
        if self.told >= LENGTH:
            self.end()

    def translate(self, event, effects, after):
        self.effects, self.after = effects, after
        queue, left = queue_of(self.view), {w["request"]: w for w in queue_of(after)}
        main = self.main(event)
        if main is None:
            return None
        # What happens in the step, by the place of its effect: the event itself, what was parked
        # without a place in the queue and is decided now, the end of grace.
        placed = [(-1, line) for line in main] + self.decided(event)
        over = next((at for at, e in enumerate(effects) if e["what"] == "grace_ended"), None)
        before = {n for n, w in enumerate(queue, 1) if held_up(w)}
        up = {n for n, w in enumerate(queue, 1) if w["request"] in left and held_up(left[w["request"]])}
        ends = self.ends(event, queue)
        freed = {n for n in before - up if queue[n - 1]["request"] in left}
        if over is not None and (placed or queue or self.unclaimed()):
            placed.append((over, Line({"type": "GraceEnded", "unclaimed": self.unclaimed()})))
        if not placed and (ends or self.gone or freed or up - before):
            placed = [(-1, Line({"type": "Elsewhere"}))]
        placed.sort(key=lambda pair: pair[0])
        lines = [line for _, line in placed]
        ended_in = {}
        for at, position, end in ends:
            ended_in[position] = max((n for n, (start, _) in enumerate(placed) if start <= at), default=0)
            if end:
                lines[ended_in[position]].ended.append(end)
        self.interface(lines, queue, before, up, ended_in, left.get(event.get("request")))
        return lines

    def interface(self, lines, queue, before, up, ended_in, mine):
        """Who is held up in each line of the step. Those who wait on are judged again in the order
        of arrival: whoever goes is free in his line, whoever stays when the step is over."""
        there, last = [n for n in range(1, len(queue) + 1) if n not in self.gone], len(lines) - 1
        breaking = {r["client"] for r in self.after["rights"] if r["breaking"]}
        passing = {name for (client, _), name in self.names.owners.items() if client in breaking}
        mine = mine if mine and lines and lines[0].reply == "blocked" else None
        for number, line in enumerate(lines):
            line.passing = passing
            if queue or mine and number:
                line.stay = [there.index(n) + 1 for n in there] if number else list(there)
                line.held_up = {n if number == 0 else there.index(n) + 1 for n in there
                                if ended_in.get(n, last + 1) > number
                                and n in (up if number == last and n not in ended_in else before)}
                if mine and number:
                    line.stay.append(len(there) + 1)
                    line.held_up |= {len(there) + 1} if held_up(mine) else set()
            there = [n for n in there if ended_in.get(n) != number]

    def unclaimed(self):
        """What was recovered and is held no more: parts of ranges, for parts may be reclaimed."""
        rows = set()
        for lock in self.view["locks"]:
            if lock["recovered"]:
                mine = sorted(span(l) for l in self.after["locks"]
                              if (l["client"], l["open"], l["owner"])
                              == (lock["client"], lock["open"], lock["owner"]))
                rows |= {(self.names.of(lock), *part, lock["kind"]) for part in beside(span(lock), mine)}
        return sorted(rows)

    def reply_to(self, request):
        for at, effect in enumerate(self.effects):
            if effect["what"] in ("reply", "parked") and effect["request"] == request:
                return at, effect.get("status", "parked"), effect.get("body")
        return 0, None, None

    def ends(self, event, queue):
        """(place among the effects, position, who ended how or None) of waiters that leave as Locks
        knows; fills in who is `gone` and who was `granted`."""
        self.gone, self.granted, ended = set(), set(), []
        waiting = {w["request"]: (i + 1, w) for i, w in enumerate(queue)}
        left = {w["request"] for w in queue_of(self.after)}
        heard = set()
        for at, effect in enumerate(self.effects):
            request = effect.get("grant") if effect["what"] == "granted" else effect.get("request")
            if request not in waiting or effect["what"] not in ("granted", "reply"):
                continue
            position, waiter = waiting[request]
            heard.add(request)
            how = ENDS.get(effect.get("status", "ok"))
            if how is None or how == "deadlock" and self.waits_beside:
                self.gone.add(position)
                self.unspoken["a waiter's " + effect["status"]] += 1
            else:
                if how == "granted":
                    self.granted.add(position)
                ended.append((at, position, (self.names.of(waiter), *span(waiter["element"]),
                                             waiter["element"]["kind"], how)))
        # A host had its reply: its waiters are dropped without a word.
        silent = [(position, w) for request, (position, w) in waiting.items() if request not in heard | left]
        if silent and (self.journal_failed or self.waits_beside and event["type"] not in TAKES_BACK):
            self.gone |= {position for position, _ in silent}
        else:
            ended += [(-1, position, None) for position, _ in silent]
        return ended

    # The event itself ------------------------------------------------------------------------------

    def main(self, event):
        """Its lines; none when Locks has no word for it, None when what it did cannot be said."""
        here = getattr(self, "on_" + event["type"], None)
        return here(event) if here else []

    def on_LockRequested(self, event):
        if event["file"] != self.file:
            return []
        _, status, body = self.reply_to(event["request"])
        mine = next((w for w in queue_of(self.after) if w["request"] == event["request"]), None)
        if event["wait"] == "none" and status == "parked":
            self.pending[event["request"]] = event
            return []
        if status not in REPLIES:
            return []
        if event["more"] and status != "ok":
            return []  # all or nothing: nothing
        if status == "deadlock" and self.waits_beside:
            self.unspoken["a deadlock, maybe over two files"] += 1
            return []
        wait = event["wait"] != "none" and event["reclaim"] == "none"
        return [self.lock_line(event, element, wait, status, body, mine)
                for element in [event["element"], *event["more"]]]

    def lock_line(self, event, element, wait, status, body, mine=None):
        line = Line({"type": "LockRequested", "owner": self.names.of(event), "range": span(element),
                     "kind": element["kind"], "wait": wait}, REPLIES[status], self.holder(body))
        line.elsewhere = mine is not None and held_up(mine)
        return line

    def holder(self, body):
        known = body and body.get("thing") in ("lock", "reservation")
        return self.names.of(body) if known else ""

    def on_Unlocked(self, event):
        _, status, _ = self.reply_to(event["request"])
        if event["file"] != self.file or status not in ("ok", "range_not_locked"):
            return []
        if event["more"] and status != "ok":
            return None  # some of it was done
        return [Line({"type": "Unlocked", "owner": self.names.of(event), "range": tuple(r)}, status)
                for r in [event["range"], *event["more"]]]

    def cancel_line(self, thing, status):
        element = thing["element"]
        return [Line({"type": "LockCancelled", "owner": self.names.of(thing), "range": span(element),
                      "kind": element["kind"]}, status)]

    def on_LockCancelled(self, event):
        _, status, _ = self.reply_to(event["request"])
        known = event["file"] == self.file and status in ("ok", "denied")
        return self.cancel_line(event, status) if known else []

    def on_RequestCancelled(self, event):
        self.pending.pop(event["target"], None)
        for waiter in queue_of(self.view):
            if waiter["request"] == event["target"]:
                return self.cancel_line(waiter, "ok")
        return []

    def on_GrantAnswered(self, event):
        for grant in self.view["grants"]:
            if grant["grant"] == event["grant"]:
                line, = self.cancel_line(grant, "ok")
                line.event.update(type="GrantAnswered", accepted=event["accepted"])
                return [line]
        return []

    def has_something(self, key):
        return any(self.names.key(t["client"], t.get("open", 0), t["owner"]) == key
                   for what in ("locks", "grants", "waiters") for t in self.view[what])

    def on_OpenClosed(self, event):
        for open_ in self.view["opens"]:
            if open_["open"] != event["open"] or self.clients[open_["client"]] != SMB:
                continue
            if any(o["open"] == event["open"] for o in self.after["opens"]):
                return []
            owner = (open_["client"], event["open"], "")
            if self.has_something(self.names.key(*owner)):
                return [Line({"type": "OpenClosed", "owner": self.names.owner(*owner)})]
        return []

    def leaves(self, client):
        """A line when the client had something here that it has not any more."""
        def has(view):
            return any(t["client"] == client for what in ("locks", "grants") for t in view[what]) or any(
                w["client"] == client for w in queue_of(view))
        if not has(self.view) or has(self.after):
            return []
        return [Line({"type": "ClientLeft", "client": self.names.client(client)})]

    def on_ClientLeft(self, event):
        return self.leaves(event["client"])

    def on_HostRebooted(self, _event):
        there = {t["client"] for what in ("locks", "grants", "waiters") for t in self.view[what]}
        return [line for client in sorted(there) if self.clients[client] == NLM
                for line in self.leaves(client)]

    def on_LockTested(self, event):
        if event["file"] != self.file:
            return []
        _, status, body = self.reply_to(event["request"])
        if status == "parked":
            self.pending[event["request"]] = event
        return self.tested(event, status, body)

    def tested(self, event, status, body):
        if status not in ("ok", "denied") or (body and body["thing"] == "right"):
            return []
        element = event["element"]
        return [Line({"type": "LockTested", "owner": self.names.of(event), "range": span(element),
                      "kind": element["kind"]}, status, self.holder(body))]

    def on_AccessRequested(self, event):
        if event["target"]["file"] != self.file or event["others"]:
            return []
        _, status, _ = self.reply_to(event["request"])
        if status == "parked":
            self.pending[event["request"]] = event
        return self.accessed(event, status)

    def accessed(self, event, status):
        kinds = {"read": "shared", "write": "exclusive"}
        kind = kinds.get(event["target"]["operation"])
        smb = self.clients.get(event["client"]) == SMB
        first, last = event["range"]
        if status not in ("ok", "lock_conflict") or kind is None or first > last:
            return []
        if smb and not event["open"]:
            return []
        policy = event["policy"]
        families = {family for family, key in ((SMB, "smb_ranges_on_nfs_io"), (NLM, "nfs_ranges_on_nfs_io"))
                    if policy[key]}
        # The locks of the host that asks are its own, whichever of its processes has them.
        owner = self.names.of(event) if smb else self.names.owner(self.locker(event["client"]), 0, "")
        return [Line({"type": "AccessRequested", "owner": owner, "range": (first, last), "kind": kind,
                      "families": families}, status)]

    def locker(self, client):
        """The NLM client of the same host, if there is one: a restart may have forgotten earlier ones."""
        address = self.addresses.get(client)
        return next((other for other, where in reversed(self.addresses.items())
                     if where == address and self.clients[other] == NLM), client)

    def decided(self, event):
        """Parked requests that have their reply in this step: (place among the effects, line)."""
        lines = []
        for request, asked in list(self.pending.items()):
            at, status, body = self.reply_to(request)
            if status in (None, "parked") or request == event.get("request"):
                continue
            del self.pending[request]
            if asked["type"] == "LockRequested":
                found = [] if status not in REPLIES else [
                    self.lock_line(asked, element, False, status, body)
                    for element in [asked["element"], *asked["more"]]]
                found = found if status == "ok" else found[:1]
            elif asked["type"] == "LockTested":
                found = self.tested(asked, status, body)
            else:
                found = self.accessed(asked, status)
            lines += [(at, line) for line in found]
        return lines


def read(path):
    """One recording: for each module the files' readers."""
    clients, addresses, files, rights, failed = {}, {}, {}, {}, False

    def reader(name):
        if name not in files:
            files[name] = LocksReader(name, clients, addresses)
            rights[name] = RightsReader(name, clients, EMPTY, LENGTH)
        return files[name]

    with open(path, encoding="utf-8") as recording:
        for text in recording:
            if not text.endswith("\n"):
                break  # killed while it wrote
            record = json.loads(text)
            views = {view["file"]: view for view in record["files"]}
            if "run" in record:
                failed = False
                clients.update({c["client"]: c["protocol"] for c in record["clients"]})
                addresses.update({c["client"]: c["address"] for c in record["clients"]})
                for name in set(files) | set(views):
                    reader(name).restart(views.get(name, EMPTY))
                    rights[name].restart(views.get(name, EMPTY))
                continue
            event, effects = record["event"], record["effects"]
            if event["type"] == "JournalChanged":
                failed = event["failed"]
            if event["type"] == "ClientArrived":
                for effect in effects:
                    if effect.get("request") == event["request"] and effect.get("body"):
                        clients[effect["body"]["client"]] = event["protocol"]
                        addresses.pop(effect["body"]["client"], None)  # the latest stands last
                        addresses[effect["body"]["client"]] = event["address"]
            for name, view in views.items():
                waits_beside = any(queue_of(other.view) for other in files.values() if other.file != name)
                reader(name).step(event, effects, view, failed, waits_beside)
                rights[name].step(event, effects, view)
    for one in files.values():
        one.end()
    return {"Locks": list(files.values()), "Breaks": list(rights.values())}
