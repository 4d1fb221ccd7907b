"""Starts, watches, kills and asks `lockstepd`."""
import json
import os
import shutil
import signal
import socket
import subprocess
import time

from .timeline import now

USER, PASSWORD = "e2e", "Lock-Step-1"
EXPORT = "data"
NOBODY = 65534  # an account that owns nothing
HIGH_PORTS = {"nfs": 12049, "mount": 12048, "nlm": 12803, "nsm": 12765, "smb": 12445}


class ServerError(Exception):
    """The server does not start, or died; its last log lines are in the text."""


def sanitizer_report(text):
    """The first line by which a sanitizer or an assertion says that something is wrong, or None."""
    for line in text.splitlines():
        if any(mark in line for mark in ("ERROR: AddressSanitizer", "runtime error:",
                                         "WARNING: ThreadSanitizer", "ERROR: LeakSanitizer",
                                         "Assertion `", "terminate called")):
            return line.strip()
    return None


def may_become(user):
    """Whether a process of ours can run as that account: root's can, where the account is known."""
    with open("/proc/self/uid_map", encoding="ascii") as lines:
        known = [[int(word) for word in line.split()] for line in lines]
    return os.geteuid() == 0 and any(first <= user < first + count for first, _, count in known)


class Server:
    """One server with a directory of its own: `files` is exported, `state` is kept over restarts.

    Ports are fixed once for the life of the object, so that clients find it again."""

    PORTS = {"nfs": 2049, "mount": 20048, "nlm": 32803, "nsm": 32765, "smb": 445}

    def __init__(self, binaries, directory, address="127.0.0.1", portmap=True, ports=None,
                 break_timeout=5, grace=10, options=(), name="lockstep-e2e", user=None,
                 trace=False):
        self.binaries, self.address, self.portmap = binaries, address, portmap
        self.break_timeout, self.grace, self.options = break_timeout, grace, list(options)
        self.ports = dict(ports or self.PORTS)
        self.name = name
        self.files = os.path.join(directory, "files")
        self.state = os.path.join(directory, "state")
        self.control = os.path.join(directory, "control")
        self.log_path = os.path.join(directory, "server.log")
        self.trace = os.path.join(directory, "server.trace") if trace else None
        os.makedirs(self.files, exist_ok=True)
        os.makedirs(self.state, exist_ok=True)
        os.chmod(self.files, 0o777)
        self.user = user if user is not None and may_become(user) else None
        if self.user is not None:
            self._hand_over(directory)
        self.process = None
        self.started = None

    def _hand_over(self, directory):
        """What another account needs to run the server: its directories, and the program where it
        may reach it."""
        for place in (directory, self.state):
            os.chown(place, self.user, self.user)
        os.chmod(os.path.dirname(directory), 0o711)
        for program in ("lockstepd", "lockstep"):
            shutil.copy(os.path.join(self.binaries, program), directory)
        self.binaries = directory

    # Life ------------------------------------------------------------------------------------------

    def command(self):
        flags = ["--export", f"{EXPORT}={self.files}", "--state", self.state,
                 "--bind", self.address, "--control", self.control, "--user", f"{USER}:{PASSWORD}",
                 "--break-timeout", f"{self.break_timeout}s", "--grace", f"{self.grace}s",
                 "--portmap", "embedded" if self.portmap else "off", "--squash", "none",
                 "--name", self.name, "--log-level", "debug"]
        for name, port in self.ports.items():
            flags += [f"--{name}-port", str(port)]
        if self.trace:
            flags += ["--trace", self.trace]
        return [os.path.join(self.binaries, "lockstepd"), *flags, *self.options]

    def start(self, timeout=60.0):
        with open(self.log_path, "ab") as log:
            other = {} if self.user is None else {
                "user": self.user, "group": self.user, "extra_groups": []}
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, **other)
        end = now() + timeout
        for what, listens in (("NFS", lambda: self._listens(self.ports["nfs"])),
                              ("SMB", lambda: self._listens(self.ports["smb"])),
                              ("control", self._controls)):
            while not listens():
                if self.process.poll() is not None:
                    raise ServerError(f"exit {self.process.returncode}: {self.log()[-1500:]}")
                if now() > end:
                    self.kill()
                    raise ServerError(f"no {what} listener: {self.log()[-1500:]}")
                time.sleep(0.01)
        self.started = now()
        return self

    def _listens(self, port):
        try:
            socket.create_connection((self.address, port), 1).close()
            return True
        except OSError:
            return False

    def _controls(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            return sock.connect_ex(self.control) == 0

    def kill(self):
        """kill -9: the normal way to stop."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self, timeout=15.0):
        """SIGTERM; returns the exit status. ServerError when it does not end."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise ServerError(f"SIGTERM did not end it in {timeout} s") from None
        return self.process.returncode

    def restart(self):
        """kill -9 and start again on the same state; returns the time of the kill."""
        self.kill()
        at = now()
        self.start()
        return at

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def check(self):
        """Raises when the server died or a sanitizer or assertion complained."""
        if not self.alive:
            raise ServerError(f"the server died ({self.process.returncode}): "
                              f"{self.log()[-1500:]}")
        report = sanitizer_report(self.log())
        if report:
            raise ServerError(report)

    # What it says ----------------------------------------------------------------------------------

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def ask(self, command, path="", timeout=30.0):
        """The JSON answer of the control socket, as the control program gets it."""
        request = json.dumps({"command": command, "path": path, "limit": 100_000}) + "\n"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            sock.connect(self.control)
            sock.sendall(request.encode())
            reply = b""
            while not reply.endswith(b"\n"):
                piece = sock.recv(1 << 16)
                if not piece:
                    break
                reply += piece
        answer = json.loads(reply or b"{}")
        if not answer.get("ok"):
            raise ServerError(f"{command}: {answer.get('error', 'the control socket closed')}")
        return answer["result"]

    def program(self, *words, timeout=30.0):
        """(exit status, output) of the control program."""
        result = subprocess.run([os.path.join(self.binaries, "lockstep"), "--control",
                                 self.control, *words], stdout=subprocess.PIPE, check=False,
                                stderr=subprocess.STDOUT, universal_newlines=True,
                                timeout=timeout)
        return result.returncode, result.stdout

    def locks(self):
        """Byte-range locks: what `lockstep locks` shows beside leases and oplocks."""
        return [entry for entry in self.ask("locks") if entry["kind"] == "lock"]

    def rights(self):
        return [entry for entry in self.ask("locks") if entry["kind"] != "lock"]

    def counts(self):
        listed = self.ask("locks")
        locks = sum(entry["kind"] == "lock" for entry in listed)
        return {"locks": locks, "rights": len(listed) - locks, "opens": len(self.ask("opens")),
                "waiters": len(self.ask("waiters"))}

    def wait_counts(self, timeout=15.0, **wanted):
        """Polls until the counts are as wanted; returns the last ones seen."""
        end = now() + timeout
        while True:
            counts = self.counts()
            if all(counts[what] == number for what, number in wanted.items()) or now() > end:
                return counts
            time.sleep(0.05)

    def in_grace(self):
        return self.ask("grace")["grace"]

    def wait_grace_over(self, timeout=30.0):
        """The time at which the control program no longer shows grace."""
        end = now() + timeout
        while now() < end:
            if not self.in_grace():
                return now()
            time.sleep(0.05)
        raise ServerError(f"grace has not ended after {timeout} s")

    # Files behind its back -------------------------------------------------------------------------

    def path(self, name):
        return os.path.join(self.files, name)

    def contents(self, name):
        """What is on the server's disk now."""
        with open(self.path(name), "rb") as file:
            return file.read()

    def put(self, name, data=b""):
        """Makes a file before any client looks at it."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, 0o666)
        return name


def find_binaries(root, given=None):
    """The directory that has lockstepd and lockstep, or None. One that was named must have them."""
    named = given or os.environ.get("LOCKSTEP_BIN")
    for place in [named] if named else [os.path.join(root, "build", "shell"),
                                        os.path.dirname(shutil.which("lockstepd") or "/none/x")]:
        if os.access(os.path.join(place, "lockstepd"), os.X_OK):
            return os.path.abspath(place)
    return None
