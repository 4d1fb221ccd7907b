"""A journal that cannot be written: no new promises, but everything can be given back."""
import os
import subprocess

from lockstep_e2e.rpc import NLM, RpcClient
from lockstep_e2e.scenario import Skip, check, equal, ok, scenario
from lockstep_e2e.smbfile import open_file

OWN = {"grace": 4}


def small_disk(world):
    """The state directory on a file system of 3 MB."""
    if not world.private:
        raise Skip("mounting a small file system needs root or user namespaces")
    world.server.stop()
    result = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs",
                             world.server.state], check=False, stderr=subprocess.PIPE)
    if result.returncode:
        raise Skip(f"mount: {result.stderr.decode().strip()}")
    world.server.start()


def fill(world):
    """Leaves no room, not even in a file that has its blocks already."""
    path = os.path.join(world.server.state, "filler")
    with open(path, "wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue
    return path


@scenario("journal full: grants fail, releases work, what was granted survives", server=OWN)
def full(world):
    small_disk(world)
    name = world.file(b"x" * 100)
    nfs, host = world.locker("host")
    handle = nfs.handle(name)
    for byte in range(5):
        ok(host.lock(handle, 10 * byte, 1))
    filler = fill(world)
    held, refused = set(range(5)), None
    for byte in range(5, 4000):
        status = host.lock(handle, 10 * byte, 1).status
        if status != "GRANTED":
            refused = status
            break
        held.add(byte)
    check(refused is not None, "4000 locks are on record on a full disk")
    equal(refused, "DENIED_NOLOCKS", "a lock that cannot be made durable")
    ok(host.unlock(handle, 0, 1), "UNLOCK")
    held.discard(0)
    file = ok(open_file(world.smb(), name))
    ok(file.read(90, 10), "READ")
    ok(nfs.read(name, 0, 10), "NFS READ")
    complaints = [line for line in world.server.log().splitlines() if "journal" in line.lower()
                  and "DEBUG" not in line.upper()]
    check(complaints, "no log line about the journal")
    os.remove(filler)
    granted = None
    for _ in range(100):
        granted = host.lock(handle, 100_000, 1).status
        if granted == "GRANTED":
            break
        world.timeline.wait("never", timeout=0.1)
    equal(granted, "GRANTED", "a lock once there is room again")
    ok(file.close())
    world.close()
    world.server.kill()
    world.server.start()
    locks = world.server.counts()["locks"]
    check(locks in (len(held) + 1, len(held) + 2),
          f"{locks} locks on record, {len(held) + 1} were held (one release may be lost)")
    # world.close() ended the host's services: a new connection speaks for it.
    host.nlm = RpcClient(host.server, world.server.ports["nlm"], NLM, 4, host.source,
                         host.nlm.credentials)
    ok(host.lock(handle, 40, 1, reclaim=True), "reclaim")


@scenario("journal read-only at the start: one line says what to do", server=OWN)
def read_only(world):
    small_disk(world)
    world.server.stop()
    remount = subprocess.run(["mount", "-o", "remount,ro", world.server.state], check=False)
    if remount.returncode:
        raise Skip("cannot remount read-only")
    before = len(world.server.log())
    result = subprocess.run(world.server.command(), stdout=subprocess.PIPE, timeout=20,
                            stderr=subprocess.STDOUT, universal_newlines=True, check=False)
    check(result.returncode != 0, "it started on a journal that it cannot write")
    problems = [line for line in result.stdout.splitlines() if line.strip()
                and " INFO " not in line and " DEBUG " not in line]
    check(0 < len(problems) <= 2, f"{len(problems)} lines: {problems}")
    subprocess.run(["mount", "-o", "remount,rw", world.server.state], check=False)
    check(len(world.server.log()) == before, "log")
    world.server.start()


@scenario("journal damaged: refused with one line, not served from", server=OWN)
def damaged(world):
    nfs, host = world.locker("host")
    name = world.file(b"x")
    ok(host.lock(nfs.handle(name), 0, 10))
    world.server.stop()
    hurt = 0
    for leaf in os.listdir(world.server.state):
        path = os.path.join(world.server.state, leaf)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                head = file.read(16)
            if head.startswith(b"SQLite format 3"):
                with open(path, "r+b") as file:
                    file.seek(64)
                    file.write(os.urandom(4000))
                hurt += 1
            elif path.endswith(("-wal", "-shm")):
                os.remove(path)
    if not hurt:
        raise Skip("the journal is no SQLite file here")
    result = subprocess.run(world.server.command(), stdout=subprocess.PIPE, timeout=20,
                            stderr=subprocess.STDOUT, universal_newlines=True, check=False)
    check(result.returncode > 0, f"exit status {result.returncode} on a damaged journal")
    for leaf in os.listdir(world.server.state):
        os.remove(os.path.join(world.server.state, leaf))
    world.server.start()
