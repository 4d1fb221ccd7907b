"""What the core was told, event by event, in the words of specs/Lockstep: half of tests/spec/recorded.py."""
SMB = "smb"
WHOLE = (0, 2**64 - 1)
MODES = {"r": "read", "w": "write", "d": "remove"}
CAUSES = {"read": "read", "write": "write", "set_size": "write", "set_attributes": "set_attributes",
          "get_attributes": "get_attributes", "remove": "remove", "rename_source": "rename",
          "rename_target": "rename"}
BYTES = {"read": "read", "write": "write", "set_size": "write"}
# Answers that are about the request alone: nothing else changes, and the specification is not asked.
ABOUT_REQUEST = {"unknown_client", "unknown_open", "unknown_right", "bad_mode", "limit", "key_in_use"}
SILENT = {"Tick", "ClientArrived", "ClientRenewed", "ReclaimCompleted"}  # nothing happens to a file but by time


class Unsayable(Exception):
    """Something happened to the file that the specification has no word for."""


def span(thing):
    return thing["first"], thing["last"]


def modes(text):
    return frozenset(MODES[letter] for letter in text if letter != "-")


def letters(rights):
    return frozenset(rights.replace("-", ""))


def host_of(name):
    name = name.split("_")[0]
    for at, letter in enumerate(name):
        if at and letter in "lo":
            return name[:at]
    return name


class Events:
    """The events of one file (FileReader has its names and what was seen of it)."""

    # The event itself ------------------------------------------------------------------------------
    # Each gives the events of the specification with what was answered.

    def not_known(self, event, _status, _body):
        if event["type"] in SILENT:
            return []
        raise Unsayable(event["type"])

    def request(self, event, status, fields, cause, wait=False):
        """A request; what is parked is known by it from then on."""
        if status is None:
            raise Unsayable("a request without an answer")
        asked = {"type": event["type"], "id": event["request"], **fields,
                 "patient": event["patience"] > self.now}
        self.asked[event["request"]] = {**asked, "until": event["patience"], "cause": cause, "wait": wait}
        if status == "later":
            self.bar(self.asked[event["request"]])
        lock = event["type"] == "LockRequested"
        if lock:
            asked["beside"] = status == "deadlock" and self.world.queued_beside(self.file)
        return [(asked, "granted" if lock and status == "ok" else status)]

    def on_OpenRequested(self, event, status, body):
        if event["file"] != self.file:
            return []
        for special in ("attributes_only", "reads_security", "directory"):
            if event[special]:
                raise Unsayable("an open: " + special)
        if event["reclaim"] != "none" or self.world.protocols[event["client"]] != SMB:
            raise Unsayable("a SHARE")
        wish = event["wish"]
        known = ("open", body["open"]) if body and "right" in body else None
        if not known or known not in self.names.names:
            host = self.host(event["client"])
            known = known or ("asked", (self.world.run, event["request"]))
            holder = (self.names.get(("lease", event["client"], wish["key"]), host, "l") if wish["flavour"] == "lease"
                      else self.names.get(("oplock", known[1]), host, "o"))
            self.names.get(known, holder, "_")
        fields = {"owner": self.names.names[known], "access": modes(event["access"]), "deny": modes(event["deny"]),
                  "wish": letters(wish["rights"]) if wish["flavour"] != "none" else frozenset(),
                  "overwrite": event["overwrite"], "range": WHOLE, "reclaim": False}
        if event["overwrite"] and status == "ok":
            self.flying[event["request"]] = fields["owner"]
        return self.request(event, status, fields, "open")

    def on_OpenClosed(self, event, status, body):
        for open_ in self.view["opens"]:
            if open_["open"] == event["open"]:
                if body and body.get("remove"):
                    raise Unsayable("a close that removes")
                return [({"type": "OpenClosed", "owner": self.open_name(open_, self.view)}, status)]
        return []

    def on_LockRequested(self, event, status, body):
        if event["file"] != self.file:
            return []
        if event["more"]:
            raise Unsayable("an array of locks")
        wait = event["wait"] != "none" and event["reclaim"] == "none"
        element = event["element"]
        fields = {"owner": self.of(event), "range": span(element), "kind": element["kind"], "wait": wait,
                  "reclaim": event["reclaim"] != "none"}
        cause = "lock_by_smb" if self.world.protocols[event["client"]] == SMB else "lock_by_nfs"
        return self.request(event, status, fields, cause, wait)

    def on_LockTested(self, event, status, _body):
        if event["file"] != self.file:
            return []
        element = event["element"]
        fields = {"owner": self.of(event), "range": span(element), "kind": element["kind"]}
        return self.request(event, status, fields, "test_lock")

    def on_AccessRequested(self, event, status, _body):
        if event["target"]["file"] != self.file:
            return []
        if event["others"]:
            raise Unsayable("an access to several files")
        operation = event["target"]["operation"]
        if operation not in CAUSES:
            raise Unsayable(operation)
        smb, policy = self.world.protocols[event["client"]] == SMB, event["policy"]
        if smb and not event["open"]:
            raise Unsayable("an SMB access without an open")
        if not policy["smb_deny_on_nfs_io"] or policy["unlink_while_open"]:
            raise Unsayable("a policy that Shares was not told")
        cause = CAUSES[operation]
        if operation == "get_attributes" and not smb and policy["v3_getattr_breaks"]:
            cause = "read"
        families = {family for family, key in ((SMB, "smb_ranges_on_nfs_io"), ("nlm", "nfs_ranges_on_nfs_io"))
                    if smb or policy[key]}
        first, last = event["range"]
        if operation not in BYTES or first > last or (smb and operation == "set_size"):
            families = set()
        owner = (self.owner(event["client"], event["open"], "") if smb
                 else self.names.get(("io", event["client"]), self.host(event["client"]), "_"))
        fields = {"owner": owner, "operation": cause, "io": BYTES.get(operation, "none"),
                  "range": (first, last), "families": families}
        self.flying[event["request"]] = owner
        return self.request(event, status, fields, cause)

    def on_AccessEnded(self, event, _status, _body):
        if event["request"] in {a["request"] for a in self.view["accesses"]}:
            return [({"type": "AccessEnded", "id": event["request"], "owner": self.flying.pop(event["request"])}, "")]
        return []

    def on_Unlocked(self, event, status, _body):
        if event["file"] != self.file:
            return []
        if event["more"] and status != "ok":
            raise Unsayable("an array of unlocks of which some were done")
        owner = self.of(event)
        return [({"type": "Unlocked", "owner": owner, "range": tuple(r)}, status)
                for r in [event["range"], *event["more"]]]

    def on_LockCancelled(self, event, status, _body):
        if event["file"] != self.file:
            return []
        element = event["element"]
        return [({"type": "LockCancelled", "owner": self.of(event), "range": span(element),
                  "kind": element["kind"]}, status)]

    def on_RequestCancelled(self, event, _status, _body):
        for waiter in self.view["waiters"]:
            if waiter["request"] == event["target"]:
                asked = self.asked[event["target"]]
                return [({"type": "RequestCancelled", "owner": asked["owner"], "id": asked["id"],
                          "how": "cancelled"}, "")]
        return []

    def on_GrantAnswered(self, event, _status, _body):
        for grant in self.view["grants"]:
            if grant["grant"] == event["grant"]:
                return [({"type": "GrantAnswered", "owner": self.of(grant), "range": span(grant["element"]),
                          "kind": grant["element"]["kind"], "accepted": event["accepted"]}, "")]
        return []

    def on_BreakAcknowledged(self, event, status, _body):
        for right in self.view["rights"]:
            same = (right["key"] == event["key"] if right["flavour"] == "lease" else right["open"] == event["open"])
            if same and right["client"] == event["client"] and right["flavour"] == event["flavour"]:
                return [({"type": "BreakAcknowledged", "client": self.holder_of_right(right),
                          "rights": letters(event["rights"])}, status)]
        return []

    def on_RightReturned(self, event, status, _body):
        for right in self.view["rights"]:
            if right["right"] == event["right"] and right["client"] == event["client"]:
                return [({"type": "RightReturned", "client": self.holder_of_right(right)}, status)]
        return []

    def on_JournalChanged(self, event, _status, _body):
        self.failed = event["failed"]
        return [({"type": "JournalChanged", "failed": event["failed"]}, "")]

    def has_something(self, client, view):
        return any(t["client"] == client for what in ("opens", "locks", "grants", "rights", "waiters")
                   for t in view[what])

    def on_ClientLeft(self, event, _status, _body):
        client = event["client"]
        if not self.has_something(client, self.view):
            return []
        if self.world.protocols[client] == "nfs3":
            raise Unsayable("an NFSv3 client left while its request waited")
        return [({"type": "ClientLeft", "client": self.host(client)}, "")]

    def on_HostRebooted(self, _event, _status, _body):
        there = sorted({t["client"] for what in ("opens", "locks", "grants", "waiters") for t in self.view[what]})
        return [({"type": "ClientLeft", "client": self.host(client)}, "") for client in there
                if self.world.protocols[client] == "nlm" and not self.has_something(client, self.after)]
