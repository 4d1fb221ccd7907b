"""Kernel clients: an NFS operation against a CIFS client that caches (XPRO-01, 02, 05).

The CIFS client answers breaks by itself; the proxy holds its acknowledgment back, and the tap on
the bridge shows the order of break, flush, acknowledgment and reply."""
from lockstep_e2e import smbproto as proto
from lockstep_e2e.scenario import (LATE, WOKEN, after, check, equal, eventually, generate, pattern,
                                   scenario, within)
from lockstep_e2e.timeline import now

SIZE = 60_000
OLD, NEW = 1, 2
REFUSED = ("EACCES", "EAGAIN", "EIO")


def dirty(world, name, kind="cifs"):
    """A CIFS worker whose changes are in its own cache only."""
    worker = world.worker(kind)
    slot = worker.open(name, "rw")
    worker.must("write", slot, 0, SIZE, NEW)
    check(world.contents(name) == pattern(SIZE, OLD),
          "the CIFS client wrote through: it got no Write lease")
    return worker, slot


def woken(world, seconds, text):
    """At once, not at the deadline of the break. An NFS client that was told JUKEBOX sleeps for
    5 s before it asks again."""
    told = any(world.timeline.find(f"reply NFS {what}", status=10008) for what in
               ("READ", "WRITE", "SETATTR", "REMOVE", "RENAME"))
    within(seconds, -0.01, WOKEN + 5 * told, text)


def start(world, operation, name):
    """(worker, Pending) of an NFS client that has not seen the file yet."""
    nfs = world.worker("nfs-a")
    path = nfs.path(name)
    if operation in ("read", "write", "lock"):
        # Opened for writing alone, a write of a part of a page needs no READ before it.
        slot = nfs.open(name, {"read": "r", "write": "w", "lock": "rw"}[operation])
        if operation == "read":
            return nfs, nfs.start("check", slot, 0, SIZE, NEW)
        if operation == "lock":
            return nfs, nfs.start_lock(slot, "w", 100, 10)
        nfs.must("put", slot, 500, "written by nfs")
        return nfs, nfs.start("fsync", slot)
    if operation == "truncate":
        return nfs, nfs.start("resize", path, 1000)
    if operation == "remove":
        return nfs, nfs.start("unlink", path)
    if operation == "rename away":
        return nfs, nfs.start("rename", path, path + "-away")
    other = world.file(b"other")
    return nfs, nfs.start("rename", nfs.path(other), path)


REPLY = {"read": "reply NFS READ", "write": "reply NFS WRITE", "truncate": "reply NFS SETATTR",
         "remove": "reply NFS REMOVE", "rename away": "reply NFS RENAME",
         "rename over": "reply NFS RENAME"}


@generate("kernel XPRO-02: NFS {0} waits for the dirty CIFS client", [(op,) for op in
          ("read", "write", "truncate", "lock", "remove", "rename away", "rename over")],
          room="vm")
def waits(world, operation):
    name = world.file(pattern(SIZE, OLD))
    cifs, slot = dirty(world, name)
    world.proxy.hold_acks()
    nfs, pending = start(world, operation, name)
    check(world.proxy.wait_kept(5), "no acknowledgment: the break did not reach the client")
    check(pending.stays_open(0.2), f"{operation} went through before the acknowledgment")
    before = world.contents(name)
    released = world.proxy.release()
    answer = pending.wait(LATE)
    check(answer.ok, f"{operation}: {answer}")
    woken(world, answer.ended - released, "from the acknowledgment to the end")
    if operation == "lock":
        granted = (world.granted_call(0.2)
                   or world.timeline.find("reply NLM LOCK", status=0))
        check(granted is not None, "neither GRANTED nor a granting reply on the wire")
        after(granted.at, released, "the lock before the acknowledgment", slack=0.005)
    else:
        reply = world.timeline.wait(REPLY[operation], status=0, timeout=WOKEN)
        check(reply is not None, f"no {REPLY[operation]} on the wire")
        after(reply.at, released, f"{REPLY[operation]} before the acknowledgment", slack=0.005)
    if operation == "read":
        equal(answer.text, "same", "what NFS read")
    elif operation == "write":
        wanted = bytearray(pattern(SIZE, NEW))
        wanted[500:514] = b"written by nfs"
        cifs.must("fsync", slot)
        equal(world.contents(name) == wanted, True, "the CIFS flush, then the NFS write")
    elif operation == "truncate":
        equal(len(before), SIZE, "size before the acknowledgment")
        equal(len(world.contents(name)), 1000, "size")
    elif operation == "rename over":
        equal(world.contents(name), b"other", "the renamed file")
    elif operation in ("remove", "rename away"):
        check(not world.exists(name), "the old name is still there")


@scenario("kernel XPRO-02: the flush is on the server before the acknowledgment leaves", room="vm")
def flush_first(world):
    name = world.file(pattern(SIZE, OLD))
    cifs, _ = dirty(world, name)
    world.proxy.hold_acks()
    nfs, pending = start(world, "read", name)
    check(world.proxy.wait_kept(5), "no acknowledgment")
    # The client starts its writes before it acknowledges, but need not wait for their answers.
    eventually(lambda: world.contents(name) == pattern(SIZE, NEW), 3, "the flush did not come")
    world.proxy.release()
    equal(pending.wait(LATE).text, "same", "what NFS read")


@generate("kernel XPRO-02: {0} and {1}, dirty data is seen without any help", [
    ("cifs-30", "nfs-a"), ("cifs-21", "nfs-b"), ("cifs-2", "nfs-b"), ("cifs", "cifs-21")],
    room="vm")
def unheld(world, writer_kind, reader_kind):
    for turn in range(5):
        name = world.file(pattern(SIZE, OLD))
        writer, slot = dirty(world, name, writer_kind)
        reader = world.worker(reader_kind)
        begin = now()
        where = reader.open(name, "r")
        answer = reader.must("check", where, 0, SIZE, NEW)
        equal(answer.text, "same", f"what {reader_kind} read in turn {turn}")
        within(now() - begin, 0, WOKEN, "open and read, a break in between")


@scenario("kernel XPRO-02: the CIFS client never answers: JUKEBOX, and the deadline", room="vm")
def dead_holder(world):
    name = world.file(pattern(SIZE, OLD))
    dirty(world, name)
    world.proxy.hold_all()
    nfs, pending = start(world, "read", name)
    check(pending.stays_open(1.0), "READ went through")
    later = world.timeline.wait("reply NFS READ", timeout=WOKEN, status=10008)
    check(later is not None, "no JUKEBOX on the wire")
    answer = pending.wait(5 + LATE)
    check(answer.ok, f"READ: {answer}")
    within(answer.latency, 0.6 * world.server.break_timeout,
           world.server.break_timeout + LATE,
           "the deadline, and one sleep of the NFS client")
    world.proxy.cut()


@scenario("kernel XPRO-02: the CIFS connection is cut while it caches: NFS goes on", room="vm")
def cut_holder(world):
    name = world.file(pattern(SIZE, OLD))
    dirty(world, name)
    world.proxy.hold_all()
    nfs, pending = start(world, "write", name)
    check(world.proxy.wait_kept(5), "no acknowledgment")
    check(pending.stays_open(0.2), "WRITE went through")
    cut = now()
    world.proxy.cut()
    answer = pending.wait(LATE)
    check(answer.ok, f"WRITE: {answer}")
    woken(world, answer.ended - cut, "from the cut to the end")
    world.proxy.release()


@generate("kernel XPRO-05: a CIFS handle kept after close() does not stop NFS {0}",
          [("remove",), ("rename over",), ("rename away",)], room="vm")
def deferred_close(world, operation):
    name = world.file(pattern(SIZE, OLD))
    cifs = world.worker("cifs")
    slot = cifs.open(name, "r")
    equal(cifs.must("check", slot, 0, SIZE, OLD).text, "same", "contents")
    cifs.must("close", slot)
    held = lambda head: head.command in (proto.OPLOCK_BREAK, proto.CLOSE)  # noqa: E731
    world.proxy.hold = held
    nfs, pending = start(world, operation, name)
    if not world.proxy.wait_kept(0.6):
        # The handle was closed in the meantime (it is kept for one second only).
        check(pending.wait(WOKEN).ok, "no handle in the way, and it did not go through")
        return
    notice = world.timeline.find("break")
    check(notice is not None, "no break of the Handle right on the wire")
    check("H" not in notice.detail["new"], f"broken to {notice.detail['new']}")
    check(pending.stays_open(0.1), f"{operation} went through before the answer to the break")
    check(world.exists(name), "the name is gone before the answer to the break")
    released = world.proxy.release()
    answer = pending.wait(LATE)
    check(answer.ok, f"{operation}: {answer}")
    woken(world, answer.ended - released, "from the answer to the end")


@scenario("kernel XPRO-01: an NFS lock keeps the CIFS client from caching writes", room="vm")
def no_write_lease(world):
    name = world.file(pattern(SIZE, OLD))
    nfs, cifs = world.worker("nfs-a"), world.worker("cifs")
    held = nfs.open(name, "rw")
    equal(nfs.lock(held, "w", 0, 100).status, "ok", "NFS lock")
    slot = cifs.open(name, "rw")
    cifs.must("put", slot, 1000, "through")
    equal(world.contents(name)[1000:1007], b"through", "the write is on the server at once")
    check(cifs.lock(slot, "w", 50, 10).status in REFUSED, "CIFS lock into the NFS lock")
    equal(cifs.lock(slot, "w", 200, 10).status, "ok", "CIFS lock beside it")
    answer = cifs.do("put", slot, 50, "into")
    if answer.ok:
        answer = cifs.do("fsync", slot)
    check(answer.status in REFUSED, f"CIFS write into the NFS lock: {answer}")
    equal(world.contents(name)[50:54], pattern(4, OLD, 50), "contents under the lock")
    nfs.unlock(held, 0, 100)
    equal(cifs.lock(slot, "w", 50, 10).status, "ok", "after the unlock")


@scenario("kernel: deny modes and byte ranges of SMB stop NFS I/O", room="vm")
def mandatory(world):
    name = world.file(pattern(1000, OLD))
    cifs, nfs = world.worker("cifs"), world.worker("nfs-a")
    slot = cifs.open(name, "rw")
    equal(cifs.lock(slot, "w", 100, 50).status, "ok", "CIFS lock")
    where = nfs.open(name, "r")
    check(nfs.do("get", where, 100, 10).status in REFUSED, "NFS READ into an SMB lock")
    where = nfs.open(name, "w")
    nfs.must("put", where, 120, "x")
    check(nfs.do("fsync", where).status in REFUSED, "NFS WRITE into an SMB lock")
    equal(world.contents(name), pattern(1000, OLD), "contents")
    cifs.unlock(slot, 100, 50)
    nfs.must("put", where, 120, "x")
    nfs.must("fsync", where)
