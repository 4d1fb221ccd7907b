"""Kernel clients: the ways in which people mount."""
import hashlib

from lockstep_e2e.scenario import check, equal, generate, pattern
from lockstep_e2e.server import EXPORT, PASSWORD, USER
from vm.network import SERVER

NFS_WAYS = [("found by the portmapper", "vers=3"), ("over UDP for MOUNT", "vers=3,mountproto=udp"),
            ("small blocks", "vers=3,rsize=4096,wsize=4096"), ("sync", "vers=3,sync,noac"),
            ("no version said", "nfsvers=3,proto=tcp")]
CIFS_WAYS = [("2.1", ""), ("3.0", ""), ("3.0.2", ""), ("3.1.1", ""), ("3.1.1", ",seal"),
             ("3.0", ",seal"), ("3.1.1", ",cache=none"), ("2.1", ",sign"), ("3.1.1", ",sign")]
SCRIPT = ("cd {place}/{folder} && dd if=/dev/urandom of=data bs=64k count=5 2>/dev/null && "
          "cat data > copy && sync && sha256sum data copy | cut -d' ' -f1 | uniq | wc -l && "
          "mv copy moved && mkdir d && mv moved d/ && ls d && rm -r d data && cd / ")


def work(world, shell, place, mount):
    """Mounts, works there with ordinary programs, unmounts; the server must be left clean."""
    shell.run(f"mkdir -p {place} && {mount}")
    try:
        name = world.file(pattern(100_000, 3))
        code, text = shell.run(SCRIPT.format(place=place, folder=world.folder), check=False)
        equal((code, text.split()), (0, ["1", "moved"]), "what the programs said")
        code, text = shell.run(f"sha256sum {place}/{name}; df {place} | tail -n 1",
                               check=False)
        check(code == 0 and SERVER in text, f"df: {text}")
        check(hashlib.sha256(pattern(100_000, 3)).hexdigest() in text, f"contents of a file: {text}")
        check(not world.exists(world.name("d")), "what was removed is still there")
    finally:
        shell.run(f"umount {place} || umount -l {place}", check=False)


@generate("kernel NFSv3 mount: {0}", NFS_WAYS, room="vm")
def nfs_mounts(world, _what, options):
    ports = world.server.ports
    if "portmapper" not in _what:
        options += f",port={ports['nfs']},mountport={ports['mount']}"
    work(world, world.shells["A"], "/mnt/way",
         f"mount -t nfs -o {options} {SERVER}:/{EXPORT} /mnt/way")


@generate("kernel CIFS mount: {0}{1}", CIFS_WAYS, room="vm")
def cifs_mounts(world, dialect, more):
    options = (f"vers={dialect},port={world.server.ports['smb']},user={USER},pass={PASSWORD},"
               f"nosharesock{more}")
    work(world, world.shells["C"], "/mnt/way",
         f"mount -t cifs -o {options} //{SERVER}/{EXPORT} /mnt/way")
