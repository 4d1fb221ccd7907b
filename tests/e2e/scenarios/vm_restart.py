"""Kernel clients over kill -9 and a new start of the server; and all of them at once."""
import time

from lockstep_e2e.cells import STRIDE, Entry, check_history
from lockstep_e2e.scenario import (WOKEN, check, equal, eventually, pattern, scenario,
                                   within)
from lockstep_e2e.timeline import now

REFUSED = ("EACCES", "EAGAIN")
CELLS = 8


@scenario("kernel: kill -9, SM_NOTIFY reaches statd, the NFS client reclaims, others stay out",
          room="vm", server={"grace": 30})
def reclaim(world):
    name = world.file(b"x" * 100)
    holder, rival = world.worker("nfs-a"), world.worker("nfs-b")
    held, slot = holder.open(name, "rw"), rival.open(name, "rw")
    equal(holder.lock(held, "w", 10, 20).status, "ok", "NFS lock")
    holder.must("put", held, 0, "before")
    holder.must("fsync", held)
    world.server.kill()
    begin = now()
    world.server.start()
    equal(world.server.counts()["locks"], 1, "the lock on record after the start")
    notice = world.timeline.wait("NSM 6", who=world.address_of("nfs-a"), timeout=10)
    check(notice is not None, "no SM_NOTIFY to the client that held a lock")
    reclaimed = world.timeline.wait("reply NLM LOCK", who=world.address_of("nfs-a"),
                                    since=notice.at, timeout=10, status=0)
    check(reclaimed is not None, "no reclaim was granted")
    over = world.server.wait_grace_over(28)
    within(over - begin, 0, 28, "early end of grace")
    check(rival.lock(slot, "w", 15, 1).status in REFUSED, "the reclaimed lock against a rival")
    equal(rival.lock(slot, "w", 50, 1).status, "ok", "beside it")
    holder.must("put", held, 0, "behind")
    holder.must("fsync", held)
    equal(world.contents(name)[:6], b"behind", "I/O through the file opened before")
    holder.unlock(held, 10, 20)
    equal(rival.lock(slot, "w", 15, 1).status, "ok", "after the unlock")


@scenario("kernel: a blocked NFS lock survives the restart", room="vm", server={"grace": 6},
          full_only=True)
def waiter_survives(world):
    name = world.file(b"x" * 100)
    holder, waiter = world.worker("nfs-a"), world.worker("nfs-b")
    held, slot = holder.open(name, "rw"), waiter.open(name, "rw")
    equal(holder.lock(held, "w", 0, 10).status, "ok", "NFS lock")
    pending = waiter.start_lock(slot, "w", 0, 10)
    check(world.timeline.wait("reply NLM LOCK", status=3, timeout=WOKEN), "no BLOCKED on the wire")
    world.server.restart()
    world.server.wait_grace_over(40)
    check(not pending.done, "granted beside the reclaimed lock")
    holder.unlock(held, 0, 10)
    answer = pending.wait(90)  # the client asks again by itself after 30 s
    check(answer.ok, f"the waiter: {answer}")


@scenario("kernel: CIFS comes back after kill -9, and both families see the same", room="vm",
          server={"grace": 5})
def cifs_back(world):
    name = world.file(b"x" * 5000)
    cifs, nfs = world.worker("cifs"), world.worker("nfs-a")
    slot = cifs.open(name, "rw")
    cifs.must("write", slot, 0, 5000, 4)
    cifs.must("close", slot)
    world.server.restart()
    fresh = world.worker("cifs")
    eventually(lambda: fresh.do("stat", fresh.path(name)).ok, 30, "the mount does not recover")
    where = fresh.open(name, "rw")
    equal(fresh.must("check", where, 0, 5000, 4).text, "same", "contents over CIFS")
    fresh.must("write", where, 1000, 500, 5)
    fresh.must("close", where)
    slot = nfs.open(name, "r")
    equal(nfs.must("check", slot, 0, 1000, 4).text, "same", "contents over NFS")
    equal(nfs.must("check", slot, 1000, 500, 5).text, "same", "contents over NFS")


def history(world, runs):
    entries = []
    for worker, pending in runs:
        words = [int(word) for word in world.guest.notes.pop(pending.number, [])]
        entries += [Entry(cell, value, granted / 1e9, released / 1e9, worker.name)
                    for cell, value, granted, released in zip(*[iter(words)] * 4)]
    return entries


@scenario("kernel concurrent: six owners of both families, counters under locks, checked history",
          room="vm")
def mix(world):
    seconds = 60 if world.full else 15
    name = world.file(b"\0" * (STRIDE * CELLS), "cells")
    world.tap.enabled = False
    runs = []
    try:
        for number, kind in enumerate(("nfs-a", "nfs-b", "cifs", "cifs-2", "cifs-21", "nfs-a")):
            worker = world.worker(kind)
            slot = worker.open(name, "rw")
            runs.append((worker, worker.start("cells", slot, "posix", CELLS, seconds * 1000,
                                              number + 1, number + 1)))
        for worker, pending in runs:
            answer = pending.wait(seconds + 120)
            check(answer.ok, f"{worker.name}: {answer}")
            check(int(answer.words[0]) > 0, f"{worker.name} got no turn: {answer}")
            world.timeline.add(worker.name, "cells", counts=answer.text)
    finally:
        world.tap.enabled = True
    world.end_workers()
    time.sleep(0.5)
    check_history(history(world, runs), CELLS, world.contents(name))


@scenario("kernel concurrent: two families rename, remove and create the same names", room="vm")
def names(world):
    script = ("i=0; while [ $i -lt {count} ]; do "
              "echo {tag}-$i > {path}/x-$((i % 5)) 2>/dev/null; "
              "mv -f {path}/x-$((i % 5)) {path}/y-$((i % 3)) 2>/dev/null; "
              "rm -f {path}/y-$(((i + 1) % 3)) 2>/dev/null; "
              "cat {path}/* > /dev/null 2>&1; i=$((i + 1)); done; echo done")
    runs = []
    for kind in ("nfs-a", "cifs", "nfs-b", "cifs-30"):
        worker = world.worker(kind)
        runs.append((worker, worker.start("sh", script.format(
            count=60 if world.full else 20, tag=kind, path=worker.path(world.folder)))))
    for worker, pending in runs:
        answer = pending.wait(600)
        check(answer.ok and answer.words[0] == "0", f"{worker.name}: {answer}")
    time.sleep(1.2)  # names and attributes are trusted for a second
    listings = {}
    for kind in ("nfs-a", "cifs", "nfs-b", "cifs-30"):
        worker = world.worker(kind)
        listings[kind] = sorted(worker.must("readdir", worker.path(world.folder)).words[1:])
        for leaf in listings[kind]:
            slot = worker.open(world.name(leaf), "r")
            data = worker.must("get", slot, 0, 100).data
            equal(data, world.contents(world.name(leaf)), f"{leaf} over {kind}")
            worker.must("close", slot)
    equal(len({tuple(names) for names in listings.values()}), 1, f"listings: {listings}")


@scenario("kernel: a client machine that vanishes keeps its NLM locks, its CIFS state falls",
          room="vm")
def vanished_machine(world):
    name = world.file(pattern(100, 1))
    nfs, cifs = world.worker("nfs-b"), world.worker("cifs")
    held, slot = nfs.open(name, "rw"), cifs.open(name, "rw")
    equal(nfs.lock(held, "w", 0, 10).status, "ok", "NFS lock")
    equal(cifs.lock(slot, "w", 50, 10).status, "ok", "CIFS lock")
    world.proxy.hold_all()
    world.proxy.cut()
    world.shells["B"].run("ip link set eB down")
    try:
        rival = world.worker("nfs-a")
        where = rival.open(name, "rw")
        eventually(lambda: rival.lock(where, "w", 50, 10).ok, 3, "the CIFS lock stayed")
        check(rival.lock(where, "w", 0, 10).status in REFUSED, "the NLM lock is gone")
    finally:
        world.shells["B"].run("ip link set eB up")
        world.proxy.cut()
        world.proxy.release()
    nfs.unlock(held, 0, 10)
    equal(rival.lock(where, "w", 0, 10).status, "ok", "after the unlock")
    fresh = world.worker("cifs")
    eventually(lambda: fresh.do("stat", fresh.path(name)).ok, 20, "the mount does not recover")
