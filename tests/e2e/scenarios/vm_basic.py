"""Kernel clients: each family by itself, and what one writes the other reads."""
from lockstep_e2e.scenario import check, equal, generate, pattern, scenario

KINDS = [("nfs-a",), ("cifs",), ("cifs-30",), ("cifs-21",)]


@generate("kernel {0}: files, names, truncation, append, mmap", KINDS, room="vm")
def alone(world, kind):
    worker = world.worker(kind)
    name, other = world.name("file"), world.name("other")
    slot = worker.open(name, "rwc")
    worker.must("write", slot, 0, 300_000, 1)
    worker.must("write", slot, 100_000, 50_000, 2)
    worker.must("fsync", slot)
    wanted = bytearray(pattern(300_000, 1))
    wanted[100_000:150_000] = pattern(50_000, 2, 100_000)
    equal(world.contents(name) == wanted, True, "on the server's disk after fsync")
    equal(worker.must("check", slot, 100_000, 50_000, 2).text, "same", "read back")
    worker.must("truncate", slot, 120_000)
    worker.must("mmap", slot, 8192, 20_000, 3, "write")
    equal(worker.must("mmap", slot, 8192, 20_000, 3, "check").text, "same", "mapped")
    worker.must("close", slot)
    equal(int(worker.must("stat", worker.path(name)).words[0]), 120_000, "size")
    slot = worker.open(name, "wa")
    worker.must("put", slot, 0, "tail")
    worker.must("close", slot)
    equal(world.contents(name)[-4:], b"tail", "appended")
    worker.must("rename", worker.path(name), worker.path(other))
    equal(worker.do("stat", worker.path(name)).status, "ENOENT", "the old name")
    equal(worker.do("mkdir", worker.path(other)).status, "EEXIST", "mkdir over a file")
    worker.must("mkdir", worker.path(world.name("dir")))
    for number in range(40):
        worker.must("close", worker.open(world.name(f"dir/entry-{number}"), "wc"))
    count, *names = worker.must("readdir", worker.path(world.name("dir"))).words
    equal((int(count), len(set(names))), (40, 40), "entries")
    equal(worker.do("rmdir", worker.path(world.name("dir"))).status, "ENOTEMPTY", "rmdir")
    for number in range(40):
        worker.must("unlink", worker.path(world.name(f"dir/entry-{number}")))
    worker.must("rmdir", worker.path(world.name("dir")))
    worker.must("unlink", worker.path(other))
    check(not world.exists(other), "unlinked, still on the disk")


PAIRS = [("nfs-a", "cifs"), ("cifs", "nfs-a"), ("cifs-21", "nfs-b"), ("nfs-b", "cifs-30"),
         ("nfs-a", "nfs-b"), ("cifs", "cifs-2")]


@generate("kernel XPRO-04: {0} writes, {1} reads, ten times", PAIRS, room="vm")
def crossing(world, writer_kind, reader_kind):
    writer, reader = world.worker(writer_kind), world.worker(reader_kind)
    for turn in range(10):
        name = world.name(f"turn-{turn % 3}")
        size = 1000 + 37_117 * turn
        slot = writer.open(name, "rwct")
        writer.must("write", slot, 0, size, turn)
        writer.must("close", slot)
        slot = reader.open(name, "r")
        equal(int(reader.must("fstat", slot).words[0]), size, f"size in turn {turn}")
        equal(reader.must("check", slot, 0, size, turn).text, "same", f"contents in turn {turn}")
        reader.must("close", slot)
        equal(world.contents(name) == pattern(size, turn), True, "on the server's disk")


@scenario("kernel: two hundred changes in place, each seen by the other family", room="vm")
def ping_pong(world):
    name = world.file(b"\0" * 65536)
    nfs, cifs = world.worker("nfs-a"), world.worker("cifs")
    seen_wrong = 0
    for turn in range(200):
        writer, reader = (nfs, cifs) if turn % 2 else (cifs, nfs)
        offset, size = (turn * 7919) % 60_000, 1 + (turn * 31) % 3000
        slot = writer.open(name, "rw")
        writer.must("write", slot, offset, size, turn)
        writer.must("close", slot)
        slot = reader.open(name, "r")
        if reader.must("check", slot, offset, size, turn).text != "same":
            seen_wrong += 1
        reader.must("close", slot)
    equal(seen_wrong, 0, "changes that the other family saw wrong")
