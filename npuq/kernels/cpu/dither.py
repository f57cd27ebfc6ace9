"""The fast twin of `npuq.coding.dither.dither_words`: counters and Philox4x32-10 in one loop."""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.coding.philox import MULTIPLIERS, round_keys
from npuq.runtime.compile import jit
from npuq.runtime.twins import takes

_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


@takes(np.uint32)
def dither_words(
    channels: int, rows: int, blocks: int, first_block: int, first_row: int, tensor: int,
    key: Array, first_channel: int = 0,
) -> Array:  # fmt: skip
    """Fast twin of `npuq.coding.dither.dither_words`."""
    words = np.empty((channels, rows, blocks, 4), np.uint32)
    multipliers = np.array(MULTIPLIERS, np.uint64)
    _fill(first_block, first_row, first_channel, tensor, round_keys(key), multipliers, words)
    return words


@jit(error_model="numpy")
def _fill(first_block, first_row, first_channel, tensor, keys, multipliers, words):
    """Fill words (C, rows, blocks, 4) uint32; keys (rounds, 2) and multipliers (2,) uint64.

    32-bit words are held in 64 bits, where the products are exact.
    """
    channels, rows, blocks, _ = words.shape
    m0, m1 = multipliers
    for channel in range(np.uintp(channels)):
        for row in range(np.uintp(rows)):
            for block in range(np.uintp(blocks)):
                c0, c1 = np.uint64(first_block) + block, np.uint64(first_row) + row
                c2, c3 = np.uint64(first_channel) + channel, np.uint64(tensor)
                for i in range(np.uintp(len(keys))):
                    product0, product1 = c0 * m0, c2 * m1
                    c0, c1 = (product1 >> _HALF) ^ c1 ^ keys[i, 0], product1 & _LOW
                    c2, c3 = (product0 >> _HALF) ^ c3 ^ keys[i, 1], product0 & _LOW
                word = words[channel, row, block]
                word[0], word[1], word[2], word[3] = c0, c1, c2, c3
