"""From symbols to the parts of [0, 2^24) that they own: all that the tables say, before any coding.

Shapes: n symbols, sorted by table, `counts[c]` of them for each of C tables; m >= n intervals. A
coded symbol has one interval. An escape has one, and one more for each bit of the Elias gamma code
of how far beyond the table's ends it lies: L - 1 zeros, then the L bits of the distance, each bit
half of [0, 2^24).

Each symbol is looked up by itself, which is why this stands apart from the coder, where each waits
for the one before.
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.coding.tables import TOTAL, IntegerTables, symbol_intervals
from npuq.runtime.twins import has_twins

HALF = TOTAL >> 1
MOST_INTERVALS = 64  # of one symbol: its own, and the 63 bits of a distance below 2^32


@has_twins()
def fill_intervals(
    symbols: Array,
    dither: Array,
    counts: Array,
    phases: Array,
    tables: IntegerTables,
    lower: Array,
    upper: Array,
) -> int:
    """Write the intervals that code the symbols, in order (Sec. 3.2). It has fast twins.

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
