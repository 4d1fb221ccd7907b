"""What finds a mutant: programs of the tests, linked with the mutant's object before the core's library.

Detectors judge by different things: what people wrote down, the core itself, the clients of the
simulator, the reference model, the specification. So that each judges by its own, all but `rules`
are linked with silent_core.cpp, whose invariants always hold.
"""

import glob
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "spec"))

import graphs  # noqa: E402

SEQUENCES = 6000  # of the model tests
SEEDS = 6000      # of the simulator
RANDOM_SEED = 20261121

# The graphs that exercise a file of the core, those that are most about it first.
GRAPHS = {
    "accesses": ["Shares", "Rights", "Locks", "DirRights", "Lockstep"],
    "clients": ["Sessions", "Grace", "Locks", "Shares", "Rights", "Lockstep"],
    "conflict": ["Locks", "Rights", "Shares", "DirRights", "Grace", "Lockstep"],
    "grace": ["Grace", "Lockstep"],
    "lock_table": ["Locks", "Rights"],
    "locks": ["Locks", "Grace", "Rights", "Lockstep"],
    "opens": ["Shares", "Rights", "Grace", "Lockstep"],
    "rights": ["Rights", "DirRights", "Shares", "Lockstep"],
    "unlock": ["Locks", "Rights", "Lockstep"],
    "waiters": ["Locks", "Rights", "DirRights", "Lockstep"],
    "waits_for": ["Locks"],
}


class Bench:
    """A folder in which one mutant (none: the sound core) is compiled and linked with programs."""

    def __init__(self, build, folder, patch):
        self.build, self.folder, self.objects, self.programs = build, folder, [], {}
        self.source = None
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        self.silent = self._compile(os.path.join(HERE, "silent_core.cpp"), "core/invariants.cpp")
        if patch:
            self._mutate(patch)

    def _mutate(self, patch):
        with open(patch, encoding="utf-8") as lines:
            self.source = next(line[6:].strip() for line in lines if line.startswith("+++ b/"))
        mutated = os.path.join(self.folder, self.source)
        os.makedirs(os.path.dirname(mutated))
        shutil.copyfile(os.path.join(ROOT, self.source), mutated)
        subprocess.run(["patch", "--quiet", "--strip=1", "--no-backup-if-mismatch", f"--input={patch}"],
                       cwd=self.folder, check=True)
        self.objects = [self._compile(mutated, self.source)]

    def _compile(self, path, like):
        """The object of a file, made as the build makes that of another."""
        with open(os.path.join(self.build, "compile_commands.json"), encoding="utf-8") as file:
            entry = next(e for e in json.load(file) if e["file"] == os.path.join(ROOT, like))
        words = shlex.split(entry["command"])
        made = os.path.join(self.folder, os.path.basename(path) + ".o")
        words[words.index("-o") + 1] = made
        words[words.index("-c") + 1] = path
        subprocess.run(words + ["-w"], cwd=entry["directory"], check=True)
        return made

    def program(self, target, silent=True):
        """The program as ninja would link it, but with this bench's objects first."""
        if (target, silent) in self.programs:
            return self.programs[target, silent]
        lines = subprocess.run(["ninja", "-C", self.build, "-t", "commands", "-s", target],
                               capture_output=True, text=True, check=True).stdout.splitlines()
        link = next(line for line in reversed(lines) if f" -o {target} " in line)
        words = shlex.split(link.split("&& ", 1)[1].split(" && ")[0])
        output = os.path.join(self.folder, os.path.basename(target) + ("" if silent else "-aloud"))
        words[words.index("-o") + 1] = output
        first = next(i for i, word in enumerate(words) if word.endswith(".o"))
        words[first:first] = self.objects + ([self.silent] if silent else [])
        subprocess.run(words, cwd=self.build, check=True)
        self.programs[target, silent] = output
        return output

    def close(self):
        shutil.rmtree(self.folder)


def runs_well(command, environment=None, **more):
    """A core that hangs or eats all memory is found, too."""
    limits = ["prlimit", "--cpu=90", f"--as={4 << 30}", "--core=0"]
    return subprocess.run(limits + command, env=dict(os.environ, **(environment or {})), check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more).returncode == 0


def cases(bench):
    """Hand-written tests of the core (tests/core), each of one rule."""
    # The property tests of the interval tree are long, and no mutant is in it.
    return not runs_well([bench.program("tests/test_core"), "--gtest_filter=-IntervalTree.*"])


def sequences(program, filtered):
    return not runs_well([program, f"--gtest_filter={filtered}"],
                         {"LOCKSTEP_MODEL_RUNS": str(SEQUENCES), "LOCKSTEP_MODEL_SHRINK": "0",
                          "RC_PARAMS": f"seed={RANDOM_SEED}"})


def rules(bench):
    """The core alone in random sequences (tests/model): its invariants, the properties of a view."""
    return sequences(bench.program("tests/test_model", silent=False), "Core.KeepsTheRules")


def model(bench):
    """The reference model in lock step: effects, views, records, deadlines (tests/model)."""
    return sequences(bench.program("tests/test_model"), "ModelAndCore.*")


def scenarios(sim, folder):
    """Replays tests/scenarios; true when one has another golden output than the one on file."""
    copies = os.path.join(folder, "scenarios")
    shutil.copytree(os.path.join(ROOT, "tests", "scenarios"), copies)
    for path in sorted(glob.glob(os.path.join(copies, "*.scenario"))):
        golden = path.replace(".scenario", ".golden")
        with open(golden, encoding="utf-8") as file:
            wanted = file.read()
        if not runs_well([sim, "replay", path, "--update", "--quiet", "--no-model", "--no-invariants"]):
            return True
        with open(golden, encoding="utf-8") as file:
            if file.read() != wanted:
                return True
    return False


def simulator(bench):
    """Simulated clients (sim/core) without model and invariants: what they hold, read, lose, are
    told and are refused; and the golden output of the scenarios."""
    sim = bench.program("sim/lockstep-sim")
    if scenarios(sim, bench.folder):
        return True
    return not runs_well([sim, "--seeds", f"1..{SEEDS}", "--once", "--stop", "--quiet", "--jobs", "1",
                          "--no-model", "--no-invariants"])


KEEPING = threading.Lock()


def differs(replayer, dump, folder):
    """Whether a transition of the graph goes another way in this core."""
    with KEEPING:
        graph = graphs.kept(dump, folder)
    with subprocess.Popen(["gzip", "-dc", graph], stdout=subprocess.PIPE) as lines, \
            subprocess.Popen(["prlimit", "--cpu=300", f"--as={8 << 30}", "--core=0", replayer,
                              graphs.module_of(dump), "core"], stdin=lines.stdout,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as replay:
        lines.stdout.close()
        said = replay.stderr.read(1)  # the first difference is enough
        if said:
            replay.kill()
        return bool(said) or replay.wait() != 0


def graph(bench):
    """The specification: TLC's transitions, replayed through the core (tests/spec)."""
    folder = os.path.join(bench.build, "mutants", "graphs")
    about = GRAPHS.get(os.path.basename(bench.source).removesuffix(".cpp"), graphs.MODULES)
    chosen = [d for d in graphs.dumps() if graphs.level(d) == "quick" and graphs.module_of(d) in about]
    chosen.sort(key=lambda d: about.index(graphs.module_of(d)))
    replayer = bench.program("tests/spec_replay")
    return any(differs(replayer, dump, folder) for dump in chosen)


# Cheapest first.
ALL = [cases, rules, simulator, model, graph]
