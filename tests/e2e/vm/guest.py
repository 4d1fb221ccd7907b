"""Runs the guest and speaks with its agent (see helper/guest.h for the words)."""
import itertools
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from lockstep_e2e.timeline import Lost, Pending, now

from . import image
from .image import GuestDied, Unavailable


def encode(word):
    text = str(word).encode()
    return "".join(chr(c) if 32 < c < 127 and c != 37 else f"%{c:02X}" for c in text) or "%"


def decode(word):
    out, at = bytearray(), 0
    raw = word.encode()
    while at < len(raw):
        if raw[at] == 37 and at + 2 < len(raw):
            out.append(int(raw[at + 1:at + 3], 16))
            at += 3
        else:
            out.append(raw[at])
            at += 1
    return bytes(out)


class Answer:
    """What a verb of the guest said. `status` is "ok" or an errno's name; `started` and `ended`
    are the guest's times on the host's clock; `words` as raw text."""

    def __init__(self, status, words, started, ended):
        self.status, self.words, self.started, self.ended = status, words, started, ended

    @property
    def ok(self):
        return self.status == "ok"

    @property
    def latency(self):
        return self.ended - self.started

    @property
    def text(self):
        return " ".join(self.words)

    @property
    def data(self):
        """The first word, decoded: contents that were read."""
        return decode(self.words[0]) if self.words else b""

    def __repr__(self):
        return " ".join([self.status, *self.words])


def accelerator():
    """QEMU's flags. /dev/kvm alone does not say that there is hardware behind it: only a
    processor that shows its extension is trusted. LOCKSTEP_E2E_ACCEL=tcg (or kvm) decides."""
    if not shutil.which("qemu-system-x86_64"):
        raise Unavailable("package qemu-system-x86 is not installed")
    choice = os.environ.get("LOCKSTEP_E2E_ACCEL", "")
    if not choice and os.access("/dev/kvm", os.R_OK | os.W_OK):
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            flags = next((line.split() for line in info if line.startswith("flags")), [])
        choice = "kvm" if "vmx" in flags or "svm" in flags else "tcg"
    if choice == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", "tcg,thread=multi", "-cpu", "max,la57=off"]


class Guest:
    """One running guest. `tap`: its network interface on the host's side."""

    def __init__(self, directory, tap, cache, sources, timeline=None):
        self.directory, self.tap, self.timeline = directory, tap, timeline
        self.ids = itertools.count(1)
        self.waiting, self.dead, self.notes, self.lost = {}, {}, {}, False
        self.changed = threading.Condition()
        self.offset = 0.0
        self.started = now()
        kernel, version = image.kernel(cache)
        initrd = image.initrd(cache, version, image.guest_program(cache, sources))
        path = os.path.join(directory, "agent.sock")
        self.console = os.path.join(directory, "console.log")
        command = [
            "qemu-system-x86_64", "-M", "q35", *accelerator(), "-smp", "2", "-m", "512",
            "-nodefaults", "-display", "none", "-no-reboot", "-kernel", kernel, "-initrd", initrd,
            # On a busy host the timer interrupt comes too late for the kernel's check of it.
            "-append", "console=ttyS0 loglevel=4 panic=-1 cryptomgr.notests random.trust_cpu=on "
                       "mitigations=off net.ifnames=0 tsc=reliable nowatchdog no_timer_check",
            "-serial", f"file:{self.console}",
            "-netdev", f"tap,id=net,ifname={tap},script=no,downscript=no",
            "-device", "virtio-net-pci,netdev=net,mac=52:54:00:77:00:02",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,path={path},server=on,wait=off",
            "-device", "virtserialport,chardev=agent,name=agent",
            "-device", "virtio-rng-pci",
        ]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=open(os.path.join(directory, "qemu.log"), "wb"),
                                        stderr=subprocess.STDOUT)
        self.sock = self._connect(path)
        threading.Thread(target=self._receive, daemon=True).start()

    def _connect(self, path):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        end = now() + 10
        while True:
            try:
                sock.connect(path)
                return sock
            except OSError:
                if self.process.poll() is not None or now() > end:
                    raise Unavailable("QEMU does not start: " + self.log("qemu.log")) from None
                time.sleep(0.02)

    def log(self, name="console.log", size=2000):
        try:
            with open(os.path.join(self.directory, name), "rb") as file:
                return file.read()[-size:].decode(errors="replace")
        except OSError:
            return ""

    def processor_seconds(self):
        """What QEMU has used so far, boot and all: the same on a busy machine as on an idle one."""
        try:
            with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_ready(self, work=60.0, timeout=600.0):
        """Until the agent answers; then sets the difference of the clocks. A boot takes 5 to 10 s
        of processor time: one that took `work` has gone wrong, whatever the clock says."""
        end = now() + timeout
        with self.changed:
            while not self.changed.wait_for(lambda: self.dead.get("ready") or self.lost, 1.0):
                if self.processor_seconds() > work or now() > end:
                    raise GuestDied("the guest does not boot: " + self.log())
            if self.lost:
                raise GuestDied("the guest died: " + self.log())
        self.boot_seconds = now() - self.started
        self.synchronise()
        return self

    def synchronise(self):
        """Guest times become host times; the exchange with the smallest delay counts."""
        best = None
        for _ in range(8):
            before = now()
            raw = self.start("@", "clock", raw=True).wait(10)
            after = now()
            if best is None or after - before < best[0]:
                best = (after - before, (before + after) / 2 - raw.started)
        self.offset = best[1]

    # Messages --------------------------------------------------------------------------------------

    def start(self, target, verb, *arguments, raw=False):
        pending = Pending(f"{target} {verb} {' '.join(map(str, arguments))}")
        pending.target, pending.raw = target, raw
        number = pending.number = str(next(self.ids))
        line = " ".join([number, target, verb, *map(encode, arguments)]) + "\n"
        with self.changed:
            if self.lost:
                raise Lost("the guest is gone")
            self.waiting[number] = pending
            pending.sent = now()
            self.sock.sendall(line.encode())
        return pending

    def call(self, target, verb, *arguments, timeout=20.0):
        return self.start(target, verb, *arguments).wait(timeout)

    def _receive(self):
        buffer = b""
        try:
            while True:
                piece = self.sock.recv(65536)
                if not piece:
                    break
                buffer += piece
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    self._line(line.decode(errors="replace").split(" "), now())
        except OSError:
            pass
        with self.changed:
            self.lost = True
            waiting, self.waiting = self.waiting, {}
            self.changed.notify_all()
        for pending in waiting.values():
            pending.fail(Lost("the guest is gone"), now())

    def _line(self, words, at):
        if words[0] == "!":
            self._news(words[1:], at)
            return
        if len(words) < 4:
            return
        with self.changed:
            pending = self.waiting.pop(words[0], None)
        if pending is None:
            return
        shift = 0.0 if pending.raw else self.offset
        started, ended = (int(word) / 1e9 + shift for word in words[1:3])
        answer = Answer(words[3], [word for word in words[4:] if word], started, ended)
        if self.timeline and pending.target != "@":
            self.timeline.add(pending.target, pending.label.partition(" ")[2], at=ended,
                              status=answer.status, text=answer.text[:60])
        pending.finish(answer, ended if not pending.raw else at)

    def _news(self, words, at):
        with self.changed:
            if words[0] == "ready":
                self.dead["ready"] = at
            elif words[0] == "note":
                self.notes.setdefault(words[1], []).extend(words[2:])
            elif words[0] == "dead":
                self.dead[words[1]] = int(words[2])
                gone = [number for number, pending in self.waiting.items()
                        if pending.target == words[1]]
                lost = [self.waiting.pop(number) for number in gone]
            self.changed.notify_all()
        if words[0] == "dead":
            for pending in lost:
                pending.fail(Lost(f"worker {words[1]} ended with {words[2]}"), at)

    def shutdown(self):
        try:
            self.call("@", "poweroff", timeout=3)
        except (Lost, TimeoutError, OSError):
            pass
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.sock.close()


class Shell:
    """A worker used for commands of an environment."""

    def __init__(self, guest, name, environment):
        self.guest, self.name = guest, name
        answer = guest.call("@", "spawn", name, environment)
        if not answer.ok:
            raise OSError(f"spawn {name}: {answer}")

    def run(self, command, timeout=60.0, check=True):
        """(exit status, output). OSError on failure when `check`."""
        answer = self.guest.call(self.name, "sh", command, timeout=timeout)
        code = int(answer.words[0]) if answer.ok else -1
        text = decode(answer.words[1]).decode(errors="replace") if len(answer.words) > 1 else ""
        if check and code != 0:
            raise OSError(f"in the guest: {command}: exit {code}: {text}{answer.status}")
        return code, text
