"""A user-space SMB 2/3 client that leaves every decision to the scenario: what is asked, when a
break is acknowledged and how, which request is under way while another one is sent."""
import hashlib
import hmac
import os
import socket
import struct
import threading

from . import smbcrypto as crypto
from . import smbproto as proto
from .rpc import hang_up, read_exact
from .timeline import Lost, Pending, now


class SmbError(Exception):
    """Session or tree could not be made; `status` says why."""

    def __init__(self, what, status):
        super().__init__(f"{what}: {status}")
        self.status = status


class Response:
    """An answer: `status` (a name of smbproto.STATUS) and the whole message."""

    def __init__(self, head, message):
        self.head, self.message = head, message
        self.code, self.status = head.code, head.status

    @property
    def ok(self):
        return self.code == 0

    def unpack(self, layout, offset=0):
        """Fields of the body; `offset` counts from its start."""
        return struct.unpack_from("<" + layout, self.message, 64 + offset)

    def __repr__(self):
        return f"{self.head.name} {self.status}"


class Break:
    """A break notice. Of a lease: `key`, `old`, `new` ("RWH"...), `ack_required`, `epoch`.
    Of an oplock: `file_id` and `new` ("II" or "")."""

    def __init__(self, message, at):
        self.at, self.key, self.file_id, self.acked = at, None, None, None
        (size,) = struct.unpack_from("<H", message, 64)
        if size == 44:
            self.epoch, flags, self.key, old, new = struct.unpack_from("<HI16sII", message, 66)
            self.ack_required = bool(flags & 1)
            self.old, self.new = proto.lease_name(old), proto.lease_name(new)
        else:
            self.file_id = bytes(message[72:88])
            self.new = proto.OPLOCK_NAMES[message[66]]
            self.old, self.epoch, self.ack_required = "?", 0, True

    def __repr__(self):
        need = "ack" if self.ack_required else "no ack"
        return f"break {self.old or '-'}->{self.new or '-'} ({need}, epoch {self.epoch})"


class SmbClient:
    """One connection, one session, one tree. `signing`: algorithm ids offered with 3.1.1
    (0 HMAC-SHA256, 1 AES-CMAC); everything after authentication is signed and checked.

    Breaks are collected and left alone (nothing is acknowledged by itself) unless `on_break`, a
    function (client, break) run on a thread of its own, is set."""

    def __init__(self, server, port, share, user, password, dialect="3.1.1", source="",
                 name="smb", timeline=None, guid=None, signing=(1,), previous_session=0,
                 connect=True):
        self.server, self.port, self.share = server, port, share
        self.user, self.password, self.source = user, password, source
        self.dialects = [dialect] if isinstance(dialect, str) else list(dialect)
        self.name, self.timeline = name, timeline
        self.guid = guid or os.urandom(16)
        self.offered_signing = list(signing)
        self.previous_session = previous_session
        self.on_break = None
        self.breaks = []
        self.changed = threading.Condition()
        self.credits, self.next_message = 1, 0
        self.waiting = {}
        self.session = self.tree = 0
        self.key = None
        self.preauth = b"\0" * 64
        self.lock = threading.Lock()
        self.sock = None
        self.closed = False
        if connect:
            self.connect()

    # Session ---------------------------------------------------------------------------------------

    def connect(self):
        self.open_socket()
        self.negotiate()
        self.authenticate()
        self.tree = self.connect_tree(self.share)
        return self

    def open_socket(self):
        self.sock = socket.create_connection((self.server, self.port), 5.0, (self.source, 0))
        self.sock.settimeout(None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = threading.Thread(target=self._receive, args=(self.sock,), daemon=True)
        self.reader.start()

    def negotiate(self):
        body = proto.negotiate(self.dialects, self.guid, os.urandom(32), self.offered_signing)
        pending = self.start(proto.NEGOTIATE, body)
        answer = pending.wait()
        if not answer.ok:
            raise SmbError("NEGOTIATE", answer.status)
        self.dialect, count = answer.unpack("HH", 4)
        at, size, contexts_at = answer.unpack("HHI", 56)
        self.signing = 0 if self.dialect < 0x300 else 1
        if self.dialect == 0x311:
            contexts = proto.negotiate_contexts(answer.message, contexts_at, count)
            if 8 in contexts:
                (self.signing,) = struct.unpack_from("<H", contexts[8], 2)
            self.extend_preauth(pending.message)
            self.extend_preauth(answer.message)
        return answer

    def extend_preauth(self, message):
        self.preauth = hashlib.sha512(self.preauth + message).digest()

    def authenticate(self):
        first = crypto.ntlm_negotiate()
        pending = self.start(proto.SESSION_SETUP,
                             proto.session_setup(crypto.spnego_init(first), self.previous_session))
        answer = pending.wait()
        if answer.status != "MORE_PROCESSING_REQUIRED":
            raise SmbError("SESSION_SETUP", answer.status)
        self.session = answer.head.session
        self.extend_preauth(pending.message)
        self.extend_preauth(answer.message)
        at, size = answer.unpack("HH", 4)
        challenge = crypto.find_ntlm(answer.message[at:at + size])
        # The NTLM message may be followed by DER of the mechanism list's MIC: NTLM's own offsets
        # say what counts, and the MIC covers the message as the server counts it.
        challenge = challenge[:self._challenge_size(challenge)]
        token, session_key = crypto.ntlm_authenticate(first, challenge, self.user, self.password)
        pending = self.start(proto.SESSION_SETUP,
                             proto.session_setup(crypto.spnego_response(token, session_key),
                                                 self.previous_session),
                             on_send=lambda data: self._make_key(session_key, data))
        answer = pending.wait()
        if not answer.ok:
            self.key = None
            raise SmbError("SESSION_SETUP", answer.status)
        self.session_flags, = answer.unpack("H", 2)
        return answer

    @staticmethod
    def _challenge_size(challenge):
        ends = [48]
        for at in (12, 40):
            size, _, offset = struct.unpack_from("<HHI", challenge, at)
            ends.append(offset + size)
        return max(ends)

    def _make_key(self, session_key, message):
        """3.1.1 derives from the hash up to and including this last request."""
        if self.dialect < 0x300:
            key = session_key
        elif self.dialect == 0x311:
            self.extend_preauth(message)
            key = crypto.derive(session_key, b"SMBSigningKey\0", self.preauth)
        else:
            key = crypto.derive(session_key, b"SMB2AESCMAC\0", b"SmbSign\0")
        self.next_key = key

    def connect_tree(self, share):
        answer = self.request(proto.TREE_CONNECT,
                              proto.tree_connect(f"\\\\{self.server}\\{share}"))
        if not answer.ok:
            raise SmbError(f"TREE_CONNECT {share}", answer.status)
        return answer.head.tree

    def logoff(self):
        return self.request(proto.LOGOFF, struct.pack("<HH", 4, 0))

    def echo(self, timeout=30.0):
        return self.request(proto.ECHO, struct.pack("<HH", 4, 0), timeout)

    def close(self):
        """Ends the TCP connection in an orderly way, without LOGOFF."""
        if self.sock:
            hang_up(self.sock, self.reader)

    def cut(self):
        """Ends the TCP connection with a reset."""
        hang_up(self.sock, self.reader, reset=True)

    # Messages --------------------------------------------------------------------------------------

    def sign(self, message):
        if self.signing == 0:
            digest = hmac.new(self.key, message, hashlib.sha256).digest()[:16]
        else:
            digest = crypto.cmac(self.key, message)
        return message[:48] + digest + message[64:]

    def start(self, command, body, label="", decode=None, payload=0, on_send=None, tree=None,
              session=None):
        """Sends a request, returns its Pending. `payload`: bytes that count for credits."""
        pending = Pending(label or proto.COMMANDS[command])
        pending.decode = decode
        charge = 0 if self.dialects == ["2.0.2"] else max(1, (payload + 65535) // 65536)
        use = max(1, charge)
        with self.changed:
            if not self.changed.wait_for(lambda: self.credits >= use or self.closed, 10):
                raise TimeoutError(f"{self.name}: no credit for {pending.label}")
            if self.closed:
                raise Lost(f"{self.name}: connection is closed")
            self.credits -= use
            pending.mid = self.next_message
            self.next_message += use
            self.waiting[pending.mid] = pending
            flags = proto.SIGNED_FLAG if self.key else 0
            message = proto.header(command, pending.mid, self.session if session is None
                                   else session, self.tree if tree is None else tree,
                                   charge, 64 if use < 16 else 128, flags) + body
            if on_send:
                on_send(message)
            pending.message = message
            if self.timeline:
                self.timeline.add(self.name, "call " + pending.label)
            pending.sent = now()
            self._send(self.sign(message) if self.key else message)
        return pending

    def _send(self, message):
        try:
            self.sock.sendall(struct.pack(">I", len(message)) + message)
        except OSError as error:
            raise Lost(str(error)) from error

    def request(self, command, body, timeout=30.0, **kwargs):
        return self.start(command, body, **kwargs).wait(timeout)

    def cancel(self, pending):
        """CANCEL of a request under way (MS-SMB2 3.2.4.24); it has no answer of its own."""
        with self.lock:
            flags = proto.SIGNED_FLAG if self.key else 0
            flags |= proto.ASYNC_FLAG if pending.async_id else 0
            message = proto.header(proto.CANCEL, pending.mid, self.session, self.tree, 0, 0, flags,
                                   pending.async_id) + struct.pack("<HH", 4, 0)
            if self.timeline:
                self.timeline.add(self.name, "call CANCEL of " + pending.label)
            self._send(self.sign(message) if self.key else message)

    def _receive(self, sock):
        try:
            while True:
                (size,) = struct.unpack(">I", read_exact(sock, 4))
                data = read_exact(sock, size & 0xFFFFFF)
                at = now()
                while data:
                    head = proto.Header(data)
                    piece = data[:head.next] if head.next else data
                    self._dispatch(head, piece, at)
                    data = data[head.next:] if head.next else b""
        except (OSError, Lost, ValueError, struct.error) as error:
            with self.changed:
                self.closed = True
                waiting, self.waiting = self.waiting, {}
                self.changed.notify_all()
            if self.timeline:
                self.timeline.add(self.name, "connection lost")
            for pending in waiting.values():
                pending.fail(Lost(f"{self.name}: {error}"), now())

    def _check_signature(self, head, message):
        if head.flags & proto.SIGNED_FLAG and self.key:
            clear = message[:48] + b"\0" * 16 + message[64:]
            if self.sign(clear)[48:64] != head.signature:
                raise ValueError(f"wrong signature on {head.name}")
        elif self.key and head.status != "PENDING" and head.message != proto.NO_MESSAGE:
            raise ValueError(f"unsigned answer to {head.name}")

    def _dispatch(self, head, message, at):
        if head.message == proto.NO_MESSAGE and head.command == proto.OPLOCK_BREAK:
            self._broken(Break(message, at))
            return
        pending = self.waiting.get(head.message)
        if head.command == proto.SESSION_SETUP and head.code == 0:
            self.key = self.next_key
        self._check_signature(head, message)
        with self.changed:
            self.credits += head.credits
            if pending and head.status != "PENDING":
                del self.waiting[head.message]
            self.changed.notify_all()
        if pending is None:
            return
        if head.status == "PENDING" and head.flags & proto.ASYNC_FLAG:
            pending.async_id = head.async_id
            pending.set_interim(at)
            if self.timeline:
                self.timeline.add(self.name, "interim " + pending.label, at=at)
            return
        answer = Response(head, message)
        try:
            if pending.decode:
                answer = pending.decode(answer)
        except Exception as error:  # an answer that does not decode fails its own request only
            pending.fail(error, at)
            return
        if self.timeline:
            self.timeline.add(self.name, "reply " + pending.label, at=at, status=head.status)
        pending.finish(answer, at)

    # Breaks ----------------------------------------------------------------------------------------

    def _broken(self, notice):
        if self.timeline:
            self.timeline.add(self.name, "break", at=notice.at, old=notice.old or "-",
                              new=notice.new or "-", ack=notice.ack_required)
        with self.changed:
            self.breaks.append(notice)
            self.changed.notify_all()
        if self.on_break:
            threading.Thread(target=self.on_break, args=(self, notice), daemon=True).start()

    def wait_break(self, timeout=5.0, key=None, file_id=None, since=0.0, old=None):
        """The first matching break notice that was not acknowledged yet, or None."""
        def match():
            for notice in self.breaks:
                if (notice.acked is None and notice.at >= since and key in (None, notice.key)
                        and file_id in (None, notice.file_id) and old in (None, notice.old)):
                    return notice
            return None
        end = now() + timeout
        with self.changed:
            while True:
                notice = match()
                left = end - now()
                if notice or left <= 0:
                    return notice
                self.changed.wait(left)

    def start_ack(self, notice, state=None):
        """Acknowledges a break; `state` in place of what the notice says, if given."""
        state = notice.new if state is None else state
        if notice.key is not None:
            body = proto.lease_ack(notice.key, proto.bits(state, proto.LEASE_BITS))
        else:
            body = proto.oplock_ack(notice.file_id, proto.OPLOCK[state])
        pending = self.start(proto.OPLOCK_BREAK, body, label=f"ACK {state or '-'}")
        notice.acked = pending.sent
        return pending

    def ack(self, notice, state=None, timeout=15.0):
        return self.start_ack(notice, state).wait(timeout)
