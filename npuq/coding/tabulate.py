"""From a distribution function to integer tables: range of symbols and fineness of the grid.

Shapes: C channels. Done once, when a model is saved; a decoder only reads the result.

The knots of a coarse grid are a subset of those of a fine one, with the same integers
    T[j] = 1 + floor(c(x_j) S) + floor(j 2^-g),
since the last term counts whole units. So the finest table is made first, and the coarsest of its
subsets that codes nearly as well is kept. S is the largest number that keeps T below 2^24.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from npuq.backend import Array
from npuq.coding.dither import DITHER_LEVELS
from npuq.coding.tables import (
    FINEST_GRID,
    FIRST_KNOT,
    PHASE_BITS,
    PHASE_UNIT,
    TOTAL,
    IntegerTables,
    assemble_tables,
    check_phases,
)

TAIL = 2.0**-20  # probability on either side that is left to escapes
RELATIVE_TOLERANCE = 5e-4  # mean |log2 p/q| of a table, relative to the entropy
ABSOLUTE_TOLERANCE = 2e-6  # and in bits a symbol, where the entropy is next to nothing
MAX_LOG2_KNOTS = 14  # per channel: bounds the model's size; wide tables need no fine grid
COLUMNS = 2048  # abscissae per call of the distribution function: bounds its memory


def build_tables(
    cdf: Callable[[Array], Array],
    phases: Sequence[Array],
    *,
    channels: int,
    farthest: int = 4000,
) -> IntegerTables:
    """Integer tables of a distribution function c_Y. Sec. 3.2, Eq. 22.

    Args:
        cdf: maps float64 (C, m) abscissae, row c for channel c, to float64 (C, m) values in
            [0, 1], not decreasing along a row.
        phases: one or more arrays (256,) from `phase_table`, each of which the tables shall serve.
            Others are coded correctly too, though longer if the grid is too coarse for them.
        channels: C.
        farthest: symbols beyond +-farthest are escapes whatever their probability.

    Returns:
        Tables whose code lengths differ from those of c_Y by at most 0.0005 of the entropy in the
        mean over symbols, or by 2e-6 bits, in either direction, at each of `phases`.

    Raises:
        ValueError: c_Y is not finite or leaves [0, 1]; phases none or out of range.
    """
    if len(phases) == 0:
        raise ValueError("phases must hold at least one array of phases")
    for served in phases:
        check_phases(served)
    first, last = _coded_range(cdf, phases, channels, farthest)
    units = last - first + 2
    finest = MAX_LOG2_KNOTS - np.ceil(np.log2(units)).astype(np.int64)
    finest = np.clip(finest, 0, FINEST_GRID)
    fine = _evaluate_knots(cdf, first, units, finest)
    log2_knots = np.zeros(channels, np.int64)
    parts = [np.zeros(0, np.int64)]
    for c, (count, g) in enumerate(zip(units, finest, strict=True)):
        j = np.arange((count << g) + 1, dtype=np.int64)
        knots = 1 + np.floor(fine[c, : j.size] * (TOTAL - 2 - count)).astype(np.int64) + (j >> g)
        log2_knots[c] = _coarsest_grid(knots, int(g), phases)
        parts.append(knots[:: 1 << (g - log2_knots[c])])
    return assemble_tables(np.concatenate(parts), first, last, log2_knots)


def _coded_range(
    cdf: Callable[[Array], Array], phases: Sequence[Array], channels: int, farthest: int
) -> tuple[Array, Array]:
    """The first and last symbol per channel, (C,) int64, with at most TAIL beyond either."""
    smallest, largest = np.min(phases) / PHASE_UNIT, np.max(phases) / PHASE_UNIT

    def last_true(test: Callable[[Array], Array]) -> Array:
        """The last symbol in -farthest - 1 .. farthest - 1 that passes; the first is taken to."""
        true = np.full((channels, 1), -farthest - 1, np.int64)
        false = np.full((channels, 1), farthest, np.int64)
        while np.any(false - true > 1):
            middle = (true + false) // 2
            passes = test(middle.astype(np.float64))
            true, false = np.where(passes, middle, true), np.where(passes, false, middle)
        return true[:, 0]

    # P(K <= k) = c(k + v), largest at the largest v; P(K > k) = 1 - c(k + v), at the smallest
    first = last_true(lambda k: cdf(k + largest) <= TAIL) + 1
    last = last_true(lambda k: 1 - cdf(k + smallest) > TAIL) + 1
    return first, np.maximum(first, last)


def _evaluate_knots(
    cdf: Callable[[Array], Array], first: Array, units: Array, log2_knots: Array
) -> Array:
    """c_Y at each channel's knots, (C, most knots of any); rows are padded with their last."""
    sizes = (units << log2_knots) + 1
    start = first[:, None] - 1 + FIRST_KNOT / PHASE_UNIT
    parts = []
    for begin in range(0, int(sizes.max(initial=0)), COLUMNS):
        j = np.minimum(np.arange(begin, begin + COLUMNS), sizes[:, None] - 1)
        parts.append(cdf(start + j * 2.0 ** -log2_knots[:, None]))
    values = np.concatenate(parts, axis=1) if parts else np.zeros((0, 1))
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError("cdf must give numbers from 0 to 1")
    return np.maximum.accumulate(values, axis=1)  # rounding may disturb the order


def _compared(phases: Array, units: int) -> Array:
    """Those of 256 phases that two or more lie between any two knots of the finest grid; all if it
    has 256 knots a unit."""
    stride = max(1, DITHER_LEVELS * units >> MAX_LOG2_KNOTS + 1)
    return phases[stride // 2 :: stride]


def _coarsest_grid(knots: Array, finest: int, phases: Sequence[Array]) -> int:
    """The smallest g whose table costs little more than that of `finest`, at each of `phases`."""
    units = (knots.size - 1) >> finest
    served = []
    for table in phases:
        phase = np.unique(_compared(table, units).astype(np.int64))
        p = _shares(knots, finest, phase, units)
        entropy_bits = -np.sum(p * np.log2(p)) / phase.size
        allowed_bits = max(RELATIVE_TOLERANCE * entropy_bits, ABSOLUTE_TOLERANCE)
        served.append((phase, p, allowed_bits))
    for g in range(finest):
        coarse = knots[:: 1 << (finest - g)]
        # absolute: for data that the model does not fit exactly, errors do not cancel
        if all(
            np.sum(p * np.abs(np.log2(p / _shares(coarse, g, phase, units)))) / phase.size
            <= allowed_bits
            for phase, p, allowed_bits in served
        ):
            return g
    return finest


def _shares(knots: Array, g: int, phase: Array, units: int) -> Array:
    """The probabilities of escape below, of each symbol, and of escape above, at each phase."""
    shift = PHASE_BITS - g
    x = (np.arange(units, dtype=np.int64)[:, None] << PHASE_BITS) + phase - FIRST_KNOT
    j = x >> shift
    bounds = knots[j] + ((knots[j + 1] - knots[j]) * (x & ((1 << shift) - 1)) >> shift)
    return np.diff(bounds, axis=0, prepend=0, append=TOTAL) / TOTAL
