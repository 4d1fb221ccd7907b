"""What a user-space scenario has at hand: a server, and as many raw clients as it likes."""
import itertools
import os
import tempfile

from .rawnfs import NfsClient
from .rawnlm import NlmClient
from .rawsmb import SmbClient
from .scenario import Skip, check
from .server import (EXPORT, HIGH_PORTS, PASSWORD, USER, Server, ServerError,
                     sanitizer_report)
from .smbfile import open_file
from .timeline import Timeline
from .wire import Tap

NOTHING = {"locks": 0, "rights": 0, "opens": 0, "waiters": 0}


class House:
    """Keeps the one server that most scenarios share, and makes others for those that ask.

    `private`: a network namespace of our own, so that every port is free and every loopback
    address can be a client with its own portmapper."""

    def __init__(self, binaries, directory, private, address="127.0.0.1"):
        self.binaries, self.directory, self.private = binaries, directory, private
        self.address = address
        self.numbers, self.addresses = itertools.count(1), itertools.count(1)
        self.shared = None

    def make_server(self, **options):
        place = tempfile.mkdtemp(prefix=f"server{next(self.numbers)}-", dir=self.directory)
        low = self.private and "user" not in options  # what needs root, or a namespace's
        return Server(self.binaries, place, self.address, portmap=low,
                      ports=None if low else HIGH_PORTS, **options).start()

    def server(self, scenario):
        """(server, whether it is the scenario's own). A shared one that died is replaced."""
        if scenario.server is not None:
            self.close()  # the ports are wanted
            return self.make_server(**scenario.server), True
        if self.shared is None or not self.shared.alive:
            self.shared = self.make_server()
        return self.shared, False

    def close(self):
        """SIGTERM after all that was done to it: it must end in order (and without leaks, where a
        sanitizer looks)."""
        shared, self.shared = self.shared, None
        if shared is None:
            return
        status = shared.stop(30.0)
        report = sanitizer_report(shared.log())
        if status or report:
            raise ServerError(f"exit {status}; {report or shared.log()[-500:]}")


class World:
    """One scenario's surroundings. Clients made here are closed at its end."""

    def __init__(self, house, scenario):
        self.house, self.scenario = house, scenario
        self.private = house.private
        self.timeline = Timeline()
        self.server, self.own_server = house.server(scenario)
        self.folder = f"s{next(house.numbers)}"
        os.makedirs(self.server.path(self.folder))
        os.chmod(self.server.path(self.folder), 0o777)
        self.closers = []
        self.nlm_clients = []
        self.names = itertools.count(1)

    # Names -----------------------------------------------------------------------------------------

    def name(self, leaf=None):
        """The path, below the export, of a file of this scenario."""
        return f"{self.folder}/{leaf or 'f%d' % next(self.names)}"

    def file(self, data=b"", leaf=None):
        """A file that is there already."""
        return self.server.put(self.name(leaf), data)

    def exists(self, name):
        return os.path.lexists(self.server.path(name))

    def contents(self, name):
        return self.server.contents(name)

    # Clients ---------------------------------------------------------------------------------------

    def address(self):
        """A client address that nobody else has in this run: all of 127/8 is this machine's."""
        number = next(self.house.addresses)
        return f"127.1.{number >> 8}.{number & 255}"

    def nfs(self, name="nfs", address=None, **options):
        client = NfsClient(self.server.address, self.server.ports["nfs"],
                           self.server.ports["mount"], EXPORT, address or self.address(), name,
                           self.timeline, **options).mount()
        self.closers.append(client.close)
        return client

    def nlm(self, name="host", address=None, **options):
        """An NLM host with its own address, portmapper and callback service."""
        if options.get("callbacks", True) and not self.private:
            raise Skip("port 111 of the client's address is needed (root or user namespaces)")
        client = NlmClient(self.server.address, self.server.ports["nlm"],
                           address or self.address(), f"{name}-{self.folder}", self.timeline,
                           **options)
        self.nlm_clients.append(client)
        self.closers.append(client.close)
        return client

    def locker(self, name="host", **options):
        """(NFS client, NLM client) of one host."""
        address = self.address()
        return self.nfs(name, address), self.nlm(name, address, **options)

    def smb(self, name="smb", dialect="3.1.1", **options):
        client = SmbClient(self.server.address, self.server.ports["smb"], EXPORT, USER, PASSWORD,
                           dialect=dialect, source=options.pop("source", self.address()),
                           name=name, timeline=self.timeline, **options)
        self.closers.append(client.close)
        return client

    def leased(self, client, name, lease, **options):
        """An open that must have got just this lease (or, with `oplock`, that oplock)."""
        file = open_file(client, name, lease=lease or None, **options)
        check(file.ok, f"open of {name}: {file.status}")
        check(file.lease == lease, f"lease {lease} wanted, {file.lease or '-'} granted")
        if options.get("oplock"):
            check(file.oplock == options["oplock"],
                  f"oplock {options['oplock']} wanted, {file.oplock or '-'} granted")
        return file

    def listen(self):
        """The events of the loopback wire from now on, with the kernel's times: which of two
        messages on two connections left first. None where that may not be listened to."""
        if not self.private:
            return None
        try:
            tap = Tap("lo", self.server.address)
        except OSError:
            return None
        self.closers.append(tap.close)
        return tap.timeline

    # The end ---------------------------------------------------------------------------------------

    def finish(self):
        """Everything is given back; then the server must remember nothing of it."""
        self.give_back()
        self.server.check()
        if self.scenario.leaves:
            return
        counts = self.server.wait_counts(5.0, **NOTHING)
        check(counts == NOTHING, f"state is left behind: {counts}")

    def give_back(self):
        for client in self.nlm_clients:
            try:
                client.free_all(3.0)
            except Exception:  # the connection may have been cut on purpose
                continue
        self.nlm_clients.clear()
        self.close()

    def close(self):
        for close in self.closers:
            try:
                close()
            except Exception:
                continue
        self.closers.clear()

    def dispose(self):
        """After the end, whatever it was. A server that is not clean is not used again."""
        self.give_back()
        if self.own_server:
            self.server.kill()
            return
        try:
            clean = self.server.alive and self.server.wait_counts(1.0, **NOTHING) == NOTHING
        except (OSError, ServerError, ValueError):
            clean = False
        if not clean:
            self.server.kill()
            self.house.shared = None
