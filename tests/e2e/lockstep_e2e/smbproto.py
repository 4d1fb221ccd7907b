"""Numbers, headers and bodies of SMB2 (MS-SMB2 section 2) that the raw client sends and reads."""
import struct

NEGOTIATE, SESSION_SETUP, LOGOFF, TREE_CONNECT, TREE_DISCONNECT = 0, 1, 2, 3, 4
CREATE, CLOSE, FLUSH, READ, WRITE, LOCK, IOCTL, CANCEL, ECHO = 5, 6, 7, 8, 9, 10, 11, 12, 13
QUERY_DIRECTORY, CHANGE_NOTIFY, QUERY_INFO, SET_INFO, OPLOCK_BREAK = 14, 15, 16, 17, 18
COMMANDS = ("NEGOTIATE SESSION_SETUP LOGOFF TREE_CONNECT TREE_DISCONNECT CREATE CLOSE FLUSH READ "
            "WRITE LOCK IOCTL CANCEL ECHO QUERY_DIRECTORY CHANGE_NOTIFY QUERY_INFO SET_INFO "
            "OPLOCK_BREAK").split()

DIALECTS = {"2.0.2": 0x0202, "2.1": 0x0210, "3.0": 0x0300, "3.0.2": 0x0302, "3.1.1": 0x0311}

RESPONSE_FLAG, ASYNC_FLAG, RELATED_FLAG, SIGNED_FLAG = 1, 2, 4, 8
NO_MESSAGE = 0xFFFFFFFFFFFFFFFF

STATUS = {
    0x00000000: "OK", 0x00000103: "PENDING", 0x80000005: "BUFFER_OVERFLOW",
    0x80000006: "NO_MORE_FILES", 0xC0000001: "UNSUCCESSFUL", 0xC0000003: "INVALID_INFO_CLASS",
    0xC0000008: "INVALID_HANDLE", 0xC000000D: "INVALID_PARAMETER", 0xC000000F: "NO_SUCH_FILE",
    0xC0000010: "INVALID_DEVICE_REQUEST", 0xC0000011: "END_OF_FILE",
    0xC0000016: "MORE_PROCESSING_REQUIRED", 0xC0000022: "ACCESS_DENIED",
    0xC0000034: "OBJECT_NAME_NOT_FOUND", 0xC0000035: "OBJECT_NAME_COLLISION",
    0xC000003A: "OBJECT_PATH_NOT_FOUND", 0xC0000043: "SHARING_VIOLATION",
    0xC0000054: "FILE_LOCK_CONFLICT", 0xC0000055: "LOCK_NOT_GRANTED",
    0xC0000056: "DELETE_PENDING", 0xC000006D: "LOGON_FAILURE", 0xC000007E: "RANGE_NOT_LOCKED",
    0xC000009A: "INSUFFICIENT_RESOURCES", 0xC00000BA: "FILE_IS_A_DIRECTORY",
    0xC00000BB: "NOT_SUPPORTED", 0xC00000C9: "NETWORK_NAME_DELETED", 0xC00000CC: "BAD_NETWORK_NAME",
    0xC0000101: "DIRECTORY_NOT_EMPTY", 0xC0000120: "CANCELLED", 0xC0000121: "CANNOT_DELETE",
    0xC0000128: "FILE_CLOSED", 0xC00000E3: "INVALID_OPLOCK_PROTOCOL",
    0xC0000194: "POSSIBLE_DEADLOCK", 0xC00001A1: "INVALID_LOCK_RANGE",
    0xC0000203: "USER_SESSION_DELETED", 0xC0000233: "DOMAIN_CONTROLLER_NOT_FOUND",
    0xC0000467: "FILE_NOT_AVAILABLE", 0xC000026E: "VOLUME_DISMOUNTED",
    0xC0000240: "REQUEST_ABORTED", 0xC00000D0: "REQUEST_NOT_ACCEPTED",
}

# Access, sharing, dispositions, options ------------------------------------------------------------

FILE_READ, FILE_WRITE, FILE_APPEND = 0x1, 0x2, 0x4
READ_ATTRIBUTES, WRITE_ATTRIBUTES, DELETE, SYNCHRONIZE = 0x80, 0x100, 0x10000, 0x100000
ACCESS = {"r": FILE_READ | READ_ATTRIBUTES | 0x8 | 0x20000,
          "w": FILE_WRITE | FILE_APPEND | WRITE_ATTRIBUTES | 0x10,
          "d": DELETE, "a": READ_ATTRIBUTES}
SHARE = {"r": 1, "w": 2, "d": 4}
SUPERSEDE, OPEN, CREATE_NEW, OPEN_IF, OVERWRITE, OVERWRITE_IF = 0, 1, 2, 3, 4, 5
DIRECTORY_FILE, NON_DIRECTORY_FILE, DELETE_ON_CLOSE = 0x1, 0x40, 0x1000
OPLOCK = {"": 0, "II": 1, "exclusive": 8, "batch": 9, "lease": 0xFF}
OPLOCK_NAMES = {code: name for name, code in OPLOCK.items()}
LEASE_BITS = {"R": 1, "H": 2, "W": 4}
LOCK_SHARED, LOCK_EXCLUSIVE, LOCK_UNLOCK, LOCK_FAIL_IMMEDIATELY = 1, 2, 4, 0x10


def bits(text, table):
    value = 0
    for letter in text:
        value |= table[letter]
    return value


def lease_name(state):
    """"RWH" in the order people write it; "" for none."""
    return "".join(letter for letter in "RWH" if state & LEASE_BITS[letter])


class Header:
    """The 64 bytes in front of every message, read."""

    def __init__(self, data):
        (magic, size, self.charge, self.code, self.command, self.credits, self.flags, self.next,
         self.message) = struct.unpack_from("<4sHHIHHIIQ", data)
        if magic != b"\xfeSMB" or size != 64:
            raise ValueError(f"not an SMB2 message: {magic!r}")
        if self.flags & ASYNC_FLAG:
            (self.async_id,) = struct.unpack_from("<Q", data, 32)
            self.tree = 0
        else:
            self.async_id = 0
            (self.tree,) = struct.unpack_from("<I", data, 36)
        (self.session,) = struct.unpack_from("<Q", data, 40)
        self.signature = bytes(data[48:64])

    @property
    def status(self):
        return STATUS.get(self.code, f"0x{self.code:08X}")

    @property
    def name(self):
        return COMMANDS[self.command] if self.command < len(COMMANDS) else str(self.command)


def header(command, message, session=0, tree=0, charge=1, credits=64, flags=0, async_id=0,
           next_offset=0):
    where = struct.pack("<Q", async_id) if flags & ASYNC_FLAG else struct.pack("<II", 0, tree)
    return (struct.pack("<4sHHIHHIIQ", b"\xfeSMB", 64, charge, 0, command, credits, flags,
                        next_offset, message) + where + struct.pack("<Q", session) + b"\0" * 16)


# Bodies --------------------------------------------------------------------------------------------

def negotiate(dialects, guid, salt, signing):
    """`signing`: algorithm ids for the SIGNING_CAPABILITIES context of 3.1.1."""
    codes = [DIALECTS[name] for name in dialects]
    capabilities = 0x7F if max(codes) >= 0x300 else 0
    capabilities &= ~0x48  # neither multichannel nor encryption: messages stay readable
    body = struct.pack("<HHHHI16s", 36, len(codes), 1, 0, capabilities, guid)
    names = b"".join(struct.pack("<H", code) for code in codes)
    if 0x311 not in codes:
        return body + b"\0" * 8 + names
    contexts = [(1, struct.pack("<HHH", 1, len(salt), 1) + salt)]
    if signing:
        contexts.append((8, struct.pack(f"<H{len(signing)}H", len(signing), *signing)))
    offset = 64 + 36 + len(names)
    padding = b"\0" * (-offset % 8)
    blob = b""
    for kind, data in contexts:
        blob += b"\0" * (-len(blob) % 8) + struct.pack("<HHI", kind, len(data), 0) + data
    return (body + struct.pack("<IHH", offset + len(padding), len(contexts), 0) + names + padding
            + blob)


def negotiate_contexts(message, offset, count):
    """{type: data} of a NEGOTIATE response."""
    contexts = {}
    for _ in range(count):
        offset += -offset % 8
        kind, size, _ = struct.unpack_from("<HHI", message, offset)
        contexts[kind] = message[offset + 8:offset + 8 + size]
        offset += 8 + size
    return contexts


def session_setup(token, previous=0):
    return struct.pack("<HBBIIHHQ", 25, 0, 1, 0, 0, 64 + 24, len(token), previous) + token


def tree_connect(path):
    name = path.encode("utf-16-le")
    return struct.pack("<HHHH", 9, 0, 64 + 8, len(name)) + name


def lease_context(key, state, version, parent=b"\0" * 16, epoch=0, flags=0):
    data = struct.pack("<16sIIQ", key, state, flags, 0)
    if version == 2:
        data += struct.pack("<16sHH", parent, epoch, 0)
    return b"RqLs", data


def create(name, access, share, disposition, options, oplock, contexts, attributes=0x80):
    path = name.replace("/", "\\").encode("utf-16-le")
    body_size = 56
    buffer = path + b"\0" * (-len(path) % 8)
    blob = b""
    for index, (tag, data) in enumerate(contexts):
        item = struct.pack("<HHHHI", 16, 4, 0, 24, len(data)) + tag + b"\0" * 4 + data
        last = index == len(contexts) - 1
        if not last:
            item += b"\0" * (-len(item) % 8)
        blob += struct.pack("<I", 0 if last else len(item) + 4) + item
    at = 64 + body_size + len(buffer) if blob else 0
    return struct.pack("<HBBIQQIIIIIHHII", 57, 0, oplock, 2, 0, 0, access, attributes, share,
                       disposition, options, 64 + body_size, len(path), at,
                       len(blob)) + (buffer + blob or b"\0")


def create_contexts(message, offset, size):
    """{tag: data} of a CREATE response."""
    contexts = {}
    while size >= 16:
        next_item, name_at, name_size, _, data_at, data_size = struct.unpack_from(
            "<IHHHHI", message, offset)
        tag = bytes(message[offset + name_at:offset + name_at + name_size])
        contexts[tag] = bytes(message[offset + data_at:offset + data_at + data_size])
        if not next_item:
            break
        offset, size = offset + next_item, size - next_item
    return contexts


def lock_body(file_id, elements, sequence=0):
    """Elements: (offset, length, flags)."""
    body = struct.pack("<HHI16s", 48, len(elements), sequence, file_id)
    for offset, length, flags in elements:
        body += struct.pack("<QQII", offset, length, flags, 0)
    return body


def set_info(file_id, info_class, data, info_type=1):
    return struct.pack("<HBBIHHI16s", 33, info_type, info_class, len(data), 64 + 32, 0, 0,
                       file_id) + data


def rename_info(name, replace):
    path = name.replace("/", "\\").encode("utf-16-le")
    return struct.pack("<B7xQI", 1 if replace else 0, 0, len(path)) + path


def query_info(file_id, info_class, size=65536, info_type=1):
    return struct.pack("<HBBIHHIII16s", 41, info_type, info_class, size, 0, 0, 0, 0, 0, file_id)


def query_directory(file_id, pattern, restart, size=65536):
    name = pattern.encode("utf-16-le")
    return struct.pack("<HBBI16sHHI", 33, 12, 1 if restart else 0, 0, file_id, 64 + 32, len(name),
                       size) + name


def lease_ack(key, state):
    return struct.pack("<HHI16sIQ", 36, 0, 0, key, state, 0)


def oplock_ack(file_id, level):
    return struct.pack("<HBBI16s", 24, level, 0, 0, file_id)
