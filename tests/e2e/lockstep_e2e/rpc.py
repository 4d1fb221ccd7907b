"""ONC RPC (RFC 5531) over TCP and UDP: a client that keeps many calls under way, and a service."""
import os
import socket
import struct
import threading

from .timeline import Lost, Pending, now
from .xdr import Packer, Unpacker, XdrError

PORTMAP, NFS, MOUNT, NLM, NSM = 100000, 100003, 100005, 100021, 100024
TCP, UDP = 6, 17


class RpcError(Exception):
    """The server refused the call itself (program, version, procedure, arguments, credentials)."""


def auth_sys(uid, gid, groups, host):
    body = Packer().u32(0).string(host).u32(uid).u32(gid).u32(len(groups))
    for group in groups:
        body.u32(group)
    return Packer().u32(1).opaque(body.bytes()).bytes()


AUTH_NONE = Packer().u32(0).u32(0).bytes()


def encode_call(xid, program, version, procedure, credentials, arguments):
    head = Packer().u32(xid).u32(0).u32(2).u32(program).u32(version).u32(procedure)
    return head.bytes() + credentials + AUTH_NONE + arguments


def decode_reply(data):
    """The xid and an Unpacker at the results; RpcError in place of the results when refused."""
    reader = Unpacker(data)
    xid, kind = reader.u32(), reader.u32()
    if kind != 1:
        return xid, RpcError("not a reply")
    if reader.u32() != 0:
        return xid, RpcError(f"message denied: {reader.u32()} {reader.u32()}")
    reader.u32()
    reader.opaque()
    status = reader.u32()
    if status != 0:
        return xid, RpcError(f"accept status {status}")
    return xid, reader


def read_exact(sock, size):
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise Lost("connection closed")
        data += piece
    return bytes(data)


def read_record(sock):
    """One RPC message, its fragments put together (RFC 5531 section 11)."""
    record = bytearray()
    while True:
        (mark,) = struct.unpack(">I", read_exact(sock, 4))
        record += read_exact(sock, mark & 0x7FFFFFFF)
        if mark & 0x80000000:
            return bytes(record)


def write_record(sock, data):
    sock.sendall(struct.pack(">I", 0x80000000 | len(data)) + data)


def hang_up(sock, reader, reset=False):
    """Ends a connection, in an orderly way or with a reset. Its descriptor goes only when its reader
    is gone: between two reads it would read from whatever got the number next."""
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    if reader is not threading.current_thread():
        reader.join(10)
    sock.close()


class RpcClient:
    """Calls over one TCP connection; answers may come in any order."""

    def __init__(self, address, port, program, version, source="", credentials=AUTH_NONE,
                 timeline=None, name="nfs", connect_timeout=5.0):
        self.program, self.version, self.credentials = program, version, credentials
        self.timeline, self.name = timeline, name
        self.sock = socket.create_connection((address, port), connect_timeout, (source, 0))
        self.sock.settimeout(None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lock = threading.Lock()
        self.waiting = {}
        self.xid = struct.unpack(">I", os.urandom(4))[0]
        self.closed = False
        self.reader = threading.Thread(target=self._receive, daemon=True)
        self.reader.start()

    def start(self, procedure, arguments=b"", label="", decode=None, xid=None, credentials=None):
        """Sends a call and returns its Pending; `decode` turns the results into the answer."""
        with self.lock:
            if xid is None:
                self.xid = (self.xid + 1) & 0xFFFFFFFF
                xid = self.xid
            pending = Pending(label or f"procedure {procedure}")
            pending.xid, pending.decode = xid, decode
            self.waiting.setdefault(xid, []).append(pending)
            if self.timeline:
                self.timeline.add(self.name, "call " + pending.label)
            pending.sent = now()
            try:
                write_record(self.sock, encode_call(xid, self.program, self.version, procedure,
                                                    credentials or self.credentials, arguments))
            except OSError as error:
                pending.fail(Lost(str(error)), now())
        return pending

    def call(self, procedure, arguments=b"", timeout=30.0, **kwargs):
        return self.start(procedure, arguments, **kwargs).wait(timeout)

    def _receive(self):
        try:
            while True:
                xid, results = decode_reply(read_record(self.sock))
                self._deliver(xid, results, now())
        except (OSError, Lost) as error:
            with self.lock:
                waiting, self.waiting, self.closed = self.waiting, {}, True
            for queue in waiting.values():
                for pending in queue:
                    pending.fail(Lost(str(error)), now())

    def _deliver(self, xid, results, at):
        with self.lock:
            queue = self.waiting.get(xid)
            if not queue:
                return
            pending = queue.pop(0)
            if not queue:
                del self.waiting[xid]
        if isinstance(results, RpcError):
            pending.fail(results, at)
            return
        try:
            answer = pending.decode(results) if pending.decode else results
        except Exception as error:  # a reply that does not decode fails its own call only
            pending.fail(error, at)
            return
        if self.timeline:
            self.timeline.add(self.name, "reply " + pending.label, at=at,
                              status=getattr(answer, "status", ""))
        pending.finish(answer, at)

    def close(self):
        hang_up(self.sock, self.reader)

    def cut(self):
        hang_up(self.sock, self.reader, reset=True)


def call_udp(address, port, program, version, procedure, arguments=b"", source="",
             credentials=AUTH_NONE, timeout=2.0, tries=3):
    """One call over UDP, repeated with the same xid until it is answered."""
    xid = struct.unpack(">I", os.urandom(4))[0]
    message = encode_call(xid, program, version, procedure, credentials, arguments)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        sock.settimeout(timeout)
        for _ in range(tries):
            sock.sendto(message, (address, port))
            try:
                while True:
                    answer_xid, results = decode_reply(sock.recv(65536))
                    if answer_xid == xid:
                        break
            except socket.timeout:
                continue
            if isinstance(results, RpcError):
                raise results
            return results
    raise TimeoutError(f"program {program} at {address}:{port} (UDP) does not answer")


def getport(address, program, version, protocol=TCP, source="", port=111, timeout=2.0):
    """PMAPPROC_GETPORT (RFC 1833), asked over UDP; 0 when the program is not registered."""
    arguments = Packer().u32(program).u32(version).u32(protocol).u32(0).bytes()
    return call_udp(address, port, PORTMAP, 2, 3, arguments, source, timeout=timeout).u32()


class RpcService:
    """Answers calls on one port, TCP and UDP. `handlers[(program, version)]` is a function
    (procedure, reader, peer) -> result bytes, or None for PROC_UNAVAIL, or DROP for no answer."""

    DROP = object()

    def __init__(self, address, port, handlers):
        self.handlers = handlers
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((address, port))
        self.tcp.listen(16)
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((address, self.port))
        self.connections = set()
        self.readers = [(self.tcp, threading.Thread(target=self._accept, daemon=True)),
                        (self.udp, threading.Thread(target=self._datagrams, daemon=True))]
        for _, reader in self.readers:
            reader.start()

    def answer(self, data, peer):
        reader = Unpacker(data)
        xid, kind, _, program, version, procedure = (reader.u32() for _ in range(6))
        for _ in range(2):
            reader.u32()
            reader.opaque()
        if kind != 0:
            return None
        head = Packer().u32(xid).u32(1).u32(0).u32(0).u32(0)
        handler = self.handlers.get((program, version))
        if handler is None:
            versions = [have for (prog, have) in self.handlers if prog == program]
            if versions:
                return head.u32(2).u32(min(versions)).u32(max(versions)).bytes()
            return head.u32(1).bytes()
        result = b"" if procedure == 0 else handler(procedure, reader, peer)
        if result is self.DROP:
            return None
        if result is None:
            return head.u32(3).bytes()
        return head.u32(0).bytes() + result

    def _accept(self):
        while True:
            try:
                sock, peer = self.tcp.accept()
            except OSError:
                return
            self.connections.add(sock)
            threading.Thread(target=self._serve, args=(sock, peer), daemon=True).start()

    def _serve(self, sock, peer):
        try:
            while True:
                reply = self.answer(read_record(sock), peer)
                if reply is not None:
                    write_record(sock, reply)
        except (OSError, Lost, XdrError):
            pass
        finally:
            self.connections.discard(sock)
            sock.close()

    def _datagrams(self):
        while True:
            try:
                data, peer = self.udp.recvfrom(65536)
                if not data:
                    return  # the socket was shut down
                reply = self.answer(data, peer)
                if reply is not None:
                    self.udp.sendto(reply, peer)
            except XdrError:
                continue
            except OSError:
                return

    def close(self):
        for sock, reader in self.readers:
            hang_up(sock, reader)
        for sock in list(self.connections):
            try:
                sock.shutdown(socket.SHUT_RDWR)  # its thread closes it
            except OSError:
                pass
