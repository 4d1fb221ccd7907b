"""Archives in the newc format, as the kernel unpacks an initramfs."""
import os
import stat


class Archive:
    """Collects files; directories above them are made when they are missing."""

    def __init__(self):
        self.parts = []
        self.known = set()
        self.inode = 1

    def _add(self, path, mode, data=b"", device=(0, 0)):
        name = path.lstrip("/").encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        self.parts.append(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))
        self.known.add(path)
        self.inode += 1

    def directory(self, path, mode=0o755):
        if path in ("", "/") or path in self.known:
            return
        self.directory(os.path.dirname(path))
        self._add(path, stat.S_IFDIR | mode)

    def file(self, path, data, mode=0o644):
        if path not in self.known:
            self.directory(os.path.dirname(path))
            self._add(path, stat.S_IFREG | mode, data)

    def link(self, path, target):
        if path not in self.known:
            self.directory(os.path.dirname(path))
            self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def node(self, path, mode, major, minor):
        self.directory(os.path.dirname(path))
        self._add(path, stat.S_IFCHR | mode, device=(major, minor))

    def bytes(self):
        self._add("TRAILER!!!", 0)
        data = b"".join(self.parts)
        return data + b"\0" * (-len(data) % 512)
