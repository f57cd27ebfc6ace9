"""From symbols to the parts of [0, 2^24) that they own: all that the tables say, before any coding.

Shapes: n symbols, sorted by table, `counts[c]` of them for each of C tables; m >= n intervals. A
coded symbol has one interval. An escape has one, and one more for each bit of the Elias gamma code
of how far beyond the table's ends it lies: L - 1 zeros, then the L bits of the distance, each bit
half of [0, 2^24).

Each symbol is looked up by itself, which is why this stands apart from the coder, where each waits
for the one before. Twins of one meaning: `fill_intervals`, compiled, and its plain reference.
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.coding.tables import FIRST_KNOT, PHASE_BITS, TOTAL, IntegerTables, symbol_intervals
from npuq.runtime.compile import compiled

HALF = TOTAL >> 1
MOST_INTERVALS = 64  # of one symbol: its own, and the 63 bits of a distance below 2^32


def fill_intervals_reference(
    symbols: Array,
    dither: Array,
    counts: Array,
    phases: Array,
    tables: IntegerTables,
    lower: Array,
    upper: Array,
) -> int:
    """Write the intervals that code the symbols, in order. Sec. 3.2.

    Args:
        symbols: (n,) int32.
        dither: (n,) uint8.
        counts: (C,) int64, their sum n.
        phases: (256,) int64, of `phase_table`.
        tables: of C channels.
        lower, upper: room for 64 n int32; 0 <= lower < upper <= 2^24 are written to them.

    Returns:
        m, how many there are.
    """
    size = 0
    for c, end in enumerate(np.cumsum(counts)):
        part = slice(int(end - counts[c]), int(end))
        one = IntegerTables(tables.values, *(field[c : c + 1] for field in tables[1:]))
        found = symbol_intervals(symbols[None, part], phases[dither[None, part]], one)
        for low, high, distance in zip(*(a[0].tolist() for a in found), strict=True):
            lower[size], upper[size] = low, high
            size += 1
            for bit in range(2 * distance.bit_length() - 2, -1, -1):
                lower[size] = HALF * (distance >> bit & 1)
                upper[size] = lower[size] + HALF
                size += 1
    return size


@compiled(error_model="numpy")
def fill_intervals(  # type: ignore[no-untyped-def]
    symbols, dither, counts, phases, tables, lower, upper
):
    """The compiled twin of `fill_intervals_reference`.

    Indices that the compiler knows to be unsigned spare it Python's rule for negative ones.
    """
    values, offset, first, last, log2_knots = tables
    one_phase = phases.min() == phases.max()
    edges = np.empty(int((last - first).max()) + 4, np.int64)
    size, start = np.uintp(0), 0
    for c in range(len(counts)):
        lowest, beyond = int(first[c]), int(last[c]) - int(first[c]) + 1
        log2_unit = int(log2_knots[c])
        shift = PHASE_BITS - log2_unit
        mask = (1 << shift) - 1
        knots, one, unit = values[offset[c] :], np.uintp(1), np.uintp(1 << log2_unit)
        if one_phase:  # as in hard rounding: a symbol's interval is the same each time
            edges[0], edges[beyond + 2] = 0, TOTAL
            x = phases[0] - FIRST_KNOT
            for index in range(beyond + 1):
                j = (index << log2_unit) + (x >> shift)
                edges[index + 1] = knots[j] + ((knots[j + 1] - knots[j]) * (x & mask) >> shift)
        part, part_dither = symbols[start : start + counts[c]], dither[start : start + counts[c]]
        start += counts[c]
        for p in range(np.uintp(part.size)):
            distance = int(part[p]) - lowest
            index = min(max(distance, -1), beyond)
            if one_phase:
                low, high = edges[np.uintp(index + 1)], edges[np.uintp(index + 2)]
            else:
                x = (max(index, 0) << PHASE_BITS) + phases[part_dither[p]] - FIRST_KNOT
                rest = x & mask
                j = np.uintp(x >> shift)
                low = knots[j] + ((knots[j + one] - knots[j]) * rest >> shift)
                if index < 0:
                    low, high = 0, low
                elif index == beyond:
                    high = TOTAL
                else:
                    j += unit
                    high = knots[j] + ((knots[j + one] - knots[j]) * rest >> shift)
            lower[size], upper[size] = low, high
            size += one
            if not 0 <= index < beyond:
                distance = -distance if index < 0 else distance - beyond + 1
                length = 0
                while distance >> length:
                    length += 1
                for bit in range(2 * length - 2, -1, -1):
                    low = HALF * (distance >> bit & 1)
                    lower[size], upper[size] = low, low + HALF
                    size += one
    return size
