"""kill -9 and what comes after: one grace period for both families, reclaim, and its end."""
import time

from lockstep_e2e.rawsmb import SmbError
from lockstep_e2e.rpc import NLM, RpcClient
from lockstep_e2e.scenario import (LATE, after, check, equal, eventually, is_open, ok, pattern,
                                   scenario, within)
from lockstep_e2e.smbfile import open_file, start_open
from lockstep_e2e.timeline import Background, Lost, now

GRACE = 4.0
OWN = {"grace": 4}


def crash(world):
    """kill -9, start; NLM and NFS clients come back on new connections. The time of the start."""
    world.server.kill()
    started = now()
    world.server.start()
    return started


def releases_on_disk(world):
    """Releases are answered before they are on disk; what counts records has to wait for them."""
    eventually(lambda: world.server.ask("status")["journal"]["queued"] == 0, 10,
               "the journal does not come to rest")


def back(world, host):
    """A host after the server's restart: the same name and address, a new connection."""
    host.nlm.close()
    host.nlm = RpcClient(host.server, world.server.ports["nlm"], NLM, host.version, host.source,
                         host.nlm.credentials, host.timeline, host.host)
    return host


@scenario("restart: an NLM lock is reclaimed; grace ends when the last client is done",
          server=dict(OWN, grace=30))
def reclaim(world):
    name = world.file(b"x")
    nfs, host = world.locker("host")
    _, rival = world.locker("rival")
    handle = nfs.handle(name)
    ok(host.lock(handle, 10, 20, owner=b"o1"))
    ok(host.lock(handle, 100, 5, exclusive=False, owner=b"o2"))
    started = crash(world)
    notice = host.wait_notified(10)
    check(notice is not None, "no SM_NOTIFY for a host that held locks")
    check(notice[1] % 2 == 1, f"the state number {notice[1]} is even: down")
    equal(notice[0], world.server.name, "the server's name in SM_NOTIFY")
    back(world, host), back(world, rival)
    check(world.server.in_grace(), "no grace after a crash with locks on record")
    equal(rival.lock(handle, 500, 1).status, "DENIED_GRACE_PERIOD", "a new lock in grace")
    ok(host.lock(handle, 10, 20, owner=b"o1", reclaim=True), "reclaim")
    check(world.server.in_grace(), "grace ended with one of two locks reclaimed")
    ok(host.lock(handle, 100, 5, exclusive=False, owner=b"o2", reclaim=True), "reclaim")
    over = world.server.wait_grace_over(LATE)
    within(over - started, 0, 28, "early end of a 30 s grace")
    ok(rival.lock(handle, 500, 1), "a new lock after grace")
    equal(rival.lock(handle, 15, 1).status, "DENIED", "against the reclaimed lock")
    equal(host.lock(handle, 600, 1, reclaim=True).status != "GRANTED", True, "a late reclaim")


@scenario("restart: what nobody reclaims protects its bytes until grace ends, then is gone",
          server=OWN)
def unclaimed(world):
    name = world.file(b"x")
    nfs, host = world.locker("lost")
    _, rival = world.locker("rival")
    handle = nfs.handle(name)
    ok(host.lock(handle, 0, 10))
    started = crash(world)
    back(world, rival)
    equal(rival.lock(handle, 0, 10).status, "DENIED_GRACE_PERIOD", "in grace")
    equal(world.server.counts()["locks"], 1, "the recovered lock is shown")
    over = world.server.wait_grace_over(GRACE + LATE)
    within(over - started, GRACE - 0.5, GRACE + LATE, "grace")
    ok(rival.lock(handle, 0, 10), "the unclaimed lock is gone")
    ok(rival.unlock(handle))
    back(world, host)
    check(host.lock(handle, 0, 10, reclaim=True).status != "GRANTED", "reclaim after grace")
    # A second restart: what was dropped does not come back.
    crash(world)
    back(world, host)
    equal(world.server.counts()["locks"], 0, "locks after the second restart")


@scenario("restart: only what was on record can be reclaimed", server=OWN)
def reclaim_exactly(world):
    name = world.file(b"x")
    nfs, host = world.locker("host")
    handle = nfs.handle(name)
    ok(host.lock(handle, 10, 20, exclusive=False))
    crash(world)
    back(world, host)
    for what, wrong in (("wider", dict(offset=5, length=50, exclusive=False)),
                        ("stronger", dict(offset=10, length=20, exclusive=True)),
                        ("elsewhere", dict(offset=200, length=1, exclusive=False)),
                        ("another owner's", dict(offset=10, length=20, exclusive=False,
                                                 owner=b"thief"))):
        result = host.lock(handle, reclaim=True, **wrong)
        check(result.status != "GRANTED", f"a reclaim that is {what} was granted")
    ok(host.lock(handle, 10, 20, exclusive=False, reclaim=True), "the true one")


@scenario("restart: unlock is accepted in grace; the last one ends it", server=dict(OWN, grace=30))
def unlock_in_grace(world):
    name = world.file(b"x")
    nfs, host = world.locker("host")
    handle = nfs.handle(name)
    ok(host.lock(handle, 10, 20))
    started = crash(world)
    back(world, host)
    ok(host.unlock(handle, 10, 20), "UNLOCK in grace")
    within(world.server.wait_grace_over(LATE) - started, 0, 28, "early end")
    equal(world.server.counts()["locks"], 0, "locks")


@scenario("restart: no grace when nothing was held", server=dict(OWN, grace=30))
def no_grace(world):
    name = world.file(b"x")
    nfs, host = world.locker("host")
    handle = nfs.handle(name)
    ok(host.lock(handle, 0, 10))
    ok(host.unlock(handle, 0, 10))
    releases_on_disk(world)
    crash(world)
    back(world, host)
    check(not world.server.in_grace(), "grace with an empty record")
    ok(host.lock(handle, 0, 10), "a new lock")
    ok(host.unlock(handle))


@scenario("restart: SMB waits for the end of grace, and meets the reclaimed NFS lock",
          server=dict(OWN, grace=20))
def smb_in_grace(world):
    name = world.file(pattern(100, 1))
    nfs, host = world.locker("host")
    handle = nfs.handle(name)
    ok(host.lock(handle, 0, 50))
    crash(world)
    back(world, host)
    smb = world.smb("smb", "3.0.2")
    pending = start_open(smb, name, lease="RWH")
    if not pending.stays_open(0.5):
        equal(pending.wait().status, "FILE_NOT_AVAILABLE", "an open in grace")
    reclaimed = now()
    ok(host.lock(handle, 0, 50, reclaim=True))
    world.server.wait_grace_over(5)
    if pending.done and pending.wait().status == "FILE_NOT_AVAILABLE":
        pending = start_open(smb, name, lease="RWH")
    file = ok(pending.wait(5), "the open after grace")
    after(pending.answered, reclaimed, "an open in grace")
    check("W" not in file.lease, f"lease {file.lease} beside the reclaimed lock")
    equal(file.read(0, 10).status, "FILE_LOCK_CONFLICT", "READ into the reclaimed lock")
    ok(file.read(50, 10), "READ beside it")
    equal(file.lock(0, 1).status, "LOCK_NOT_GRANTED", "LOCK into it")


@scenario("restart: NFSv3 I/O into a lock not yet reclaimed waits for the end of grace (JUKEBOX)",
          server=dict(OWN, options=["--nfs-ranges-on-nfs-io", "enforce"]))
def nfs_io_in_grace(world):
    name = world.file(pattern(100, 1))
    nfs, host = world.locker("host")
    handle = nfs.handle(name)
    ok(host.lock(handle, 40, 20))
    started = crash(world)
    client = world.nfs("another")
    client.handles[name] = handle
    write = Background(client.insist, lambda: client.start_write(name, 50, b"behind"), limit=20)
    is_open(write, 1.0, "WRITE in grace")
    equal(world.contents(name)[50:56], pattern(6, 1, 50), "contents in grace")
    result = ok(write.wait(GRACE + 8))
    within(result.at - started, GRACE - 0.5, GRACE + LATE, "WRITE after grace")
    equal(world.contents(name)[50:56], b"behind", "contents")


@scenario("restart: NFS handles stay good, the write verifier changes", server=OWN)
def handles_survive(world):
    names = [world.file(b"%d" % number) for number in range(20)]
    client = world.nfs()
    handles = {name: client.handle(name) for name in names}
    verifier = ok(client.write(names[0], 0, b"x")).verifier
    equal(ok(client.write(names[0], 0, b"x")).verifier, verifier, "verifier of one run")
    crash(world)
    again = world.nfs("again")
    again.handles.update(handles)
    equal(again.root, client.root, "the handle of the root")
    for number, name in enumerate(names[1:], 1):
        equal(ok(again.read(name)).data, b"%d" % number, "through the handle from before")
    check(ok(again.write(names[0], 0, b"y")).verifier != verifier, "the verifier of before")


@scenario("restart: a crash in grace loses no claim", server=OWN)
def crash_in_grace(world):
    name = world.file(b"x")
    nfs, host = world.locker("host")
    _, second = world.locker("second")
    handle = nfs.handle(name)
    ok(host.lock(handle, 0, 10))
    ok(second.lock(handle, 20, 10))
    crash(world)
    back(world, host)
    ok(host.lock(handle, 0, 10, reclaim=True))
    crash(world)
    back(world, host), back(world, second)
    check(world.server.in_grace(), "no grace after the second crash")
    ok(second.lock(handle, 20, 10, reclaim=True), "the one that had not reclaimed yet")
    ok(host.lock(handle, 0, 10, reclaim=True), "the one that had reclaimed before")
    world.server.wait_grace_over(8)
    equal(second.lock(handle, 5, 1).status, "DENIED", "both hold")
    equal(host.lock(handle, 25, 1).status, "DENIED", "both hold")


@scenario("restart: SMB clients come back, their files are as they were, opens are made anew",
          server=OWN)
def smb_back(world):
    name = world.file(b"")
    smb = world.smb("smb", "3.1.1")
    file = world.leased(smb, name, "RWH")
    ok(file.write(0, pattern(3000, 3)))
    ok(file.flush())
    crash(world)
    check(smb.closed or eventually(lambda: smb.closed, 3, "the old connection stands"), "closed")

    def reconnect():
        try:
            return world.smb("again", "3.1.1", guid=smb.guid)
        except (SmbError, OSError, Lost, TimeoutError):
            return None
    again = eventually(reconnect, 10, "no new session")
    pending = start_open(again, name, lease="RWH", key=file.key)
    file = ok(pending.wait(GRACE + 8), "CREATE with the lease key of before")
    equal(file.read(0, 4096).data, pattern(3000, 3), "contents")
    ok(file.lock(0, 10), "a lock")


@scenario("SIGTERM ends the server in order; the locks are on record all the same", server=OWN)
def clean_stop(world):
    name = world.file(b"x")
    nfs, host = world.locker("host")
    handle = nfs.handle(name)
    ok(host.lock(handle, 0, 10))
    equal(world.server.stop(), 0, "exit status")
    world.server.start()
    back(world, host)
    ok(host.lock(handle, 0, 10, reclaim=True), "reclaim")
    time.sleep(0.1)


@scenario("restart ten times in a row while locks are taken: none is lost, none invented",
          server=dict(OWN, grace=5))
def many_restarts(world):
    name = world.file(b"x")
    nfs, host = world.locker("host")
    handle = nfs.handle(name)
    held = set()
    for turn in range(10):
        for slot in range(5):
            byte = turn * 5 + slot
            ok(host.lock(handle, 2 * byte, 1))
            held.add(byte)
        ok(host.unlock(handle, 2 * (turn * 5), 1))
        held.discard(turn * 5)
        crash(world)
        back(world, host)
        # A release does not wait for the disk: the last one may still be on record.
        on_record = world.server.counts()["locks"]
        check(len(held) <= on_record <= len(held) + 1,
              f"locks on record after crash {turn}: {on_record} in place of {len(held)}")
        for byte in sorted(held):
            ok(host.lock(handle, 2 * byte, 1, reclaim=True), f"reclaim of byte {2 * byte}")
        world.server.wait_grace_over(8)
