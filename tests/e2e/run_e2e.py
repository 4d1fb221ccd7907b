#!/usr/bin/env python3
"""End-to-end tests: the server as a process, real clients around it.

User-space clients (raw wire clients, smbclient, libnfs) need nothing special and run everywhere.
The kernel's NFS and CIFS clients run in a guest; without root, QEMU or /dev/net/tun those scenarios
are skipped, with the reason. The last line is "N passed, N failed, N skipped"."""
import argparse
import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from lockstep_e2e import scenario as scenarios  # noqa: E402
from lockstep_e2e import server as servers  # noqa: E402
from lockstep_e2e.scenario import Failed, Skip  # noqa: E402
from lockstep_e2e.world import House, World  # noqa: E402
from vm.image import GuestDied, Unavailable  # noqa: E402

INSIDE = "LOCKSTEP_E2E_INSIDE"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true",
                        help="longer mixes and the scenarios that take minutes")
    parser.add_argument("--quick", action="store_true", help="short mixes (what is done anyway)")
    parser.add_argument("--only", metavar="PATTERN", action="append",
                        help="scenarios whose name matches (a regular expression; repeatable)")
    parser.add_argument("--no-vm", "--user-space", action="store_true", dest="no_vm",
                        help="user-space clients only")
    parser.add_argument("--vm", action="store_true", dest="only_vm", help="the guest only")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--binaries", metavar="DIR",
                        help="where lockstepd and lockstep are (default: $LOCKSTEP_BIN, build/shell)")
    parser.add_argument("--cache", metavar="DIR", help="where the guest's images are kept")
    parser.add_argument("--keep", action="store_true", help="keep the servers' directories")
    parser.add_argument("--timeline", action="store_true", help="print every scenario's events")
    parser.add_argument("--stop", action="store_true", help="stop at the first failure")
    return parser.parse_args()


def enter_namespace():
    """Runs this program again inside a network namespace of its own, where one can be had."""
    if os.environ.get(INSIDE):
        return os.environ[INSIDE]
    if shutil.which("unshare") and shutil.which("ip"):
        flags = "-nm" if os.geteuid() == 0 else "-Urnm"
        setup = 'ip link set lo up && exec "$@"'
        probe = subprocess.run(["unshare", flags, "sh", "-c", setup, "sh", "true"], check=False,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if probe.returncode == 0:
            kind = "root" if os.geteuid() == 0 else "user"
            os.environ[INSIDE] = kind
            os.execvp("unshare", ["unshare", flags, "sh", "-c", setup, "sh", sys.executable,
                                  os.path.join(HERE, "run_e2e.py"), *sys.argv[1:]])
    os.environ[INSIDE] = "none"
    return "none"


def load_scenarios(options):
    import scenarios as package
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        importlib.import_module(f"scenarios.{module.name}")
    chosen = []
    for one in scenarios.ALL:
        if options.only and not any(re.search(pattern, one.name) for pattern in options.only):
            continue
        if (options.no_vm and one.room == "vm") or (options.only_vm and one.room != "vm"):
            continue
        if one.full_only and not options.full:
            continue
        chosen.append(one)
    # Scenarios that share a server stand together: it is started once.
    return sorted(chosen, key=lambda one: (one.room == "vm", one.server is not None))


class Runner:
    def __init__(self, options, house):
        self.options, self.house = options, house
        self.passed, self.failed, self.skipped = 0, [], 0
        self.started = time.monotonic()
        self.lounge = None  # where the guest is, once it was wanted

    def vm_world(self, one):
        from lockstep_e2e.vmworld import Lounge, VmWorld
        if isinstance(self.lounge, Unavailable):
            raise Skip(str(self.lounge))
        if isinstance(self.lounge, GuestDied):
            raise Failed("no guest (see the first of these)")
        if self.lounge is None:
            try:
                if os.environ[INSIDE] != "root":
                    raise Unavailable("the guest's network needs root")
                self.house.close()
                self.lounge = Lounge(self.options, self.house)
            except Unavailable as reason:
                self.lounge = reason
                raise Skip(str(reason)) from None
            except GuestDied as reason:
                self.lounge = reason
                raise Failed(str(reason)) from None
        return VmWorld(self.lounge, one)

    def run(self, one):
        begin = time.monotonic()
        world, verdict, text = None, "PASS", ""
        try:
            for tool in one.tools:
                if not shutil.which(tool):
                    raise Skip(f"{tool} is not installed")
            world = self.vm_world(one) if one.room == "vm" else World(self.house, one)
            world.full = self.options.full
            one.function(world)
            world.finish()
        except Skip as reason:
            verdict, text = "SKIP", str(reason)
        except Failed as failure:
            verdict, text = "FAIL", str(failure)
        except KeyboardInterrupt:
            raise
        except Exception:  # whatever went wrong, the others still run
            verdict, text = "FAIL", traceback.format_exc(limit=-4).rstrip()
        seconds = time.monotonic() - begin
        at = time.monotonic() - self.started
        print(f"[{at:6.1f}] {verdict} {one.name} ({seconds:.2f} s)"
              + (f": {text}" if text else ""), flush=True)
        if world is not None:
            if verdict == "FAIL" or self.options.timeline:
                self.explain(world)
            world.dispose()
        if verdict == "PASS":
            self.passed += 1
        elif verdict == "SKIP":
            self.skipped += 1
        else:
            self.failed.append(one.name)

    @staticmethod
    def explain(world):
        text = world.timeline.text().splitlines()
        print("\n".join("    " + line for line in text[-80:]))
        log = world.server.log().splitlines() if world.server else []
        for line in log[-12:]:
            print("    server: " + line[:300])
        sys.stdout.flush()

    def finish(self):
        if self.lounge is not None and not isinstance(self.lounge, Exception):
            self.lounge.close()
        try:
            self.house.close()
        except (servers.ServerError, OSError) as error:
            print(f"FAIL end of the shared server: {error}")
            self.failed.append("end of the shared server")
        print(f"in {time.monotonic() - self.started:.0f} s")
        for name in self.failed:
            print(f"  FAILED: {name}; again: tests/e2e/run --only '^{re.escape(name)}$'")
        print(f"{self.passed} passed, {len(self.failed)} failed, {self.skipped} skipped",
              flush=True)


def main():
    options = arguments()
    if options.list:
        for one in load_scenarios(options):
            print(f"{one.room:<5} {one.name}")
        return 0
    kind = enter_namespace()
    binaries = servers.find_binaries(os.path.dirname(os.path.dirname(HERE)), options.binaries)
    if binaries is None:
        print("no lockstepd here: build it first, or name its directory in LOCKSTEP_BIN")
        print("0 passed, 1 failed, 0 skipped")
        return 1
    directory = tempfile.mkdtemp(prefix="lockstep-e2e-")
    runner = Runner(options, House(binaries, directory, private=kind != "none"))
    try:
        for one in load_scenarios(options):
            runner.run(one)
            if options.stop and runner.failed:
                break
    finally:
        runner.finish()
        if options.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return 1 if runner.failed else 0


if __name__ == "__main__":
    sys.exit(main())
