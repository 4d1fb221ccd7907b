"""Same-protocol regression: each SMB operation against each caching right of another SMB client."""
from lockstep_e2e import smbproto as proto
from lockstep_e2e.scenario import (WOKEN, after, check, equal, generate, is_open, ok, pattern,
                                   scenario)
from lockstep_e2e.smbfile import open_file, start_open
from lockstep_e2e.timeline import now

OLD, NEW = pattern(4096, 1), pattern(4096, 2)
WAIT, ACK, TELL = "wait", "ack, goes on", "no ack"
OPLOCKS = ("II", "exclusive", "batch")
# operation -> right -> (broken to, how); what is not named is not broken.
OPENS = {
    "open": {"RW": ("R", WAIT), "RWH": ("RH", WAIT), "exclusive": ("II", WAIT),
             "batch": ("II", WAIT)},
    "open against the share mode": {"RH": ("R", WAIT), "RWH": ("RW", WAIT), "batch": ("II", WAIT)},
    "overwriting open": {"R": ("", TELL), "RH": ("", ACK), "RW": ("", WAIT), "RWH": ("", WAIT),
                         "II": ("", TELL), "exclusive": ("", WAIT), "batch": ("", WAIT)},
    "open for attributes": {},
}
RIGHTS = ["R", "RH", "RW", "RWH", "II", "exclusive", "batch"]


def hold(world, right, name, share="rwd"):
    client = world.smb("holder", "3.0.2")
    if right in OPLOCKS:
        return world.leased(client, name, "", oplock=right, share=share)
    return world.leased(client, name, right, share=share)


def next_break(file, timeout=WOKEN):
    if file.lease:
        return file.client.wait_break(timeout, key=file.key)
    return file.client.wait_break(timeout, file_id=file.id)


@generate("regression: SMB {0} against SMB {1}",
          [(operation, right) for operation in OPENS for right in RIGHTS])
def opens(world, operation, right):
    name = world.file(OLD)
    refused = operation == "open against the share mode"
    file = hold(world, right, name, "" if refused else "rwd")
    rule = OPENS[operation].get(right)
    disposition = proto.OVERWRITE_IF if operation == "overwriting open" else proto.OPEN
    pending = start_open(world.smb("asker", "3.0.2"), name, disposition=disposition,
                         access="a" if operation == "open for attributes" else "rw")
    final = "SHARING_VIOLATION" if refused else "OK"
    if rule is None:
        equal(pending.wait(WOKEN).status, final, operation)
        check(next_break(file, 0.05) is None, "a break that the table does not know")
        return
    wanted, how = rule
    notice = next_break(file)
    check(notice is not None, "no break")
    equal(notice.new, wanted, "broken to")
    if file.lease:
        equal(notice.ack_required, how != TELL, "acknowledgment required")
    if how == WAIT:
        is_open(pending, 0.15, operation)
        equal(len(world.contents(name)), len(OLD), "size before the acknowledgment")
        if "W" in file.lease or right in ("exclusive", "batch"):
            ok(file.write(0, NEW), "flush by the holder")
        acked = now()
        ok(file.client.ack(notice))
        equal(pending.wait(WOKEN).status, final, operation)
        after(pending.answered, acked, operation)
        if final == "OK":
            size = 0 if disposition == proto.OVERWRITE_IF else len(NEW)
            equal(len(world.contents(name)), size, "size")
    else:
        equal(pending.wait(WOKEN).status, final, operation)
        if how == ACK:
            ok(file.client.ack(notice))


@scenario("regression: a sharing violation goes away when the Handle break makes the holder close")
def share_after_close(world):
    name = world.file(OLD)
    file = hold(world, "RH", name, share="")
    pending = start_open(world.smb("asker", "3.0.2"), name)
    check(next_break(file) is not None, "no break")
    is_open(pending, 0.1, "the open")
    ok(file.close())
    ok(pending.wait(WOKEN), "the open after the close")


CHANGES = [(operation, right) for operation in ("write", "set size", "lock", "rename", "delete")
           for right in ("R", "RH", "II")]


@generate("regression: SMB {0} by an open that was there first, against SMB {1}", CHANGES)
def changes(world, operation, right):
    name = world.file(OLD)
    other = ok(open_file(world.smb("asker", "3.0.2"), name, access="rwd"))
    file = hold(world, right, name)
    pending = {"write": lambda: other.start_write(0, b"x"),
               "set size": lambda: other.start_set_size(100),
               "lock": lambda: other.start_lock(0, 10),
               "rename": lambda: other.start_rename(name + "-away"),
               "delete": other.start_delete}[operation]()
    names = operation in ("rename", "delete")
    if names and right != "RH":
        ok(pending.wait(WOKEN), operation)
        check(next_break(file, 0.05) is None, "a break that the table does not know")
        return
    notice = next_break(file)
    check(notice is not None, "no break")
    equal(notice.new, "R" if names else "", "broken to")
    if names:
        is_open(pending, 0.15, operation)
        check(world.exists(name), "the name is gone before the acknowledgment")
        acked = now()
        ok(file.client.ack(notice))
        ok(pending.wait(WOKEN), operation)
        after(pending.answered, acked, operation)
        return
    ok(pending.wait(WOKEN), operation)
    if file.lease and notice.ack_required:
        ok(file.client.ack(notice))


@scenario("regression: lease state by the same key, upgrades, epochs")
def same_key(world):
    name = world.file(OLD)
    client = world.smb("smb", "3.0.2")
    first = world.leased(client, name, "R")
    second = ok(open_file(client, name, lease="RWH", key=first.key, epoch=first.epoch))
    equal(second.lease, "RWH", "upgrade by the same key")
    equal(second.epoch, first.epoch + 1, "epoch after the upgrade")
    third = ok(open_file(client, name, lease="R", key=first.key))
    equal(third.lease, "RWH", "asking for less does not give up what is there")
    equal(open_file(client, world.file(b"x"), lease="R", key=first.key).status,
          "INVALID_PARAMETER", "one key on two files")
    pending = start_open(world.smb("other", "3.0.2"), name, lease="RWH")
    notice = next_break(first)
    equal((notice.old, notice.new, notice.epoch), ("RWH", "RH", second.epoch + 1), "one break")
    again = ok(open_file(client, name, lease="RWH", key=first.key))
    check(again.breaking, "no BREAK_IN_PROGRESS while it breaks")
    equal(len(client.breaks), 1, "breaks of three opens under one key")
    ok(client.ack(notice))
    equal(ok(pending.wait(WOKEN)).lease, "RH", "the other's lease")
