"""Clients that others wrote, in user space: smbclient, and the tools of libnfs."""
import json
import os
import subprocess

from lockstep_e2e.scenario import check, equal, generate, ok, pattern, scenario
from lockstep_e2e.server import EXPORT, PASSWORD, USER
from lockstep_e2e.smbfile import open_file


def run(*command, timeout=30, data=None):
    result = subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            timeout=timeout, check=False)
    return result.returncode, result.stdout


def smbclient(world, commands, *flags):
    return run("smbclient", f"//{world.server.address}/{EXPORT}", "-p",
               str(world.server.ports["smb"]), "-U", f"{USER}%{PASSWORD}", "-s", "/dev/null",
               *flags, "-c", commands)


def url(world, name=""):
    ports = f"?nfsport={world.server.ports['nfs']}&mountport={world.server.ports['mount']}"
    return f"nfs://{world.server.address}/{EXPORT}/{name}{ports}"


def local(world, leaf, data=b""):
    path = os.path.join(world.house.directory, f"{world.folder}-{leaf}")
    with open(path, "wb") as file:
        file.write(data)
    return path


PROTOCOLS = [("SMB2_02", ""), ("SMB2_10", ""), ("SMB3_00", ""), ("SMB3_02", ""), ("SMB3_11", ""),
             ("SMB3_11", "encrypted")]


@generate("smbclient {0} {1}: put, get, list, rename, delete", PROTOCOLS, tools=["smbclient"])
def smbclient_works(world, protocol, encrypted):
    data = pattern(1_500_000, 3)
    source, target = local(world, "source", data), local(world, "target")
    flags = ["-m", protocol, f"--option=client min protocol={protocol}"]
    if encrypted:
        flags.append("--client-protection=encrypt")
    code, text = smbclient(world, f"cd {world.folder}; mkdir sub; put {source} sub/a; ls sub/*; "
                                  f"rename sub/a sub/b; get sub/b {target}; allinfo sub/b", *flags)
    check(code == 0 and b" a " in text, f"smbclient: exit {code}: {text.decode()[-400:]}")
    with open(target, "rb") as file:
        equal(file.read() == data, True, "what came back")
    equal(world.contents(world.name("sub/b")) == data, True, "on the disk")
    code, text = smbclient(world, f"cd {world.folder}; del sub/b; rmdir sub; ls", *flags)
    check(code == 0, f"smbclient: exit {code}: {text.decode()[-400:]}")
    check(not world.exists(world.name("sub")), "the directory is still there")
    os.remove(source)
    os.remove(target)


@scenario("smbclient: a wrong password and a wrong share are refused", tools=["smbclient"])
def smbclient_refused(world):
    code, text = run("smbclient", f"//{world.server.address}/{EXPORT}", "-p",
                     str(world.server.ports["smb"]), "-U", f"{USER}%wrong", "-s", "/dev/null",
                     "-c", "ls")
    check(code != 0 and b"LOGON_FAILURE" in text, f"exit {code}: {text.decode()}")
    code, text = run("smbclient", f"//{world.server.address}/nothing", "-p",
                     str(world.server.ports["smb"]), "-U", f"{USER}%{PASSWORD}", "-s",
                     "/dev/null", "-c", "ls")
    check(code != 0 and b"BAD_NETWORK_NAME" in text, f"exit {code}: {text.decode()}")


@scenario("libnfs: nfs-ls, nfs-cp, nfs-cat", tools=["nfs-ls", "nfs-cp", "nfs-cat"])
def libnfs_works(world):
    data = pattern(900_000, 4)
    source, target = local(world, "source", data), local(world, "target")
    os.remove(target)
    name = world.name("copied")
    code, text = run("nfs-cp", source, url(world, name))
    check(code == 0, f"nfs-cp: exit {code}: {text.decode()}")
    equal(world.contents(name) == data, True, "on the disk")
    code, text = run("nfs-ls", url(world, world.folder))
    check(code == 0 and b"copied" in text and b"900000" in text, f"nfs-ls: {text.decode()}")
    code, text = run("nfs-cat", url(world, name))
    equal((code, text == data), (0, True), "nfs-cat")
    code, text = run("nfs-cp", url(world, name), target)
    with open(target, "rb") as file:
        equal((code, file.read() == data), (0, True), "nfs-cp back")
    os.remove(source)
    os.remove(target)


@scenario("smbclient writes, libnfs reads, and the other way round",
          tools=["smbclient", "nfs-cp", "nfs-cat"])
def across_tools(world):
    first, second = pattern(300_000, 8), pattern(300_000, 9)
    name = world.name("shared")
    source = local(world, "source", first)
    code, text = smbclient(world, f"cd {world.folder}; put {source} shared")
    check(code == 0, f"smbclient: {text.decode()}")
    equal(run("nfs-cat", url(world, name))[1] == first, True, "nfs-cat of what smbclient put")
    other = local(world, "other", second)
    code, text = run("nfs-cp", other, url(world, name + "-too"))  # it makes new files only
    check(code == 0, f"nfs-cp: {text.decode()}")
    target = local(world, "target")
    code, text = smbclient(world, f"cd {world.folder}; get shared-too {target}")
    with open(target, "rb") as file:
        equal((code, file.read() == second), (0, True), "smbclient get of what nfs-cp wrote")
    for path in (source, other, target):
        os.remove(path)


@scenario("the control program: text and JSON, both families' holders on one file")
def control(world):
    name = world.file(b"x")
    nfs, host = world.locker("witness")
    ok(host.lock(nfs.handle(name), 0, 10))
    file = ok(open_file(world.smb("smb"), name))
    ok(file.lock(100, 10))
    equal(len(world.server.locks()), 2, "locks in JSON")
    code, text = world.server.program("locks")
    check(code == 0 and host.host in text, f"lockstep locks: {text}")
    for words in (["status"], ["opens"], ["clients"], ["waiters"], ["grace"],
                  ["explain", f"{EXPORT}/{name}"], ["explain", world.server.path(name)]):
        code, text = world.server.program(*words)
        check(code == 0 and text.strip(), f"lockstep {words}: exit {code}: {text}")
        code, text = world.server.program("--json", *words)
        check(code == 0 and json.loads(text) is not None, f"lockstep --json {words}: {text}")
    code, text = run(os.path.join(world.server.binaries, "lockstep"), "--control",
                     world.server.control + "-none", "locks")
    check(code != 0 and len(text.splitlines()) == 1, f"without a server: {text.decode()}")
