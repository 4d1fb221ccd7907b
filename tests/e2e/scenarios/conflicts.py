"""XPRO-01, XPRO-03: byte-range locks of the two families against each other, against leases,
against I/O; share reservations."""
import itertools

from lockstep_e2e.scenario import WOKEN, check, equal, generate, ok, pattern, scenario
from lockstep_e2e.smbfile import open_file

MAX = 0xFFFFFFFFFFFFFFFF
MODES = ("shared", "exclusive")
LEASES = ("none", "R", "RH", "RW", "RWH")
HELD = (100, 50)
# name -> (offset, length, whether it overlaps 100..149); NLM's length 0 is "to the end"
RANGES = {
    "the same": (100, 50, True), "its head": (90, 11, True), "its tail": (149, 10, True),
    "inside": (120, 1, True), "around": (0, 1000, True), "before": (90, 10, False),
    "behind": (150, 10, False), "whole file": (0, 0, True), "from behind on": (150, 0, False),
}


def acknowledge(client, notice):
    """The answer of a client that gives up at once what it is asked for."""
    if notice.ack_required:
        client.start_ack(notice)


def smb_range(offset, length):
    """SMB has no "to the end": the same bytes with an explicit length."""
    return offset, length or (1 << 62) - offset


CASES = [(*modes, lease) for modes in itertools.product(MODES, MODES) for lease in LEASES]


@generate("XPRO-03 NFS {0} lock held, SMB {1} lock asked, opened for {2}", CASES)
def nfs_then_smb(world, held, asked, lease):
    name = world.file(pattern(2000, 1))
    nfs, host = world.locker()
    smb = world.smb("smb", "3.0.2")
    smb.on_break = acknowledge
    handle = nfs.handle(name)
    ok(host.lock(handle, *HELD, exclusive=held == "exclusive"), "NLM_LOCK")
    file = open_file(smb, name, lease=None if lease == "none" else lease)
    ok(file)
    check("W" not in file.lease, f"a Write lease ({file.lease}) beside an NFS lock")
    clash = "exclusive" in (held, asked)
    for what, (offset, length, overlaps) in RANGES.items():
        offset, length = smb_range(offset, length)
        answer = file.lock(offset, length, exclusive=asked == "exclusive")
        wanted = "LOCK_NOT_GRANTED" if overlaps and clash else "OK"
        equal(answer.status, wanted, f"SMB {asked} lock on {what}")
        if answer.ok:
            ok(file.unlock(offset, length))
    ok(host.unlock(handle))
    ok(file.lock(*HELD), "after the NFS lock is gone")
    ok(file.unlock(*HELD))


@generate("XPRO-03 SMB {0} lock held (opened for {2}), NFS {1} lock asked", CASES)
def smb_then_nfs(world, held, asked, lease):
    name = world.file(pattern(2000, 1))
    nfs, host = world.locker()
    smb = world.smb("smb", "3.0.2")
    smb.on_break = acknowledge
    handle = nfs.handle(name)
    file = world.leased(smb, name, "" if lease == "none" else lease)
    ok(file.lock(*HELD, exclusive=held == "exclusive"), "SMB LOCK")
    clash = "exclusive" in (held, asked)
    for what, (offset, length, overlaps) in RANGES.items():
        exclusive = asked == "exclusive"
        tested = host.test(handle, offset, length, exclusive)
        answer = host.lock(handle, offset, length, exclusive)
        if overlaps and clash:
            equal(answer.status, "DENIED", f"NFS {asked} lock on {what}")
            equal(tested.status, "DENIED", f"NFS TEST {asked} on {what}")
            true_holder(tested.holder, held == "exclusive")
        else:
            equal(answer.status, "GRANTED", f"NFS {asked} lock on {what}")
            equal(tested.status, "GRANTED", f"NFS TEST {asked} on {what}")
            ok(host.unlock(handle, offset, length))
    ok(file.unlock(*HELD))
    ok(host.lock(handle, *HELD), "after the SMB lock is gone")
    ok(host.unlock(handle))


def true_holder(holder, exclusive):
    check(holder is not None and holder.owner.startswith(b"smb:"), f"holder {holder}")
    equal((holder.svid, holder.offset, holder.length, holder.exclusive), (0, *HELD, exclusive),
          "svid, range and mode of the holder")


@generate("XPRO-01 an NFS lock keeps a new SMB open from Write: asked {0}",
          [("R",), ("RH",), ("RW",), ("RWH",)])
def no_write_lease(world, asked):
    name = world.file()
    nfs, host = world.locker()
    handle = nfs.handle(name)
    ok(host.lock(handle, 0, 10))
    smb = world.smb("smb", "3.0.2")
    file = ok(open_file(smb, name, lease=asked))
    check("W" not in file.lease, f"a Write lease ({file.lease}) beside an NFS lock")
    check(set(file.lease) <= set(asked), f"{file.lease} granted, {asked} asked")
    ok(file.close())
    ok(host.unlock(handle))
    again = ok(open_file(smb, name, lease=asked))
    equal(again.lease, asked, "lease once the NFS lock is gone")


@scenario("XPRO-01 an NFS lock keeps SMB oplocks from exclusive and batch")
def no_exclusive_oplock(world):
    name = world.file()
    nfs, host = world.locker()
    handle = nfs.handle(name)
    ok(host.lock(handle, 0, 10))
    for asked in ("exclusive", "batch"):
        file = ok(open_file(world.smb(), name, oplock=asked))
        check(file.oplock in ("", "II"), f"oplock {file.oplock} beside an NFS lock")
        ok(file.close())


@generate("XPRO-01 SMB I/O into an NFS {0} lock", [("shared",), ("exclusive",)])
def smb_io_into_nfs_lock(world, held):
    name = world.file(pattern(1000, 1))
    nfs, host = world.locker()
    handle = nfs.handle(name)
    ok(host.lock(handle, *HELD, exclusive=held == "exclusive"))
    file = ok(open_file(world.smb(), name))
    wanted = "FILE_LOCK_CONFLICT" if held == "exclusive" else "OK"
    equal(file.read(140, 20).status, wanted, "READ into the lock")
    equal(file.write(140, b"x" * 20).status, "FILE_LOCK_CONFLICT", "WRITE into the lock")
    for offset in (80, 150):
        ok(file.read(offset, 20), "READ beside the lock")
        ok(file.write(offset, pattern(20, 1, offset)), "WRITE beside the lock")
    equal(world.contents(name), pattern(1000, 1), "contents")
    ok(host.unlock(handle))
    ok(file.write(140, b"x" * 20), "WRITE after the unlock")


@generate("XPRO-03 NFS I/O into an SMB {0} lock", [("shared",), ("exclusive",)])
def nfs_io_into_smb_lock(world, held):
    name = world.file(pattern(1000, 1))
    client = world.nfs()
    file = ok(open_file(world.smb(), name))
    ok(file.lock(*HELD, exclusive=held == "exclusive"))
    equal(client.read(name, 140, 20).status, "ACCES" if held == "exclusive" else "OK",
          "READ into the lock")
    equal(client.write(name, 140, b"x" * 20).status, "ACCES", "WRITE into the lock")
    for offset in (80, 150):
        ok(client.read(name, offset, 20), "READ beside the lock")
        ok(client.write(name, offset, pattern(20, 1, offset)), "WRITE beside the lock")
    equal(world.contents(name), pattern(1000, 1), "contents")
    ok(file.unlock(*HELD))
    ok(client.write(name, 140, b"x" * 20), "WRITE after the unlock")


@scenario("XPRO-01 a partial NFS unlock frees just these bytes")
def partial_unlock(world):
    name = world.file(pattern(1000, 1))
    nfs, host = world.locker()
    handle = nfs.handle(name)
    ok(host.lock(handle, 0, 300))
    ok(host.unlock(handle, 100, 100))
    file = ok(open_file(world.smb(), name))
    ok(file.lock(100, 100), "the hole")
    for offset, length in ((99, 1), (200, 1), (0, 1), (299, 1)):
        equal(file.lock(offset, length).status, "LOCK_NOT_GRANTED", f"byte {offset}")
    ok(file.lock(300, 1), "behind the lock")
    ok(host.lock(handle, 0, 100, exclusive=False), "downgrade of the head")
    ok(file.lock(50, 10, exclusive=False), "shared beside shared")
    equal(file.lock(60, 10).status, "LOCK_NOT_GRANTED", "exclusive beside shared")


@scenario("NLM_TEST while a Write lease is open names the lease")
def test_names_lease(world):
    name = world.file()
    nfs, host = world.locker()
    handle = nfs.handle(name)
    file = world.leased(world.smb("smb", "3.0.2"), name, "RWH")
    result = host.test(handle, 5, 5)
    equal(result.status, "DENIED", "TEST while the break is open")
    holder = result.holder
    check(holder.owner.startswith(b"smb:"), f"holder {holder}")
    equal((holder.svid, holder.offset, holder.exclusive), (0, 0, True), "holder of a lease")
    check(holder.length in (0, MAX), f"length of the holder: {holder.length}")
    notice = file.client.wait_break(WOKEN, key=file.key)
    check(notice is not None, "TEST did not break the lease")
    ok(file.client.ack(notice))
    equal(host.test(handle, 5, 5).status, "GRANTED", "TEST after the acknowledgment")


# Share reservations ----------------------------------------------------------------------------------

@generate("deny modes: SMB shares '{0}', NFS reads {1}, writes {2}",
          [("rwd", "OK", "OK"), ("rd", "OK", "ACCES"), ("wd", "ACCES", "OK"),
           ("d", "ACCES", "ACCES")])
def smb_deny_on_nfs_io(world, share, reads, writes):
    name = world.file(pattern(100, 1))
    client = world.nfs()
    file = ok(open_file(world.smb(), name, share=share))
    equal(client.read(name, 0, 10).status, reads, "NFS READ")
    equal(client.write(name, 0, pattern(10, 1)).status, writes, "NFS WRITE")
    equal(client.truncate(name, 100).status, writes, "NFS SETATTR of the size")
    ok(client.getattr(name), "GETATTR")
    equal(world.contents(name), pattern(100, 1), "contents")
    ok(file.close())
    ok(client.write(name, 0, b"x"), "NFS WRITE after the close")


SHARES = [(access, deny, wanted) for access in ("r", "w", "rw") for deny in ("", "r", "w", "rw")
          for wanted in ("r", "w", "rw")]


@generate("deny modes: NLM SHARE access '{0}' deny '{1}' against SMB opens for '{2}'", SHARES)
def nlm_share_against_smb(world, access, deny, wanted):
    name = world.file(b"x")
    nfs, host = world.locker()
    handle = nfs.handle(name)
    smb = world.smb()
    ok(host.share(handle, access, deny), "SHARE")
    for share in ("rwd", "rd", "wd"):
        refused = set(deny) & set(wanted) or set(access) - set(share)
        file = open_file(smb, name, access=wanted, share=share)
        equal(file.status, "SHARING_VIOLATION" if refused else "OK", f"open sharing {share}")
        if file.ok:
            ok(file.close())
    ok(host.unshare(handle))
    # And the other way round: the SMB open was there first.
    for share in ("rwd", "rd", "wd"):
        file = ok(open_file(smb, name, access=wanted, share=share))
        refused = set(deny) & set(wanted) or set(access) - set(share)
        equal(host.share(handle, access, deny).status, "DENIED" if refused else "GRANTED",
              f"SHARE against an open sharing {share}")
        ok(host.unshare(handle))
        ok(file.close())


@scenario("deny modes: NLM SHARE against NLM SHARE of another host")
def share_against_share(world):
    name = world.file(b"x")
    nfs, first = world.locker("first")
    _, second = world.locker("second")
    handle = nfs.handle(name)
    ok(first.share(handle, "rw", "w", b"o1"))
    equal(second.share(handle, "w", "", b"o2").status, "DENIED", "write against deny write")
    equal(second.share(handle, "r", "r", b"o2").status, "DENIED", "deny read against read")
    ok(second.share(handle, "r", "", b"o2"))
    ok(first.share(handle, "r", "", b"o1"), "the owner changes its own")
    ok(second.share(handle, "rw", "", b"o2"), "now there is room")
