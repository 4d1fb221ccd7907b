"""Counters in a file, each changed only under its lock: the history shows every lost update and
every moment at which two owners held the same bytes.

A cell is 64 bytes: value, writer, check, at the start of a page of its own, and its owner locks the
page: a client that caches reads whole pages, which SMB's mandatory locks of others would refuse.
Guest workers (helper/cells.c) use the same layout."""
import struct

from .scenario import check

CELL, STRIDE = 64, 4096
LAYOUT = struct.Struct("<QQQ40x")
FACTOR, MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1


def seal(value, writer):
    return (value * FACTOR ^ writer) & MASK


def encode(value, writer):
    return LAYOUT.pack(value, writer, seal(value, writer))


def decode(data):
    """(value, writer), or None when the cell is torn."""
    if len(data) < CELL:
        return None
    value, writer, proof = LAYOUT.unpack(data)
    if (value, writer, proof) == (0, 0, 0):
        return 0, 0
    return (value, writer) if proof == seal(value, writer) else None


class Entry:
    """One increment: `value` was written between `granted` and `released`, as its owner saw it."""

    __slots__ = ("cell", "value", "granted", "released", "who")

    def __init__(self, cell, value, granted, released, who):
        self.cell, self.value, self.who = cell, value, who
        self.granted, self.released = granted, released

    def __repr__(self):
        return (f"{self.who} cell {self.cell} value {self.value} "
                f"[{self.granted:.6f}, {self.released:.6f}]")


def check_history(entries, cells, contents, slack=0.0):
    """Every value of every cell was written once, in the order of the times, by one holder at a
    time, and the file ends with the last one. What an owner saw of its lock lies within the true
    time of the lock, so two such times that overlap are a proof."""
    for cell in range(cells):
        mine = sorted((entry for entry in entries if entry.cell == cell),
                      key=lambda entry: entry.value)
        values = [entry.value for entry in mine]
        wanted = list(range(1, len(mine) + 1))
        if values != wanted:
            doubles = sorted({value for value in values if values.count(value) > 1})
            culprits = [entry for entry in mine if entry.value in doubles[:1]]
            check(False, f"cell {cell}: an update was lost or invented: {len(mine)} increments, "
                         f"values up to {values[-1]}, twice: {doubles[:5]} {culprits}")
        for one, two in zip(mine, mine[1:]):
            check(two.granted + slack >= one.released, f"cell {cell}: held by two: {one}, {two}")
        state = decode(contents[cell * STRIDE:cell * STRIDE + CELL])
        check(state is not None, f"cell {cell} is torn at the end")
        check(state[0] == len(mine), f"cell {cell} ends at {state[0]} after {len(mine)} increments")
