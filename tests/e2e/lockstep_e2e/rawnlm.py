"""A user-space lock client: NLM 4 (X/Open C702, RFC 1813 appendix II) and its side of NSM.

It runs the services that the server calls back: a portmapper at port 111 of its own address,
a lock manager for NLM_GRANTED, a status monitor for SM_NOTIFY."""
import itertools
import threading

from .rpc import (NLM, NSM, PORTMAP, TCP, UDP, RpcClient, RpcService, auth_sys, call_udp,
                  getport)
from .timeline import now
from .xdr import Packer

STATUS = {0: "GRANTED", 1: "DENIED", 2: "DENIED_NOLOCKS", 3: "BLOCKED",
          4: "DENIED_GRACE_PERIOD", 5: "DEADLCK", 6: "ROFS", 7: "STALE_FH", 8: "FBIG",
          9: "FAILED"}
CODE = {name: code for code, name in STATUS.items()}
TEST, LOCK, CANCEL, UNLOCK, GRANTED = 1, 2, 3, 4, 5
SHARE, UNSHARE, NM_LOCK, FREE_ALL = 20, 21, 22, 23
DENY = {"": 0, "r": 1, "w": 2, "rw": 3}
ACCESS = {"": 0, "r": 1, "w": 2, "rw": 3}
TO_END = 0  # length 0: to the end of the file


class NlmResult:
    """`status` is a name of STATUS; a denied TEST also has `holder`."""

    def __init__(self, status, cookie, holder=None):
        self.status, self.cookie, self.holder = STATUS.get(status, str(status)), cookie, holder

    def __repr__(self):
        return self.status + (f" holder {self.holder}" if self.holder else "")


class Holder:
    def __init__(self, reader, version=4):
        number = reader.u64 if version == 4 else reader.u32
        self.exclusive, self.svid = reader.boolean(), reader.i32()
        self.owner, self.offset, self.length = reader.opaque(), number(), number()

    def __repr__(self):
        kind = "exclusive" if self.exclusive else "shared"
        return f"{self.owner!r}/{self.svid} {kind} {self.offset}+{self.length}"


class Granted:
    """An NLM_GRANTED call that the server made, and what it was answered."""

    def __init__(self, reader, peer, version, at):
        self.at, self.peer, self.version = at, peer, version
        self.cookie, self.exclusive = reader.opaque(), reader.boolean()
        self.caller, self.handle, self.owner = reader.string(), reader.opaque(), reader.opaque()
        number = reader.u64 if version == 4 else reader.u32
        self.svid, self.offset, self.length = reader.i32(), number(), number()
        self.answer = None


class Portmapper:
    """Portmap 2 and rpcbind 3, 4 at port 111 of one address, with a fixed table."""

    def __init__(self, address, table):
        self.address, self.table = address, table
        self.asked = []
        self.service = RpcService(address, 111, {(PORTMAP, 2): self.version2,
                                                 (PORTMAP, 3): self.version34,
                                                 (PORTMAP, 4): self.version34})

    def version2(self, procedure, reader, _peer):
        if procedure != 3:
            return None
        program, version, protocol = reader.u32(), reader.u32(), reader.u32()
        self.asked.append((program, version, protocol))
        return Packer().u32(self.table.get((program, protocol), 0)).bytes()

    def version34(self, procedure, reader, _peer):
        if procedure not in (3, 9):
            return None
        program, version, netid = reader.u32(), reader.u32(), reader.string()
        protocol = UDP if netid.startswith("udp") else TCP
        self.asked.append((program, version, protocol))
        port = self.table.get((program, protocol), 0)
        text = f"{self.address}.{port >> 8}.{port & 255}" if port else ""
        return Packer().string(text).bytes()

    def close(self):
        self.service.close()


class NlmClient:
    """One NLM host. `source` is its own address (the server calls back to it).

    `granted_policy(call)` returns the status that NLM_GRANTED is answered with ("GRANTED",
    "DENIED", "DENIED_GRACE_PERIOD") or None for no answer at all."""

    def __init__(self, server, port, source, host, timeline=None, callbacks=True, version=4,
                 uid=0):
        self.server, self.source, self.host, self.timeline = server, source, host, timeline
        self.nlm = RpcClient(server, port, NLM, version, source, auth_sys(uid, 0, [], host),
                             timeline, host)
        self.version = version
        self.state = 1
        self.cookies = itertools.count(1)
        self.granted = []
        self.notified = []
        self.answers = []  # (procedure, NlmResult) of the _RES calls that came
        self.changed = threading.Condition()
        self.granted_policy = lambda call: "GRANTED"
        self.services = []
        if callbacks:
            self.listen()

    def listen(self):
        handlers = {(NLM, version): self._lock_manager(version) for version in (1, 3, 4)}
        handlers[(NSM, 1)] = self._status_monitor
        service = RpcService(self.source, 0, handlers)
        port = service.port
        table = {(program, protocol): port for program in (NLM, NSM) for protocol in (TCP, UDP)}
        self.services.append(service)
        try:
            self.portmapper = Portmapper(self.source, table)
            self.services.append(self.portmapper)
        except OSError:
            service.close()
            self.services.clear()
            raise

    def close(self):
        self.nlm.close()
        for service in self.services:
            service.close()
        self.services.clear()

    # What the server calls -------------------------------------------------------------------------

    def _lock_manager(self, version):
        def handler(procedure, reader, peer):
            if 11 <= procedure <= 14:  # the answer to one of our _MSG calls
                self._message_answered(procedure, reader)
                return b""
            if procedure not in (GRANTED, 10):
                return None
            call = Granted(reader, peer, version, now())
            call.answer = self.granted_policy(call)
            with self.changed:
                self.granted.append(call)
                self.changed.notify_all()
            if self.timeline:
                self.timeline.add(self.host, "NLM_GRANTED", at=call.at, offset=call.offset,
                                  length=call.length, answer=call.answer)
            if call.answer is None:
                return RpcService.DROP
            return Packer().opaque(call.cookie).u32(CODE[call.answer]).bytes()
        return handler

    def _message_answered(self, procedure, reader):
        result = self._result(reader)
        if procedure == 11 and result.status == "DENIED":
            result.holder = Holder(reader, self.version)
        result.at = now()
        with self.changed:
            self.answers.append((procedure - 10, result))
            self.changed.notify_all()

    def _status_monitor(self, procedure, reader, peer):
        if procedure != 6:
            return None
        name, state = reader.string(), reader.i32()
        with self.changed:
            self.notified.append((name, state, peer[0], now()))
            self.changed.notify_all()
        if self.timeline:
            self.timeline.add(self.host, "SM_NOTIFY", name=name, state=state)
        return b""

    def _wait_for(self, items, match, timeout):
        end = now() + timeout
        with self.changed:
            while True:
                for item in items:
                    if match(item):
                        return item
                left = end - now()
                if left <= 0:
                    return None
                self.changed.wait(left)

    def wait_granted(self, timeout=30.0, since=0.0, owner=None, offset=None):
        """The first NLM_GRANTED after `since` (for that owner and offset), or None."""
        def match(call):
            return (call.at >= since and owner in (None, call.owner)
                    and offset in (None, call.offset))
        return self._wait_for(self.granted, match, timeout)

    def wait_notified(self, timeout=30.0, since=0.0):
        """(mon_name, state, address, time) of the first SM_NOTIFY after `since`, or None."""
        return self._wait_for(self.notified, lambda item: item[3] >= since, timeout)

    # What it asks ------------------------------------------------------------------------------------

    def cookie(self):
        return next(self.cookies).to_bytes(4, "big")

    def alock(self, handle, owner, svid, offset, length):
        packer = Packer().string(self.host).opaque(handle).opaque(owner).i32(svid)
        if self.version == 4:
            return packer.u64(offset).u64(length).bytes()
        return packer.u32(offset).u32(length).bytes()

    def _result(self, reader):
        cookie = reader.opaque()
        return NlmResult(reader.u32(), cookie)

    def start_lock(self, handle, offset=0, length=TO_END, exclusive=True, block=False,
                   owner=b"owner", svid=1, reclaim=False, xid=None):
        arguments = (Packer().opaque(self.cookie()).boolean(block).boolean(exclusive).bytes()
                     + self.alock(handle, owner, svid, offset, length)
                     + Packer().boolean(reclaim).i32(self.state).bytes())
        label = "NLM_LOCK" + (" block" if block else "") + (" reclaim" if reclaim else "")
        return self.nlm.start(LOCK, arguments, label=label, decode=self._result, xid=xid)

    def start_unlock(self, handle, offset=0, length=TO_END, owner=b"owner", svid=1):
        arguments = (Packer().opaque(self.cookie()).bytes()
                     + self.alock(handle, owner, svid, offset, length))
        return self.nlm.start(UNLOCK, arguments, label="NLM_UNLOCK", decode=self._result)

    def start_cancel(self, handle, offset=0, length=TO_END, exclusive=True, block=True,
                     owner=b"owner", svid=1):
        arguments = (Packer().opaque(self.cookie()).boolean(block).boolean(exclusive).bytes()
                     + self.alock(handle, owner, svid, offset, length))
        return self.nlm.start(CANCEL, arguments, label="NLM_CANCEL", decode=self._result)

    def start_test(self, handle, offset=0, length=TO_END, exclusive=True, owner=b"owner", svid=1):
        def decode(reader):
            result = self._result(reader)
            if result.status == "DENIED":
                result.holder = Holder(reader, self.version)
            return result
        arguments = (Packer().opaque(self.cookie()).boolean(exclusive).bytes()
                     + self.alock(handle, owner, svid, offset, length))
        return self.nlm.start(TEST, arguments, label="NLM_TEST", decode=decode)

    def _share(self, procedure, label, handle, access, deny, owner, reclaim):
        def decode(reader):
            result = self._result(reader)
            reader.i32()
            return result
        arguments = (Packer().opaque(self.cookie()).string(self.host).opaque(handle).opaque(owner)
                     .u32(DENY[deny]).u32(ACCESS[access]).boolean(reclaim).bytes())
        return self.nlm.start(procedure, arguments, label=label, decode=decode)

    def start_share(self, handle, access="r", deny="", owner=b"owner", reclaim=False):
        return self._share(SHARE, "NLM_SHARE", handle, access, deny, owner, reclaim)

    def lock(self, handle, *args, timeout=30.0, **kwargs):
        return self.start_lock(handle, *args, **kwargs).wait(timeout)

    def unlock(self, handle, *args, timeout=30.0, **kwargs):
        return self.start_unlock(handle, *args, **kwargs).wait(timeout)

    def cancel(self, handle, *args, timeout=30.0, **kwargs):
        return self.start_cancel(handle, *args, **kwargs).wait(timeout)

    def test(self, handle, *args, timeout=30.0, **kwargs):
        return self.start_test(handle, *args, **kwargs).wait(timeout)

    def share(self, handle, *args, timeout=30.0, **kwargs):
        return self.start_share(handle, *args, **kwargs).wait(timeout)

    def unshare(self, handle, owner=b"owner", timeout=30.0):
        return self._share(UNSHARE, "NLM_UNSHARE", handle, "", "", owner, False).wait(timeout)

    def message(self, procedure, handle, offset=0, length=TO_END, exclusive=True, block=False,
                owner=b"owner", svid=1, timeout=5.0):
        """The asynchronous form (macOS knows no other): sends TEST, LOCK, CANCEL or UNLOCK as
        _MSG, checks the empty reply, returns the NlmResult of the _RES that the server calls."""
        cookie = self.cookie()
        head = Packer().opaque(cookie)
        if procedure in (LOCK, CANCEL):
            head.boolean(block)
        if procedure != UNLOCK:
            head.boolean(exclusive)
        arguments = head.bytes() + self.alock(handle, owner, svid, offset, length)
        if procedure == LOCK:
            arguments += Packer().boolean(False).i32(self.state).bytes()
        self.nlm.call(procedure + 5, arguments, timeout, label=f"NLM _MSG {procedure}")
        found = self._wait_for(self.answers, lambda item: item[0] == procedure
                               and item[1].cookie == cookie, timeout)
        if found is None:
            raise TimeoutError(f"no _RES for the _MSG of procedure {procedure}")
        return found[1]

    def free_all(self, timeout=30.0):
        """Gives everything of this host back; the call has no result."""
        arguments = Packer().string(self.host).i32(self.state).bytes()
        self.nlm.call(FREE_ALL, arguments, timeout, label="NLM_FREE_ALL")

    def reboot(self, nsm_port=0):
        """Tells the server's status monitor that this host restarted (SM_NOTIFY)."""
        self.state += 2
        port = nsm_port or getport(self.server, NSM, 1, UDP, self.source)
        arguments = Packer().string(self.host).i32(self.state).bytes()
        call_udp(self.server, port, NSM, 1, 6, arguments, self.source)
