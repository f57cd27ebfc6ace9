"""The entropy coder: a range coder on integers below 2^63, driven by `IntegerTables`.

The two loops below are plain Python. They run as they stand over lists, and compiled by Numba over
int64 arrays; no integer ever reaches 2^63, so both compute the same.

State of the encoder, a number in binary: the words already written, then `low`. The message is any
number in [low, low + span). Invariants between two steps:
    0 <= low < 2^62,    2^46 < span <= 2^62,    hence low + span < 2^63.
A step narrows the span to the part [lower, upper) of [0, 2^24) that a symbol owns. With
r = floor(span / 2^24), r >= 2^22:
    low += r lower,     span = r (upper - lower), or span - r lower if upper = 2^24,
so the parts are disjoint, fill the span, and none is smaller than r >= 2^22. While span <= 2^46 the
word of bits 46 .. 61 of `low` is written and both are multiplied by 2^16: at most twice a step.
A carry into bit 62 is added to the words already written. It cannot run out of them, as the
message stays below the upper end of the span, which never grows.
State of the decoder: code = message - low, cut after bit 0. In each step 0 <= code < span; this
holds for any bytes whatever, so that damaged data decode to something or are refused, no worse.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from npuq.backend import Array
from npuq.coding.tables import (
    FIRST_KNOT,
    PHASE_BITS,
    PROBABILITY_BITS,
    TOTAL,
    IntegerTables,
    check_phases,
)
from npuq.errors import CorruptFileError
from npuq.kernels.compile import compiled, use_reference

STATE_BITS = 62
WORD_BITS = 16
WORD = (1 << WORD_BITS) - 1
BOTTOM_BITS = STATE_BITS - WORD_BITS
FULL = 1 << STATE_BITS
BOTTOM = 1 << BOTTOM_BITS
HALF = TOTAL >> 1
LONGEST_GAMMA = 32  # bits of an escape's distance: |symbol| <= 2^31, |first|, |last| <= 2^20
WORDS_PER_SYMBOL = 6  # 24 bits of an escape, 63 of its gamma code, and next to no rounding
BUCKET_BITS = 8  # the decoder's search begins at one of 256 places per table

Integers: TypeAlias = Any
"""A list of int, or an int64 array."""


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
    if symbols.size and not -(1 << 31) <= symbols.min() <= symbols.max() < 1 << 31:
        raise ValueError("symbols must fit 32 bits")
    words = _space(WORDS_PER_SYMBOL * symbols.size + 1)
    inputs = (symbols, dither, counts, phases, *tables)
    low, span, size = _kernel(_encode)(*map(_integers, inputs), words)
    size = _flush(int(low), int(span), words, size)
    return np.asarray(words[:size]).astype(">u2").tobytes().rstrip(b"\0")


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
    symbols = _space(dither.size)
    inputs = (_code_words(data), dither, counts, phases, *tables)
    complete = _kernel(_decode)(*map(_integers, inputs), _space(1 << BUCKET_BITS), symbols)
    result = np.asarray(symbols, np.int64)
    if not complete or np.any(result != result.astype(np.int32)):
        raise CorruptFileError("the compressed data is damaged: a coefficient is out of range")
    return result.astype(np.int32)


@compiled(error_model="numpy")
def _encode(
    symbols: Integers,
    dither: Integers,
    counts: Integers,
    phases: Integers,
    values: Integers,
    offset: Integers,
    first: Integers,
    last: Integers,
    log2_knots: Integers,
    words: Integers,
) -> tuple[int, int, int]:
    """Write all words but the last to `words`; return low, span and how many there are."""
    low, span, size = 0, FULL, 0
    i = 0
    for c in range(len(counts)):
        unit = 1 << log2_knots[c]
        shift = PHASE_BITS - log2_knots[c]
        mask = (1 << shift) - 1
        beyond = last[c] - first[c] + 1
        end = i + counts[c]
        gamma_bits = 0  # how many bits of `distance` are still to be coded
        distance = 0
        while i < end:  # one step of the coder each
            if gamma_bits == 0:
                k = symbols[i]
                index = min(max(k - first[c], -1), beyond)
                x = (index << PHASE_BITS) + phases[dither[i]] - FIRST_KNOT
                rest = x & mask
                j = offset[c] + (x >> shift)
                lower = 0
                if index >= 0:
                    lower = values[j] + ((values[j + 1] - values[j]) * rest >> shift)
                j += unit
                upper = TOTAL
                if index < beyond:
                    upper = values[j] + ((values[j + 1] - values[j]) * rest >> shift)
                if 0 <= index < beyond:
                    i += 1
                else:  # Elias gamma: L - 1 zeros, then the L bits of the distance
                    distance = first[c] - k if index < 0 else k - last[c]
                    length = 0
                    while distance >> length:
                        length += 1
                    gamma_bits = 2 * length - 1
            else:
                gamma_bits -= 1
                lower = HALF * (distance >> gamma_bits & 1)
                upper = lower + HALF
                if gamma_bits == 0:
                    i += 1
            r = span >> PROBABILITY_BITS
            low += r * lower
            span = r * (upper - lower) if upper < TOTAL else span - r * lower
            if low >= FULL:  # carry
                low -= FULL
                j = size - 1
                while words[j] == WORD:
                    words[j] = 0
                    j -= 1
                words[j] += 1
            while span <= BOTTOM:
                words[size] = low >> BOTTOM_BITS
                size += 1
                low = (low & (BOTTOM - 1)) << WORD_BITS
                span <<= WORD_BITS
    return low, span, size


@compiled(error_model="numpy")
def _decode(
    data: Integers,
    dither: Integers,
    counts: Integers,
    phases: Integers,
    values: Integers,
    offset: Integers,
    first: Integers,
    last: Integers,
    log2_knots: Integers,
    start: Integers,
    symbols: Integers,
) -> bool:
    """Fill `symbols`; return whether no escape was longer than any that is written."""
    code, span, size = 0, FULL, 4
    for word in range(4):
        code = code << WORD_BITS | data[word]
    i = 0
    for c in range(len(counts)):
        unit = 1 << log2_knots[c]
        shift = PHASE_BITS - log2_knots[c]
        mask = (1 << shift) - 1
        beyond = last[c] - first[c] + 1
        # F(first - 1 + index + v) <= T[(index + 1) unit]: a start that is right for every phase
        index = 0
        for bucket in range(1 << BUCKET_BITS):
            bound = bucket << (PROBABILITY_BITS - BUCKET_BITS)
            while index < beyond and values[offset[c] + (index + 2) * unit] <= bound:
                index += 1
            start[bucket] = index
        end = i + counts[c]
        sign = 0  # of the escape that is being read: -1, 1, or 0 for none
        zeros = 0
        distance = 0
        while i < end:  # one step of the coder each
            r = span >> PROBABILITY_BITS
            target = min(code // r, TOTAL - 1)
            if sign == 0:
                index = start[target >> (PROBABILITY_BITS - BUCKET_BITS)]
                x = (index << PHASE_BITS) + phases[dither[i]] - FIRST_KNOT
                rest = x & mask
                j = offset[c] + (x >> shift)
                lower = 0
                upper = values[j] + ((values[j + 1] - values[j]) * rest >> shift)
                index -= 1
                while upper <= target:
                    lower = upper
                    index += 1
                    if index == beyond:
                        upper = TOTAL
                    else:
                        j += unit
                        upper = values[j] + ((values[j + 1] - values[j]) * rest >> shift)
                if 0 <= index < beyond:
                    symbols[i] = first[c] + index
                    i += 1
                else:
                    sign = -1 if index < 0 else 1
                    zeros = 0
                    distance = 0
            else:
                bit = target // HALF
                lower = HALF * bit
                upper = lower + HALF
                if distance == 0 and bit == 0:
                    zeros += 1
                    if zeros == LONGEST_GAMMA:
                        return False
                else:
                    zeros -= distance > 0
                    distance = 2 * distance + bit
                    if zeros == 0:
                        symbols[i] = (first[c] if sign < 0 else last[c]) + sign * distance
                        sign = 0
                        i += 1
            code -= r * lower
            span = r * (upper - lower) if upper < TOTAL else span - r * lower
            while span <= BOTTOM:
                code <<= WORD_BITS
                if size < len(data):
                    code |= data[size]
                    size += 1
                span <<= WORD_BITS
    return True


def _flush(low: int, span: int, words: Integers, size: int) -> int:
    """Write the number in [low, low + span) that ends in the most zero bytes; return the size.

    As span > 2^46, a multiple of 2^46 is always among them: one word is enough.
    """
    value = next(
        value
        for bits in (STATE_BITS, STATE_BITS - 8, BOTTOM_BITS)
        if (value := -(-low >> bits) << bits) < low + span
    )
    if value >= FULL:
        j = size - 1
        while words[j] == WORD:
            words[j] = 0
            j -= 1
        words[j] += 1
    words[size] = value >> BOTTOM_BITS & WORD
    return size + 1


def _code_words(data: bytes) -> Array:
    """The data as words, two zero bits put before: four words are the decoder's first 62 bits."""
    padded = np.frombuffer(b"\0\0" + data + bytes(8 - len(data) % 2), ">u2").astype(np.int64)
    return padded[:-1] << 14 & WORD | padded[1:] >> 2


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
    array = array.astype(np.int64)
    return array.tolist() if use_reference() else array


def _space(size: int) -> Integers:
    return [0] * size if use_reference() else np.empty(size, np.int64)
