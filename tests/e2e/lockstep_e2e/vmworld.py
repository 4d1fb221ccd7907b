"""What a scenario with kernel clients has at hand: the guest with two NFS clients (environments A
and B) and a CIFS client (C) with several mounts, the tap on its network, the server."""
import itertools
import os
import tempfile
import time

from vm import image, network
from vm.guest import Guest, Shell

from .proxy import Proxy
from .scenario import check
from .server import EXPORT, PASSWORD, USER
from .timeline import Lost, Timeline, now
from .wire import Tap
from .world import House, World

NFS_OPTIONS = "vers=3,proto=tcp,mountproto=tcp,actimeo=1,hard"
CIFS_OPTIONS = "cache=strict,actimeo=1,nosharesock,uid=0,gid=0,file_mode=0777,dir_mode=0777"
# Where each kind of client lives. cifs goes through the proxy; the others straight to the server,
# each over a connection of its own, so that each is its own owner of opens and leases.
PLACES = {"nfs-a": ("A", "/mnt/nfs"), "nfs-b": ("B", "/mnt/nfs"), "cifs": ("C", "/mnt/cifs"),
          "cifs-2": ("C", "/mnt/cifs2"), "cifs-30": ("C", "/mnt/cifs30"),
          "cifs-21": ("C", "/mnt/cifs21")}
DIALECT = {"cifs": "3.1.1", "cifs-2": "3.1.1", "cifs-30": "3.0", "cifs-21": "2.1"}


class Lounge:
    """Made once, for all scenarios: network, guest, environments; the server and the mounts are
    changed when a scenario asks for a server of its own."""

    def __init__(self, options, house):
        self.directory = tempfile.mkdtemp(prefix="guest-", dir=house.directory)
        network.make_bridge()
        sources = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                               "helper")
        self.guest = self._boot(image.cache_directory(options.cache), sources)
        self.shells = {}
        self.house = House(house.binaries, house.directory, private=True, address=network.SERVER)
        self.house.numbers = house.numbers
        self.proxy = None
        self.server, self.wanted = None, None
        self.mounted = False
        try:
            self._make_environments()
            self.tap = Tap(network.BRIDGE, network.SERVER)
        except BaseException:
            self.guest.shutdown()
            raise
        print(f"         guest is up after {self.guest.boot_seconds:.1f} s", flush=True)

    def _boot(self, cache, sources):
        for attempt in (1, 2):
            guest = Guest(self.directory, network.TAP, cache, sources)
            try:
                return guest.wait_ready()
            except image.GuestDied as death:
                guest.shutdown()
                if attempt == 2:
                    raise
                print(f"         booting once more: {str(death)[:150]!r}", flush=True)
                os.unlink(os.path.join(self.directory, "agent.sock"))

    def _make_environments(self):
        root = Shell(self.guest, "shell-root", "root")
        root.run("ip link set eth0 up")
        for name in network.ADDRESSES:
            pid = self.guest.call("@", "env", name).words[0]
            root.run(network.environment_script(name).format(pid=pid))
            self.shells[name] = Shell(self.guest, f"shell-{name}", name)
            self.shells[name].run(network.inside_script(name))
        self.shells["root"] = root

    # Server and mounts -------------------------------------------------------------------------------

    def prepare(self, wanted):
        """A server with these options (None: the shared one), and everything mounted from it."""
        if self.server is not None and self.server.alive and wanted is None \
                and self.wanted is None:
            return
        self.unmount()
        if self.server is not None:
            self.server.stop()
        self.server, self.wanted = self.house.make_server(**(wanted or {})), wanted
        if self.proxy:
            self.proxy.close()
        self.proxy = Proxy(network.SERVER, (network.SERVER, self.server.ports["smb"]))
        self.mount()

    def mount(self):
        ports = self.server.ports
        for kind, (environment, place) in PLACES.items():
            if kind.startswith("nfs"):
                command = (f"mount -t nfs -o {NFS_OPTIONS},port={ports['nfs']},"
                           f"mountport={ports['mount']} {network.SERVER}:/{EXPORT} {place}")
            else:
                port = self.proxy.port if kind == "cifs" else ports["smb"]
                command = (f"mount -t cifs -o vers={DIALECT[kind]},port={port},user={USER},"
                           f"pass={PASSWORD},{CIFS_OPTIONS} //{network.SERVER}/{EXPORT} {place}")
            self.shells[environment].run(f"mkdir -p {place} && {command}")
        self.mounted = True

    def unmount(self):
        if not self.mounted:
            return
        for environment, place in PLACES.values():
            self.shells[environment].run(f"umount {place} || umount -l {place}", check=False)
        self.mounted = False

    def close(self):
        self.guest.shutdown()
        self.tap.close()
        if self.proxy:
            self.proxy.close()
        if self.server:
            self.server.kill()


class Worker:
    """A process in the guest that works on one mount: one owner of POSIX locks."""

    def __init__(self, world, kind, name):
        self.world, self.kind, self.name = world, kind, name
        self.guest = world.guest
        self.environment, self.mount = PLACES[kind]
        self.slots = itertools.count(1)
        answer = self.guest.call("@", "spawn", name, self.environment)
        check(answer.ok, f"spawn {name}: {answer}")

    def path(self, name):
        return f"{self.mount}/{name}"

    def start(self, verb, *arguments):
        return self.guest.start(self.name, verb, *arguments)

    def do(self, verb, *arguments, timeout=30.0):
        return self.start(verb, *arguments).wait(timeout)

    def must(self, verb, *arguments, timeout=30.0):
        answer = self.do(verb, *arguments, timeout=timeout)
        check(answer.ok, f"{self.name}: {verb} {' '.join(map(str, arguments))}: {answer}")
        return answer

    def start_open(self, name, flags="rw"):
        """(slot, Pending)"""
        slot = next(self.slots)
        return slot, self.start("open", slot, self.path(name), flags)

    def open(self, name, flags="rw"):
        slot, pending = self.start_open(name, flags)
        answer = pending.wait(30)
        check(answer.ok, f"{self.name}: open {name} {flags}: {answer}")
        return slot

    def lock(self, slot, kind="w", offset=0, length=10, family="posix"):
        return self.do("lock", slot, family, kind, "try", offset, length)

    def start_lock(self, slot, kind="w", offset=0, length=10, family="posix"):
        return self.start("lock", slot, family, kind, "wait", offset, length)

    def unlock(self, slot, offset=0, length=10, family="posix"):
        return self.must("lock", slot, family, "u", "try", offset, length)

    def kill(self, signal=9):
        self.guest.call("@", "kill", self.name, signal)


class VmWorld(World):
    """One scenario's surroundings with kernel clients; `nfs-a` ... are kinds of worker."""

    def __init__(self, lounge, scenario):
        self.lounge, self.scenario, self.house = lounge, scenario, lounge.house
        self.private = True
        self.timeline = Timeline()
        self.own_server = False
        lounge.prepare(scenario.server)
        self.server, self.guest, self.proxy = lounge.server, lounge.guest, lounge.proxy
        self.tap = lounge.tap
        self.tap.timeline = self.guest.timeline = self.timeline
        self.shells = lounge.shells
        self.folder = f"v{next(self.house.numbers)}"
        os.makedirs(self.server.path(self.folder))
        os.chmod(self.server.path(self.folder), 0o777)
        self.names, self.worker_numbers = itertools.count(1), itertools.count(1)
        self.workers, self.closers, self.nlm_clients = [], [], []
        self.opens_before = self.server.counts()["opens"]

    def worker(self, kind):
        worker = Worker(self, kind, f"{kind}.{self.folder}.{next(self.worker_numbers)}")
        self.workers.append(worker)
        return worker

    def address_of(self, kind):
        return network.ADDRESSES[PLACES[kind][0]]

    def granted_call(self, timeout=1.0):
        """The NLM_GRANTED (or _GRANTED_MSG) of the server, as it passed on the wire, or None."""
        end = now() + timeout
        while True:
            for what in ("NLM GRANTED", "NLM GRANTED_MSG"):
                event = self.timeline.find(what, by="server")
                if event:
                    return event
            if now() > end:
                return None
            time.sleep(0.01)

    def end_workers(self):
        """Kills them all and waits until the kernel has taken them down."""
        for worker in self.workers:
            if worker.name not in self.guest.dead:
                try:
                    worker.kill()
                except (Lost, TimeoutError):
                    return
        end = now() + 10
        with self.guest.changed:
            self.guest.changed.wait_for(
                lambda: all(worker.name in self.guest.dead for worker in self.workers)
                or now() > end, 10)
        self.workers.clear()

    def finish(self):
        self.proxy.release()
        self.end_workers()
        self.server.check()
        check(not self.guest.lost, "the guest died: " + self.guest.log())
        trouble = [line for line in self.guest.log(size=20000).splitlines()
                   if "BUG:" in line or "Oops" in line or "hung task" in line]
        check(not trouble, f"the guest's kernel complains: {trouble[:3]}")
        if self.scenario.leaves:
            return
        # A CIFS client closes a handle up to a second after its file was closed.
        counts = self.server.wait_counts(8.0, locks=0, waiters=0, opens=self.opens_before)
        check(counts["locks"] == 0 and counts["waiters"] == 0
              and counts["opens"] <= self.opens_before,
              f"state is left behind: {counts}, opens before: {self.opens_before}")

    def dispose(self):
        self.proxy.release()
        self.end_workers()
        self.close()
        self.tap.timeline = Timeline()
        self.guest.timeline = None
