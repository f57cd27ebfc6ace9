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
State of the decoder: code = message - low, cut after bit 0; span; and how many words it has read.
In each step 0 <= code < span; this holds for any bytes whatever, so that damaged data decode to
something or are refused, no worse.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from npuq.backend import Array
from npuq.coding.intervals import HALF
from npuq.coding.tables import FIRST_KNOT, PHASE_BITS, PROBABILITY_BITS, TOTAL
from npuq.runtime.compile import compiled

STATE_BITS = 62
WORD_BITS = 16
WORD = (1 << WORD_BITS) - 1
BOTTOM_BITS = STATE_BITS - WORD_BITS
FULL = 1 << STATE_BITS
BOTTOM = 1 << BOTTOM_BITS
FARTHEST = 1 << 31  # symbols have 32 bits
LONGEST_GAMMA = 32  # bits of an escape's distance: |symbol| <= 2^31, |first|, |last| <= 2^20
NOT_NEGATIVE = (1 << 32) - 1  # indexes & this are those that they were; Numba then looks no further
BUCKET_BITS = 8  # the decoder's search begins at one of 256 places per table

Integers: TypeAlias = Any
"""A list of int, or an array of integers."""


@compiled(error_model="numpy")
def encode_intervals(
    lower: Integers, upper: Integers, low: int, span: int, words: Integers, size: int
) -> tuple[int, int, int]:
    """Narrow the span to one interval after the other, of [0, 2^24); see the top of this file.

    `size` words are in `words` already, with room for two more for each interval. Returns low, span
    and size, from which the next call can go on, or `flush` end the message.
    """
    for i in range(len(lower)):
        r = span >> PROBABILITY_BITS
        skipped = r * lower[i]
        low += skipped
        span = r * upper[i] - skipped if upper[i] < TOTAL else span - skipped
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
    begin: Integers,
    first: Integers,
    last: Integers,
    log2_knots: Integers,
    start: Integers,
    state: Integers,
    symbols: Integers,
) -> bool:
    """Fill `symbols`; return whether all escapes were of 32-bit symbols.

    `state`, see the top of this file, is taken from where the last call left it, or `first_state`.

    The intervals of a table are numbered: 0 is the escape below, 1 the symbol `first`, and so on to
    the escape above. The upper bound of number n is F(first - 1 + n + v), where n <= beyond.
    """
    code, span, size = state[0], state[1], state[2]
    largest = max(phases) - FIRST_KNOT
    i = 0
    for c in range(len(counts)):
        # int: Numba would make floats of signed and unsigned integers together
        base, lowest, beyond = int(begin[c]), int(first[c]), int(last[c]) - int(first[c]) + 1
        log2_unit = int(log2_knots[c])
        shift = PHASE_BITS - log2_unit
        mask = (1 << shift) - 1
        # The search begins at the first interval whose bound at the largest phase, the highest of
        # its bounds, exceeds the least target of the bucket.
        n = 0
        x = largest
        for bucket in range(1 << BUCKET_BITS):
            least = bucket << (PROBABILITY_BITS - BUCKET_BITS)
            while n < beyond:
                j = base + (x >> shift)
                if values[j] + ((values[j + 1] - values[j]) * (x & mask) >> shift) > least:
                    break
                n += 1
                x += 1 << PHASE_BITS
            start[bucket] = n
        end = i + counts[c]
        sign = 0  # of the escape that is being read: -1, 1, or 0 for none
        zeros = 0
        distance = 0
        while i < end:  # one step of the coder each
            r = span >> PROBABILITY_BITS
            target = min((code & (FULL - 1)) // r, TOTAL - 1)  # & says that it is not negative
            if sign == 0:
                # Where dithers differ, the search is one interval short as often as not. That step
                # is taken without a branch, of which a processor would guess every other wrongly.
                n = start[target >> (PROBABILITY_BITS - BUCKET_BITS)]
                x = phases[dither[i]] - FIRST_KNOT
                rest = x & mask
                origin = base + (x >> shift)
                j = (origin + (max(n - 1, 0) << log2_unit)) & NOT_NEGATIVE
                lower = values[j] + ((values[j + 1] - values[j]) * rest >> shift)
                lower = lower if n > 0 else 0
                j = (origin + (n << log2_unit)) & NOT_NEGATIVE
                upper = values[j] + ((values[j + 1] - values[j]) * rest >> shift)
                j = (origin + (min(n + 1, beyond) << log2_unit)) & NOT_NEGATIVE
                above = values[j] + ((values[j + 1] - values[j]) * rest >> shift)
                above = above if n < beyond else TOTAL
                is_short = upper <= target
                lower = upper if is_short else lower
                upper = above if is_short else upper
                n += is_short
                while upper <= target:
                    n += 1
                    lower = upper
                    upper = TOTAL
                    if n <= beyond:
                        j = (origin + (n << log2_unit)) & NOT_NEGATIVE
                        upper = values[j] + ((values[j + 1] - values[j]) * rest >> shift)
                if 0 < n <= beyond:
                    symbols[i] = lowest + n - 1
                    i += 1
                else:
                    sign = -1 if n == 0 else 1
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
                        symbol = (lowest if sign < 0 else lowest + beyond - 1) + sign * distance
                        if not -FARTHEST <= symbol < FARTHEST:
                            return False
                        symbols[i] = symbol
                        sign = 0
                        i += 1
            skipped = r * lower
            code -= skipped
            span = r * upper - skipped if upper < TOTAL else span - skipped
            while span <= BOTTOM:
                code <<= WORD_BITS
                if size < len(data):
                    code |= int(data[size])
                    size += 1
                span <<= WORD_BITS
    state[0], state[1], state[2] = code, span, size
    return True


def first_state(data: Integers) -> list[int]:
    """The state of the decoder at the beginning of the words of a message."""
    code = 0
    for word in range(4):
        code = code << WORD_BITS | int(data[word])
    return [code, FULL, 4]


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
    """The data as uint16, two zero bits put before: four words are the decoder's first 62 bits."""
    padded = np.frombuffer(b"\0\0" + data + bytes(8 - len(data) % 2), ">u2").astype(np.uint16)
    words = padded[:-1] << 14
    words |= padded[1:] >> 2
    return words
