"""A cumulative distribution as integers: what symbol owns which part of [0, 2^24).

Shapes: C channels (or scales), one table each; P = 256 phases.

Universal quantization and soft rounding are one coder. At phase v in (0, 1), a function of the
dither alone, the symbol k owns the interval [F(k - 1 + v), F(k + v)) of the distribution function
F of the coefficient: one table of F serves every dither value and every alpha. Plain dithering is
v = u + 1/2, hard rounding v = 1/2, soft rounding something between.

Phases are integers V in units of 2^-16. The knots of a channel lie at first - 1 + 1/512 + j 2^-g,
j = 0 .. (last - first + 2) 2^g, and hold integers T[j]; between knots F is interpolated linearly
and rounded down. The 1/512 puts each of the 256 phases of plain dithering, (2n + 1)/512, on a knot
at g = 8: no interpolation takes part where a step in the distribution would make it expensive.

What lies beyond the coded symbols is an escape: all k < first share [0, F(first - 1 + v)), all
k > last share [F(last + v), 2^24); how far beyond, at least 1, follows in Elias's gamma code.

Invariants, checked by `check_tables`:
    1 <= T[j] <= T[j+1] <= 2^24 - 1          both escapes own something
    T[j] + 1 <= T[j + 2^g]                   so does each symbol at each phase
Why the second suffices: let L be the exact linear interpolation, t the place between two knots.
    L(x + 1) - L(x) = (1 - t) (T[j + 2^g] - T[j]) + t (T[j + 1 + 2^g] - T[j + 1]) >= 1,
and floor(L(x) + 1) = floor(L(x)) + 1, so the floors differ by at least 1 as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.coding.dither import DITHER_LEVELS

PROBABILITY_BITS = 24
TOTAL = 1 << PROBABILITY_BITS
PHASE_BITS = 16
PHASE_UNIT = 1 << PHASE_BITS
FIRST_KNOT = PHASE_UNIT // (2 * DITHER_LEVELS)  # 1/512, also the smallest phase
FINEST_GRID = 8  # log2 of knots per unit
FARTHEST_SYMBOL = 1 << 20


class IntegerTables(NamedTuple):
    """The tables of C channels, their knots one after another in `values`."""

    values: Array  # int32, the T[j] of all channels
    begin: Array  # (C,) int32, where a channel's knots begin in `values`
    first: Array  # (C,) int32, lowest symbol that is not an escape
    last: Array  # (C,) int32, highest symbol that is not an escape
    log2_knots: Array  # (C,) uint8, g: 2^g knots per unit


def phase_table(v: Array) -> Array:
    """Phases as integers: V = v 2^16, rounded.

    Args:
        v: (256,) the phase that belongs to each dither integer, in (0, 1); soft rounding only
            draws the phases (2n + 1)/512 of plain dithering towards 1/2.

    Returns:
        V: (256,) uint16, within [1/512, 511/512] of the unit 2^16.

    Raises:
        ValueError: another shape, or values outside [0, 1].
    """
    v = np.asarray(v, np.float64)
    if v.shape != (DITHER_LEVELS,) or not np.all((v >= 0) & (v <= 1)):
        raise ValueError(f"v must be {DITHER_LEVELS} numbers from 0 to 1, one per dither value")
    return np.clip(np.rint(v * PHASE_UNIT), FIRST_KNOT, PHASE_UNIT - FIRST_KNOT).astype(np.uint16)


def check_phases(phases: Array) -> None:
    """Check that phases are as `phase_table` makes them, so that all lookups stay in the table.

    Raises:
        ValueError: they are not.
    """
    low, high = FIRST_KNOT, PHASE_UNIT - FIRST_KNOT
    if phases.shape != (DITHER_LEVELS,) or phases.min() < low or phases.max() > high:
        raise ValueError(f"phases must be {DITHER_LEVELS} integers from {low} to {high}")


def knot_counts(first: Array, last: Array, log2_knots: Array) -> Array:
    """How many knots each channel has: (last - first + 2) 2^g + 1, int64."""
    units = np.asarray(last, np.int64) - first + 2
    return (units << np.asarray(log2_knots, np.int64)) + 1


def symbol_intervals(symbols: Array, phase: Array, tables: IntegerTables) -> tuple[Array, ...]:
    """The part of [0, 2^24) that each symbol owns.

    Args:
        symbols: (C, ...) integers.
        phase: (C, ...) integers, the phase V of each symbol.

    Returns:
        lower, upper: int64 of the same shape, 0 <= lower < upper <= 2^24.
        distance: int64, 0 for coded symbols; for escapes, how far beyond `first` or `last`.
    """
    per_channel = (-1,) + (1,) * (symbols.ndim - 1)
    begin, first, last, log2_knots = (
        field.astype(np.int64).reshape(per_channel) for field in tables[1:]
    )
    k = symbols.astype(np.int64)
    count = last - first + 1
    shift = PHASE_BITS - log2_knots

    def distribution(index: Array) -> Array:  # F(first - 1 + index + v), 0 <= index <= count
        x = (np.clip(index, 0, count) << PHASE_BITS) + phase.astype(np.int64) - FIRST_KNOT
        j = begin + (x >> shift)
        rest = x & ((1 << shift) - 1)
        left, right = tables.values[j].astype(np.int64), tables.values[j + 1]
        return left + ((right - left) * rest >> shift)

    index = np.clip(k - first, -1, count)
    lower = np.where(index < 0, 0, distribution(index))
    upper = np.where(index == count, TOTAL, distribution(index + 1))
    return lower, upper, np.maximum(np.maximum(first - k, k - last), 0)


def table_bits(symbols: Array, phase: Array, tables: IntegerTables) -> Array:
    """What each symbol costs by the tables, in bits: -log2 of its share, and an escape's gamma.

    Args:
        symbols: (C, rows, columns) integers.
        phase: (C, rows, columns) integers, the phase V of each symbol.

    Returns:
        bits: float64 of the same shape; their sum is the length of the file to within a few bytes.
    """
    lower, upper, distance = symbol_intervals(symbols, phase, tables)
    bit_length = np.frexp(distance.astype(np.float64))[1]
    gamma_bits = np.where(distance > 0, 2 * bit_length - 1, 0)
    return PROBABILITY_BITS - np.log2((upper - lower).astype(np.float64)) + gamma_bits


def check_tables(tables: IntegerTables) -> None:
    """Check the invariants at the top of this file.

    Raises:
        ValueError: one does not hold.
    """
    values, begin, first, last, log2_knots = tables
    if any(a.ndim != 1 or a.dtype.kind not in "iu" for a in tables):
        raise ValueError("tables: every field must be a one-dimensional array of integers")
    if not begin.size == first.size == last.size == log2_knots.size:
        raise ValueError("tables: begin, first, last and log2_knots must have one length")
    if np.any(log2_knots > FINEST_GRID) or np.any(log2_knots < 0):
        raise ValueError(f"tables: log2_knots must be 0 to {FINEST_GRID}")
    far = np.maximum(np.abs(first.astype(np.int64)), np.abs(last.astype(np.int64)))
    if np.any(last < first) or np.any(far > FARTHEST_SYMBOL):
        raise ValueError(f"tables: need -2**20 <= first <= last <= {FARTHEST_SYMBOL}")
    ends = np.cumsum(knot_counts(first, last, log2_knots))
    if values.size != (ends[-1] if ends.size else 0) or np.any(begin[1:] != ends[:-1]):
        raise ValueError("tables: the number of values does not fit first, last and log2_knots")
    if np.any(begin[:1] != 0):
        raise ValueError("tables: the values of the first channel must begin at 0")
    for c, (own, end) in enumerate(zip(begin, ends, strict=True)):
        knots, unit = values[own:end].astype(np.int64), 1 << int(log2_knots[c])
        if knots[0] < 1 or knots[-1] >= TOTAL or np.any(knots[1:] < knots[:-1]):
            raise ValueError(f"tables: channel {c} does not rise from 1 or more to below 2**24")
        if np.any(knots[unit:] <= knots[:-unit]):
            raise ValueError(f"tables: a symbol of channel {c} owns nothing at some phase")


def tables_to_arrays(tables: IntegerTables) -> dict[str, Array]:
    """The tables as named arrays for an `.npz` file; differences, which compress well."""
    return {
        "differences": np.diff(tables.values, prepend=np.int32(0)),
        "first": tables.first,
        "last": tables.last,
        "log2_knots": tables.log2_knots,
    }


def tables_from_arrays(arrays: Mapping[str, Array]) -> IntegerTables:
    """The inverse of `tables_to_arrays`, checked.

    Raises:
        ValueError: an array is missing, or the tables break an invariant.
    """
    try:
        first, last, log2_knots = (arrays[name] for name in ("first", "last", "log2_knots"))
        values = np.cumsum(arrays["differences"], dtype=np.int64)
    except KeyError as error:
        raise ValueError(f"tables: the array {error} is missing") from error
    if any(np.any(np.abs(a) >= 1 << 31) for a in (first, last, values)):
        raise ValueError("tables: a value does not fit 32 bits")
    if not first.shape == last.shape == log2_knots.shape or first.ndim != 1:
        raise ValueError("tables: first, last and log2_knots must have one length")
    return assemble_tables(values, first, last, log2_knots)


def assemble_tables(values: Array, first: Array, last: Array, log2_knots: Array) -> IntegerTables:
    """Tables from concatenated knots: types set, beginnings computed, invariants checked.

    Raises:
        ValueError: an invariant does not hold.
    """
    ends = np.cumsum(knot_counts(first, last, log2_knots))
    tables = IntegerTables(
        values.astype(np.int32),
        np.concatenate(([0], ends))[: first.size].astype(np.int32),
        first.astype(np.int32),
        last.astype(np.int32),
        log2_knots.astype(np.uint8),
    )
    check_tables(tables)
    return tables
