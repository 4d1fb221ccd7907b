"""The kernel and the initramfs of the guest, made from the host's Debian packages."""
import bz2
import gzip
import hashlib
import lzma
import os
import re
import shutil
import struct
import subprocess

from .cpio import Archive

MODULES = """virtio_pci virtio_console virtio_net macvlan sunrpc auth_rpcgss lockd grace nfs nfsv3
    nfs_acl dns_resolver cmac hmac sha256_generic sha512_generic md5 md4 aes_generic
    gcm ccm ctr ghash_generic ecb des_generic libdes libarc4 nls_utf8 cifs""".split()
PROGRAMS = ["/usr/sbin/mount.nfs", "/usr/sbin/mount.cifs", "/usr/sbin/rpcbind",
            "/usr/sbin/rpc.statd", "/usr/sbin/ip"]
FILES = ["/etc/netconfig"]
APPLETS = """sh mv uniq sha256sum df mount umount cat echo ls mkdir rm rmdir sleep kill ps dmesg grep hostname ln touch
    head tail wc dd sync netstat ping test true false env id sed cut tr stat chmod""".split()
TEXTS = {
    "/etc/passwd": "root:x:0:0:root:/:/bin/sh\nstatd:x:0:0::/:/bin/false\n"
                   "_rpc:x:0:0::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\n"
                          "protocols: files\nnetgroup: files\n",
    # What rpcbind, statd and mount ask for; a small machine has no package netbase.
    "/etc/services": "sunrpc 111/tcp portmapper\nsunrpc 111/udp portmapper\nnfs 2049/tcp\n",
    "/etc/protocols": "ip 0 IP\nicmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\n",
    # statd finds out by names who it is that tells of its restart.
    "/etc/hosts": "127.0.0.1 localhost\n10.77.0.1 lockstep-e2e\n10.77.0.11 client-a\n"
                  "10.77.0.12 client-b\n10.77.0.13 client-c\n",
}


class Unavailable(Exception):
    """Something that the guest needs is not on this machine; the text says what."""


class GuestDied(Exception):
    """Everything is there, and yet the guest does not run."""


def cache_directory(path=None):
    base = path or os.path.join(os.environ.get("XDG_CACHE_HOME")
                                or os.path.expanduser("~/.cache"), "lockstep-e2e")
    os.makedirs(base, exist_ok=True)
    return base


def save(path, data):
    """Written aside and renamed, so that a run beside this one never sees half of it."""
    aside = f"{path}.{os.getpid()}"
    with open(aside, "wb") as out:
        out.write(data)
    os.rename(aside, path)
    return path


def read(path):
    with open(path, "rb") as file:
        return file.read()


def installed_kernel():
    """(version, path of the bzImage) of the newest installed kernel that has modules."""
    found = []
    for name in os.listdir("/boot") if os.path.isdir("/boot") else []:
        match = re.fullmatch(r"vmlinuz-((\d+)\.(\d+).*-amd64)", name)
        if match and os.path.exists(f"/lib/modules/{match[1]}/modules.dep"):
            numbers = [int(n) for n in re.findall(r"\d+", match[1])]
            found.append((numbers, match[1], "/boot/" + name))
    if not found:
        raise Unavailable("package linux-image-amd64 is not installed")
    return max(found)[1:]


def unpack_kernel(image):
    """The ELF file inside a bzImage (boot protocol 2.08: payload_offset, payload_length)."""
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start:start + length]
    if payload.startswith(b"\xfd7zXZ\0"):
        kernel = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(b"\x1f\x8b"):
        kernel = gzip.decompress(payload[:-4])
    elif payload.startswith(b"BZh"):
        kernel = bz2.decompress(payload[:-4])
    elif payload.startswith(b"\x28\xb5\x2f\xfd") and shutil.which("zstd"):
        kernel = subprocess.run(["zstd", "-dc"], input=payload[:-4], stdout=subprocess.PIPE,
                                check=True).stdout
    else:
        raise Unavailable("the kernel is packed in a way that is not known here")
    if not kernel.startswith(b"\x7fELF"):
        raise Unavailable("no ELF kernel in the bzImage")
    return kernel


def kernel(cache):
    """Path of the uncompressed kernel and its version."""
    version, path = installed_kernel()
    info = os.stat(path)
    target = os.path.join(cache, f"vmlinux-{version}-{info.st_size}-{int(info.st_mtime)}")
    if not os.path.exists(target):
        save(target, unpack_kernel(read(path)))
    return target, version


def module_order(version):
    """Paths of the modules and of all that they need, dependencies first. Modules that are
    built into this kernel have no file and are left out."""
    base = f"/lib/modules/{version}"
    needs, by_name = {}, {}
    with open(f"{base}/modules.dep", encoding="utf-8") as lines:
        for line in lines:
            path, _, rest = line.partition(":")
            needs[path] = rest.split()
            by_name[os.path.basename(path).split(".")[0].replace("-", "_")] = path
    order = []

    def add(path):
        for need in needs[path]:
            if need not in order:
                add(need)
        if path not in order:
            order.append(path)

    for name in MODULES:
        if name in by_name:
            add(by_name[name])
    return [f"{base}/{path}" for path in order]


def module_bytes(path):
    data = read(path)
    if path.endswith(".xz"):
        return lzma.decompress(data)
    if path.endswith(".gz"):
        return gzip.decompress(data)
    if path.endswith(".ko"):
        return data
    raise Unavailable(f"{path}: compressed in a way that is not known here")


def libraries(programs):
    """All shared objects that the programs need, the loader included."""
    found = set()
    for program in programs:
        text = subprocess.run(["ldd", program], stdout=subprocess.PIPE, check=True,
                              stderr=subprocess.DEVNULL, universal_newlines=True).stdout
        if "not found" in text:
            raise Unavailable(f"{program} lacks a library")
        found.update(re.findall(r"(/\S+) \(0x", text))
    return sorted(found)


def needed_files():
    busybox = next((path for path in ("/bin/busybox", "/usr/bin/busybox")
                    if os.path.exists(path)), None)
    if not busybox:
        raise Unavailable("package busybox-static is not installed")
    packages = {"mount.nfs": "nfs-common", "mount.cifs": "cifs-utils", "rpcbind": "rpcbind",
                "rpc.statd": "nfs-common", "ip": "iproute2"}
    for program in PROGRAMS:
        if not os.path.exists(program):
            raise Unavailable(f"package {packages[os.path.basename(program)]} is not installed")
    return busybox


def fingerprint(paths, *more):
    digest = hashlib.sha256()
    for path in paths:
        info = os.stat(path)
        digest.update(f"{path} {info.st_size} {info.st_mtime_ns}\n".encode())
    for text in more:
        digest.update(repr(text).encode())
    return digest.hexdigest()[:16]


def base_image(cache, version):
    """Path of the first archive: everything but our own program. Made once."""
    busybox = needed_files()
    modules = module_order(version)
    shared = libraries(PROGRAMS)
    files = [path for path in FILES if os.path.exists(path)]
    key = fingerprint([busybox, *PROGRAMS, *shared, *modules, *files], APPLETS, TEXTS, 1)
    target = os.path.join(cache, f"base-{key}.cpio")
    if os.path.exists(target):
        return target
    archive = Archive()
    for path in ("/dev", "/proc", "/sys", "/run", "/tmp", "/mnt", "/var", "/etc", "/root"):
        archive.directory(path)
    archive.node("/dev/console", 0o600, 5, 1)
    archive.node("/dev/null", 0o666, 1, 3)
    archive.file("/bin/busybox", read(busybox), 0o755)
    for applet in APPLETS:
        archive.link(f"/bin/{applet}", "busybox")
    for path in [*PROGRAMS, *shared]:
        archive.file(path, read(path), 0o755)
    for name in ("mount.nfs", "mount.cifs"):
        archive.link(f"/sbin/{name}", f"/usr/sbin/{name}")
    for path in files:
        archive.file(path, read(path))
    for path, text in TEXTS.items():
        archive.file(path, text.encode())
    order = []
    for index, path in enumerate(modules):
        name = f"/modules/{index:02d}-{os.path.basename(path).split('.')[0]}.ko"
        archive.file(name, module_bytes(path))
        order.append(name)
    archive.file("/modules/order", "".join(name + "\n" for name in order).encode())
    return save(target, archive.bytes())


def guest_program(cache, sources):
    """Path of the static program, compiled when its sources changed."""
    files = sorted(os.path.join(sources, name) for name in os.listdir(sources))
    units = [path for path in files if path.endswith(".c")]
    digest = hashlib.sha256(b"".join(read(path) for path in files)).hexdigest()[:16]
    target = os.path.join(cache, f"guest-{digest}")
    if not os.path.exists(target):
        compiler = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
        if not compiler:
            raise Unavailable("no C compiler")
        aside = f"{target}.{os.getpid()}"
        result = subprocess.run([compiler, "-static", "-O2", "-Wall", "-Wextra", "-std=gnu11",
                                 *units, "-o", aside], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, universal_newlines=True, check=False)
        if result.returncode:
            raise Unavailable("the guest's program does not compile:\n" + result.stdout)
        os.rename(aside, target)
    return target


def initrd(cache, version, program):
    """Path of the whole initramfs: the base, and the archive with our program behind it."""
    base = base_image(cache, version)
    own = Archive()
    own.file("/init", read(program), 0o755)
    key = hashlib.sha256((base + program).encode()).hexdigest()[:16]
    target = os.path.join(cache, f"initrd-{key}.cpio")
    if not os.path.exists(target):
        save(target, read(base) + own.bytes())
    return target
