"""The network that guest and server share: a bridge in this process's own network namespace."""
import os
import shutil
import subprocess

from .image import Unavailable

BRIDGE, TAP = "lsbr0", "lstap0"
SERVER = "10.77.0.1"
ADDRESSES = {"A": "10.77.0.11", "B": "10.77.0.12", "C": "10.77.0.13"}


def ip(*words):
    result = subprocess.run(["ip", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            universal_newlines=True, check=False)
    if result.returncode:
        raise Unavailable(f"ip {' '.join(words)}: {result.stdout.strip()}")


def make_bridge():
    """The bridge with the server's address, and the guest's tap. Nothing routes out of here: the
    namespace has no other interface."""
    if not os.path.exists("/dev/net/tun"):
        raise Unavailable("/dev/net/tun is missing")
    if not shutil.which("ip"):
        raise Unavailable("package iproute2 is not installed")
    ip("link", "add", BRIDGE, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
    ip("link", "set", BRIDGE, "addrgenmode", "none")
    ip("addr", "add", f"{SERVER}/24", "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")
    ip("tuntap", "add", TAP, "mode", "tap")
    ip("link", "set", TAP, "master", BRIDGE, "up")


def environment_script(name):
    """Run in the guest's root environment after `env NAME` gave the pid of its holder."""
    return (f"ip link add e{name} link eth0 type macvlan mode bridge && "
            f"ip link set e{name} netns {{pid}}")


def inside_script(name):
    """Run inside the environment: its address, its name, its daemons."""
    address = ADDRESSES[name]
    return (f"ip link set lo up && ip addr add {address}/24 dev e{name} && "
            f"ip link set e{name} up && hostname client-{name.lower()} && "
            f"mkdir -p /var/lib/nfs/sm /var/lib/nfs/sm.bak /run/rpcbind /mnt && "
            f"rpcbind -w && rpc.statd --no-notify")
