"""The caching rights of one file in a recording, in the words of specs/trace/TraceBreaks.

A holder is named by its right: l1, l2, ... leases (client and key), o1, ... oplocks (and opens without
any), h1, ... requests of NFS hosts. A request is told when Rights has a word for all that decides about
it; everything else that changes a right is told as it was seen (`Elsewhere`)."""
from collections import Counter

NOTHING_DENIED = "-"
JUDGED = {"ok", "denied", "blocked", "parked", "lock_conflict", "deadlock", "later"}
CAUSES = {"read": "read", "write": "write", "set_size": "write", "set_attributes": "set_attributes",
          "get_attributes": "get_attributes", "remove": "remove", "rename_source": "rename",
          "rename_target": "rename"}


def letters(rights):
    return frozenset(rights.replace("-", ""))


class RightsReader:
    def __init__(self, name, clients, empty, length):
        self.file, self.clients, self.length = name, clients, length
        self.view, self.names = empty, {}
        self.traces, self.lines, self.told = [], [], 0
        self.events, self.spoken, self.unspoken = 0, 0, Counter()

    # Names ---------------------------------------------------------------------------------------

    def name(self, letter, key):
        if (letter, key) not in self.names:
            taken = set(self.names.values())
            self.names[letter, key] = next(name for n in range(1, 1000)
                                           for name in [f"{letter}{n}"] if name not in taken)
        return self.names[letter, key]

    def of_right(self, right):
        if right["flavour"] == "lease":
            return self.name("l", (right["client"], right["key"]))
        return self.name("o", right["open"])

    def of_open(self, number):
        """The right that an open stands under, or the open itself."""
        under = next((o["right"] for o in self.view["opens"] if o["open"] == number), 0)
        right = next((r for r in self.view["rights"] if r["right"] == under), None)
        return self.of_right(right) if right else self.name("o", number)

    def shown(self, view):
        rights = {self.of_right(r): r for r in view["rights"]}
        breaking = {name: r for name, r in rights.items() if r["breaking"]}
        return {"right": {name: letters(r["rights"]) for name, r in rights.items()},
                "brk": {name: letters(r["breaking_to"]) for name, r in breaking.items()},
                "need": {name: letters(r["required"]) for name, r in breaking.items()}}

    # Steps ---------------------------------------------------------------------------------------

    def restart(self, view):
        self.elsewhere(view)
        self.view = view

    def elsewhere(self, after):
        if self.shown(after) != self.shown(self.view) or not self.lines:
            self.lines.append(({"type": "Elsewhere"}, {}, self.shown(after)))

    def step(self, event, effects, after):
        self.events += 1
        if not self.lines:
            self.elsewhere(self.view)
        line = self.line_of(event, effects, after)
        if line is None:
            self.unspoken[event["type"]] += 1
            self.elsewhere(after)
        else:
            self.lines.append((*line, self.shown(after)))
            self.spoken, self.told = self.spoken + 1, self.told + 1
        self.view = after
        here = {self.of_right(r) for r in after["rights"]}
        self.names = {key: name for key, name in self.names.items() if name in here}
        if self.told == self.length:
            self.traces.append(self.lines)
            self.lines, self.told = [], 0

    def line_of(self, event, effects, after):
        said = {"breaks": {(self.of_right({**e, "right": 0}), letters(e["to"]), e["ack_required"])
                           for e in effects if e["what"] == "break" and e["file"] == self.file}}
        if event["type"] == "BreakAcknowledged":
            return self.acknowledged(event, effects, said)
        asked = self.asked(event)
        if asked is None or any(thing["recovered"] for what in ("opens", "rights", "locks")
                                for thing in self.view[what]):
            return None
        heard = [e for e in effects if e["what"] in ("reply", "parked", "granted", "revoked", "grace_ended")]
        if any(e.get("request", 0) != event["request"] for e in heard):
            return None  # others went on in this step
        broken = {e["client"] for e in effects if e["what"] == "break"}
        if any(w["what"] == "lock" and w["client"] in broken for w in self.view["waiters"]):
            return None  # it has to complete a break, goes past the queue, and breaks others' rights
        statuses = [e.get("status", "parked") for e in heard]
        if len(statuses) != 1 or statuses[0] not in JUDGED:
            return None
        mine = next((w for w in after["waiters"] if w["request"] == event["request"]), None)
        if statuses[0] == "blocked" and not mine:
            return None  # it is told so again
        if any(o["deny"] != NOTHING_DENIED for o in self.view["opens"]):
            return None
        client, what = asked(effects)
        said["waits"] = statuses[0] == "later" or bool(mine and mine["for_breaks"])
        return {"type": "Judged", "client": client, "what": what}, said

    def asked(self, event):
        """Who asks for what, once it is known what was answered; None when Rights does not know it."""
        kind, client = event["type"], event.get("client")
        smb = self.clients.get(client) == "smb"
        if kind == "AccessRequested":
            what = CAUSES.get(event["target"]["operation"])
            if event["target"]["file"] != self.file or event["others"] or what is None:
                return None
            if what == "get_attributes" and not smb and event["policy"]["v3_getattr_breaks"]:
                what = "read"
            if smb and not event["open"]:
                return None
        elif kind == "OpenRequested":
            special = ("attributes_only", "reads_security", "directory")
            if (event["file"] != self.file or event["deny"] != NOTHING_DENIED or event["reclaim"] != "none"
                    or any(event[key] for key in special)):
                return None
            what = "overwrite" if event["overwrite"] else "open"
        elif kind in ("LockRequested", "LockTested"):
            if event["file"] != self.file or event.get("reclaim", "none") != "none":
                return None
            what = "lock" if kind == "LockRequested" else "test_lock"
        else:
            return None

        def who(effects):
            if not smb:
                return self.name("h", client)
            if kind != "OpenRequested":
                return self.of_open(event["open"])
            if event["wish"]["flavour"] == "lease":
                return self.name("l", (client, event["wish"]["key"]))
            made = next((e["body"]["open"] for e in effects if e["what"] == "reply" and e["body"]), 0)
            return self.name("o", made or -event["request"])
        return lambda effects: (who(effects), what)

    def acknowledged(self, event, effects, said):
        """Not while its holder's own writes are under way: when they end the break ends."""
        for right in self.view["rights"]:
            key = right["client"] == event["client"] and (
                right["key"] == event["key"] if right["flavour"] == "lease" else right["open"] == event["open"])
            if not key or right["flavour"] != event["flavour"] or right["recovered"]:
                continue
            if any(a["client"] == event["client"] and a["operation"] != "read" for a in self.view["accesses"]):
                return None
            name = self.of_right(right)
            said["breaks"] = {one for one in said["breaks"] if one[0] == name}
            ends = right["breaking"] and letters(event["rights"]) <= letters(right["required"])
            if ends and said["breaks"] and any(w["for_breaks"] for w in self.view["waiters"]):
                return None  # one who waited for it begins the next
            said["status"] = next(e["status"] for e in effects
                                  if e["what"] == "reply" and e["request"] == event["request"])
            return {"type": "BreakAcknowledged", "client": name, "rights": letters(event["rights"])}, said
        return None
