"""XDR (RFC 4506): big-endian, four-byte units."""
import struct


class XdrError(Exception):
    """The bytes are not what the protocol promises."""


class Packer:
    def __init__(self):
        self.parts = []

    def u32(self, value):
        self.parts.append(struct.pack(">I", value & 0xFFFFFFFF))
        return self

    def i32(self, value):
        self.parts.append(struct.pack(">i", value))
        return self

    def u64(self, value):
        self.parts.append(struct.pack(">Q", value & 0xFFFFFFFFFFFFFFFF))
        return self

    def boolean(self, value):
        return self.u32(1 if value else 0)

    def fixed(self, data):
        self.parts.append(data + b"\0" * (-len(data) % 4))
        return self

    def opaque(self, data):
        self.u32(len(data))
        return self.fixed(data)

    def string(self, text):
        return self.opaque(text.encode() if isinstance(text, str) else text)

    def bytes(self):
        return b"".join(self.parts)


class Unpacker:
    def __init__(self, data):
        self.data, self.at = data, 0

    def fixed(self, size):
        end = self.at + size
        if end > len(self.data):
            raise XdrError(f"{size} bytes wanted, {len(self.data) - self.at} left")
        piece = self.data[self.at:end]
        self.at = end + (-size % 4)
        return piece

    def u32(self):
        return struct.unpack(">I", self.fixed(4))[0]

    def i32(self):
        return struct.unpack(">i", self.fixed(4))[0]

    def u64(self):
        return struct.unpack(">Q", self.fixed(8))[0]

    def boolean(self):
        return self.u32() != 0

    def opaque(self):
        return self.fixed(self.u32())

    def string(self):
        return self.opaque().decode(errors="replace")

    def rest(self):
        return self.data[self.at:]
