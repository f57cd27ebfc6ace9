"""The uniform numbers that sender and receiver of reverse channel coding share.

Candidate n of a message consists of a few dimensions. A number depends on (seed, stream, candidate,
dimension) only, never on the order of calls: the receiver asks for the one candidate that was
chosen and gets what the sender saw.
"""

from __future__ import annotations

import numpy as np

from npuq.arguments import integer
from npuq.backend import Array
from npuq.coding.dither import dither_words
from npuq.coding.philox import WORD_MASK

WORDS = 4  # that a counter gives: the numbers of four dimensions


def shared_uniforms(
    first: int, count: int, dimensions: int, *, seed: int, stream: int = 0
) -> Array:
    """Uniform numbers for candidates first .. first + count - 1. Secs. 2 and 3.

    The counter (candidate, dimension // 4, 0, stream) under the key (seed mod 2^32, seed div 2^32)
    gives four words n, for four neighbouring dimensions; each is the number (n + 1/2) / 2^32.

    Args:
        first: number of the first candidate; all are below 2^32.
        count: how many.
        dimensions: how many numbers belong to each.
        seed: 0 .. 2^64 - 1.
        stream: 0 .. 2^32 - 1, for instance one for each message.

    Returns:
        (count, dimensions) float64, inside of (0, 1).

    Raises:
        ValueError: an argument is out of range.
        TypeError: one is no integer.

    Departure: 2^32 levels stand for a continuum.
    """
    seed = integer(seed, "seed", 0, (1 << 64) - 1)
    stream = integer(stream, "stream", 0, WORD_MASK)
    first = integer(first, "first", 0)
    count, dimensions = integer(count, "count", 0), integer(dimensions, "dimensions", 0)
    if first + count > WORD_MASK + 1:
        raise ValueError("first and count: candidates must be below 2**32")
    key = np.array([seed & WORD_MASK, seed >> 32], np.uint32)
    fours = -(-dimensions // WORDS)
    words = dither_words(1, fours, count, first, 0, stream, key)[0]
    uniforms = words.transpose(1, 0, 2).reshape(count, fours * WORDS)[:, :dimensions]
    return (uniforms + 0.5) / 2.0**32
