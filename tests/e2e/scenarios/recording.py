"""What a live server records (--trace) while clients of both families lock, read and write the same
files, killed with kill -9 now and then: its clients come back and reclaim. tests/spec/traces has TLC accept the recording as a behaviour of the specification: it runs this
scenario and takes the recording from the directory $LOCKSTEP_TRACES."""
import json
import os
import random
import shutil
import threading

from lockstep_e2e import smbproto as proto
from lockstep_e2e.rpc import NFS, NLM, RpcClient
from lockstep_e2e.scenario import check, equal, ok, scenario
from lockstep_e2e.smbfile import open_file
from lockstep_e2e.timeline import now

CELL, CELLS, FILES, STEPS, RUNS = 64, 8, 3, 800, 3
GRACE = 3
AT_ONCE = 3  # locks that an actor holds


class Actor:
    """A client that locks, unlocks, tests, reads and writes at random. It waits for a lock only while it
    holds none: so nobody waits for ever."""

    def __init__(self, world, label, seed, files):
        self.world, self.label, self.files = world, label, files
        self.chance = random.Random(seed)
        self.held, self.error, self.waited, self.refused = [], None, 0, 0
        self.thread = None

    def start(self, act):
        self.thread = threading.Thread(target=self.run, args=(act,), daemon=True)
        self.thread.start()

    def run(self, act):
        try:
            act()
        except Exception as error:  # shown by whoever joins
            self.error = error

    def work(self):
        for _ in range(STEPS):
            self.step(self.chance.choice(self.files))
        while self.held:
            self.unlock(*self.held.pop())

    def take(self):
        """Some locks, to be held when the server is killed."""
        for _ in range(3 * AT_ONCE):
            file, (offset, length) = self.chance.choice(self.files), self.range()
            if len(self.held) < AT_ONCE and self.lock(file, offset, length, True, False):
                self.held.append((file, offset, length, True))

    def range(self):
        first = self.chance.randrange(CELLS)
        cells = self.chance.randint(1, min(3, CELLS - first))
        return first * CELL, cells * CELL

    def step(self, file):
        what, exclusive = self.chance.random(), self.chance.random() < 0.6
        if what < 0.4 and len(self.held) < AT_ONCE:
            wait = not self.held and self.chance.random() < 0.7
            offset, length = self.range()
            if self.lock(file, offset, length, exclusive, wait):
                self.held.append((file, offset, length, exclusive))
                return
            self.refused += 1
        elif what < 0.7 and self.held:
            self.unlock(*self.held.pop(self.chance.randrange(len(self.held))))
        else:
            self.access(file, self.chance.randrange(CELLS) * CELL, what < 0.85)


class NfsActor(Actor):
    def __init__(self, world, label, seed, files):
        super().__init__(world, label, seed, files)
        self.nfs, self.host = world.locker(label)
        self.owner = b"owner of " + label.encode()

    def come_back(self):
        """What it held is its own again; a new lock has to wait."""
        self.nfs.nfs = self.again(self.nfs.nfs, "nfs", NFS, 3)
        self.host.nlm = self.again(self.host.nlm, "nlm", NLM, self.host.version)
        for file, offset, length, exclusive in self.held:
            handle = self.nfs.handle(file)
            equal(self.host.lock(handle, offset, length, exclusive, owner=b"somebody else").status,
                  "DENIED_GRACE_PERIOD", "a new lock in grace")
            ok(self.host.lock(handle, offset, length, exclusive, False, self.owner, reclaim=True), "reclaim")

    def again(self, connection, port, program, version):
        connection.close()
        return RpcClient(self.host.server, self.world.server.ports[port], program, version, self.host.source,
                         connection.credentials)

    def lock(self, file, offset, length, exclusive, wait):
        handle, since = self.nfs.handle(file), now()
        result = self.host.lock(handle, offset, length, exclusive, wait, self.owner)
        if result.status == "BLOCKED":
            self.waited += 1
            if self.chance.random() < 0.2:  # it is given up, or was granted meanwhile
                if self.host.cancel(handle, offset, length, exclusive, True, self.owner).status == "GRANTED":
                    return False
            elif not self.host.wait_granted(30, since, self.owner, offset):
                check(False, f"{self.label}: blocked for 30 s")
        elif result.status != "GRANTED":
            check(result.status in ("DENIED", "DEADLCK"), f"NLM_LOCK: {result.status}")
            return False
        return True

    def unlock(self, file, offset, length, _exclusive):
        ok(self.host.unlock(self.nfs.handle(file), offset, length, self.owner))

    def access(self, file, offset, reads):
        if self.chance.random() < 0.2:
            status = self.host.test(self.nfs.handle(file), offset, CELL, True, self.owner).status
            return check(status in ("GRANTED", "DENIED"), f"NLM_TEST: {status}")
        one = (lambda: self.nfs.start_read(file, offset, CELL)) if reads else (
            lambda: self.nfs.start_write(file, offset, self.label.encode()[:1] * CELL))
        status = self.nfs.insist(one).status
        return check(status in ("OK", "ACCES"), f"I/O over NFS: {status}")


class SmbActor(Actor):
    def __init__(self, world, label, seed, files, dialect):
        super().__init__(world, label, seed, files)
        self.dialect, self.guid, self.opens = dialect, os.urandom(16), {}
        self.keys = {file: os.urandom(16) for file in files}
        self.connect()

    def connect(self):
        self.smb = self.world.smb(self.label, self.dialect, guid=self.guid)
        self.smb.on_break = lambda client, notice: notice.ack_required and client.start_ack(notice)

    def come_back(self):
        """Its leases come back with its opens, and with these its locks."""
        opened, held = list(self.opens), self.held
        self.opens, self.held = {}, []
        self.smb.close()
        self.connect()
        for file in opened:
            self.open(file, "RWH")
        for file, offset, length, exclusive in held:
            ok(self.opens[file].lock(offset, length, exclusive, False, timeout=30), "reclaim")
            self.held.append((file, offset, length, exclusive))

    def open(self, file, lease=None):
        if file in self.opens and not self.held and self.chance.random() < 0.1:
            ok(self.opens.pop(file).close())
        if file not in self.opens:
            self.opens[file] = ok(open_file(self.smb, file, disposition=proto.OPEN, timeout=30,
                                            key=self.keys[file],
                                            lease=lease or self.chance.choice(["R", "RH", "RW", "RWH"])))
        return self.opens[file]

    def lock(self, file, offset, length, exclusive, wait):
        answer = self.open(file).lock(offset, length, exclusive, wait, timeout=30)
        if not answer.ok:
            check(answer.status == "LOCK_NOT_GRANTED", f"LOCK: {answer.status}")
            return False
        return True

    def unlock(self, file, offset, length, _exclusive):
        ok(self.opens[file].unlock(offset, length))

    def access(self, file, offset, reads):
        opened = self.open(file)
        status = (opened.read(offset, CELL) if reads
                  else opened.write(offset, self.label.encode()[:1] * CELL)).status
        check(status in ("OK", "FILE_LOCK_CONFLICT"), f"I/O over SMB: {status}")


def all_of(actors, act):
    """Each does that, at the same time."""
    for actor in actors:
        actor.start(getattr(actor, act))
    for actor in actors:
        actor.thread.join(240)
        check(not actor.thread.is_alive(), f"{actor.label} hangs")
        check(actor.error is None, f"{actor.label}: {actor.error!r}")


@scenario("recording: what a live server did, for the specification", server={"trace": True, "grace": GRACE})
def recording(world):
    files = [world.file(b"\0" * (CELL * CELLS)) for _ in range(FILES)]
    actors = [NfsActor(world, "a-nfs", 1, files), NfsActor(world, "b-nfs", 2, files),
              SmbActor(world, "c-smb", 3, files, "3.1.1"), SmbActor(world, "d-smb", 4, files, "2.1")]
    for run in range(RUNS):
        if run:
            all_of(actors, "take")
            world.server.restart()
            all_of(actors, "come_back")
            world.server.wait_grace_over(GRACE + 10)
        all_of(actors, "work")
    for actor in actors:
        check(actor.refused > 0, f"{actor.label} never met anybody")
    check(any(actor.waited for actor in actors), "no NLM lock ever waited")
    world.give_back()
    with open(world.server.trace, encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    types = [record.get("event", {}).get("type") for record in records]
    check(sum("run" in record for record in records) == RUNS, "not every run of the server was recorded")
    for wanted in ("LockRequested", "Unlocked", "GrantAnswered", "BreakAcknowledged", "AccessRequested"):
        check(types.count(wanted) > 0, f"no {wanted} was recorded")
    if os.environ.get("LOCKSTEP_TRACES"):
        shutil.copy(world.server.trace, os.path.join(os.environ["LOCKSTEP_TRACES"], "live.trace"))
