"""Opens of the raw SMB client: what can be done with one FileId."""
import os
import struct

from . import smbproto as proto
from .rawsmb import SmbClient


class SmbFile:
    """An open. `lease`, `oplock`: what was granted ("RWH", "batch", ...); `epoch` of a v2 lease."""

    def __init__(self, client, name, answer, key):
        self.client, self.name, self.key, self.status = client, name, key, answer.status
        self.ok = answer.ok
        self.lease, self.oplock, self.epoch, self.breaking = "", "", 0, False
        if not self.ok:
            return
        level, _, self.action = answer.unpack("BBI", 2)
        self.size, self.attributes = answer.unpack("QI", 48)
        self.id = bytes(answer.message[64 + 64:64 + 80])
        at, length = answer.unpack("II", 80)
        contexts = proto.create_contexts(answer.message, at, length) if length else {}
        if level == proto.OPLOCK["lease"] and b"RqLs" in contexts:
            data = contexts[b"RqLs"]
            granted_key, state, flags = struct.unpack_from("<16sII", data)
            if granted_key != key:
                raise ValueError("the lease granted carries another key")
            self.lease, self.breaking = proto.lease_name(state), bool(flags & 2)
            if len(data) >= 52:
                (self.epoch,) = struct.unpack_from("<H", data, 48)
        else:
            self.oplock = proto.OPLOCK_NAMES.get(level, str(level))

    def __repr__(self):
        return f"{self.name} {self.status} lease={self.lease or '-'}"

    # I/O -------------------------------------------------------------------------------------------

    def start_read(self, offset, size):
        def decode(answer):
            answer.data = b""
            if answer.ok:
                at, _, count = answer.unpack("BBI", 2)
                answer.data = bytes(answer.message[at:at + count])
            return answer
        body = struct.pack("<HBBIQ16sIIIHHB", 49, 0x50, 0, size, offset, self.id, 0, 0, 0, 0, 0, 0)
        return self.client.start(proto.READ, body, "READ", decode, size)

    def start_write(self, offset, data):
        body = struct.pack("<HHIQ16sIIHHI", 49, 64 + 48, len(data), offset, self.id, 0, 0, 0, 0, 0)
        return self.client.start(proto.WRITE, body + data, "WRITE", None, len(data))

    def start_flush(self):
        return self.client.start(proto.FLUSH, struct.pack("<HHI16s", 24, 0, 0, self.id))

    def start_close(self):
        return self.client.start(proto.CLOSE, struct.pack("<HHI16s", 24, 0, 0, self.id))

    def start_lock(self, offset, length, exclusive=True, wait=False, sequence=0):
        flags = proto.LOCK_EXCLUSIVE if exclusive else proto.LOCK_SHARED
        flags |= 0 if wait else proto.LOCK_FAIL_IMMEDIATELY
        return self.start_locks([(offset, length, flags)], sequence,
                                "LOCK wait" if wait else "LOCK")

    def start_locks(self, elements, sequence=0, label="LOCK"):
        return self.client.start(proto.LOCK, proto.lock_body(self.id, elements, sequence), label)

    def start_unlock(self, offset, length):
        return self.start_locks([(offset, length, proto.LOCK_UNLOCK)], label="UNLOCK")

    def start_set(self, info_class, data, label):
        return self.client.start(proto.SET_INFO, proto.set_info(self.id, info_class, data), label)

    def start_set_size(self, size):
        return self.start_set(20, struct.pack("<Q", size), "SET_EOF")

    def start_delete(self, remove=True):
        return self.start_set(13, struct.pack("<B", 1 if remove else 0), "SET_DISPOSITION")

    def start_rename(self, name, replace=False):
        return self.start_set(10, proto.rename_info(name, replace), "RENAME")

    def read(self, offset, size, timeout=30.0):
        return self.start_read(offset, size).wait(timeout)

    def write(self, offset, data, timeout=30.0):
        return self.start_write(offset, data).wait(timeout)

    def flush(self, timeout=30.0):
        return self.start_flush().wait(timeout)

    def close(self, timeout=30.0):
        return self.start_close().wait(timeout)

    def lock(self, offset, length, exclusive=True, wait=False, timeout=30.0):
        return self.start_lock(offset, length, exclusive, wait).wait(timeout)

    def unlock(self, offset, length, timeout=30.0):
        return self.start_unlock(offset, length).wait(timeout)

    def set_size(self, size, timeout=30.0):
        return self.start_set_size(size).wait(timeout)

    def delete(self, timeout=30.0, remove=True):
        return self.start_delete(remove).wait(timeout)

    def rename(self, name, replace=False, timeout=30.0):
        return self.start_rename(name, replace).wait(timeout)

    def standard_info(self, timeout=30.0):
        """(end of file, links, delete pending) of FileStandardInformation."""
        answer = self.client.request(proto.QUERY_INFO, proto.query_info(self.id, 5), timeout)
        if not answer.ok:
            raise OSError(f"QUERY_INFO {self.name}: {answer.status}")
        (at,) = answer.unpack("H", 2)
        _, end, links, pending, _ = struct.unpack_from("<QQIBB", answer.message, at)
        return end, links, bool(pending)

    def list(self, pattern="*"):
        """Names in this directory."""
        names, restart = [], True
        while True:
            answer = self.client.request(proto.QUERY_DIRECTORY,
                                         proto.query_directory(self.id, pattern, restart))
            if answer.status in ("NO_MORE_FILES", "NO_SUCH_FILE"):
                return names
            if not answer.ok:
                raise OSError(f"QUERY_DIRECTORY {self.name}: {answer.status}")
            at, size = answer.unpack("HI", 2)
            data, restart = answer.message[at:at + size], False
            while data:
                step, _, length = struct.unpack_from("<III", data)
                names.append(data[12:12 + length].decode("utf-16-le"))
                data = data[step:] if step else b""


def start_open(client: SmbClient, name, access="rw", share="rwd", disposition=proto.OPEN_IF,
               lease=None, key=None, version=None, oplock="", options=0, raw_access=None, epoch=0):
    """CREATE under way. `access` of the letters r, w, d (delete), a (attributes only);
    `lease` "RWH" and so on asks for a lease under `key`, in version 2 from SMB 3.0 on."""
    contexts, level = [], proto.OPLOCK[oplock]
    if lease is not None:
        key = key or os.urandom(16)
        version = version or (2 if client.dialect >= 0x300 else 1)
        level = proto.OPLOCK["lease"]
        contexts.append(proto.lease_context(key, proto.bits(lease, proto.LEASE_BITS), version,
                                            epoch=epoch))
    wanted = proto.bits(access, proto.ACCESS) if raw_access is None else raw_access
    body = proto.create(name, wanted, proto.bits(share, proto.SHARE), disposition, options, level,
                        contexts)
    return client.start(proto.CREATE, body, f"CREATE {name} {lease or oplock or '-'}",
                        lambda answer: SmbFile(client, name, answer, key))


def open_file(client, name, *args, timeout=30.0, **kwargs):
    """CREATE, waited for. The SmbFile's `status` says how it went."""
    return start_open(client, name, *args, **kwargs).wait(timeout)
