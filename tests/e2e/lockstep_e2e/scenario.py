"""How scenarios are declared, and the assertions that they make."""
import time

from .timeline import Lost, now

ALL = []

# Upper bounds of latencies tell one mechanism from another, never how quick this machine is just now.
WOKEN = 4.5  # told by an event: below the tests' 5 s deadline of a break, and an NFS client's 5 s sleep
LATE = 25.0  # by how much a busy machine may be late with what a timer does


class Skip(Exception):
    """The scenario cannot run here; the text says why."""


class Failed(Exception):
    """An assertion of a scenario does not hold."""


class Scenario:
    def __init__(self, name, function, options):
        self.name, self.function = name, function
        self.room = options.pop("room", "user")  # "user" or "vm"
        self.full_only = options.pop("full_only", False)
        self.server = options.pop("server", None)  # options of a server of its own, or None
        self.leaves = options.pop("leaves", False)  # state is left on purpose: no leak check
        self.tools = options.pop("tools", ())
        self.family = options.pop("family", None)  # the name that generated ones have in common
        if options:
            raise TypeError(f"{name}: unknown options {sorted(options)}")


def scenario(name, **options):
    """Declares a scenario: a function of one world (see world.py, vmworld.py)."""
    def declare(function):
        ALL.append(Scenario(name, function, dict(options)))
        return function
    return declare


def generate(name, cases, **options):
    """Declares one scenario a case: `name` is formatted with the case, the function gets it."""
    def declare(function):
        for case in cases:
            def run(world, case=case):
                function(world, *case)
            scenario(name.format(*case), **options, family=name)(run)
        return function
    return declare


# Assertions ----------------------------------------------------------------------------------------

def check(condition, text):
    if not condition:
        raise Failed(text() if callable(text) else text)


def equal(got, wanted, text):
    if got != wanted:
        raise Failed(f"{text}: {shorten(got)} in place of {shorten(wanted)}")


def shorten(value):
    text = repr(value)
    return text if len(text) < 120 else text[:100] + f"... ({len(text)} characters)"


def ok(result, text=""):
    """The result itself, when its status says that it went well."""
    if result.status not in ("OK", "ok", "GRANTED"):
        raise Failed(f"{text or 'operation'}: {result.status}")
    return result


def is_open(pending, seconds, text):
    """Fails when an answer comes within so many seconds; a JUKEBOX counts as no answer."""
    if pending.stays_open(seconds):
        return
    answer = None if pending.error else pending.answer
    if getattr(answer, "status", "") == "JUKEBOX":
        return
    raise Failed(f"{text}: answered too early ({pending.error or answer})")


def after(later, earlier, text, slack=0.0):
    """`later` must not lie before `earlier` (two times)."""
    if later is None or earlier is None:
        raise Failed(f"{text}: it did not happen (at {later}, {earlier})")
    if later + slack < earlier:
        raise Failed(f"{text}: {1000 * (earlier - later):.2f} ms too early")


def within(seconds, low, high, text):
    """The latency class."""
    if not low <= seconds <= high:
        raise Failed(f"{text}: {seconds:.3f} s, should be {low} to {high}")


def eventually(condition, timeout, text, pause=0.02):
    """Polls until `condition()` is true; returns its value. Only for what has no event."""
    end = now() + timeout
    while True:
        value = condition()
        if value:
            return value
        if now() > end:
            raise Failed(f"{text() if callable(text) else text} (waited {timeout} s)")
        time.sleep(pause)


def lost(pending, timeout=15.0):
    """True when the request ended with its connection."""
    try:
        pending.wait(timeout)
    except Lost:
        return True
    return False


def pattern(size, seed, offset=0):
    """The same bytes as the guest's helper makes: each follows from its offset and the seed."""
    mask = (1 << 64) - 1
    out = bytearray()
    first = offset >> 3
    for word in range(first, (offset + size + 7) >> 3):
        z = (word + seed * 0x9E3779B97F4A7C15) & mask
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        out += (z ^ (z >> 31)).to_bytes(8, "little")
    start = offset - first * 8
    return bytes(out[start:start + size])
