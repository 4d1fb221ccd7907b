"""Concurrent: clients of both families in a random mix of locks, reads, writes and renames."""
import random
import threading

from lockstep_e2e import smbproto as proto
from lockstep_e2e.cells import CELL, STRIDE, Entry, check_history, decode, encode
from lockstep_e2e.scenario import check, equal, ok, scenario
from lockstep_e2e.smbfile import open_file
from lockstep_e2e.timeline import now

CELLS = 6


class Actor(threading.Thread):
    """One client that repeats `step` until the time is over."""

    def __init__(self, world, name, until, seed):
        super().__init__(daemon=True)
        self.world, self.label, self.until = world, name, until
        self.chance = random.Random(seed)
        self.writer = seed + 1
        self.entries, self.error, self.count = [], None, 0

    def run(self):
        try:
            while now() < self.until:
                self.step()
                self.count += 1
        except Exception as error:  # shown by whoever joins
            self.error = error

    def increment(self, cell, granted, read, write):
        """The counter goes up by one while its lock is held."""
        state = decode(read(cell * STRIDE))
        check(state is not None, f"{self.label}: cell {cell} is torn")
        write(cell * STRIDE, encode(state[0] + 1, self.writer))
        again = decode(read(cell * STRIDE))
        check(again == (state[0] + 1, self.writer), f"{self.label}: changed under the lock")
        self.entries.append(Entry(cell, state[0] + 1, granted, now(), self.label))


class NfsActor(Actor):
    def __init__(self, world, name, until, seed, file):
        super().__init__(world, name, until, seed)
        self.nfs, self.host = world.locker(name)
        self.file, self.handle = file, self.nfs.handle(file)

    def lock(self, offset, exclusive, block):
        since = now()
        owner = b"%d" % self.chance.randrange(1 << 30)
        result = self.host.lock(self.handle, offset, STRIDE, exclusive, block, owner)
        if result.status == "BLOCKED":
            check(self.host.wait_granted(30, since, owner) is not None,
                  f"{self.label}: blocked for 30 s")
        elif result.status == "DENIED" and not block:
            return None
        else:
            ok(result, "NLM_LOCK")
        return owner

    def step(self):
        cell, exclusive = self.chance.randrange(CELLS), self.chance.random() < 0.8
        owner = self.lock(cell * STRIDE, exclusive, self.chance.random() < 0.7)
        if owner is None:
            return
        granted = now()
        if exclusive:
            self.increment(cell, granted, self.read, self.write)
        else:
            check(self.read(cell * STRIDE) == self.read(cell * STRIDE), "changed under a shared lock")
        ok(self.host.unlock(self.handle, cell * STRIDE, STRIDE, owner))

    def read(self, offset):
        return ok(self.nfs.insist(lambda: self.nfs.start_read(self.file, offset, CELL))).data

    def write(self, offset, data):
        ok(self.nfs.insist(lambda: self.nfs.start_write(self.file, offset, data)))


class SmbActor(Actor):
    def __init__(self, world, name, until, seed, file, dialect):
        super().__init__(world, name, until, seed)
        self.smb = world.smb(name, dialect)
        self.smb.on_break = lambda client, notice: notice.ack_required and client.start_ack(notice)
        self.name, self.file = file, None

    def step(self):
        if self.file is None or self.chance.random() < 0.1:
            if self.file:
                ok(self.file.close())
            self.file = ok(open_file(self.smb, self.name, disposition=proto.OPEN, timeout=30,
                                     lease=self.chance.choice(["R", "RH", "RW", "RWH"])))
        cell, exclusive = self.chance.randrange(CELLS), self.chance.random() < 0.8
        wait = self.chance.random() < 0.7
        answer = self.file.lock(cell * STRIDE, STRIDE, exclusive, wait, timeout=30)
        if answer.status == "LOCK_NOT_GRANTED" and not wait:
            return
        ok(answer, "LOCK")
        granted = now()
        if exclusive:
            self.increment(cell, granted, lambda at: ok(self.file.read(at, CELL)).data,
                           lambda at, data: ok(self.file.write(at, data)))
        else:
            one, two = (self.file.read(cell * STRIDE, CELL) for _ in range(2))
            check(one.data == two.data, "changed under a shared lock")
        ok(self.file.unlock(cell * STRIDE, STRIDE))


class Renamer(Actor):
    """Moves files among a few names, over NFS or SMB; each file knows its number."""

    NAMES = 6

    def __init__(self, world, name, until, seed, smb):
        super().__init__(world, name, until, seed)
        self.nfs = world.nfs(name)
        self.smb = world.smb(name, "3.0.2") if smb else None
        if smb:
            self.smb.on_break = (lambda client, notice:
                                 notice.ack_required and client.start_ack(notice))

    def step(self):
        source, target = (self.world.name(f"move-{number}")
                          for number in self.chance.sample(range(self.NAMES), 2))
        if self.smb is None:
            self.nfs.forget()
            status = self.nfs.insist(lambda: self.nfs.start_rename(source, target)).status
            check(status in ("OK", "NOENT", "ACCES"), f"RENAME: {status}")
            return
        file = open_file(self.smb, source, access="rd", disposition=proto.OPEN, lease="RH")
        if not file.ok:
            check(file.status in ("OBJECT_NAME_NOT_FOUND", "DELETE_PENDING"),
                  f"open: {file.status}")
            return
        status = file.rename(target).status
        check(status in ("OK", "OBJECT_NAME_COLLISION", "OBJECT_NAME_NOT_FOUND", "ACCESS_DENIED"),
              f"rename: {status}")
        ok(file.close())


@scenario("concurrent: a random mix of both families, checked history")
def mix(world):
    seconds = 60 if world.full else 8
    file = world.file(b"\0" * (STRIDE * CELLS), "cells")
    for number in range(3):
        world.file(b"%d" % number, f"move-{number}")
    until = now() + seconds
    actors = [NfsActor(world, "nfs-a", until, 1, file), NfsActor(world, "nfs-b", until, 2, file),
              SmbActor(world, "smb-a", until, 3, file, "3.0.2"),
              SmbActor(world, "smb-b", until, 4, file, "2.1"),
              Renamer(world, "mover-nfs", until, 5, False),
              Renamer(world, "mover-smb", until, 6, True)]
    for actor in actors:
        actor.start()
    for actor in actors:
        actor.join(seconds + 60)
        check(not actor.is_alive(), f"{actor.label} hangs after {actor.count} steps")
        check(actor.error is None, f"{actor.label}: {actor.error!r} after {actor.count} steps")
    check_history([entry for actor in actors for entry in actor.entries], CELLS,
                  world.contents(file))
    for actor in actors:
        check(actor.count > 0, f"{actor.label} never had its turn")
    left = sorted(world.contents(world.name(f"move-{number}"))
                  for number in range(Renamer.NAMES)
                  if world.exists(world.name(f"move-{number}")))
    check(left and len(set(left)) == len(left), f"files after the renames: {left}")
    equal(set(left) <= {b"0", b"1", b"2"}, True, "contents after the renames")
    world.timeline.add("mix", "counts", **{actor.label: actor.count for actor in actors})
