"""Symbols to bytes and back, by the tables: what the rest of the program calls.

Shapes: C channels, one table each; n symbols. A stream holds a band of rows of the latent grid, or
any symbols sorted by table; it needs no other stream to be decoded. The two loops at the heart of
it, and the invariants that make them right, are in `npuq.coding.range_coder`.
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.coding.intervals import MOST_INTERVALS, fill_intervals
from npuq.coding.lists import integers, loop, space
from npuq.coding.range_coder import (
    BUCKET_BITS,
    FULL,
    Integers,
    code_words,
    decode_words,
    encode_intervals,
    first_state,
    flush,
)
from npuq.coding.tables import IntegerTables, check_phases, knot_counts
from npuq.errors import CorruptFileError
from npuq.runtime.threads import divided

WORDS_PER_SYMBOL = 6  # of 16 bits: two for an interval of 24 bits, four for a distance of 63
GROUP = 1 << 14  # symbols


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
    encoder = Encoder(phases)
    encoder.add(symbols, dither, counts, tables)
    return encoder.finish()


class Encoder:
    """A stream in the making, part by part: what comes out does not depend on the parts.

    Its state is that of `npuq.coding.range_coder`.
    """

    def __init__(self, phases: Array) -> None:
        check_phases(phases)
        self._phases = phases
        self._low, self._span, self._size = 0, FULL, 0
        self._words = space(1 + WORDS_PER_SYMBOL * GROUP, np.uint16)

    def add(self, symbols: Array, dither: Array, counts: Array, tables: IntegerTables) -> None:
        """Code more symbols; arguments and errors as for `encode_runs`."""
        _check_runs(symbols, dither, counts, tables)
        if symbols.dtype.kind not in "iu":
            raise ValueError(f"symbols must be integers, not {symbols.dtype}")
        if symbols.dtype != np.int32:
            if symbols.size and not -(1 << 31) <= symbols.min() <= symbols.max() < 1 << 31:
                raise ValueError("symbols must fit 32 bits")
            symbols = symbols.astype(np.int32)
        counts, phases = counts.astype(np.int64), self._phases.astype(np.int64)
        pieces = _pieces(counts)
        # Memory that is never written to is never taken: room for the worst case costs nothing.
        largest = max((int(sizes.sum()) for _, sizes in pieces), default=0)
        lower, upper = np.empty((2, MOST_INTERVALS * largest), np.int32)
        end = 0
        for channels, sizes in pieces:
            part = slice(end, end := end + int(sizes.sum()))
            fields = (field[channels] for field in tables[1:])
            m = fill_intervals(
                symbols[part], dither[part], sizes, phases,
                IntegerTables(tables.values, *fields), lower, upper,
            )  # fmt: skip
            self._make_room(WORDS_PER_SYMBOL * (part.stop - part.start))
            self._low, self._span, self._size = loop(encode_intervals)(
                integers(lower[:m]), integers(upper[:m]),
                self._low, self._span, self._words, self._size,
            )  # fmt: skip

    def finish(self) -> bytes:
        """The stream."""
        self._make_room(0)
        size = flush(int(self._low), int(self._span), self._words, self._size)
        return np.asarray(self._words[:size]).astype(">u2").tobytes().rstrip(b"\0")

    def _make_room(self, more: int) -> None:
        """For more words, and one that `flush` writes."""
        needed = self._size + more + 1
        if needed > len(self._words):
            words = space(max(needed, 2 * len(self._words)), np.uint16)
            words[: self._size] = self._words[: self._size]
            self._words = words


def _pieces(counts: Array) -> list[tuple[slice, Array]]:
    """Neighbouring channels, and how many symbols of each, to be coded at once: 2 GROUP at most."""
    pieces: list[tuple[slice, Array]] = []
    for group in _channel_groups(counts):
        if counts[group].sum() <= 2 * GROUP:
            pieces.append((group, counts[group]))
            continue
        for channel in range(group.start, group.stop):
            one = slice(channel, channel + 1)
            sizes = divided(int(counts[channel]), GROUP)
            pieces += [(one, np.array([size.stop - size.start])) for size in sizes]
    return pieces


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
    return Decoder(data, phases).read(dither, counts, tables)


class Decoder:
    """A stream that is read part by part, in the order in which it was coded.

    Attributes:
        state: where it stands (`npuq.coding.range_coder`), three integers: kept and given back, the
            decoder goes on from there.
    """

    def __init__(self, data: bytes, phases: Array) -> None:
        check_phases(phases)
        self._words = integers(code_words(data))
        self._phases = integers(phases.astype(np.int64))
        self.state: Integers = first_state(self._words)

    def read(self, dither: Array, counts: Array, tables: IntegerTables) -> Array:
        """The next symbols; arguments and errors as for `decode_runs`."""
        _check_runs(dither, dither, counts, tables)
        symbols, state = space(dither.size, np.int32), integers(np.array(self.state, np.int64))
        inputs = map(integers, (dither, counts, self._phases, *tables))
        start = space(1 << BUCKET_BITS, np.int64)
        if not loop(decode_words)(self._words, *inputs, start, state, symbols):
            raise CorruptFileError("the compressed data is damaged: a coefficient is out of range")
        self.state = state
        return np.asarray(symbols, np.int32)


def one_table(tables: IntegerTables, channel: int) -> IntegerTables:
    """The table of one channel, for an encoder or decoder that goes channel by channel."""
    first, last, log2_knots = (field[channel : channel + 1] for field in tables[2:])
    begin = int(tables.begin[channel])
    values = tables.values[begin : begin + int(knot_counts(first, last, log2_knots)[0])]
    return IntegerTables(values, np.zeros(1, np.int32), first, last, log2_knots)


def _check_runs(symbols: Array, dither: Array, counts: Array, tables: IntegerTables) -> None:
    if counts.shape != tables.first.shape or np.any(counts < 0):
        raise ValueError(f"counts must be {tables.first.size} numbers, one per table")
    if not symbols.shape == dither.shape == (int(np.sum(counts)),):
        raise ValueError("symbols and dither must be as long as the sum of counts says")
    if dither.dtype != np.uint8:
        raise ValueError(f"dither must be uint8, not {dither.dtype}")
