"""What passes on the bridge: a passive tap that names every SMB2, NFS, MOUNT, NLM, NSM message.

Times come from the kernel's stamp of each packet, so that the order of two messages on different
connections can be told, whichever process handled them first."""
import socket
import struct
import threading
import time

from . import smbproto
from .rpc import MOUNT, NFS, NLM, NSM, PORTMAP
from .timeline import Timeline

ETH_P_IP, ETH_P_ALL, SO_TIMESTAMPNS = 0x0800, 0x0003, 35
NFS_NAMES = ("NULL GETATTR SETATTR LOOKUP ACCESS READLINK READ WRITE CREATE MKDIR SYMLINK MKNOD "
             "REMOVE RMDIR RENAME LINK READDIR READDIRPLUS FSSTAT FSINFO PATHCONF COMMIT").split()
NLM_NAMES = {0: "NULL", 1: "TEST", 2: "LOCK", 3: "CANCEL", 4: "UNLOCK", 5: "GRANTED",
             6: "TEST_MSG", 7: "LOCK_MSG", 8: "CANCEL_MSG", 9: "UNLOCK_MSG", 10: "GRANTED_MSG",
             11: "TEST_RES", 12: "LOCK_RES", 13: "CANCEL_RES", 14: "UNLOCK_RES",
             15: "GRANTED_RES", 20: "SHARE", 21: "UNSHARE", 22: "NM_LOCK", 23: "FREE_ALL"}
PROGRAMS = {NFS: "NFS", MOUNT: "MOUNT", NLM: "NLM", NSM: "NSM", PORTMAP: "PORTMAP"}


def rpc_name(program, procedure):
    if program == NFS and procedure < len(NFS_NAMES):
        return "NFS " + NFS_NAMES[procedure]
    if program == NLM:
        return "NLM " + NLM_NAMES.get(procedure, str(procedure))
    return f"{PROGRAMS.get(program, program)} {procedure}"


def rpc_status(program, procedure, results):
    """The first word of the results that says how it went, where that is simple."""
    try:
        if program == NFS:
            return struct.unpack_from(">I", results)[0] if procedure else ""
        if program == NLM and procedure in (1, 2, 3, 4, 5, 20, 21, 22):
            (size,) = struct.unpack_from(">I", results)
            return struct.unpack_from(">I", results, 4 + size + (-size % 4))[0]
    except struct.error:
        pass
    return ""


class Conversation:
    """The calls of one connection (or UDP exchange) that wait for a reply."""

    def __init__(self):
        self.calls = {}


class Stream:
    """One direction of a TCP connection: segments in, whole messages out."""

    LIMIT = 1 << 20  # bytes kept of a message; what is longer is skipped, its head was read

    def __init__(self, sequence):
        self.next = sequence
        self.early = {}
        self.data = bytearray()
        self.kind = None
        self.skip = 0

    def add(self, sequence, payload):
        """Puts a segment in its place; True when there is more to read."""
        ahead = (sequence - self.next) & 0xFFFFFFFF
        if ahead >= 0x80000000:  # seen before, perhaps with something new at its end
            behind = 0x100000000 - ahead
            if behind >= len(payload):
                return False
            payload, ahead = payload[behind:], 0
        if ahead:
            if len(self.early) < 512:
                self.early[sequence] = payload
            return False
        self._take(payload)
        while self.next in self.early:
            self._take(self.early.pop(self.next))
        return True

    def _take(self, payload):
        self.next = (self.next + len(payload)) & 0xFFFFFFFF
        cut = min(self.skip, len(payload))
        self.skip -= cut
        self.data += payload[cut:]

    def messages(self):
        """Whole messages; of one longer than LIMIT its beginning."""
        while len(self.data) >= 8:
            if self.kind is None:
                self.kind = "smb" if self.data[4:8] in (b"\xfeSMB", b"\xffSMB", b"\xfdSMB") \
                    else "rpc"
            (mark,) = struct.unpack_from(">I", self.data)
            size = mark & (0xFFFFFF if self.kind == "smb" else 0x7FFFFFFF)
            if size > 16 << 20:  # not what it seemed; wait for nothing
                self.data.clear()
                return
            if len(self.data) < 4 + size:
                if len(self.data) > self.LIMIT:
                    yield bytes(self.data[4:1024])
                    self.skip = 4 + size - len(self.data)
                    self.data.clear()
                return
            yield bytes(self.data[4:4 + min(size, 65536)])
            del self.data[:4 + size]


class Tap:
    """Listens on one interface. Events have `who` = address of the client's side, `what` such as
    "NLM LOCK", "reply NLM LOCK", "LOCK", "reply LOCK", "break", "ack"."""

    def __init__(self, interface, server, timeline=None):
        self.server, self.timeline = server, timeline or Timeline()
        self.streams, self.conversations = {}, {}
        self.enabled = True
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.sock.bind((interface, 0))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self.shift = time.monotonic() - time.time()
        self.closed = False
        self.sock.settimeout(0.5)
        threading.Thread(target=self._run, daemon=True).start()

    def close(self):
        self.closed = True  # the thread looks at it twice a second

    def _run(self):
        while not self.closed:
            try:
                data, control, _, _ = self.sock.recvmsg(1 << 17, 64)
            except socket.timeout:
                continue
            except OSError:
                break
            if not self.enabled:
                self.streams.clear()
                continue
            at = time.monotonic()
            for level, kind, value in control:
                if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                    seconds, nanos = struct.unpack("@ll", value[:16])
                    at = seconds + nanos / 1e9 + self.shift
            try:
                self._packet(data, at)
            except (struct.error, IndexError, ValueError):
                continue
        self.sock.close()

    def _packet(self, data, at):
        if struct.unpack_from(">H", data, 12)[0] != ETH_P_IP:
            return
        start = 14 + (data[14] & 15) * 4
        (total,) = struct.unpack_from(">H", data, 16)
        end = 14 + total if total else len(data)
        source, target = (socket.inet_ntoa(data[at_:at_ + 4]) for at_ in (26, 30))
        source_port, target_port = struct.unpack_from(">HH", data, start)
        ends = (source, source_port, target, target_port)
        if data[23] == 17:
            self._rpc(ends, data[start + 8:end], at)
        elif data[23] == 6:
            (sequence,) = struct.unpack_from(">I", data, start + 4)
            header, flags = (data[start + 12] >> 4) * 4, data[start + 13]
            if flags & 2:
                self.streams[ends] = Stream((sequence + 1) & 0xFFFFFFFF)
                return
            if flags & 5:
                client = target if source == self.server else source
                self.timeline.add(client, "reset" if flags & 4 else "end", at=at,
                                  port=target_port, by="server" if source == self.server
                                  else "client")
            payload = data[start + header:end]
            if not payload:
                return
            stream = self.streams.setdefault(ends, Stream(sequence))
            if stream.add(sequence, payload):
                for message in stream.messages():
                    if stream.kind == "smb":
                        self._smb(ends, message, at)
                    else:
                        self._rpc(ends, message, at)

    # Messages --------------------------------------------------------------------------------------

    def _who(self, ends):
        return ends[2] if ends[0] == self.server else ends[0]

    def _rpc(self, ends, message, at):
        xid, kind = struct.unpack_from(">II", message)
        pair = tuple(sorted((ends[:2], ends[2:])))
        calls = self.conversations.setdefault(pair, Conversation()).calls
        if kind == 0:
            version, program, _, procedure = struct.unpack_from(">IIII", message, 8)
            if version != 2:
                return
            calls[xid] = (program, procedure)
            self.timeline.add(self._who(ends), rpc_name(program, procedure), at=at, xid=xid,
                              by="server" if ends[0] == self.server else "client")
        elif kind == 1 and xid in calls:
            program, procedure = calls.pop(xid)
            (verifier,) = struct.unpack_from(">I", message, 16)
            results = message[24 + verifier:]
            self.timeline.add(self._who(ends), "reply " + rpc_name(program, procedure), at=at,
                              xid=xid, status=rpc_status(program, procedure, results))

    def _smb(self, ends, message, at):
        from_server = ends[0] == self.server
        while message[:4] == b"\xfeSMB":
            head = smbproto.Header(message)
            self._smb_message(self._who(ends), head, message, from_server, at)
            if not head.next:
                return
            message = message[head.next:]

    def _smb_message(self, who, head, message, from_server, at):
        detail = {"mid": head.message}
        what = head.name
        if from_server:
            what = "reply " + what
            detail["status"] = head.status
            if head.command == smbproto.OPLOCK_BREAK and head.message == smbproto.NO_MESSAGE:
                what = "break"
                if struct.unpack_from("<H", message, 64)[0] == 44:
                    flags, key, old, new = struct.unpack_from("<I16sII", message, 68)
                    detail = {"key": key.hex(), "old": smbproto.lease_name(old) or "-",
                              "new": smbproto.lease_name(new) or "-", "ack": bool(flags & 1)}
                else:
                    detail = {"new": smbproto.OPLOCK_NAMES.get(message[66], "?") or "-"}
            elif head.status == "PENDING":
                what = "interim " + head.name
        elif head.command == smbproto.OPLOCK_BREAK:
            what = "ack"
            if struct.unpack_from("<H", message, 64)[0] == 36:
                key, state = struct.unpack_from("<16sI", message, 72)
                detail = {"key": key.hex(), "state": smbproto.lease_name(state) or "-"}
        elif head.command == smbproto.CREATE:
            offset, size = struct.unpack_from("<HH", message, 64 + 44)
            detail["name"] = bytes(message[offset:offset + size]).decode("utf-16-le", "replace")
        self.timeline.add(who, what, at=at, **detail)
