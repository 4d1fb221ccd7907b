"""Kernel clients: byte-range locks of both families (XPRO-03), blocking locks and their callbacks."""
from lockstep_e2e.scenario import (WOKEN, after, check, equal, eventually, generate, is_open,
                                   scenario, within)
from lockstep_e2e.timeline import Lost, now

REFUSED = ("EACCES", "EAGAIN")
PAIRS = [("nfs-a", "cifs"), ("cifs", "nfs-a"), ("nfs-a", "nfs-b"), ("cifs", "cifs-2"),
         ("cifs-21", "nfs-b"), ("nfs-b", "cifs-30")]
RANGES = {"the same": (100, 50, True), "head": (90, 11, True), "tail": (149, 10, True),
          "inside": (120, 1, True), "before": (90, 10, False), "behind": (150, 10, False),
          "whole file": (0, 0, True)}
SOON = 25.0  # below the 30 s after which the NFS client would ask again by itself


@generate("kernel XPRO-03: {0} holds, {1} asks, every mode and range", PAIRS, room="vm")
def pairs(world, holder_kind, asker_kind):
    name = world.file(b"x" * 1000)
    holder, asker = world.worker(holder_kind), world.worker(asker_kind)
    held_slot, slot = holder.open(name, "rw"), asker.open(name, "rw")
    for held in "rw":
        equal(holder.lock(held_slot, held, 100, 50).status, "ok", f"{held} lock of the holder")
        for asked in "rw":
            for what, (offset, length, overlaps) in RANGES.items():
                answer = asker.lock(slot, asked, offset, length)
                if overlaps and "w" in held + asked:
                    check(answer.status in REFUSED, f"{asked} on {what} of {held}: {answer}")
                else:
                    equal(answer.status, "ok", f"{asked} on {what} of {held}")
                    asker.unlock(slot, offset, length)
        if asker_kind.startswith("nfs"):
            words = asker.must("getlk", slot, "posix", "w", 0, 0).words
            equal(words[:4], ["held", held, "100", "50"], "F_GETLK")
        holder.unlock(held_slot, 100, 50)
        equal(asker.lock(slot, "w", 100, 50).status, "ok", "after the unlock")
        asker.unlock(slot, 100, 50)


@generate("kernel: flock() of {0} against {1}", [("nfs-a", "nfs-b"), ("nfs-a", "cifs"),
                                                  ("cifs", "nfs-b")], room="vm")
def flocks(world, holder_kind, asker_kind):
    name = world.file(b"x")
    holder, asker = world.worker(holder_kind), world.worker(asker_kind)
    held_slot, slot = holder.open(name, "rw"), asker.open(name, "rw")
    equal(holder.lock(held_slot, "w", family="flock").status, "ok", "flock")
    check(asker.lock(slot, "w", family="flock").status in REFUSED + ("EWOULDBLOCK",), "flock")
    check(asker.lock(slot, "r", 0, 1).status in REFUSED, "a byte under the flock")
    holder.unlock(held_slot, family="flock")
    equal(asker.lock(slot, "w", family="flock").status, "ok", "flock after the unlock")


@generate("kernel: a blocking NFS lock behind {0}'s lock is granted by callback: {1}",
          [("cifs", "unlock"), ("cifs", "close"), ("cifs", "kill"), ("cifs-21", "unlock"),
           ("nfs-b", "unlock"), ("nfs-b", "kill")], room="vm")
def granted(world, kind, way):
    name = world.file(b"x" * 100)
    holder, waiter = world.worker(kind), world.worker("nfs-a")
    held, slot = holder.open(name, "rw"), waiter.open(name, "rw")
    equal(holder.lock(held, "w", 0, 50).status, "ok", "the holder's lock")
    pending = waiter.start_lock(slot, "w", 20, 10)
    is_open(pending, 0.3, "the waiter")
    check(world.timeline.wait("reply NLM LOCK", status=3, timeout=WOKEN), "no BLOCKED on the wire")
    since = now()
    {"unlock": lambda: holder.unlock(held, 0, 50), "close": lambda: holder.must("close", held),
     "kill": holder.kill}[way]()
    answer = pending.wait(SOON)
    check(answer.ok, f"the waiter: {answer}")
    call = world.granted_call()
    check(call is not None, "no NLM_GRANTED on the wire")
    after(call.at, since, "NLM_GRANTED before the release", slack=0.005)
    within(answer.ended - since, -0.01, SOON, "from the release to the grant")
    equal(call.who, world.address_of("nfs-a"), "who was called")
    other = world.worker("cifs-2")
    check(other.lock(other.open(name, "rw"), "w", 20, 1).status in REFUSED, "it is really held")
    waiter.unlock(slot, 20, 10)


@scenario("kernel: a blocking NFS lock behind a CIFS Write lease: BLOCKED, ack, GRANTED",
          room="vm")
def behind_lease(world):
    name = world.file(b"x" * 100)
    cifs, waiter = world.worker("cifs"), world.worker("nfs-a")
    cifs.must("put", cifs.open(name, "rw"), 0, "cached")
    slot = waiter.open(name, "rw")
    world.proxy.hold_acks()
    pending = waiter.start_lock(slot, "w", 0, 10)
    check(world.timeline.wait("reply NLM LOCK", status=3, timeout=WOKEN), "no BLOCKED on the wire")
    check(world.proxy.wait_kept(5), "no acknowledgment")
    is_open(pending, 0.3, "the waiter")
    released = world.proxy.release()
    answer = pending.wait(SOON)
    check(answer.ok, f"the waiter: {answer}")
    call = world.granted_call()
    check(call is not None, "no NLM_GRANTED on the wire")
    after(call.at, released, "NLM_GRANTED before the acknowledgment", slack=0.005)
    within(answer.ended - released, -0.01, SOON, "from the acknowledgment to the grant")


@scenario("kernel: a CIFS lock cached under its lease is pushed before the acknowledgment",
          room="vm")
def cached_lock(world):
    name = world.file(b"x" * 100)
    cifs, nfs = world.worker("cifs"), world.worker("nfs-a")
    slot = cifs.open(name, "rw")
    equal(cifs.lock(slot, "w", 0, 10).status, "ok", "CIFS lock")
    where = nfs.open(name, "rw")
    check(nfs.lock(where, "w", 5, 10).status in REFUSED, "NFS lock into it")
    equal(nfs.lock(where, "w", 50, 10).status, "ok", "NFS lock beside it")
    notice, ack = world.timeline.find("break"), world.timeline.find("ack")
    check(notice is None or ack is not None, "a break without acknowledgment")
    if notice:
        pushed = world.timeline.find("LOCK", since=notice.at)
        check(pushed is not None and pushed.at <= ack.at, "locks are pushed before the ack")
    nfs.unlock(where, 50, 10)


@scenario("kernel: waiters of both families are served in order of arrival", room="vm")
def fifo(world):
    name = world.file(b"x" * 100)
    holder = world.worker("cifs")
    held = holder.open(name, "rw")
    equal(holder.lock(held, "w", 0, 10).status, "ok", "the holder's lock")
    waiters = []
    for number, kind in enumerate(("nfs-a", "cifs-2", "nfs-b", "cifs-30")):
        worker = world.worker(kind)
        slot = worker.open(name, "rw")
        waiters.append((worker, slot, worker.start_lock(slot, "w", 0, 10)))
        eventually(lambda count=number + 1: world.server.counts()["waiters"] == count, 3,
                   f"{kind} is not queued")
    since = now()
    holder.unlock(held, 0, 10)
    for index, (worker, slot, pending) in enumerate(waiters):
        answer = pending.wait(SOON)
        check(answer.ok, f"{worker.name}: {answer}")
        within(answer.ended - since, -0.01, SOON, f"{worker.name} after the one before")
        for later, _, waiting in waiters[index + 1:]:
            check(not waiting.done, f"{later.name} passed {worker.name}")
        since = now()
        worker.unlock(slot, 0, 10)


@scenario("kernel: a CIFS lock waits for an NFS lock", room="vm")
def cifs_waits(world):
    name = world.file(b"x" * 100)
    nfs, cifs = world.worker("nfs-a"), world.worker("cifs")
    held, slot = nfs.open(name, "rw"), cifs.open(name, "rw")
    equal(nfs.lock(held, "w", 0, 10).status, "ok", "NFS lock")
    pending = cifs.start_lock(slot, "w", 0, 10)
    is_open(pending, 0.3, "the CIFS lock")
    since = now()
    nfs.unlock(held, 0, 10)
    answer = pending.wait(SOON)
    check(answer.ok, f"the CIFS lock: {answer}")
    within(answer.ended - since, -0.01, SOON, "from the unlock to the lock")
    check(nfs.lock(held, "w", 0, 10).status in REFUSED, "it is really held")


@scenario("kernel: a CIFS waiter ends by SIGKILL, its close takes the waiter away", room="vm")
def killed_waiter(world):
    name = world.file(b"x" * 100)
    nfs, cifs = world.worker("nfs-a"), world.worker("cifs")
    held, slot = nfs.open(name, "rw"), cifs.open(name, "rw")
    equal(nfs.lock(held, "w", 0, 10).status, "ok", "NFS lock")
    pending = cifs.start_lock(slot, "w", 0, 10)
    eventually(lambda: world.server.counts()["waiters"] == 1, 3, "the CIFS lock is not queued")
    cifs.kill()
    try:
        pending.wait(SOON)
        check(False, "the killed process answered")
    except Lost:
        pass
    eventually(lambda: world.server.counts()["waiters"] == 0, 5, "the waiter stayed")
    nfs.unlock(held, 0, 10)
    equal(nfs.lock(held, "w", 0, 10).status, "ok", "nothing of the dead waiter was granted")


@scenario("kernel: an interrupted NFS waiter sends CANCEL and is not granted", room="vm")
def cancelled_waiter(world):
    name = world.file(b"x" * 100)
    holder, waiter = world.worker("cifs"), world.worker("nfs-a")
    held, slot = holder.open(name, "rw"), waiter.open(name, "rw")
    equal(holder.lock(held, "w", 0, 10).status, "ok", "CIFS lock")
    waiter.start_lock(slot, "w", 0, 10)
    eventually(lambda: world.server.counts()["waiters"] == 1, 3, "the NFS lock is not queued")
    waiter.kill()
    check(world.timeline.wait("NLM CANCEL", timeout=5), "no NLM_CANCEL on the wire")
    eventually(lambda: world.server.counts()["waiters"] == 0, 3, "the waiter stayed")
    holder.unlock(held, 0, 10)
    other = world.worker("nfs-b")
    equal(other.lock(other.open(name, "rw"), "w", 0, 10).status, "ok", "the bytes are free")


@scenario("kernel: the CIFS connection is cut: its locks fall and NFS waiters go on", room="vm")
def cut(world):
    name = world.file(b"x" * 100)
    cifs, nfs = world.worker("cifs"), world.worker("nfs-a")
    held, slot = cifs.open(name, "rw"), nfs.open(name, "rw")
    equal(cifs.lock(held, "w", 0, 10).status, "ok", "CIFS lock")
    pending = nfs.start_lock(slot, "w", 0, 10)
    is_open(pending, 0.3, "the waiter")
    world.proxy.hold_all()  # it must not come back before the waiter was served
    since = now()
    world.proxy.cut()
    answer = pending.wait(SOON)
    check(answer.ok, f"the waiter: {answer}")
    within(answer.ended - since, -0.01, SOON, "from the cut to the grant")
    nfs.unlock(slot, 0, 10)
    world.proxy.cut()
    world.proxy.release()
    again = world.worker("cifs")
    eventually(lambda: again.do("stat", again.path(name)).ok, 20, "the mount does not recover")
