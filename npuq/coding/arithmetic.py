"""Symbols to bytes and back, by the tables: what the rest of the program calls.

Shapes: C channels, one table each; n symbols. A stream holds a band of rows of the latent grid, or
any symbols sorted by table; it needs no other stream to be decoded. The two loops at the heart of
it, and the invariants that make them right, are in `npuq.coding.range_coder`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.coding.intervals import MOST_INTERVALS, fill_intervals, fill_intervals_reference
from npuq.coding.range_coder import (
    BUCKET_BITS,
    FULL,
    Integers,
    code_words,
    decode_words,
    encode_intervals,
    flush,
)
from npuq.coding.tables import IntegerTables, check_phases
from npuq.errors import CorruptFileError
from npuq.kernels.compile import use_reference

WORDS_PER_SYMBOL = 6  # of 16 bits: two for an interval of 24 bits, four for a distance of 63
GROUP = 1 << 15  # symbols


def encode_band(symbols: Array, dither: Array, phases: Array, tables: IntegerTables) -> bytes:
    """Code a band of rows of all channels: channel by channel, row by row. Sec. 3.2.

    Args:
        symbols: (C, rows, columns) integers of 32 bits, table c for channel c.
        dither: (C, rows, columns) uint8.
        phases: (256,) from `phase_table`.

    Returns:
        One stream. It is at most 2 bytes longer than `table_bits` promises, plus 2^-22 / log(2)
        bits for every step of the coder: one for a symbol, up to 64 for an escape.

    Raises:
        ValueError: shapes that do not fit each other, or phases out of range.
    """
    if symbols.shape != dither.shape or symbols.shape[0] != tables.first.size:
        raise ValueError(
            f"symbols {symbols.shape} and dither {dither.shape} must have one shape, "
            f"with {tables.first.size} channels as the tables have"
        )
    counts = np.full(symbols.shape[0], np.prod(symbols.shape[1:], dtype=np.int64))
    return encode_runs(symbols.ravel(), dither.ravel(), counts, phases, tables)


def decode_band(data: bytes, dither: Array, phases: Array, tables: IntegerTables) -> Array:
    """The symbols that `encode_band` coded, from the same dither, phases and tables.

    Returns:
        symbols: (C, rows, columns) int32, as the shape of `dither` says.

    Raises:
        ValueError: dither and tables do not fit, or phases out of range.
        CorruptFileError: `data` holds an escape that no symbol has.
    """
    if dither.shape[0] != tables.first.size:
        raise ValueError(f"dither {dither.shape} must have {tables.first.size} channels")
    counts = np.full(dither.shape[0], np.prod(dither.shape[1:], dtype=np.int64))
    return decode_runs(data, dither.ravel(), counts, phases, tables).reshape(dither.shape)


def encode_runs(
    symbols: Array, dither: Array, counts: Array, phases: Array, tables: IntegerTables
) -> bytes:
    """Code symbols sorted by table: `counts[c]` symbols with table c, for c = 0, 1, ...

    Args:
        symbols: (n,) integers of 32 bits.
        dither: (n,) uint8.
        counts: (C,) integers, their sum n.
        phases: (256,) from `phase_table`.

    Raises:
        ValueError: shapes that do not fit each other, or phases or symbols out of range.
    """
    _check_runs(symbols, dither, counts, phases, tables)
    if symbols.dtype.kind not in "iu":
        raise ValueError(f"symbols must be integers, not {symbols.dtype}")
    if symbols.dtype != np.int32:
        if symbols.size and not -(1 << 31) <= symbols.min() <= symbols.max() < 1 << 31:
            raise ValueError("symbols must fit 32 bits")
        symbols = symbols.astype(np.int32)
    fill = fill_intervals_reference if use_reference() else fill_intervals
    counts, phases = counts.astype(np.int64), phases.astype(np.int64)
    groups = _channel_groups(counts)
    # Memory that is never written to is never taken: room for the worst case costs nothing.
    largest = max((int(counts[group].sum()) for group in groups), default=0)
    lower, upper = np.empty((2, MOST_INTERVALS * largest), np.int32)
    words = _space(1 + WORDS_PER_SYMBOL * symbols.size, np.uint16)
    low, span, size, end = 0, FULL, 0, 0
    for group in groups:
        part = slice(end, end := end + int(counts[group].sum()))
        fields = (field[group] for field in tables[1:])
        m = fill(
            symbols[part], dither[part], counts[group], phases,
            IntegerTables(tables.values, *fields), lower, upper,
        )  # fmt: skip
        low, span, size = _kernel(encode_intervals)(
            _integers(lower[:m]), _integers(upper[:m]), low, span, words, size
        )
    size = flush(int(low), int(span), words, size)
    return np.asarray(words[:size]).astype(">u2").tobytes().rstrip(b"\0")


def _channel_groups(counts: Array) -> list[slice]:
    """Neighbouring channels, together of some GROUP symbols, whose intervals fit a core's cache."""
    group = (np.cumsum(counts) - counts) // GROUP
    edges = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), counts.size]
    return [slice(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True) if a < b]


def decode_runs(
    data: bytes, dither: Array, counts: Array, phases: Array, tables: IntegerTables
) -> Array:
    """The inverse of `encode_runs`.

    Returns:
        symbols: (n,) int32.

    Raises:
        ValueError: shapes that do not fit each other, or phases out of range.
        CorruptFileError: `data` holds an escape that no symbol has.
    """
    _check_runs(dither, dither, counts, phases, tables)
    symbols = _space(dither.size, np.int32)
    inputs = (code_words(data), dither, counts, phases.astype(np.int64), *tables)
    start = _space(1 << BUCKET_BITS, np.int64)
    if not _kernel(decode_words)(*map(_integers, inputs), start, symbols):
        raise CorruptFileError("the compressed data is damaged: a coefficient is out of range")
    return np.asarray(symbols, np.int32)


def _check_runs(
    symbols: Array, dither: Array, counts: Array, phases: Array, tables: IntegerTables
) -> None:
    check_phases(phases)
    if counts.shape != tables.first.shape or np.any(counts < 0):
        raise ValueError(f"counts must be {tables.first.size} numbers, one per table")
    if not symbols.shape == dither.shape == (int(np.sum(counts)),):
        raise ValueError("symbols and dither must be as long as the sum of counts says")
    if dither.dtype != np.uint8:
        raise ValueError(f"dither must be uint8, not {dither.dtype}")


def _kernel(function: Any) -> Any:
    return function.py_func if use_reference() else function


def _integers(array: Array) -> Integers:
    return array.tolist() if use_reference() else np.ascontiguousarray(array)


def _space(size: int, dtype: Any) -> Integers:
    return [0] * size if use_reference() else np.empty(size, dtype)
