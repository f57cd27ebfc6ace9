"""Choices, each by a distribution of its own: the coder where no table repeats.

Shapes: n choices of m possibilities. `edges` (n, m + 1) rise strictly from 0 to 2^24 along each
row; choice j owns the part between edges j and j + 1.
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.coding.lists import integers, loop, space
from npuq.coding.range_coder import (
    BOTTOM,
    FULL,
    WORD_BITS,
    Integers,
    code_words,
    encode_intervals,
    first_state,
    flush,
)
from npuq.coding.tables import PROBABILITY_BITS, TOTAL
from npuq.runtime.compile import compiled


def encode_choices(choices: Array, edges: Array) -> bytes:
    """One stream of (n,) integers from 0 to m - 1. Sec. 3.2.

    Raises:
        ValueError: `edges` are of another shape, or do not rise from 0 to 2^24.
    """
    _check_edges(edges)
    if choices.shape != edges.shape[:1]:
        raise ValueError(f"choices must have shape {edges.shape[:1]}, not {choices.shape}")
    rows = np.arange(len(choices))
    words = space(2 * len(choices) + 1, np.uint16)
    low, span, size = loop(encode_intervals)(
        integers(edges[rows, choices]), integers(edges[rows, choices + 1]), 0, FULL, words, 0
    )
    size = flush(int(low), int(span), words, size)
    return np.asarray(words[:size]).astype(">u2").tobytes().rstrip(b"\0")


def decode_choices(data: bytes, edges: Array) -> Array:
    """The choices that `encode_choices` coded by the same edges, (n,) int64.

    Any bytes whatever decode to something.

    Raises:
        ValueError: as there.
    """
    _check_edges(edges)
    choices, data_words = space(len(edges), np.int64), code_words(data)
    flat = integers(edges.astype(np.int64).ravel())
    state = integers(np.array(first_state(data_words), np.int64))
    loop(choose)(integers(data_words), flat, edges.shape[1] - 1, state, choices)
    return np.asarray(choices, np.int64)


@compiled(error_model="numpy")
def choose(data: Integers, edges: Integers, m: int, state: Integers, choices: Integers) -> None:
    """Fill `choices`; the steps of the decoder are those of `range_coder`.

    The bounds of row i are edges[i (m + 1)] and those after it.
    """
    code, span, size = state[0], state[1], state[2]
    for i in range(len(choices)):
        r = span >> PROBABILITY_BITS
        target = min((code & (FULL - 1)) // r, TOTAL - 1)
        row = i * (m + 1)
        j = 0
        while edges[row + j + 1] <= target:
            j += 1
        choices[i] = j
        skipped = r * edges[row + j]
        upper = edges[row + j + 1]
        code -= skipped
        span = r * upper - skipped if upper < TOTAL else span - skipped
        while span <= BOTTOM:
            code <<= WORD_BITS
            if size < len(data):
                code |= int(data[size])
                size += 1
            span <<= WORD_BITS


def _check_edges(edges: Array) -> None:
    if edges.ndim != 2 or edges.dtype.kind not in "iu" or edges.shape[1] < 2:
        raise ValueError("edges must be integers of shape (n, m + 1), m at least 1")
    ends_fit = np.all(edges[:, 0] == 0) and np.all(edges[:, -1] == TOTAL)
    if not ends_fit or np.any(edges[:, 1:] <= edges[:, :-1]):
        raise ValueError("edges must rise from 0 to 2**24")
