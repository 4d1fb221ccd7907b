"""XPRO-02, XPRO-05: each NFS operation against each caching right of an SMB client.

The table is that of semantics: what the right is broken to, and whether the operation waits for
the acknowledgment. What waits must not have had its effect before; what reads must see what the
SMB client flushed in answer to the break."""
from lockstep_e2e.scenario import (LATE, WOKEN, after, check, equal, generate, is_open, ok,
                                   pattern, scenario, within)
from lockstep_e2e.smbfile import open_file
from lockstep_e2e.timeline import Background, now

SIZE = 4096
OLD, NEW = pattern(SIZE, 1), pattern(SIZE, 2)
NONE, WAIT, ACK, TELL = "no break", "wait", "ack, goes on", "no ack"

# operation -> right -> (broken to, how). Rights of oplocks by their names.
TABLE = {
    "read": {"R": None, "RH": None, "RW": ("R", WAIT), "RWH": ("RH", WAIT), "II": None,
             "exclusive": ("II", WAIT), "batch": ("II", WAIT)},
    "write": {"R": ("", TELL), "RH": ("", ACK), "RW": ("", WAIT), "RWH": ("", WAIT),
              "II": ("", TELL), "exclusive": ("", WAIT), "batch": ("", WAIT)},
    "lock": {"R": ("", TELL), "RH": ("", ACK), "RW": ("", WAIT), "RWH": ("", WAIT),
             "II": ("", TELL), "exclusive": ("", WAIT), "batch": ("", WAIT)},
    "remove": {"R": None, "RH": ("R", WAIT), "RW": None, "RWH": ("RW", WAIT), "II": None,
               "exclusive": None, "batch": ("", WAIT)},
}
ROW = {"read": "read", "write": "write", "truncate": "write", "extend": "write",
       "create over": "write", "lock exclusive": "lock", "lock shared": "lock",
       "lock blocking": "lock", "remove": "remove", "rename away": "remove",
       "rename over": "remove"}
RIGHTS = ["R", "RH", "RW", "RWH", "II", "exclusive", "batch"]


class Attempt:
    """The NFS operation under way; asked again while the answer is JUKEBOX."""

    def __init__(self, world, operation, name):
        self.world, self.operation, self.name = world, operation, name
        address = world.address()
        self.client = world.nfs("nfs", address)
        self.locks = operation.startswith("lock")
        self.host = world.nlm("host", address) if self.locks else None
        self.other = world.file(b"other") if operation == "rename over" else None
        self.away = world.name("away")
        self.handle = self.client.handle(name)
        if self.other:
            self.client.handle(self.other)

    def start(self):
        self.since = now()
        if self.locks:
            self.pending = self.host.start_lock(
                self.handle, 0, 10, exclusive=self.operation != "lock shared",
                block=self.operation == "lock blocking")
        else:
            self.pending = Background(self.client.insist, self._begin)
        return self

    def _begin(self):
        client, name = self.client, self.name
        return {
            "read": lambda: client.start_read(name, 0, SIZE),
            "write": lambda: client.start_write(name, 0, b"by nfs"),
            "truncate": lambda: client.start_setattr(name, size=10),
            "extend": lambda: client.start_setattr(name, size=2 * SIZE),
            "create over": lambda: client.start_create(name, size=0),
            "remove": lambda: client.start_remove(name),
            "rename away": lambda: client.start_rename(name, self.away),
            "rename over": lambda: client.start_rename(self.other, name),
        }[self.operation]()

    def refrains(self, seconds):
        """It must not go through within so many seconds."""
        if self.operation == "lock blocking":
            equal(self.pending.wait(WOKEN).status, "BLOCKED", "answer of the blocking lock")
            check(self.host.wait_granted(seconds) is None, "granted while the lease stood")
        else:
            is_open(self.pending, seconds, self.operation)

    def completes(self, timeout=WOKEN):
        """The time at which the client knew that it went through."""
        if self.operation == "lock blocking" and self.pending.wait(timeout).status == "BLOCKED":
            call = self.host.wait_granted(timeout)
            check(call is not None, "BLOCKED, and no NLM_GRANTED came")
            equal((call.offset, call.length, call.exclusive), (0, 10, True), "range granted")
            return call.at
        self.result = ok(self.pending.wait(timeout), self.operation)
        return self.pending.answered

    def has_happened(self):
        """Whether the server's disk shows the effect."""
        world = self.world
        return {
            "write": lambda: world.contents(self.name).startswith(b"by nfs"),
            "truncate": lambda: len(world.contents(self.name)) == 10,
            "extend": lambda: len(world.contents(self.name)) == 2 * SIZE,
            "create over": lambda: len(world.contents(self.name)) == 0,
            "remove": lambda: not world.exists(self.name),
            "rename away": lambda: not world.exists(self.name) and world.exists(self.away),
            "rename over": lambda: world.contents(self.name) == b"other",
        }.get(self.operation, lambda: None)()


def hold(world, right, name, client=None):
    """An SMB client that holds just this right on the file."""
    client = client or world.smb("smb", "3.0.2")
    if right in ("II", "exclusive", "batch"):
        return world.leased(client, name, "", oplock=right)
    return world.leased(client, name, right)


def next_break(file, timeout=WOKEN):
    if file.lease:
        return file.client.wait_break(timeout, key=file.key)
    return file.client.wait_break(timeout, file_id=file.id)


CASES = [(operation, right) for operation in ROW for right in RIGHTS]


@generate("XPRO-02 NFS {0} against SMB {1}", CASES)
def nfs_against_right(world, operation, right):
    rule = TABLE[ROW[operation]][right]
    name = world.file(OLD)
    file = hold(world, right, name)
    dirty = right in ("RW", "RWH", "exclusive", "batch")
    attempt = Attempt(world, operation, name)
    wire = world.listen() if rule and rule[1] != WAIT else None
    attempt.start()
    if rule is None:
        attempt.completes(1.0)
        check(next_break(file, 0.05) is None, "a break that the table does not know")
    else:
        wanted, how = rule
        notice = next_break(file)
        check(notice is not None, "no break came")
        equal(notice.new, wanted, "broken to")
        if file.lease:
            equal(notice.ack_required, how != TELL, "acknowledgment required")
        if how == WAIT:
            waits_for_ack(attempt, file, notice, dirty)
        else:
            attempt.completes(1.0)
            break_left_first(wire, operation)
            if how == ACK:
                ok(file.client.ack(notice), "acknowledgment")
    if attempt.has_happened() is not None:
        check(attempt.has_happened(), f"{operation} answered, but the disk does not show it")
    attempt.client.forget()


def break_left_first(wire, operation):
    """What goes on without an acknowledgment still must not be answered before the notice left."""
    if wire is None:
        return
    row = {"truncate": "SETATTR", "extend": "SETATTR", "create over": "CREATE"}.get(operation)
    reply = wire.wait("reply NLM LOCK" if operation.startswith("lock")
                      else f"reply NFS {row or 'WRITE'}", status=0, timeout=WOKEN)
    notice = wire.wait("break", timeout=WOKEN)
    check(reply and notice, f"on the wire: break {notice}, reply {reply}")
    # The order in which the tap got the packets counts, not their stamps: the kernel begins to stamp
    # some time after it was asked to.
    check(wire.events.index(notice) < wire.events.index(reply),
          f"the reply left before the break ({reply.at - notice.at:.4f} s)")


def waits_for_ack(attempt, file, notice, dirty):
    attempt.refrains(0.15)
    if attempt.has_happened() is not None:
        check(not attempt.has_happened(), "the effect came before the acknowledgment")
    if dirty:
        ok(file.write(0, NEW), "flush by the holder of the breaking right")
    acked = now()
    ok(file.client.ack(notice), "acknowledgment")
    done = attempt.completes()
    after(done, acked, f"{attempt.operation} before the acknowledgment")
    within(done - acked, 0, WOKEN, "from the acknowledgment to the reply")
    if attempt.operation == "read":
        equal(attempt.result.data, NEW if dirty else OLD, "what NFS read")


@scenario("XPRO-02 NFS read waits longer than the hold: JUKEBOX, then the flushed bytes")
def jukebox(world):
    name = world.file(OLD)
    file = hold(world, "RWH", name)
    client = world.nfs()
    first = client.start_read(name, 0, SIZE)
    notice = next_break(file)
    equal(first.wait(WOKEN).status, "JUKEBOX", "answer when the hold is over")
    within(first.latency, 0.3, WOKEN, "hold of an NFSv3 request")
    again = Background(client.insist, lambda: client.start_read(name, 0, SIZE))
    is_open(again, 0.4, "READ asked again")
    ok(file.write(0, NEW))
    acked = now()
    ok(file.client.ack(notice))
    result = ok(again.wait(WOKEN))
    after(result.at, acked, "READ before the acknowledgment")
    equal(result.data, NEW, "what NFS read")
    check(next_break(file, 0.05) is None, "a second break of the same lease")


@scenario("XPRO-02 only one break goes out however many NFS requests wait, and it tightens")
def one_break(world):
    name = world.file(OLD)
    file = hold(world, "RWH", name)
    client = world.nfs()
    reads = [Background(client.insist, lambda: client.start_read(name, 0, SIZE))
             for _ in range(3)]
    notice = next_break(file)
    equal(notice.new, "RH", "broken to")
    write = Background(client.insist, lambda: client.start_write(name, 100, b"x"))
    is_open(write, 0.1, "WRITE behind the break")
    equal(len(file.client.breaks), 1, "breaks while one is out")
    ok(file.client.ack(notice))
    for read in reads:
        equal(ok(read.wait(WOKEN)).data[:100], OLD[:100], "what NFS read")
    second = next_break(file)  # the write needs R and H gone too
    check(second is not None and second.new == "", "the write did not break the rest")
    if second.ack_required:
        ok(file.client.ack(second))
    ok(write.wait(WOKEN))


@scenario("XPRO-02 no acknowledgment at all: the break ends at its deadline, late acks are told")
def break_timeouts(world):
    deadline = world.server.break_timeout
    runs = []
    for operation, right in (("read", "RWH"), ("write", "RW"), ("lock exclusive", "RWH"),
                             ("remove", "RWH"), ("read", "batch")):
        name = world.file(OLD)
        file = hold(world, right, name, world.smb(f"smb{len(runs)}", "3.0.2"))
        client, host = world.locker(f"host{len(runs)}")
        if operation == "lock exclusive":
            pending = host.start_lock(client.handle(name), 0, 10)
        else:
            begin = {"read": lambda c=client, n=name: c.start_read(n, 0, SIZE),
                     "write": lambda c=client, n=name: c.start_write(n, 0, b"x"),
                     "remove": lambda c=client, n=name: c.start_remove(n)}[operation]
            pending = Background(client.insist, begin, limit=deadline + LATE)
        notice = next_break(file)
        check(notice is not None, f"{operation} against {right}: no break")
        runs.append((operation, right, file, notice, pending))
    for operation, right, file, notice, pending in runs:
        ok(pending.wait(deadline + LATE), f"{operation} against {right}")
        within(pending.answered - notice.at, 0.6 * deadline, deadline + LATE,
               f"{operation} against {right}: end of an unanswered break")
        late = file.client.ack(notice)
        check(late.status != "OK", f"a late acknowledgment of {right} was taken")
        if file.lease:
            equal(late.status, "UNSUCCESSFUL", "late acknowledgment")
        if operation != "remove":  # the NFS lock of bytes 0 to 9 is granted by now
            ok(file.read(10, 4), "the handle after the timeout")


@scenario("XPRO-02 the holder vanishes instead of acknowledging: the waiter goes on at once")
def holder_dies(world):
    for right in ("RWH", "RW", "batch"):
        name = world.file(OLD)
        file = hold(world, right, name, world.smb("smb-" + right, "3.0.2"))
        client = world.nfs()
        read = Background(client.insist, lambda c=client, n=name: c.start_read(n, 0, SIZE))
        check(next_break(file) is not None, "no break")
        is_open(read, 0.1, "READ")
        cut = now()
        file.client.cut()
        equal(ok(read.wait(WOKEN)).data, OLD, "what NFS read")
        within(read.answered - cut, 0, WOKEN, "from the end of the holder to the reply")


@scenario("XPRO-02 the holder closes instead of acknowledging")
def holder_closes(world):
    name = world.file(OLD)
    file = hold(world, "RWH", name)
    client = world.nfs()
    write = Background(client.insist, lambda: client.start_write(name, 8, b"nfs"))
    check(next_break(file) is not None, "no break")
    ok(file.write(0, b"flushed!"))
    is_open(write, 0.1, "WRITE")
    closed = now()
    ok(file.close())
    ok(write.wait(WOKEN))
    after(write.answered, closed, "WRITE before the close")
    equal(world.contents(name)[:11], b"flushed!nfs", "both writes, in this order")


@scenario("XPRO-02 flush and acknowledgment in one breath: NFS still reads the flushed bytes")
def flush_in_flight(world):
    size, chunk = 1 << 20, 1 << 16
    old, new = pattern(size, 1), pattern(size, 2)
    client, smb = world.nfs(), world.smb("smb", "2.1")  # its signatures cost Python the least
    tried = 0
    for turn in range(6):
        name = world.file(old)
        file = hold(world, "RWH", name, smb)
        offset = size - chunk  # what is written last
        read = Background(client.insist, lambda: client.start_read(name, offset, chunk))
        notice = next_break(file)
        check(notice is not None, "no break")
        # The Linux client does just this: it does not wait for the answers to its writes.
        writes = [file.start_write(at, new[at:at + chunk]) for at in range(0, size, chunk)]
        acked = file.client.start_ack(notice)
        data = ok(read.wait(15)).data
        for write in writes:
            ok(write.wait(15), "flush")
        if acked.sent - notice.at < world.server.break_timeout - 1:
            ok(acked.wait(5), "acknowledgment")
            equal(data == new[offset:], True, f"what NFS read in turn {turn}")
            tried += 1
        ok(file.close())
    check(tried > 0, "this machine is too busy to acknowledge in time")


@scenario("XPRO-02 a refused acknowledgment changes nothing")
def wrong_acks(world):
    name = world.file(OLD)
    file = hold(world, "RWH", name)
    stranger = world.smb("stranger", "3.0.2")
    client = world.nfs()
    read = Background(client.insist, lambda: client.start_read(name, 0, SIZE))
    notice = next_break(file)
    equal(file.client.ack(notice, "RWH").status, "REQUEST_NOT_ACCEPTED", "more than offered")
    equal(stranger.ack(notice).status, "OBJECT_NAME_NOT_FOUND", "another client's key")
    is_open(read, 0.1, "READ after wrong acknowledgments")
    ok(file.client.ack(notice))
    ok(read.wait(WOKEN))
    equal(file.client.ack(notice).status, "UNSUCCESSFUL", "acknowledged twice")


@scenario("XPRO-05 NFS RENAME breaks H of source and target at once and waits for both")
def rename_both(world):
    source, target = world.file(OLD), world.file(b"target")
    holders = [hold(world, "RH", source, world.smb("smb-source", "3.0.2")),
               hold(world, "RWH", target, world.smb("smb-target", "3.0.2"))]
    client = world.nfs()
    rename = Background(client.insist, lambda: client.start_rename(source, target))
    notices = [next_break(file) for file in holders]
    check(all(notices), f"breaks: {notices}")
    equal([notice.new for notice in notices], ["R", "RW"], "broken to")
    within(abs(notices[0].at - notices[1].at), 0, WOKEN, "both breaks at once")
    ok(holders[0].client.ack(notices[0]))
    is_open(rename, 0.2, "RENAME with one acknowledgment missing")
    equal(world.contents(target), b"target", "the target before the second acknowledgment")
    acked = now()
    ok(holders[1].client.ack(notices[1]))
    ok(rename.wait(WOKEN))
    after(rename.answered, acked, "RENAME before the second acknowledgment")
    equal(world.contents(target), OLD, "the target")
    check(not world.exists(source), "the source is still there")


@scenario("XPRO-05 what holds no share-delete keeps NFS from removing and renaming over")
def no_share_delete(world):
    name, other = world.file(OLD), world.file(b"other")
    smb, client = world.smb(), world.nfs()
    file = open_file(smb, name, share="rw")
    for attempt in (lambda: client.remove(name), lambda: client.rename(other, name)):
        equal(attempt().status, "ACCES", "REMOVE or RENAME over a file open without share-delete")
    equal(world.contents(name), OLD, "the file")
    ok(file.close())
    ok(client.rename(other, name))
    ok(client.remove(name))
