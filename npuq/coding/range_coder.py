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
from npuq.coding.tables import FIRST_KNOT, PHASE_BITS, PROBABILITY_BITS, TOTAL
from npuq.kernels.compile import compiled

STATE_BITS = 62
WORD_BITS = 16
WORD = (1 << WORD_BITS) - 1
BOTTOM_BITS = STATE_BITS - WORD_BITS
FULL = 1 << STATE_BITS
BOTTOM = 1 << BOTTOM_BITS
HALF = TOTAL >> 1
LONGEST_GAMMA = 32  # bits of an escape's distance: |symbol| <= 2^31, |first|, |last| <= 2^20
BUCKET_BITS = 8  # the decoder's search begins at one of 256 places per table

Integers: TypeAlias = Any
"""A list of int, or an int64 array."""


@compiled(error_model="numpy")
def encode_words(
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
def decode_words(
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


def flush(low: int, span: int, words: Integers, size: int) -> int:
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


def code_words(data: bytes) -> Array:
    """The data as words, two zero bits put before: four words are the decoder's first 62 bits."""
    padded = np.frombuffer(b"\0\0" + data + bytes(8 - len(data) % 2), ">u2").astype(np.int64)
    return padded[:-1] << 14 & WORD | padded[1:] >> 2
