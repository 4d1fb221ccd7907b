"""A user-space NFSv3 client (RFC 1813) over TCP that sends exactly what a scenario says."""
import time

from .rpc import MOUNT, NFS, RpcClient, auth_sys
from .timeline import now
from .xdr import Packer

OK, PERM, NOENT, ACCES, EXIST, STALE = 0, 1, 2, 13, 17, 70
NOTEMPTY, NOT_SYNC, JUKEBOX = 66, 10002, 10008
UNSTABLE, DATA_SYNC, FILE_SYNC = 0, 1, 2

NAMES = {0: "OK", 1: "PERM", 2: "NOENT", 5: "IO", 13: "ACCES", 17: "EXIST", 18: "XDEV",
         20: "NOTDIR", 21: "ISDIR", 22: "INVAL", 27: "FBIG", 28: "NOSPC", 30: "ROFS",
         31: "MLINK", 63: "NAMETOOLONG", 66: "NOTEMPTY", 69: "DQUOT", 70: "STALE",
         10001: "BADHANDLE", 10002: "NOT_SYNC", 10003: "BAD_COOKIE", 10004: "NOTSUPP",
         10005: "TOOSMALL", 10006: "SERVERFAULT", 10007: "BADTYPE", 10008: "JUKEBOX"}


class Result:
    """A reply: `status` (a name of NAMES), and what the procedure returns as attributes."""

    def __init__(self, status, **values):
        self.status = NAMES.get(status, str(status))
        self.__dict__.update(values)

    @property
    def ok(self):
        return self.status == "OK"

    def __repr__(self):
        return " ".join(f"{key}={value!r}" for key, value in self.__dict__.items())


def fattr(reader):
    kind, mode, nlink, uid, gid = (reader.u32() for _ in range(5))
    size, used = reader.u64(), reader.u64()
    reader.fixed(8)
    fsid, fileid = reader.u64(), reader.u64()
    times = [(reader.u32(), reader.u32()) for _ in range(3)]
    return {"type": kind, "mode": mode, "nlink": nlink, "uid": uid, "gid": gid, "size": size,
            "used": used, "fsid": fsid, "fileid": fileid, "mtime": times[1], "ctime": times[2]}


def post_op(reader):
    return fattr(reader) if reader.boolean() else None


def wcc(reader):
    before = None
    if reader.boolean():
        before = {"size": reader.u64(), "mtime": (reader.u32(), reader.u32()),
                  "ctime": (reader.u32(), reader.u32())}
    return {"before": before, "after": post_op(reader)}


def sattr(mode=None, uid=None, gid=None, size=None):
    packer = Packer()
    for value in (mode, uid, gid):
        packer.boolean(value is not None)
        if value is not None:
            packer.u32(value)
    packer.boolean(size is not None)
    if size is not None:
        packer.u64(size)
    return packer.u32(0).u32(0).bytes()


class NfsClient:
    """One NFSv3 client: a connection to NFS, one to MOUNT. Names are relative to the export.

    Every operation has a `start_` form that returns a Pending; the plain form waits."""

    def __init__(self, server, nfs_port, mount_port, export, source="", name="nfs", timeline=None,
                 uid=0, gid=0, host=None):
        self.server, self.export, self.source, self.name = server, export, source, name
        self.host = host or name
        self.timeline, self.mount_port = timeline, mount_port
        self.credentials = auth_sys(uid, gid, [], self.host)
        self.nfs = RpcClient(server, nfs_port, NFS, 3, source, self.credentials, timeline, name)
        self.root = None
        self.handles = {}

    def mount(self):
        client = RpcClient(self.server, self.mount_port, MOUNT, 3, self.source, self.credentials)
        try:
            path = self.export if self.export.startswith("/") else "/" + self.export
            reader = client.call(1, Packer().string(path).bytes(), label="MNT")
            status = reader.u32()
            if status != 0:
                raise OSError(status, f"MNT {path}: {NAMES.get(status, status)}")
            self.root = reader.opaque()
        finally:
            client.close()
        return self

    def close(self):
        self.nfs.close()

    # Handles -------------------------------------------------------------------------------------

    def handle(self, name):
        """The handle of a path below the export, looked up once."""
        if isinstance(name, bytes):
            return name
        if name in ("", "/"):
            return self.root
        if name not in self.handles:
            parent, _, leaf = name.rpartition("/")
            result = self.lookup(self.handle(parent), leaf)
            if not result.ok:
                raise FileNotFoundError(f"{self.name}: LOOKUP {name}: {result.status}")
            self.handles[name] = result.handle
        return self.handles[name]

    def forget(self):
        self.handles.clear()

    def where(self, name):
        """(directory handle, leaf) as DIROP3args wants them."""
        parent, _, leaf = name.rpartition("/")
        return Packer().opaque(self.handle(parent)).string(leaf).bytes()

    # Procedures ----------------------------------------------------------------------------------

    def start(self, procedure, arguments, label, decode, xid=None):
        return self.nfs.start(procedure, arguments, label=label, decode=decode, xid=xid)

    def getattr(self, name, timeout=30.0):
        def decode(reader):
            status = reader.u32()
            return Result(status, **(fattr(reader) if status == 0 else {}))
        arguments = Packer().opaque(self.handle(name)).bytes()
        return self.start(1, arguments, "GETATTR", decode).wait(timeout)

    def start_setattr(self, name, **attributes):
        def decode(reader):
            return Result(reader.u32(), wcc=wcc(reader))
        arguments = Packer().opaque(self.handle(name)).bytes() + sattr(**attributes)
        return self.start(2, arguments + Packer().boolean(False).bytes(), "SETATTR", decode)

    def lookup(self, directory, leaf, timeout=30.0):
        def decode(reader):
            status = reader.u32()
            return Result(status, **({"handle": reader.opaque()} if status == 0 else {}))
        arguments = Packer().opaque(directory).string(leaf).bytes()
        return self.start(3, arguments, "LOOKUP", decode).wait(timeout)

    def access(self, name, bits=0x3F, timeout=30.0):
        def decode(reader):
            status = reader.u32()
            post_op(reader)
            return Result(status, **({"access": reader.u32()} if status == 0 else {}))
        arguments = Packer().opaque(self.handle(name)).u32(bits).bytes()
        return self.start(4, arguments, "ACCESS", decode).wait(timeout)

    def start_read(self, name, offset, count):
        def decode(reader):
            status = reader.u32()
            attributes = post_op(reader)
            if status != 0:
                return Result(status)
            reader.u32()
            eof = reader.boolean()
            return Result(status, eof=eof, data=reader.opaque(), attributes=attributes)
        arguments = Packer().opaque(self.handle(name)).u64(offset).u32(count).bytes()
        return self.start(6, arguments, "READ", decode)

    def start_write(self, name, offset, data, stable=FILE_SYNC, xid=None):
        def decode(reader):
            status = reader.u32()
            change = wcc(reader)
            if status != 0:
                return Result(status, wcc=change)
            return Result(status, wcc=change, count=reader.u32(), committed=reader.u32(),
                          verifier=reader.fixed(8))
        arguments = Packer().opaque(self.handle(name)).u64(offset).u32(len(data)).u32(stable)
        return self.start(7, arguments.opaque(data).bytes(), "WRITE", decode, xid)

    def start_create(self, name, mode=0o644, guarded=False, size=None):
        def decode(reader):
            status = reader.u32()
            if status != 0:
                return Result(status)
            handle = reader.opaque() if reader.boolean() else None
            if handle:
                self.handles[name] = handle
            return Result(status, handle=handle)
        how = Packer().u32(1 if guarded else 0).bytes() + sattr(mode=mode, size=size)
        return self.start(8, self.where(name) + how, "CREATE", decode)

    def mkdir(self, name, mode=0o755, timeout=30.0):
        def decode(reader):
            return Result(reader.u32())
        return self.start(9, self.where(name) + sattr(mode=mode), "MKDIR", decode).wait(timeout)

    def start_remove(self, name, procedure=12, label="REMOVE", xid=None):
        def decode(reader):
            result = Result(reader.u32(), wcc=wcc(reader))
            if result.ok:
                self.handles.pop(name, None)
            return result
        return self.start(procedure, self.where(name), label, decode, xid)

    def start_rename(self, source, target):
        def decode(reader):
            result = Result(reader.u32())
            if result.ok:
                self.handles.pop(target, None)
                if source in self.handles:
                    self.handles[target] = self.handles.pop(source)
            return result
        return self.start(14, self.where(source) + self.where(target), "RENAME", decode)

    def start_link(self, name, target):
        def decode(reader):
            return Result(reader.u32())
        arguments = Packer().opaque(self.handle(name)).bytes() + self.where(target)
        return self.start(15, arguments, "LINK", decode)

    def readdir(self, name="", count=65536, timeout=30.0):
        """All names of a directory, however many calls it takes."""
        def decode(reader):
            status = reader.u32()
            post_op(reader)
            if status != 0:
                return Result(status)
            verifier, entries = reader.fixed(8), []
            while reader.boolean():
                reader.u64()
                entries.append((reader.string(), reader.u64()))
            return Result(status, verifier=verifier, entries=entries, eof=reader.boolean())
        names, cookie, verifier = [], 0, b"\0" * 8
        while True:
            arguments = Packer().opaque(self.handle(name)).u64(cookie).fixed(verifier).u32(count)
            result = self.start(16, arguments.bytes(), "READDIR", decode).wait(timeout)
            if not result.ok:
                raise OSError(f"READDIR {name}: {result.status}")
            names += [entry for entry, _ in result.entries]
            if result.eof or not result.entries:
                return names
            cookie, verifier = result.entries[-1][1], result.verifier

    def start_commit(self, name):
        def decode(reader):
            status = reader.u32()
            change = wcc(reader)
            return Result(status, wcc=change,
                          verifier=reader.fixed(8) if status == 0 else b"")
        arguments = Packer().opaque(self.handle(name)).u64(0).u32(0).bytes()
        return self.start(21, arguments, "COMMIT", decode)

    # Plain forms ---------------------------------------------------------------------------------

    def read(self, name, offset=0, count=65536, timeout=30.0):
        return self.start_read(name, offset, count).wait(timeout)

    def write(self, name, offset, data, timeout=30.0, stable=FILE_SYNC):
        return self.start_write(name, offset, data, stable).wait(timeout)

    def create(self, name, timeout=30.0, **kwargs):
        return self.start_create(name, **kwargs).wait(timeout)

    def truncate(self, name, size, timeout=30.0):
        return self.start_setattr(name, size=size).wait(timeout)

    def remove(self, name, timeout=30.0):
        return self.start_remove(name).wait(timeout)

    def rmdir(self, name, timeout=30.0):
        return self.start_remove(name, 13, "RMDIR").wait(timeout)

    def rename(self, source, target, timeout=30.0):
        return self.start_rename(source, target).wait(timeout)

    def link(self, name, target, timeout=30.0):
        return self.start_link(name, target).wait(timeout)

    def insist(self, start, limit=30.0, pause=0.05):
        """Repeats `start()` (a fresh xid each time) while the answer is JUKEBOX, as a client that
        waits does. The last Result gets `tries` and `at`, the time of its arrival."""
        end, tries = now() + limit, 0
        while True:
            pending = start()
            result = pending.wait(limit)
            tries += 1
            if result.status != "JUKEBOX" or now() + pause > end:
                result.tries, result.at = tries, pending.answered
                return result
            time.sleep(pause)
