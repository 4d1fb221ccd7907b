"""What clients ask before and beside NFS: portmap, MOUNT, the other forms of NLM, NSM; what the
server tells of itself."""
import re
import subprocess
import urllib.request

from lockstep_e2e.rpc import (MOUNT, NFS, NLM, NSM, PORTMAP, TCP, UDP, RpcClient, RpcError,
                              call_udp, getport)
from lockstep_e2e.rawnlm import CANCEL, LOCK, TEST, UNLOCK
from lockstep_e2e.scenario import (LATE, WOKEN, Skip, after, check, equal, generate, ok, scenario,
                                   within)
from lockstep_e2e.server import EXPORT
from lockstep_e2e.smbfile import open_file
from lockstep_e2e.timeline import now
from lockstep_e2e.xdr import Packer


def ping(world, protocol, port, program, version):
    if protocol == UDP:
        call_udp(world.server.address, port, program, version, 0)
        return
    client = RpcClient(world.server.address, port, program, version)
    client.call(0)
    client.close()


@scenario("portmap: every program is found, over UDP and TCP, in every version of the asking")
def portmap(world):
    if not world.private:
        raise Skip("port 111 is needed (root or user namespaces)")
    server = world.server
    wanted = [(NFS, 3, TCP, "nfs"), (MOUNT, 3, TCP, "mount"), (MOUNT, 3, UDP, "mount"),
              (MOUNT, 1, UDP, "mount"), (NLM, 4, TCP, "nlm"), (NLM, 4, UDP, "nlm"),
              (NLM, 1, UDP, "nlm"), (NLM, 3, TCP, "nlm"), (NSM, 1, TCP, "nsm"),
              (NSM, 1, UDP, "nsm")]
    tcp = RpcClient(server.address, 111, PORTMAP, 2)
    rpcb = RpcClient(server.address, 111, PORTMAP, 4)
    for program, version, protocol, name in wanted:
        port = server.ports[name]
        equal(getport(server.address, program, version, protocol), port, f"{name} over UDP")
        arguments = Packer().u32(program).u32(version).u32(protocol).u32(0).bytes()
        equal(tcp.call(3, arguments).u32(), port, f"{name} over TCP")
        arguments = (Packer().u32(program).u32(version)
                     .string("udp" if protocol == UDP else "tcp").string("").string("").bytes())
        equal(rpcb.call(3, arguments).string().rsplit(".", 2)[1:],
              [str(port >> 8), str(port & 255)], f"{name} as rpcbind 4 tells it")
        ping(world, protocol, port, program, version)
    equal(getport(server.address, 200000, 1), 0, "a program that is not there")
    dump = tcp.call(4)
    programs = set()
    while dump.boolean():
        programs.add(dump.u32())
        for _ in range(3):
            dump.u32()
    check({PORTMAP, NFS, MOUNT, NLM, NSM} <= programs, f"DUMP shows {programs}")
    tcp.close()
    rpcb.close()


@scenario("RPC: unknown programs, versions and procedures are refused in the protocol's terms")
def refusals(world):
    client = RpcClient(world.server.address, world.server.ports["nfs"], NFS, 3)
    for program, version, procedure, status in ((200000, 1, 0, 1), (NFS, 9, 0, 2),
                                                (NFS, 3, 99, 3)):
        client.program, client.version = program, version
        try:
            client.call(procedure)
            check(False, f"{program} {version} {procedure} was accepted")
        except RpcError as error:
            equal(str(error), f"accept status {status}", "refusal")
    client.program, client.version = NFS, 3
    try:
        client.call(1, b"\0\0\0\x08abc")
        check(False, "GETATTR with half an argument was accepted")
    except RpcError as error:
        equal(str(error), "accept status 4", "refusal")
    client.call(0)
    client.close()


@scenario("MOUNT: export list, mount of what is not exported, mount by a path below")
def mount(world):
    client = RpcClient(world.server.address, world.server.ports["mount"], MOUNT, 3)
    exports = client.call(5)
    check(exports.boolean(), "no exports")
    equal(exports.string(), "/" + EXPORT, "export")
    status = client.call(1, Packer().string("/nothing").bytes(), label="MNT").u32()
    check(status in (2, 13), f"MNT of what is not exported: {status}")
    check(client.call(1, Packer().string(f"/{EXPORT}/../..").bytes()).u32() != 0,
          "MNT above the export")
    client.call(3, Packer().string("/" + EXPORT).bytes(), label="UMNT")
    client.close()


@scenario("NLM: the asynchronous procedures, answered at the client's lock manager")
def messages(world):
    name = world.file(b"x")
    nfs, host = world.locker("mac")
    handle = nfs.handle(name)
    file = ok(open_file(world.smb(), name))
    ok(file.lock(0, 10))
    result = host.message(TEST, handle, 0, 5)
    equal(result.status, "DENIED", "TEST_MSG")
    check(result.holder.owner.startswith(b"smb:"), f"holder {result.holder}")
    equal(host.message(LOCK, handle, 0, 5).status, "DENIED", "LOCK_MSG")
    ok(host.message(LOCK, handle, 20, 5), "LOCK_MSG beside it")
    equal(host.message(LOCK, handle, 0, 5, block=True).status, "BLOCKED", "LOCK_MSG, blocking")
    ok(host.message(CANCEL, handle, 0, 5, block=True), "CANCEL_MSG")
    equal(host.message(LOCK, handle, 0, 5, block=True).status, "BLOCKED", "LOCK_MSG, blocking")
    since = now()
    ok(file.unlock(0, 10))
    call = host.wait_granted(WOKEN, since)
    check(call is not None, "no NLM_GRANTED")
    after(call.at, since, "NLM_GRANTED", slack=0.002)
    ok(host.message(UNLOCK, handle, 0, 0), "UNLOCK_MSG")
    ok(file.lock(0, 30), "all is free")


@generate("NLM {0}: lock, deny, block, grant, unlock", [(1,), (3,), (4,)])
def versions(world, version):
    name = world.file(b"x")
    nfs, host = world.locker("old", version=version)
    handle = nfs.handle(name)
    file = ok(open_file(world.smb(), name))
    ok(file.lock(0, 10))
    equal(host.lock(handle, 5, 10).status, "DENIED", "LOCK")
    equal(host.lock(handle, 5, 10, block=True).status, "BLOCKED", "LOCK, blocking")
    since = now()
    ok(file.unlock(0, 10))
    call = host.wait_granted(WOKEN, since)
    check(call is not None, "no NLM_GRANTED")
    equal(call.version, version, "version of the callback")
    equal(file.lock(0, 10).status, "LOCK_NOT_GRANTED", "it is really held")
    ok(host.unlock(handle, 5, 10))
    ok(host.lock(handle, 100, 0), "to the end of the file")
    equal(file.lock(1 << 40, 1).status, "LOCK_NOT_GRANTED", "far behind, to the end")
    ok(host.unlock(handle, 100, 0))  # version 1 knows no FREE_ALL


@scenario("NFS over a forged, foreign or short handle: STALE or BADHANDLE, never a file")
def handles(world):
    client = world.nfs()
    name = world.file(b"x")
    handle = bytearray(client.handle(name))
    for forged in (b"", b"\0" * 8, b"\xff" * 32, bytes(64), bytes(handle[:-1]),
                   bytes(handle[:-1]) + bytes([handle[-1] ^ 1]),
                   bytes([handle[0] ^ 0x80]) + bytes(handle[1:])):
        status = client.getattr(forged).status
        check(status in ("STALE", "BADHANDLE"), f"GETATTR of a forged handle: {status}")
    ok(client.getattr(bytes(handle)))
    ok(client.remove(name))
    equal(client.getattr(bytes(handle)).status, "STALE", "handle of a removed file")


@scenario("the log has one INFO line for each cross-protocol conflict")
def log_lines(world):
    name = world.file(b"x")
    nfs, host = world.locker()
    handle = nfs.handle(name)
    file = ok(open_file(world.smb(), name))
    ok(file.lock(0, 10))
    before = len(world.server.log())
    equal(host.lock(handle, 0, 10).status, "DENIED", "NFS lock")
    ok(host.lock(handle, 20, 10))
    equal(file.lock(20, 10).status, "LOCK_NOT_GRANTED", "SMB lock")
    lines = [line for line in world.server.log()[before:].splitlines()
             if re.search("cross.protocol", line, re.I) and re.search(r"\bINFO\b", line, re.I)]
    check(len(lines) >= 2, f"{len(lines)} lines for two conflicts: {lines}")


@scenario("metrics: conflicts and breaks across the families are counted",
          server={"options": ["--metrics", "127.0.0.1:19090"]})
def metrics(world):
    name = world.file(b"x")
    nfs, host = world.locker()
    handle = nfs.handle(name)

    def read():
        with urllib.request.urlopen("http://127.0.0.1:19090/metrics", timeout=5) as answer:
            return answer.read().decode()

    def total(text, name, *labels):
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if line.startswith(name) and all(label in line for label in labels))
    file = world.leased(world.smb("smb", "3.0.2"), name, "RWH")
    file.client.on_break = lambda client, notice: notice.ack_required and client.start_ack(notice)
    ok(host.lock(handle, 0, 10), "NFS lock behind a lease")
    equal(file.lock(0, 10).status, "LOCK_NOT_GRANTED", "SMB lock")
    text = read()
    conflicts = "cross_protocol_conflict_total"
    check(total(text, conflicts, 'initiator="smb"', 'conflicting="nfs_lock"',
                'resolution="denied"') >= 1, "no denied SMB lock is counted")
    check(total(text, conflicts, 'initiator="nfs"', 'conflicting="smb_lease"') >= 1,
          "no break for NFS is counted")
    check(total(text, "cross_protocol_break_duration_seconds_count",
                'trigger="nfs_lock"') >= 1, "no duration of a break")


@scenario("a taken port, a missing directory, a wrong flag: one line each, and exit status not 0")
def bad_starts(world):
    binary = world.server.command()[0]
    state = world.server.state + "-other"
    base = ["--state", state, "--bind", world.server.address, "--portmap", "off",
            "--user", "u:pass-word-1"]
    ports = ["--nfs-port", "13049", "--mount-port", "13049", "--nlm-port", "13049",
             "--nsm-port", "13049", "--smb-port", "13445"]
    taken = ports[:-1] + [str(world.server.ports["smb"])]
    cases = {"a taken port": ["--export", f"x={world.server.files}", *base, *taken],
             "a missing directory": ["--export", "x=/nowhere/at/all", *base, *ports],
             "an unknown flag": ["--exprot", "x=/", *base, *ports]}
    for what, flags in cases.items():
        result = subprocess.run([binary, *flags], stdout=subprocess.PIPE, timeout=20, check=False,
                                stderr=subprocess.STDOUT, universal_newlines=True)
        check(result.returncode != 0, f"{what}: exit 0")
        problems = [line for line in result.stdout.splitlines()
                    if line.strip() and not re.search(r"\b(INFO|DEBUG)\b", line, re.I)]
        check(len(problems) == 1, f"{what}: {len(problems)} lines: {problems}")


@scenario("break timeout of 35 s, as it is by default", full_only=True,
          server={"break_timeout": 35})
def default_timeout(world):
    name = world.file(b"x" * 100)
    file = world.leased(world.smb("smb", "3.0.2"), name, "RWH")
    nfs, host = world.locker()
    pending = host.start_lock(nfs.handle(name), 0, 10)
    notice = file.client.wait_break(WOKEN, key=file.key)
    ok(pending.wait(45), "NFS lock behind a dead lease")
    within(pending.answered - notice.at, 0.9 * 35, 35 + LATE, "deadline of the break")
