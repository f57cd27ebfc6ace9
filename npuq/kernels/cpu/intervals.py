"""The fast twin of `npuq.coding.intervals.fill_intervals`: one loop over symbols."""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.coding.intervals import HALF
from npuq.coding.tables import FIRST_KNOT, PHASE_BITS, TOTAL, IntegerTables
from npuq.runtime.compile import jit
from npuq.runtime.twins import takes

_TABLES = np.int32, np.int32, np.int32, np.int32, np.uint8


@takes((np.int32, np.uint8, np.int64, np.int64, *_TABLES, np.int32, np.int32))
def fill_intervals(
    symbols: Array,
    dither: Array,
    counts: Array,
    phases: Array,
    tables: IntegerTables,
    lower: Array,
    upper: Array,
) -> int:
    """Fast twin of `npuq.coding.intervals.fill_intervals`."""
    return int(_fill(symbols, dither, counts, phases, tables, lower, upper))


@jit(error_model="numpy")
def _fill(symbols, dither, counts, phases, tables, lower, upper):
    """Indices that the compiler knows to be unsigned spare it Python's rule for negative ones."""
    values, begin, first, last, log2_knots = tables
    one_phase = phases.min() == phases.max()
    edges = np.empty(int((last - first).max()) + 4, np.int64)
    size, start = np.uintp(0), 0
    for c in range(len(counts)):
        lowest, beyond = int(first[c]), int(last[c]) - int(first[c]) + 1
        log2_unit = int(log2_knots[c])
        shift = PHASE_BITS - log2_unit
        mask = (1 << shift) - 1
        knots, one, unit = values[begin[c] :], np.uintp(1), np.uintp(1 << log2_unit)
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
