"""npuq's entropy coder under the names of the list: rows of probabilities as its integer tables.

A row is a table of its own, with a knot for each symbol: no dither moves the intervals.
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.coding.arithmetic import decode_runs, encode_runs
from npuq.coding.dither import DITHER_LEVELS
from npuq.coding.tables import FIRST_KNOT, TOTAL, IntegerTables, assemble_tables

PHASES = np.full(DITHER_LEVELS, FIRST_KNOT, np.uint16)


def _tables(probabilities: Array, escape: Array) -> IntegerTables:
    """Half of what escapes have below the first symbol, half above the last."""
    n, m = probabilities.shape
    shares = np.concatenate([escape[:, None] / 2, probabilities], 1)
    knots = np.floor(np.cumsum(shares, 1) * (TOTAL - m - 4)).astype(np.int64) + 1 + np.arange(m + 1)
    knots = np.concatenate([knots, np.full((n, 1), TOTAL - 1)], 1)  # one beyond the last symbol
    first, last = np.zeros(n, np.int64), np.full(n, m - 1)
    return assemble_tables(knots.ravel(), first, last, np.zeros(n, np.int64))


def _encode(symbols: Array, tables: IntegerTables) -> Array:
    ones = np.ones(len(symbols), np.int64)
    data = encode_runs(symbols, np.zeros(len(symbols), np.uint8), ones, PHASES, tables)
    return np.frombuffer(data, np.uint8)


def _decode(data: Array, n: int, tables: IntegerTables) -> Array:
    dither, ones = np.zeros(n, np.uint8), np.ones(n, np.int64)
    return decode_runs(data.tobytes(), dither, ones, PHASES, tables)


def entropy_encode(symbols: Array, probabilities: Array) -> Array:
    """Symbols as bytes."""
    return _encode(symbols, _tables(probabilities, np.zeros(len(symbols))))


def entropy_decode(data: Array, probabilities: Array) -> Array:
    """Bytes as symbols."""
    n = len(probabilities)
    return _decode(data, n, _tables(probabilities, np.zeros(n)))


def escape_encode(symbols: Array, probabilities: Array) -> Array:
    """Any integers as bytes."""
    return _encode(symbols, _tables(probabilities[:, :-1], probabilities[:, -1]))


def escape_decode(data: Array, probabilities: Array) -> Array:
    """Bytes as integers."""
    tables = _tables(probabilities[:, :-1], probabilities[:, -1])
    return _decode(data, len(probabilities), tables)
