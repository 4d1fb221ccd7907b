"""A server without root: high ports, no portmapper, files that belong to whoever runs it.

Where the tests have root it is started as an account that has no rights; else as the one that
runs the tests. Handles come from a recorded map there, for opening one by its number is root's."""
import os

from lockstep_e2e.rpc import NLM, RpcClient
from lockstep_e2e.scenario import LATE, Skip, equal, ok, pattern, scenario
from lockstep_e2e.server import NOBODY
from lockstep_e2e.smbfile import open_file

OWN = {"user": NOBODY, "grace": 30}


def owner(world, name):
    return os.stat(world.server.path(name)).st_uid


@scenario("without root: files of both families belong to the server's user", server=OWN)
def files(world):
    user = os.geteuid() if world.server.user is None else world.server.user
    nfs, smb = world.nfs(uid=4711, gid=4711), world.smb()
    name, data = world.name(), pattern(100_000, 1)
    ok(nfs.create(name), "CREATE")
    ok(nfs.write(name, 0, data[:60_000]), "WRITE")
    file = ok(open_file(smb, name))
    ok(file.write(60_000, data[60_000:]), "SMB WRITE")
    ok(file.close())
    equal(world.contents(name) == data, True, "contents")
    equal(ok(nfs.read(name, 50_000, 20_000)).data == data[50_000:70_000], True, "NFS READ")
    other = world.name()
    ok(ok(open_file(smb, other)).close())
    ok(nfs.mkdir(world.name("directory")), "MKDIR")
    for made in (name, other, world.name("directory")):
        equal(owner(world, made), user, f"owner of {made}")
    equal(nfs.getattr(other).uid, user, "owner over NFS")
    ok(nfs.rename(name, world.name("directory/moved")), "RENAME")
    handle = nfs.handle(other)
    ok(nfs.remove(other), "REMOVE")
    equal(nfs.getattr(handle).status, "STALE", "a handle of what is gone")


@scenario("without root: what the server's user may not do is refused, for every client",
          server=OWN)
def refused(world):
    name = world.file(b"secret")
    os.chmod(world.server.path(name), 0)
    if world.server.user is None and os.access(world.server.path(name), os.R_OK):
        raise Skip("this user may do everything here: root of a user namespace")
    nfs, smb = world.nfs(uid=0), world.smb()
    equal(nfs.read(name, 0, 10).status, "ACCES", "NFS READ as root")
    equal(nfs.write(name, 0, b"x").status, "ACCES", "NFS WRITE as root")
    equal(open_file(smb, name).status, "ACCESS_DENIED", "SMB open")
    os.chmod(world.server.path(name), 0o600)
    equal(world.contents(name), b"secret", "what nobody may write")


@scenario("without root: locks across the families, and handles that survive kill -9", server=OWN)
def survives(world):
    name = world.file(pattern(1000, 1))
    nfs, host = world.locker("host", callbacks=False)
    handle = nfs.handle(name)
    ok(host.lock(handle, 0, 100), "NLM_LOCK")
    file = ok(open_file(world.smb(), name))
    equal(file.lock(50, 10).status, "LOCK_NOT_GRANTED", "SMB lock into it")
    ok(file.lock(200, 10), "SMB lock beside it")
    equal(host.lock(handle, 205, 1).status, "DENIED", "NLM lock into the SMB lock")
    world.server.restart()
    host.nlm.close()
    host.nlm = RpcClient(host.server, world.server.ports["nlm"], NLM, host.version, host.source,
                         host.nlm.credentials, host.timeline, host.host)
    ok(host.lock(handle, 0, 100, reclaim=True), "reclaim by the handle of before")
    world.server.wait_grace_over(LATE)
    again = world.nfs()
    equal(ok(again.read(handle, 0, 1000)).data == pattern(1000, 1), True,
          "READ by the handle of before")
    equal(again.handle(name) == handle, True, "the same handle after the restart")
    file = ok(open_file(world.smb(), name))
    equal(file.lock(50, 10).status, "LOCK_NOT_GRANTED", "SMB lock into the reclaimed lock")
    ok(host.unlock(handle, 0, 100))
    ok(file.lock(50, 10), "after the unlock")
