"""XPRO-04: the same bytes from both sides, and each family by itself."""
import random

from lockstep_e2e import smbproto as proto
from lockstep_e2e.scenario import WOKEN, check, equal, generate, ok, pattern, scenario
from lockstep_e2e.smbfile import open_file
from lockstep_e2e.timeline import Background

DIALECTS = [("2.0.2",), ("2.1",), ("3.0",), ("3.0.2",), ("3.1.1",)]


def acknowledge(client, notice):
    if notice.ack_required:
        client.start_ack(notice)


def smb_read(file, size, chunk=65536):
    data = b""
    while len(data) < size:
        answer = file.read(len(data), min(chunk, size - len(data)))
        if answer.status == "END_OF_FILE":
            break
        data += ok(answer, "READ").data
    return data


def nfs_read(client, name, size, chunk=65536):
    data = b""
    while len(data) < size:
        offset = len(data)
        result = ok(client.insist(lambda: client.start_read(name, offset, chunk)), "READ")
        data += result.data
        if result.eof:
            break
    return data


@generate("XPRO-04 what SMB {0} writes NFS reads, and the other way round", DIALECTS)
def both_directions(world, dialect):
    size = 700_001
    client, smb = world.nfs(), world.smb("smb", dialect)
    smb.on_break = acknowledge
    name = world.name()
    file = ok(open_file(smb, name, lease=None if dialect == "2.0.2" else "RWH"))
    data = pattern(size, 5)
    for offset in range(0, size, 65536):
        ok(file.write(offset, data[offset:offset + 65536]), "WRITE")
    equal(nfs_read(client, name, size + 10) == data, True, "NFS reads what SMB wrote")
    data = pattern(size // 2, 6)
    ok(client.insist(lambda: client.start_setattr(name, size=len(data))), "SETATTR")
    for offset in range(0, len(data), 32768):
        ok(client.insist(lambda at=offset: client.start_write(name, at, data[at:at + 32768])))
    equal(smb_read(file, size) == data, True, "SMB reads what NFS wrote")
    equal(file.standard_info()[0], len(data), "size over SMB")
    equal(client.getattr(name).size, len(data), "size over NFS")
    equal(world.contents(name) == data, True, "contents on the disk")


@scenario("XPRO-04 two hundred changes in place, family by family: each is seen by the other at once")
def ping_pong(world):
    name = world.file(b"\0" * 8192)
    client, smb = world.nfs(), world.smb("smb", "3.0.2")
    shadow = bytearray(8192)

    def flush_and_acknowledge(holder, notice):
        if cache:
            for offset, data in sorted(cache.items()):
                file.write(offset, data)
            cache.clear()
        if notice.ack_required:
            holder.start_ack(notice)

    cache = {}
    smb.on_break = flush_and_acknowledge
    file = None
    chance = random.Random(7)
    for turn in range(200):
        offset, data = chance.randrange(8000), pattern(chance.randrange(1, 190), turn)
        shadow[offset:offset + len(data)] = data
        if turn % 2:
            ok(client.insist(lambda: client.start_write(name, offset, data)), f"NFS {turn}")
            file = file or ok(open_file(smb, name))
            got = ok(file.read(offset, len(data))).data
        else:
            if file:
                ok(file.close())
            file = ok(open_file(smb, name, lease="RWH"))
            if "W" in file.lease:
                cache[offset] = data  # written behind: only a break brings it to the server
            else:
                ok(file.write(offset, data))
            got = ok(client.insist(lambda: client.start_read(name, offset, len(data)))).data
        equal(got, data, f"change {turn} as the other family sees it")
    if cache:
        for offset, data in cache.items():
            ok(file.write(offset, data))
    equal(world.contents(name), bytes(shadow), "contents at the end")


@scenario("XPRO-04 names: what one family makes, renames and removes the other sees")
def names(world):
    client, smb = world.nfs(), world.smb()
    ok(client.mkdir(world.name("dir")))
    ok(client.create(world.name("dir/by-nfs")))
    directory = ok(open_file(smb, world.name("dir"), access="r", options=proto.DIRECTORY_FILE))
    ok(ok(open_file(smb, world.name("dir/by-smb"))).close())
    equal(sorted(directory.list()), [".", "..", "by-nfs", "by-smb"], "listing over SMB")
    equal(sorted(set(client.readdir(world.name("dir"))) - {".", ".."}), ["by-nfs", "by-smb"],
          "listing over NFS")
    ok(client.rename(world.name("dir/by-smb"), world.name("dir/renamed")))
    equal(open_file(smb, world.name("dir/by-smb"), disposition=proto.OPEN).status,
          "OBJECT_NAME_NOT_FOUND", "the old name over SMB")
    file = ok(open_file(smb, world.name("dir/renamed"), access="rwd", disposition=proto.OPEN))
    ok(file.rename(world.name("dir/back")))
    client.forget()
    ok(client.getattr(world.name("dir/back")), "the new name over NFS")
    ok(file.delete())
    ok(file.close())
    check(not world.exists(world.name("dir/back")), "deleted over SMB, still on the disk")
    equal(client.rmdir(world.name("dir")).status, "NOTEMPTY", "RMDIR")
    ok(client.remove(world.name("dir/by-nfs")))
    ok(directory.close())
    ok(client.rmdir(world.name("dir")))


@generate("regression: SMB {0} against itself", DIALECTS)
def smb_alone(world, dialect):
    first, second = world.smb("first", dialect), world.smb("second", dialect)
    leases = dialect != "2.0.2"
    name = world.name()
    file = (world.leased(first, name, "RWH") if leases
            else world.leased(first, name, "", oplock="batch"))
    ok(file.write(0, b"dirty"))
    pending = Background(open_file, second, name, lease="RWH" if leases else None)
    notice = first.wait_break(WOKEN)
    check(notice is not None, "no break")
    equal(notice.new, "RH" if leases else "II", "broken to")
    check(pending.stays_open(0.15), "opened before the acknowledgment")
    ok(first.ack(notice))
    other = ok(pending.wait(WOKEN))
    equal(other.lease, "RH" if leases else "", "lease of the second")
    first.on_break = second.on_break = acknowledge
    equal(other.read(0, 5).data, b"dirty", "contents")
    ok(file.lock(0, 10))
    equal(other.lock(5, 10).status, "LOCK_NOT_GRANTED", "exclusive against exclusive")
    equal(other.read(0, 5).status, "FILE_LOCK_CONFLICT", "READ into a lock")
    wait = other.start_lock(5, 10, wait=True)
    check(wait.wait_interim(), "no interim answer")
    ok(file.unlock(0, 10))
    ok(wait.wait(WOKEN))
    equal(file.unlock(0, 10).status, "RANGE_NOT_LOCKED", "unlocked twice")
    ok(file.set_size(3))
    equal(other.read(0, 10).data, b"dir", "after SET_EOF")
    equal(other.read(3, 1).status, "END_OF_FILE", "READ at the end")


@scenario("regression: NFS against itself")
def nfs_alone(world):
    nfs, first = world.locker("first")
    other, second = world.locker("second")
    name = world.name()
    ok(nfs.create(name))
    handle = nfs.handle(name)
    ok(first.lock(handle, 0, 10))
    result = second.test(handle, 5, 100)
    equal(result.status, "DENIED", "TEST")
    equal((result.holder.owner, result.holder.svid, result.holder.offset, result.holder.length),
          (b"owner", 1, 0, 10), "holder")
    equal(second.lock(handle, 9, 1).status, "DENIED", "overlap by one byte")
    ok(second.lock(handle, 10, 1), "next byte")
    equal(second.lock(handle, 5, 10, block=True).status, "BLOCKED", "blocking")
    ok(first.unlock(handle, 0, 10))
    check(second.wait_granted(WOKEN) is not None, "no NLM_GRANTED")
    ok(nfs.write(name, 0, b"advisory"), "locks do not stop other NFS clients' I/O")
    ok(other.write(name, 0, b"ADVISORY"))
    equal(nfs.read(name).data, b"ADVISORY", "contents")
    ok(nfs.link(name, name + "-link"))
    equal(nfs.getattr(name).nlink, 2, "links")
    ok(nfs.remove(name))
    equal(other.read(name + "-link").data, b"ADVISORY", "through the other name")
    equal(second.test(handle, 5, 1, owner=b"x").status, "DENIED", "the lock is the file's")


@scenario("regression: a repeated NFSv3 request (same xid) is answered, not done again")
def reply_cache(world):
    client = world.nfs()
    name = world.file(b"x")
    directory, leaf = name.rsplit("/", 1)
    client.handle(directory)
    first = client.start_remove(name, xid=0x1234)
    ok(first.wait(WOKEN))
    again = client.start_remove(f"{directory}/{leaf}", xid=0x1234)
    ok(again.wait(WOKEN), "REMOVE with the xid of before")
    equal(client.remove(name).status, "NOENT", "REMOVE with a new xid")


@scenario("regression: a large directory reads whole on both sides")
def large_directory(world):
    wanted = sorted(f"file-{number:04d}-{'x' * (number % 40)}" for number in range(1500))
    for leaf in wanted:
        world.file(b"", leaf)
    client, smb = world.nfs(), world.smb()
    equal(sorted(set(client.readdir(world.folder, 4096)) - {".", ".."}), wanted, "NFS")
    directory = ok(open_file(smb, world.folder, access="r", options=proto.DIRECTORY_FILE))
    equal(sorted(set(directory.list()) - {".", ".."}), wanted, "SMB")
