"""Recordings of whole servers (shell/recording) in the words of specs/trace/TraceLockstep.

A recording is what the core was told and what it did, step by step, with the files' views. The
specification speaks of one file; a trace is one file's part of a recording, until 500 events have been
told, restarts among them. What has come to its end may be called by another name from then on, so a few
names are enough for any number of clients, opens and processes. Ranges are counted in units between
the offsets that occur.

What the specification has no word for, and what becomes of it, stands in specs/README.md ("Traces").
"""
import json
from collections import Counter

from recorded_events import ABOUT_REQUEST, SILENT, SMB, Events, Unsayable, host_of, letters, modes, span

LENGTH = 500
VIEW_EVERY = 4
LOOKED_AT = {"OpenRequested", "BreakAcknowledged"}  # after these always
NEAR = 40  # so many lines before a restart: at one of these moments is what was on disk
EMPTY = {"opens": [], "locks": [], "waiters": [], "grants": [], "rights": [], "accesses": [],
         "delete_pending": False}


def why(waiter):
    return ("breaks" if waiter["for_breaks"] else "accesses" if waiter["for_accesses"]
            else "grace" if waiter["for_grace"] else "ranges")


class Names:
    """Short names. A holder is called by its host, an owner by its holder: s1, s1l2, s1l2_3; n1, n1_2."""

    def __init__(self):
        self.names = {}

    def get(self, key, prefix, between=""):
        if key not in self.names:
            taken = set(self.names.values())
            self.names[key] = next(name for n in range(1, 10000)
                                   for name in [f"{prefix}{between}{n}"] if name not in taken)
        return self.names[key]

    def keep(self, live):
        """Only these, and those that they are called by."""
        live = set(live)
        live |= {name.split("_")[0] for name in live}
        hosts = {host_of(name) for name in live}
        self.names = {key: name for key, name in self.names.items() if name in live or name in hosts}


class FileReader(Events):
    """One file's part of a recording, as traces."""

    def __init__(self, name, world):
        self.file, self.world = name, world
        self.view, self.asked = EMPTY, {}
        self.lines, self.names, self.told = None, None, 0
        self.flying, self.bars = {}, {}
        self.grace = self.failed = False
        self.traces, self.events, self.kinds, self.left_out = [], 0, Counter(), Counter()

    # Names ---------------------------------------------------------------------------------------

    def host(self, client):
        if self.world.protocols.get(client) == SMB:
            return self.names.get(("smb", client), "s")
        return self.names.get(("nfs", self.world.addresses.get(client, client)), "n")

    def holder_of_right(self, right):
        if right["flavour"] == "lease":
            return self.names.get(("lease", right["client"], right["key"]), self.host(right["client"]), "l")
        return self.names.get(("oplock", right["open"]), self.host(right["client"]), "o")

    def open_name(self, open_, view):
        """Of an open that is there: it is called by the right that it stands under."""
        if self.world.protocols.get(open_["client"]) != SMB:
            return self.owner(open_["client"], 0, open_["owner"])
        key = ("open", open_["open"])
        if key not in self.names.names:
            under = next((r for r in view["rights"] if r["right"] == open_["right"]), None)
            holder = (self.holder_of_right(under) if under
                      else self.names.get(("oplock", open_["open"]), self.host(open_["client"]), "o"))
            self.names.get(key, holder, "_")
        return self.names.names[key]

    def owner(self, client, open_, owner):
        if self.world.protocols.get(client) == SMB:
            if ("open", open_) not in self.names.names:
                raise Unsayable("an open that is not there")
            return self.names.names["open", open_]
        return self.names.get(("process", client, owner), self.host(client), "_")

    def of(self, thing):
        return self.owner(thing["client"], thing.get("open", 0), thing["owner"])

    def forget(self):
        view = self.view
        live = {self.open_name(o, view) for o in view["opens"]}
        live |= {self.holder_of_right(r) for r in view["rights"]}
        live |= {self.of(t) for what in ("locks", "grants") for t in view[what]}
        live |= {self.asked[w["request"]]["owner"] for w in view["waiters"]}
        live |= set(self.flying.values()) | {host for host, _ in self.bars}
        # A restart may find what was on record some moments ago.
        self.recent = [*self.recent[1 - NEAR:], live]
        self.names.keep(set().union(*self.recent))

    # Where traces begin and end ------------------------------------------------------------------

    def quiet(self):
        """The view is all of the state: nobody waits, nothing is under way."""
        view = self.view
        return not (view["waiters"] or view["grants"] or view["accesses"] or self.bars or view["delete_pending"]
                    or any(r["breaking"] for r in view["rights"]))

    def begin(self):
        self.names, self.told, self.asked, self.flying, self.recent = Names(), 0, {}, {}, []
        self.grace, self.failed = self.world.grace, self.world.failed
        self.lines = [{**self.found(self.view), "grace": self.grace, "failed": self.failed,
                       "unclaimed": self.unclaimed(self.view)}]

    def end(self):
        if self.told >= LENGTH:
            self.traces.append(self.lines)
        self.lines, self.names, self.told = None, None, 0

    def restart(self, view):
        self.view, self.asked, self.flying, self.bars = view, {}, {}, {}
        if self.lines is None:
            return
        self.grace, self.failed = self.world.grace, False
        for line in self.lines[-NEAR:]:
            line["near"] = True
        self.lines.append({**self.found(view), "grace": self.grace})
        self.kinds["Restarted"] += 1
        self.forget()

    # Views ---------------------------------------------------------------------------------------

    def tables(self, locks):
        tables = {}
        for lock in locks:
            table = tables.setdefault(self.of(lock), Counter())
            (first, last), kind = span(lock), lock["kind"]
            # What was reclaimed and what was not are shown apart.
            beside = next(((r, k) for r, k in table if k == kind and r[1] + 1 == first), None)
            if beside and self.world.protocols[lock["client"]] != SMB:
                del table[beside]
                first = beside[0][0]
            table[(first, last), kind] += 1
        return {(owner, ("lock", r, kind, n)) for owner, table in tables.items() for (r, kind), n in table.items()}

    def found(self, view):
        return {"found": {"opens": self.opens(view), "held": self.tables(view["locks"]), "right": self.rights(view)}}

    def opens(self, view):
        return {(self.open_name(o, view), ("mode", modes(o["access"]), modes(o["deny"]))) for o in view["opens"]}

    def rights(self, view):
        return {(self.holder_of_right(r), letters(r["rights"])) for r in view["rights"] if letters(r["rights"])}

    def unclaimed(self, view):
        return {"opens": {self.open_name(o, view) for o in view["opens"] if o["recovered"]},
                "rights": {self.holder_of_right(r) for r in view["rights"] if r["recovered"]},
                "locks": self.tables([lock for lock in view["locks"] if lock["recovered"]])}

    def shown(self, view):
        return {"held": self.tables(view["locks"]), "opens": self.opens(view), "right": self.rights(view),
                "queue": [{"id": self.asked[w["request"]]["id"], "why": why(w)} for w in view["waiters"]],
                "calls": {("call", self.of(g), span(g["element"]), g["element"]["kind"]) for g in view["grants"]},
                "brk": {(self.holder_of_right(r), letters(r["breaking_to"]), letters(r["required"]))
                        for r in view["rights"] if r["breaking"]},
                "inflight": {("id", a["request"]) for a in view["accesses"]},
                "unclaimed": self.unclaimed(view)}

    # One step of the recording -------------------------------------------------------------------

    def step(self, now, event, effects, after):
        self.events += 1
        if self.lines is None and self.quiet():
            self.begin()
        if self.lines is None:
            self.left_out["while a trace waited for its beginning"] += 1
            self.view = after
            return
        try:
            line, told = self.line(now, event, effects, after)
        except Unsayable as reason:
            self.left_out[str(reason)] += 1
            self.view = after
            return self.end()
        self.view = after
        if told:
            self.told += 1
            self.kinds[event["type"]] += 1
        if line["events"]:
            if len(self.lines) % VIEW_EVERY == 0 or self.told >= LENGTH or event["type"] in LOOKED_AT:
                line["view"] = self.shown(after)
            self.lines.append(line)
        self.forget()
        if self.told >= LENGTH:
            self.end()

    def line(self, now, event, effects, after):
        """The line of a step, and whether the event itself is told in it."""
        self.effects, self.after, self.now = effects, after, now
        events, replies = self.passed(now), []
        replies = [""] * len(events)
        over = next((at for at, e in enumerate(effects) if e["what"] == "grace_ended"), None)
        at, status, body = self.reply_to(event.get("request"))
        ends_before = over is not None and (over < at if status else True)
        if self.grace and (not self.world.grace and over is None or ends_before):
            self.grace = False
            events.append({"type": "GraceEnded"})
            replies.append("")
        if self.failed != self.world.failed and event["type"] != "JournalChanged":
            self.failed = self.world.failed
            events.append({"type": "JournalChanged", "failed": self.failed})
            replies.append("")
        main = [] if status in ABOUT_REQUEST else getattr(self, "on_" + event["type"], self.not_known)(event, status, body)
        for one, reply in main:
            events.append(one)
            replies.append(reply)
        if status in ABOUT_REQUEST:
            self.left_out["answered " + status] += 1
        elif not main:
            self.left_out["time and clients" if event["type"] in SILENT else "of another file"] += 1
        if self.grace and over is not None:
            self.grace = False
            events.append({"type": "GraceEnded"})
            replies.append("")
        line = {"events": events, "replies": replies, "holder": self.holder(body), "near": False,
                "said": self.said(event, effects)}
        if not events and line["said"]:
            raise Unsayable("others went on for a reason that is not on this file")
        return line, bool(main)

    def passed(self, now):
        """The deadlines that have passed, in their order."""
        due = [(r["deadline"], 0, r["right"], {"type": "BreakTimedOut", "client": self.holder_of_right(r)})
               for r in self.view["rights"] if r["breaking"] and r["deadline"] <= now]
        for waiter in self.view["waiters"]:
            asked = self.asked[waiter["request"]]
            if asked["until"] <= now and not asked.get("wait"):
                due.append((asked["until"], 1, waiter["request"],
                            {"type": "PatienceEnded", "owner": asked["owner"], "id": asked["id"]}))
        for (host, cause), until in list(self.bars.items()):
            if until <= now:
                del self.bars[host, cause]
                due.append((until, -1, 0, {"type": "BarsLifted", "bars": {("bar", host, cause)}}))
        return [one for *_, one in sorted(due, key=lambda item: item[:3])]

    def reply_to(self, request):
        for at, effect in enumerate(self.effects):
            if effect["what"] in ("reply", "parked") and request and effect["request"] == request:
                return at, effect.get("status", "parked"), effect.get("body")
        return 0, None, None

    def holder(self, body):
        return self.of(body) if body and body.get("thing") in ("lock", "reservation") else ""

    def said(self, event, effects):
        words = []
        for effect in effects:
            what = effect["what"]
            if what == "break" and effect["file"] == self.file:
                words.append({"what": "break", "client": self.holder_of_right(effect),
                              "to": letters(effect["to"]), "ack": effect["ack_required"]})
            elif what == "revoked":
                if effect["file"] not in (self.file, ""):
                    continue
                right = next((r for r in self.view["rights"] if r["right"] == effect["right"]), None)
                if right:
                    words.append({"what": "revoked", "client": self.holder_of_right(right)})
            elif what in ("reply", "granted"):
                request = effect["grant" if what == "granted" else "request"]
                waiting = any(w["request"] == request for w in self.view["waiters"])
                if request == event.get("request") or not waiting:
                    continue
                asked = self.asked[request]
                how = effect.get("status", "ok")
                if how == "ok" and asked["type"] == "LockRequested":
                    how = "granted"
                if how == "later":
                    self.bar(asked)
                if asked["type"] == "OpenRequested" and how == "ok":
                    self.opened(asked["owner"], effect["body"]["open"])
                words.append({"what": "ended", "id": asked["id"], "how": how})
        return words

    def opened(self, name, open_):
        """What was asked for is open now."""
        self.names.names["open", open_] = name
        if "o" in name:
            self.names.names["oplock", open_] = name.split("_")[0]

    def bar(self, asked):
        self.bars[host_of(asked["owner"]), asked["cause"]] = self.now + self.world.bar


class World:
    """What is not about one file."""

    def __init__(self):
        self.protocols, self.addresses, self.files = {}, {}, {}
        self.grace = self.failed = False
        self.limits, self.bar, self.run = None, None, 0

    def reader(self, name):
        if name not in self.files:
            self.files[name] = FileReader(name, self)
        return self.files[name]

    def queued_beside(self, name):
        return any(w["what"] == "lock" for other in self.files.values() if other.file != name
                   for w in other.view["waiters"])

    def begin(self, record):
        self.failed, self.limits, self.bar = False, record["limits"], record["limits"]["bar"]
        self.run += 1
        self.protocols.update({c["client"]: c["protocol"] for c in record["clients"]})
        self.addresses.update({c["client"]: c["address"] for c in record["clients"]})
        views = {view["file"]: view for view in record["files"]}
        self.grace = any(view[what] for view in views.values() for what in ("opens", "locks", "rights"))
        for name in set(self.files) | set(views):
            self.reader(name).restart(views.get(name, EMPTY))

    def step(self, record):
        event, effects = record["event"], record["effects"]
        if event["type"] == "JournalChanged":
            self.failed = event["failed"]
        if event["type"] == "ClientArrived":
            for effect in effects:
                if effect.get("request") == event["request"] and effect.get("body"):
                    self.protocols[effect["body"]["client"]] = event["protocol"]
                    self.addresses[effect["body"]["client"]] = event["address"]
        if any(effect["what"] == "grace_ended" for effect in effects):
            self.grace = False
        for view in record["files"]:
            self.reader(view["file"]).step(record["now"], event, effects, view)


def read(path):
    """The readers of a recording's files, each with its traces."""
    world = World()
    with open(path, encoding="utf-8") as recording:
        for text in recording:
            if not text.endswith("\n"):
                break  # killed while it wrote
            record = json.loads(text)
            world.begin(record) if "run" in record else world.step(record)
    for one in world.files.values():
        one.end()
    return world
