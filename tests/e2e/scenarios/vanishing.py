"""Clients that go away in the middle of something, and hostile bytes: nothing leaks, nobody else
notices."""
import collections
import os
import socket
import struct
import time

from lockstep_e2e import smbproto as proto
from lockstep_e2e.rawsmb import SmbClient
from lockstep_e2e.scenario import WOKEN, check, equal, eventually, ok, pattern, scenario, within
from lockstep_e2e.server import EXPORT, PASSWORD, USER
from lockstep_e2e.smbfile import open_file, start_open
from lockstep_e2e.timeline import now
from lockstep_e2e.world import NOTHING
from lockstep_e2e.xdr import Packer


def descriptors(world):
    """What the server has open but for served files, of which it keeps some for the next call."""
    found = []
    directory = f"/proc/{world.server.process.pid}/fd"
    for number in os.listdir(directory):
        try:
            name = os.readlink(f"{directory}/{number}").split(":")[0]
        except OSError:
            continue
        if not name.startswith(world.server.files):
            found.append(name)
    return found


def settle(world, before):
    """The server has no more descriptors open than before."""
    def left():
        more = collections.Counter(descriptors(world))
        more.subtract(before)
        return +more
    eventually(lambda: not left(), 5, lambda: f"descriptors are left open: {dict(left())}")


def raw_socket(world, port):
    sock = socket.create_connection((world.server.address, world.server.ports[port]), 5)
    sock.settimeout(5)
    return sock


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@scenario("vanishing: in the middle of a large SMB write, with locks and a lease")
def mid_smb_write(world):
    before = descriptors(world)
    name = world.file(pattern(1000, 1))
    for _ in range(5):
        smb = world.smb()
        file = ok(open_file(smb, name, lease="RWH"))
        ok(file.lock(0, 10))
        body = struct.pack("<HHIQ16sIIHHI", 49, 112, 1 << 20, 0, file.id, 0, 0, 0, 0, 0)
        message = proto.header(proto.WRITE, smb.next_message, smb.session, smb.tree, 16) + body
        smb.sock.sendall(struct.pack(">I", len(message) + (1 << 20)) + message + b"z" * 300_000)
        smb.cut()
    counts = world.server.wait_counts(3, **NOTHING)
    equal(counts, NOTHING, "counts")
    equal(world.contents(name), pattern(1000, 1), "half a write must not show")
    world.close()
    settle(world, before)


@scenario("vanishing: in the middle of a large NFS write")
def mid_nfs_write(world):
    before = descriptors(world)
    name = world.file(pattern(1000, 1))
    for _ in range(5):
        client = world.nfs()
        arguments = Packer().opaque(client.handle(name)).u64(0).u32(500_000).u32(2).u32(500_000)
        head = Packer().u32(77).u32(0).u32(2).u32(100003).u32(3).u32(7).bytes()
        body = head + client.credentials + Packer().u32(0).u32(0).bytes() + arguments.bytes()
        client.nfs.sock.sendall(struct.pack(">I", 0x80000000 | len(body) + 500_000) + body
                                + b"z" * 200_000)
        client.nfs.cut()
    time.sleep(0.2)
    equal(world.contents(name), pattern(1000, 1), "half a write must not show")
    world.close()
    settle(world, before)


@scenario("vanishing: in the middle of directory listings")
def mid_listing(world):
    before = descriptors(world)
    for number in range(400):
        world.file(b"", f"file-{number}")
    for _ in range(5):
        smb = world.smb()
        directory = ok(open_file(smb, world.folder, access="r", options=proto.DIRECTORY_FILE))
        for restart in (True, False, False):
            smb.start(proto.QUERY_DIRECTORY,
                      proto.query_directory(directory.id, "*", restart, 4096))
        smb.cut()
        client = world.nfs()
        for _ in range(5):
            arguments = Packer().opaque(client.handle(world.folder)).u64(0).fixed(b"\0" * 8)
            client.start(16, arguments.u32(2048).bytes(), "READDIR", None)
        client.nfs.cut()
    equal(world.server.wait_counts(3, opens=0)["opens"], 0, "opens")
    world.close()
    settle(world, before)


@scenario("vanishing: at every step of an SMB session's set-up")
def mid_setup(world):
    before = descriptors(world)

    def client():
        return SmbClient(world.server.address, world.server.ports["smb"], EXPORT, USER, PASSWORD,
                         connect=False)
    for stage in range(5):
        for _ in range(4):
            one = client()
            one.open_socket()
            if stage >= 1:
                one.negotiate()
            if stage == 2:
                from lockstep_e2e import smbcrypto as crypto
                token = crypto.spnego_init(crypto.ntlm_negotiate())
                one.request(proto.SESSION_SETUP, proto.session_setup(token))
            if stage >= 3:
                one.authenticate()
            if stage >= 4:
                one.tree = one.connect_tree(EXPORT)
            one.cut()
    settle(world, before)
    ok(world.smb().echo(), "a new client afterwards")


@scenario("vanishing: while requests of its own wait for a break, a lock and an open")
def while_waiting(world):
    before = descriptors(world)
    name = world.file(b"x")
    holder = world.smb("holder", "3.0.2")
    lease = world.leased(holder, name, "RWH")
    gone = world.smb("gone", "3.0.2")
    waiting_open = start_open(gone, name)
    check(holder.wait_break(WOKEN) is not None, "no break")
    check(not waiting_open.done, "opened before the acknowledgment")
    client = world.nfs()
    client.start_read(name, 0, 10)
    gone.cut()
    client.nfs.cut()
    eventually(lambda: world.server.counts()["waiters"] == 0, 3, "waiters of dead clients")
    notice = holder.wait_break(WOKEN)
    ok(holder.ack(notice), "the acknowledgment is still good")
    ok(lease.read(0, 1))
    world.close()
    settle(world, before)


@scenario("hostile: bytes that are no protocol end their connection, not the server")
def garbage(world):
    before = descriptors(world)
    ok(world.smb("bystander").echo())
    samples = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 64, b"\xff" * 64,
               struct.pack(">I", 0x7FFFFFFF) + b"x" * 100, struct.pack(">I", 0x80000000),
               struct.pack(">I", 0x80000004) + b"abcd", struct.pack(">I", 64) + b"\xfeSMB" * 16,
               struct.pack(">I", 70) + proto.header(proto.NEGOTIATE, 0) + b"\x24\0\xff\xff\0\0"]
    for port in ("nfs", "nlm", "mount", "smb"):
        for sample in samples:
            sock = raw_socket(world, port)
            sock.sendall(sample)
            reset(sock)
    for data in samples:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for port in ("mount", "nlm", "nsm"):
                sock.sendto(data, (world.server.address, world.server.ports[port]))
    world.server.check()
    ok(world.smb().echo(), "a client afterwards")
    world.close()
    settle(world, before)


@scenario("a silent SMB client and a full pipe cost nobody else anything")
def slow_clients(world):
    name = world.file(pattern(65536, 1))
    slow = world.smb("slow")
    file = ok(open_file(slow, name))
    silent = [raw_socket(world, port) for port in ("nfs", "smb", "nlm", "mount") for _ in range(5)]
    stuck = world.nfs("stuck")
    handle = stuck.handle(name)
    stuck.nfs.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    arguments = Packer().opaque(handle).u64(0).u32(65536).bytes()
    body = (Packer().u32(1).u32(0).u32(2).u32(100003).u32(3).u32(6).bytes() + stuck.credentials
            + Packer().u32(0).u32(0).bytes() + arguments)
    raw = raw_socket(world, "nfs")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(0.2)
    try:
        for _ in range(500):  # asks for 32 MB, reads nothing
            raw.sendall(struct.pack(">I", 0x80000000 | len(body)) + body)
    except OSError:
        pass  # the server stopped reading: as it should
    client = world.nfs("lively")
    begin = now()
    for _ in range(50):
        ok(client.getattr(name))
        ok(file.read(0, 100))
    within(now() - begin, 0, WOKEN, "a hundred requests beside it")
    reset(raw)
    for sock in silent:
        reset(sock)


@scenario("files that were touched do not stay open without end")
def descriptors_bounded(world):
    client, smb = world.nfs(), world.smb()
    for number in range(3000):
        name = world.file(b"x", f"file-{number}")
        ok(client.read(name))
        if number % 10 == 0:
            ok(ok(open_file(smb, name)).close())
    count = len(os.listdir(f"/proc/{world.server.process.pid}/fd"))
    check(count < 2500, f"{count} descriptors after 3000 files were touched")


@scenario("many clients come and go: the server forgets them", full_only=True)
def churn(world):
    before = descriptors(world)
    name = world.file(b"x")
    for turn in range(150):
        smb = SmbClient(world.server.address, world.server.ports["smb"], EXPORT, USER, PASSWORD,
                        dialect=("2.1", "3.0", "3.1.1")[turn % 3])
        file = ok(open_file(smb, name, lease="RH"))
        ok(file.lock(turn, 1))
        smb.cut() if turn % 2 else smb.close()
    equal(world.server.wait_counts(5, **NOTHING), NOTHING, "counts")
    settle(world, before)
