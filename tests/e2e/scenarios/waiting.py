"""Blocking locks across the families: BLOCKED and the GRANTED callback, order of arrival, cancel,
deadlock."""
import time

from lockstep_e2e.scenario import (LATE, WOKEN, after, check, equal, eventually, generate, is_open,
                                   lost, ok, scenario, within)
from lockstep_e2e.smbfile import open_file
from lockstep_e2e.timeline import now

SOON = 1.0  # a wake-up across the families takes milliseconds; this is for a busy machine


def blocked(host, handle, offset=0, length=10, exclusive=True, **owner):
    """Queues a blocking NLM lock."""
    result = host.lock(handle, offset, length, exclusive, block=True, timeout=2.0, **owner)
    equal(result.status, "BLOCKED", f"blocking lock of {host.host}")


def granted(host, since, timeout=SOON, **match):
    """The NLM_GRANTED that must come soon after `since`."""
    call = host.wait_granted(timeout + max(0.0, since - now()), **match)
    check(call is not None, f"no NLM_GRANTED for {host.host}")
    after(call.at, since, f"NLM_GRANTED for {host.host} before its time", slack=0.002)
    return call


def quiet(host, seconds=0.15):
    check(host.wait_granted(seconds) is None, f"{host.host} was granted too early")


WAYS = [("unlock",), ("close",), ("logoff",), ("reset of the connection",)]


@generate("NFS blocking lock behind an SMB lock is granted by callback: {0}", WAYS)
def behind_smb_lock(world, way):
    name = world.file()
    nfs, host = world.locker()
    handle = nfs.handle(name)
    smb = world.smb()
    file = ok(open_file(smb, name))
    ok(file.lock(0, 100))
    blocked(host, handle, 50, 10)
    quiet(host)
    since = now()
    {"unlock": lambda: ok(file.unlock(0, 100)), "close": lambda: ok(file.close()),
     "logoff": smb.logoff, "reset of the connection": smb.cut}[way]()
    call = granted(host, since)
    equal((call.offset, call.length, call.exclusive, call.handle), (50, 10, True, handle),
          "what is granted is what was asked")
    equal(call.peer[0], world.server.address, "address that the callback comes from")
    check(len(call.cookie) <= 4, f"cookie of {len(call.cookie)} bytes: macOS has room for 4")
    equal(host.lock(handle, 50, 10).status, "GRANTED", "asked again by its owner")
    other = ok(open_file(world.smb("later"), name))
    equal(other.lock(50, 1).status, "LOCK_NOT_GRANTED", "the lock is really held")
    ok(host.unlock(handle))
    ok(other.lock(50, 1))


@scenario("NFS blocking lock behind an SMB Write lease: BLOCKED at once, GRANTED after the ack")
def behind_lease(world):
    name = world.file()
    nfs, host = world.locker()
    handle = nfs.handle(name)
    file = world.leased(world.smb("smb", "3.0.2"), name, "RWH")
    pending = host.start_lock(handle, 0, 10, block=True)
    equal(pending.wait(WOKEN).status, "BLOCKED", "answer")
    within(pending.latency, 0, WOKEN, "BLOCKED must come at once")
    notice = file.client.wait_break(WOKEN, key=file.key)
    equal(notice.new, "", "broken to")
    quiet(host, 0.3)
    # The holder pushes its own lock before it acknowledges: it passes the waiter of the break.
    ok(file.lock(5, 1), "a lock that the holder pushes")
    acked = now()
    ok(file.client.ack(notice))
    quiet(host)
    since = now()
    ok(file.unlock(5, 1))
    granted(host, since)
    after(since, acked, "order")


@scenario("NFS blocking locks behind a lease whose holder never answers: granted at the deadline")
def behind_dead_lease(world):
    name = world.file()
    nfs, host = world.locker()
    _, second = world.locker("second")
    handle = nfs.handle(name)
    file = world.leased(world.smb("smb", "3.0.2"), name, "RWH")
    blocked(host, handle)
    blocked(second, handle)
    notice = file.client.wait_break(WOKEN, key=file.key)
    call = host.wait_granted(world.server.break_timeout + LATE)
    check(call is not None, "no NLM_GRANTED after the deadline of the break")
    within(call.at - notice.at, 0.6 * world.server.break_timeout,
           world.server.break_timeout + LATE,
           "deadline of the break")
    quiet(second)
    since = now()
    ok(host.unlock(handle))
    granted(second, since)


@scenario("several waiters of both families are served in order of arrival")
def fifo(world):
    name = world.file()
    holder = ok(open_file(world.smb("holder"), name))
    ok(holder.lock(0, 10))
    nfs, first = world.locker("first")
    handle = nfs.handle(name)
    blocked(first, handle)
    second = ok(open_file(world.smb("second"), name))
    second_wait = second.start_lock(0, 10, wait=True)
    check(second_wait.wait_interim(), "no interim answer for a waiting SMB lock")
    _, third = world.locker("third")
    blocked(third, handle)
    fourth = ok(open_file(world.smb("fourth"), name))
    fourth_wait = fourth.start_lock(0, 10, wait=True)
    check(fourth_wait.wait_interim(), "no interim answer for a waiting SMB lock")
    equal(world.server.counts()["waiters"], 4, "waiters that the control program shows")

    since = now()
    ok(holder.unlock(0, 10))
    granted(first, since)
    is_open(second_wait, 0.1, "the second waiter")
    since = now()
    ok(first.unlock(handle))
    ok(second_wait.wait(SOON), "the second waiter")
    after(second_wait.answered, since, "the second waiter", slack=0.002)
    quiet(third)
    since = now()
    ok(second.unlock(0, 10))
    granted(third, since)
    is_open(fourth_wait, 0.1, "the fourth waiter")
    ok(third.unlock(handle))
    ok(fourth_wait.wait(SOON), "the fourth waiter")


@scenario("a later shared waiter does not pass an earlier exclusive one")
def no_overtaking(world):
    name = world.file()
    holder = ok(open_file(world.smb("holder"), name))
    ok(holder.lock(0, 10, exclusive=False))
    nfs, writer = world.locker("writer")
    _, reader = world.locker("reader")
    handle = nfs.handle(name)
    blocked(writer, handle)
    blocked(reader, handle, exclusive=False)
    quiet(reader, 0.2)
    since = now()
    ok(holder.unlock(0, 10))
    granted(writer, since)
    quiet(reader)
    since = now()
    ok(writer.unlock(handle))
    granted(reader, since)


@scenario("one release wakes every shared waiter, and none that does not overlap it")
def wakes_exactly(world):
    name = world.file()
    holder = ok(open_file(world.smb("holder"), name))
    ok(holder.lock(0, 10))
    ok(holder.lock(100, 10))
    nfs, host = world.locker("host")
    handle = nfs.handle(name)
    for owner in (b"a", b"b", b"c"):
        blocked(host, handle, 0, 10, exclusive=False, owner=owner)
    blocked(host, handle, 100, 10, owner=b"d")
    since = now()
    ok(holder.unlock(0, 10))
    for owner in (b"a", b"b", b"c"):
        granted(host, since, owner=owner)
    check(host.wait_granted(0.15, owner=b"d") is None, "a waiter of other bytes was granted")
    ok(holder.unlock(100, 10))
    granted(host, since, owner=b"d")


@scenario("SMB blocking lock behind an NFS lock")
def smb_behind_nfs(world):
    name = world.file()
    nfs, host = world.locker()
    handle = nfs.handle(name)
    ok(host.lock(handle, 0, 10))
    file = ok(open_file(world.smb(), name))
    wait = file.start_lock(5, 10, wait=True)
    check(wait.wait_interim(), "no interim answer")
    is_open(wait, 0.2, "the SMB lock")
    since = now()
    ok(host.unlock(handle, 0, 10))
    ok(wait.wait(SOON))
    after(wait.answered, since, "SMB lock before the unlock")
    equal(host.test(handle, 5, 1).status, "DENIED", "the SMB lock is held")


@scenario("SMB waiters end by CANCEL, close and logoff")
def smb_waiters_end(world):
    name = world.file()
    nfs, host = world.locker()
    handle = nfs.handle(name)
    ok(host.lock(handle, 0, 10))
    smb = world.smb()
    file = ok(open_file(smb, name))
    wait = file.start_lock(0, 10, wait=True)
    check(wait.wait_interim(), "no interim answer")
    smb.cancel(wait)
    equal(wait.wait(WOKEN).status, "CANCELLED", "after CANCEL")
    wait = file.start_lock(0, 10, wait=True)
    check(wait.wait_interim(), "no interim answer")
    ok(file.close())
    equal(wait.wait(WOKEN).status, "RANGE_NOT_LOCKED", "after the close")
    gone = world.smb("gone")
    file = ok(open_file(gone, name))
    wait = file.start_lock(0, 10, wait=True)
    check(wait.wait_interim(), "no interim answer")
    gone.cut()
    check(lost(wait), "answered on a dead connection")
    ok(host.unlock(handle))
    last = ok(open_file(world.smb("last"), name))
    ok(last.lock(0, 10), "nothing of the cancelled waiters was granted")


@scenario("a cancelled NLM waiter is never granted")
def nlm_cancel(world):
    name = world.file()
    holder = ok(open_file(world.smb("holder"), name))
    ok(holder.lock(0, 10))
    nfs, host = world.locker()
    handle = nfs.handle(name)
    blocked(host, handle)
    ok(host.cancel(handle, 0, 10))
    ok(holder.unlock(0, 10))
    quiet(host, 0.3)
    ok(holder.lock(0, 10), "the bytes are free")
    # An UNLOCK of the owner takes its waiter away just so.
    blocked(host, handle)
    ok(host.unlock(handle, 0, 10))
    ok(holder.unlock(0, 10))
    quiet(host, 0.3)
    equal(world.server.counts()["waiters"], 0, "waiters left")


@scenario("a repeated blocking NLM lock queues once")
def queued_once(world):
    name = world.file()
    holder = ok(open_file(world.smb("holder"), name))
    ok(holder.lock(0, 10))
    nfs, host = world.locker()
    handle = nfs.handle(name)
    for _ in range(3):
        blocked(host, handle)
    equal(world.server.counts()["waiters"], 1, "waiters")
    since = now()
    ok(holder.unlock(0, 10))
    granted(host, since)
    time.sleep(0.3)
    equal(len(host.granted), 1, "GRANTED calls, each of which was answered")


@scenario("NLM_GRANTED is repeated until it is answered; DENIED hands the lock on")
def granted_answers(world):
    name = world.file()
    holder = ok(open_file(world.smb("holder"), name))
    ok(holder.lock(0, 10))
    nfs, deaf = world.locker("deaf")
    _, unwilling = world.locker("unwilling")
    _, third = world.locker("third")
    handle = nfs.handle(name)
    deaf.granted_policy = lambda call: "GRANTED" if deaf.granted else None
    unwilling.granted_policy = lambda call: "DENIED"
    blocked(deaf, handle)
    blocked(unwilling, handle)
    blocked(third, handle)
    ok(holder.unlock(0, 10))
    eventually(lambda: len(deaf.granted) >= 2, 30, "NLM_GRANTED was not repeated")
    equal(len({call.cookie for call in deaf.granted}), 1, "cookies of one callback")
    quiet(unwilling)
    since = now()
    ok(deaf.unlock(handle))
    granted(unwilling, since)
    granted(third, since)
    equal(holder.lock(0, 10).status, "LOCK_NOT_GRANTED", "the third holds it")


@scenario("deadlocks are found across the families and within")
def deadlocks(world):
    name = world.file()
    nfs, first = world.locker("first")
    _, second = world.locker("second")
    handle = nfs.handle(name)
    ok(first.lock(handle, 0, 10))
    ok(second.lock(handle, 100, 10))
    blocked(first, handle, 100, 10)
    equal(second.lock(handle, 0, 10, block=True).status, "DEADLCK", "NFS against NFS")
    ok(first.cancel(handle, 100, 10))
    ok(second.unlock(handle))
    # first holds 0-9; an SMB open holds 100-109 and waits for 0-9; first may not wait for it.
    file = ok(open_file(world.smb(), name))
    ok(file.lock(100, 10))
    wait = file.start_lock(0, 10, wait=True)
    check(wait.wait_interim(), "no interim answer")
    equal(first.lock(handle, 100, 10, block=True).status, "DEADLCK", "NFS against SMB")
    is_open(wait, 0.1, "the SMB waiter")
    ok(first.unlock(handle, 0, 10))
    ok(wait.wait(SOON))
    # The other way round: the SMB request would close the circle.
    ok(first.lock(handle, 200, 10))
    blocked(first, handle, 0, 10)
    equal(file.lock(200, 10, wait=True, timeout=2).status, "LOCK_NOT_GRANTED", "SMB against NFS")
    ok(file.unlock(0, 10))
    granted(first, 0.0, offset=0)


@scenario("a client that rebooted (SM_NOTIFY) loses its locks, and its waiters")
def reboot(world):
    name = world.file()
    nfs, host = world.locker("rebooting")
    _, other = world.locker("other")
    handle = nfs.handle(name)
    ok(host.lock(handle, 0, 10))
    holder = ok(open_file(world.smb("holder"), name))
    ok(holder.lock(100, 10))
    blocked(host, handle, 100, 10)
    blocked(other, handle, 0, 10)
    since = now()
    host.reboot(world.server.ports["nsm"])
    granted(other, since)
    equal(world.server.counts()["waiters"], 0, "waiters of the old incarnation")
    ok(holder.unlock(100, 10))
    quiet(host, 0.2)
    # What it takes after the reboot is not touched by a repeat of the same notice.
    ok(host.lock(handle, 200, 10))
    host.state -= 2
    host.reboot(world.server.ports["nsm"])
    equal(other.test(handle, 200, 1).status, "DENIED", "a repeated SM_NOTIFY freed a new lock")


@scenario("an idle NLM connection that closes frees nothing")
def connection_is_not_client(world):
    name = world.file()
    nfs, host = world.locker()
    handle = nfs.handle(name)
    ok(host.lock(handle, 0, 10))
    host.nlm.close()
    time.sleep(0.2)
    file = ok(open_file(world.smb(), name))
    equal(file.lock(0, 1).status, "LOCK_NOT_GRANTED", "the lock without its connection")
    again = world.nlm("again", host.source, callbacks=False)
    again.host = host.host
    ok(again.unlock(handle, 0, 10), "unlock through a new connection")
    ok(file.lock(0, 1))
