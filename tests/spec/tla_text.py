"""Traces of tests/spec/recorded.py as TLA+ text, for specs/trace/TraceLockstep."""
from recorded_events import host_of


def string(text):
    return '"' + text + '"'


class Units:
    """Offsets to numbers of units: a unit lies between neighbours of the offsets that occur."""

    def __init__(self, ranges):
        ranges = {r for r in ranges if r != (2**64 - 1, 0)}
        edges = sorted({first for first, _ in ranges} | {last + 1 for _, last in ranges})
        self.number = {edge: i for i, edge in enumerate(edges)}

    def fields(self, first, last):
        if (first, last) == (2**64 - 1, 0):  # zero bytes at 0
            return {"first": 0, "last": -1}
        return {"first": self.number[first], "last": self.number[last + 1] - 1}


def ranges_in(value):
    if isinstance(value, dict):
        for key, each in value.items():
            yield from [each] if key == "range" else ranges_in(each)
    elif isinstance(value, tuple):
        if value[0] in SHAPES and "range" in SHAPES[value[0]]:
            yield value[1 + SHAPES[value[0]].index("range")]
        for each in value:
            yield from ranges_in(each)
    elif isinstance(value, (list, set, frozenset)):
        for each in value:
            yield from ranges_in(each)


# Records that stand in sets: the first word names the shape. Other tuples are tuples.
SHAPES = {"lock": ("range", "kind", "n"), "mode": ("access", "deny"), "call": ("owner", "range", "kind"),
          "bar": ("client", "cause"), "id": ("id",)}


class Text:
    def __init__(self, units, new):
        self.units, self.numbers, self.new = units, {}, new

    def number(self, request):
        return str(self.numbers.setdefault(request, len(self.numbers) + 1))

    def record(self, fields):
        rows = []
        for key, each in fields.items():
            if key == "range":
                rows += [f"{name} |-> {edge}" for name, edge in self.units.fields(*each).items()]
            else:
                rows.append(f"{key} |-> " + (self.number(each) if key == "id" else self.of(each)))
        return "[" + ", ".join(rows) + "]"

    def of(self, value):
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, str):
            return string(self.new.get(value, value))
        if isinstance(value, dict):
            return self.record(value)
        if isinstance(value, tuple):
            if value[0] == "id":
                return self.number(value[1])
            if value[0] in SHAPES:
                return self.record(dict(zip(SHAPES[value[0]], value[1:])))
            return "<<" + ", ".join(self.of(one) for one in value) + ">>"
        if isinstance(value, (set, frozenset)):
            return "{" + ", ".join(sorted(self.of(one) for one in value)) + "}"
        if isinstance(value, list):
            return "<<" + ", ".join(self.of(one) for one in value) + ">>"
        return str(value)


def names_in(value):
    """Owners and holders that a trace speaks of: no other word has a digit."""
    if isinstance(value, str):
        if value[-1:].isdigit():
            yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from names_in(each)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from names_in(each)


def shortest(names):
    """The names of a trace, changed so that all traces together have few: who has most comes first."""
    owners, new = {}, {}
    for name in names:
        owners.setdefault(name.split("_")[0], set()).update({name} if "_" in name else ())
    hosts = {}
    for holder in owners:
        hosts.setdefault(host_of(holder), []).append(holder)
    counts = {}

    def number(prefix):
        counts[prefix] = counts.get(prefix, 0) + 1
        return prefix + str(counts[prefix])

    def kinds(host):
        return [sum("l" in holder for holder in hosts[host]), len(hosts[host]), host]
    for host in sorted(hosts, key=kinds, reverse=True):
        new[host] = number(host[0])
        for holder in sorted(hosts[host], key=lambda one: (-len(owners[one]), one)):
            if holder != host:
                new[holder] = number(new[host] + ("l" if "l" in holder else "o"))
            for name in sorted(owners[holder]):
                new[name] = number(new[holder] + "_")
    return new


def lockstep(lines):
    """(the trace as TLA+ lines, the names in it)"""
    units = Units({tuple(r) for r in ranges_in(lines)})
    new = shortest(set(names_in(lines)))
    text = Text(units, new)
    return [text.of(line) for line in lines], set(new.values())


def scene(written, scope):
    names = set().union(*(names for _, names in written)) | {"n1_1"}
    owners = sorted(name for name in names if "_" in name)
    holders = sorted(name for name in {name.split("_")[0] for name in names} if name[0] == "n" or name != host_of(name))

    def flavour(holder):
        return "none" if holder[0] == "n" else "lease" if "l" in holder else "oplock"

    def record(fields):
        return "[" + ", ".join(f"{key} |-> {string(each)}" for key, each in fields.items()) + "]"
    return ("[Flavour |-> " + record({h: flavour(h) for h in holders})
            + ", Host |-> " + record({h: host_of(h) for h in holders})
            + ", Holder |-> " + record({o: o.split("_")[0] for o in owners})
            + f", grace_scope |-> {string(scope)}]")
