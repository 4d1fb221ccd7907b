"""A TCP proxy in front of the SMB port, to hold back or cut what a kernel client sends.

The kernel answers lease breaks by itself, so stopping a process does not keep an acknowledgment
away: this does."""
import socket
import struct
import threading

from . import smbproto
from .rpc import read_exact
from .timeline import Lost, now


class Proxy:
    """Listens at `address`, forwards to `target`. `hold(header)` says which of the client's
    messages are kept until `release()`; the others pass them by."""

    def __init__(self, address, target, timeline=None, name="proxy"):
        self.target, self.timeline, self.name = target, timeline, name
        self.hold = None
        self.kept = []
        self.pairs = []
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, 0))
        self.listener.listen(16)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target, 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.pairs.append((client, server))
            threading.Thread(target=self._upwards, args=(client, server), daemon=True).start()
            threading.Thread(target=self._downwards, args=(client, server), daemon=True).start()

    def _upwards(self, client, server):
        try:
            while True:
                length = read_exact(client, 4)
                message = read_exact(client, struct.unpack(">I", length)[0] & 0xFFFFFF)
                with self.changed:
                    if self._is_held(message):
                        self.kept.append((now(), server, length + message))
                        self.changed.notify_all()
                        continue
                    server.sendall(length + message)
        except (OSError, Lost):
            self._end(client, server)

    def _is_held(self, message):
        if self.hold is None or message[:4] != b"\xfeSMB":
            return False
        return self.hold(smbproto.Header(message))

    def _downwards(self, client, server):
        try:
            while True:
                data = server.recv(1 << 18)
                if not data:
                    break
                client.sendall(data)
        except OSError:
            pass
        self._end(client, server)

    @staticmethod
    def _end(*socks):
        for sock in socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def hold_acks(self):
        """Keeps lease and oplock acknowledgments; everything else passes."""
        self.hold = lambda head: head.command == smbproto.OPLOCK_BREAK

    def hold_all(self):
        """The client's machine is as good as gone, but its connection stands."""
        self.hold = lambda head: True

    def wait_kept(self, timeout=15.0):
        """True once a message is being held back."""
        with self.changed:
            return self.changed.wait_for(lambda: bool(self.kept), timeout)

    def release(self):
        """Sends what was kept, in its order, and keeps nothing any more. Returns the time."""
        with self.changed:
            self.hold = None
            at = now()
            for _, server, data in self.kept:
                try:
                    server.sendall(data)
                except OSError:
                    continue
            self.kept.clear()
        return at

    def cut(self):
        """Resets every connection, on both sides."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
            self.kept.clear()
        for pair in pairs:
            for sock in pair:
                try:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.shutdown(socket.SHUT_RD)
                except OSError:
                    pass
                sock.close()

    def close(self):
        self.listener.close()
        self.hold = None
        self.cut()
