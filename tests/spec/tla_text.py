"""Traces of tests/spec/recorded.py and recorded_rights.py as TLA+ text, for specs/trace."""

def string(text):
    return '"' + text + '"'


def record_of(**fields):
    return "[" + ", ".join(f"{name} |-> {value}" for name, value in fields.items()) + "]"


def set_of(values):
    return "{" + ", ".join(values) + "}"


def tuple_of(values):
    return "<<" + ", ".join(values) + ">>"


def boolean(value):
    return "TRUE" if value else "FALSE"


class Units:
    """Offsets to numbers of units: a unit lies between neighbours of the offsets that occur."""

    def __init__(self, ranges):
        edges = sorted({first for first, _ in ranges} | {last + 1 for _, last in ranges})
        self.number = {edge: i for i, edge in enumerate(edges)}
        self.count = max(1, len(edges) - 1)

    def fields(self, first, last):
        if (first, last) == (2**64 - 1, 0):  # zero bytes at 0
            return {"first": "0", "last": "-1"}
        return {"first": str(self.number[first]), "last": str(self.number[last + 1] - 1)}


def ranges_of(lines):
    for line in lines:
        event = line.event
        if "range" in event:
            yield event["range"]
        for table in (event.get("held"), line.view and line.view["held"]):
            yield from (r for counts in (table or {}).values() for r, _ in counts)
        for row in list(event.get("unclaimed", ())) + line.ended:
            yield row[1:3]
        if line.view:
            yield from (row[1:3] for row in line.view["queue"] + line.view["calls"])


def locks(lines):
    """(the trace as TLA+ lines, its owners, its number of units)"""
    all_ranges = {r for r in ranges_of(lines) if r != (2**64 - 1, 0)}
    units = Units(all_ranges)
    owners = set()

    def owner(name):
        owners.add(name)
        return string(name)

    def element(row, **more):
        return record_of(owner=owner(row[0]), **units.fields(row[1], row[2]), kind=string(row[3]), **more)

    def tables(held):
        entries = {owner(name).strip('"'): set_of(
            record_of(**units.fields(*r), kind=string(kind), n=str(n))
            for (r, kind), n in sorted(counts.items())) for name, counts in held.items()}
        return record_of(**entries) if entries else '[nobody |-> {}]'

    def event_of(event):
        fields = {"type": string(event["type"])}
        if "owner" in event:
            fields["owner"] = owner(event["owner"])
        for key in ("client", "kind"):
            if key in event:
                fields[key] = string(event[key])
        if "range" in event:
            fields.update(units.fields(*event["range"]))
        if "families" in event:
            fields["families"] = set_of(string(family) for family in sorted(event["families"]))
            fields["enforced"] = boolean(event["families"])
        for key in ("wait", "accepted"):
            if key in event:
                fields[key] = boolean(event[key])
        if "held" in event:
            fields["held"] = tables(event["held"])
        if "unclaimed" in event:
            fields["unclaimed"] = set_of(element(row) for row in event["unclaimed"])
        return record_of(**fields)

    texts = []
    for line in lines:
        said = record_of(reply=string(line.reply), holder=owner(line.holder) if line.holder else '""',
                         ended=tuple_of(element(row, how=string(row[4])) for row in line.ended))
        fields = {"event": event_of(line.event), "said": said}
        if line.stay is not None:
            fields["held_up"] = set_of(str(i) for i in sorted(line.held_up))
            fields["stay"] = tuple_of(str(i) for i in line.stay)
        if line.passing:
            fields["passing"] = set_of(owner(name) for name in sorted(line.passing))
        if line.elsewhere:
            fields["elsewhere"] = "TRUE"
        if line.view:
            fields["view"] = record_of(
                held=tables(line.view["held"]),
                queue=tuple_of(element(row, told=boolean(row[4]), waits="{}") for row in line.view["queue"]),
                calls=set_of(element(row) for row in line.view["calls"]))
        texts.append(record_of(**fields))
    return texts, owners, units.count


def locks_scene(written):
    owners = set().union(*(owners for _, owners, _ in written))
    units = max((units for _, _, units in written), default=1)
    protocols = {"n": "nlm", "s": "smb", "h": "nlm"}
    owners = sorted(owners) or ["n1_1"]
    return record_of(
        Protocol=record_of(**{o: string(protocols[o[0]]) for o in owners}),
        Client=record_of(**{o: string(o.split("_")[0]) for o in owners}),
        UnitCount=str(units), waiters_per_file_max="1000")


# Rights ----------------------------------------------------------------------------------------------

def breaks(lines):
    """(the trace as TLA+ lines, its holders)"""
    holders = set()

    def rights(held):
        return set_of(string(letter) for letter in sorted(held))

    def table(entries):
        holders.update(entries)
        return record_of(**{name: rights(held) for name, held in sorted(entries.items())}) if entries else "<<>>"

    texts = []
    for event, said, after in lines:
        fields = {"type": string(event["type"])}
        if "client" in event:
            holders.add(event["client"])
            fields["client"] = string(event["client"])
        if "what" in event:
            fields["what"] = string(event["what"])
        if "rights" in event:
            fields["rights"] = rights(event["rights"])
        words = {}
        if "breaks" in said:
            holders.update(name for name, _, _ in said["breaks"])
            words["breaks"] = set_of(record_of(client=string(name), to=rights(to), ack=boolean(ack))
                                     for name, to, ack in sorted(said["breaks"], key=str))
        if "waits" in said:
            words["waits"] = boolean(said["waits"])
        if "status" in said:
            words["status"] = string(said["status"])
        texts.append(record_of(event=record_of(**fields), said=record_of(**words) if words else "<<>>",
                               after=record_of(**{key: table(after[key]) for key in ("right", "brk", "need")})))
    return texts, holders


def breaks_scene(written):
    flavours = {"l": "lease", "o": "oplock", "h": "none"}
    holders = sorted(set().union(*(holders for _, holders in written))) or ["h1"]
    return record_of(Flavour=record_of(**{name: string(flavours[name[0]]) for name in holders}))
