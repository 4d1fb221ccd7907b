#!/usr/bin/env python3
"""End-to-end tests: the server as a process, real clients around it.

User-space clients (raw wire clients, smbclient, libnfs) need nothing special and run everywhere.
The kernel's NFS and CIFS clients run in a guest; without root, QEMU or /dev/net/tun those scenarios
are skipped, with the reason. The last line is "N passed, N failed, N skipped"."""
import argparse
import importlib
import itertools
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
import threading
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
    parser.add_argument("--sample", action="store_true",
                        help="of scenarios that differ in their case only, the first and the last")
    parser.add_argument("--jobs", metavar="N", type=int, default=1,
                        help="side by side: N parts, each in a namespace with servers of its own; "
                             "the guest's scenarios stay together in one of them")
    parser.add_argument("--part", metavar="I/N", help=argparse.SUPPRESS)
    return parser.parse_args()


def unshare(*command):
    """The command line that runs `command` in a network namespace of its own, or None where none
    can be had."""
    if not shutil.which("unshare") or not shutil.which("ip"):
        return None
    flags = "-nm" if os.geteuid() == 0 else "-Urnm"
    line = ["unshare", flags, "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    probe = subprocess.run([*line, "true"], check=False, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    return [*line, *command] if probe.returncode == 0 else None


def enter_namespace():
    """Runs this program again inside a network namespace of its own, where one can be had."""
    if os.environ.get(INSIDE):
        return os.environ[INSIDE]
    kind = "root" if os.geteuid() == 0 else "user"
    line = unshare(sys.executable, os.path.join(HERE, "run_e2e.py"), *sys.argv[1:])
    if line:
        os.environ[INSIDE] = kind
        os.execvp(line[0], line)
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
    if options.sample:
        ends = [one for _, same in itertools.groupby(chosen, key=lambda one: one.family or one.name)
                for cases in [list(same)] for one in cases[:1] + cases[1:][-1:]]
        chosen = ends
    # Scenarios that share a server stand together: it is started once.
    chosen.sort(key=lambda one: (one.room == "vm", one.server is not None))
    return part_of(chosen, options.part) if options.part else chosen


def part_of(chosen, part):
    """What part I/N of a run does. The guest's scenarios are all in the last part."""
    index, count = map(int, part.split("/"))
    user = [one for one in chosen if one.room != "vm"]
    guest = [one for one in chosen if one.room == "vm"]
    if guest and count > 1:
        if index == count - 1:
            return guest
        count -= 1
    return user[index::count] + (guest if count == 1 else [])


def side_by_side(options):
    """Starts the parts and hands on what they say, scenario by scenario. Returns the exit status."""
    sums, results, lock = [0, 0, 0], [], threading.Lock()

    def follow(process):
        block = []
        for line in itertools.chain(process.stdout, ["["]):
            counts = re.match(r"(\d+) passed, (\d+) failed, (\d+) skipped", line)
            if block and not line.startswith(("    ", "\n")):
                with lock:
                    print("".join(block), end="", flush=True)
                block = []
            if counts:
                with lock:
                    results.append(counts[0])
                    for index in range(3):
                        sums[index] += int(counts[index + 1])
            else:
                block.append(line)

    parts = [subprocess.Popen([sys.executable, os.path.join(HERE, "run_e2e.py"), *sys.argv[1:],
                               "--part", f"{index}/{options.jobs}"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              universal_newlines=True) for index in range(options.jobs)]
    threads = [threading.Thread(target=follow, args=(process,)) for process in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bad = [process.wait() for process in parts]
    if len(results) < len(parts) or (any(bad) and not sums[1]):
        print(f"a part of the run ended without its result: {bad}")
        sums[1] += 1
    print(f"{sums[0]} passed, {sums[1]} failed, {sums[2]} skipped", flush=True)
    return 1 if sums[1] else 0


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
            except (GuestDied, OSError) as reason:
                self.lounge = GuestDied(str(reason))
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
        text = text.replace("\n", "\n    ")
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
    if options.jobs > 1 and not options.part and unshare():
        return side_by_side(options)
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
