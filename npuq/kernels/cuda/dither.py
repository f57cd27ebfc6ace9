"""The dither on a CUDA device, word for word that of `npuq.coding.dither`."""

from __future__ import annotations

import math

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.launch import contiguous, launch_each, size
from npuq.runtime.twins import takes


@takes(np.uint32)
def dither_words(
    channels: int, rows: int, blocks: int, first_block: int, first_row: int, tensor: int,
    key: Array, first_channel: int = 0,
) -> Array:  # fmt: skip
    """Fast twin of `npuq.coding.dither.dither_words`; the words lie where `key` does."""
    import cupy

    window = channels, rows, blocks
    words = cupy.empty((*window, 4), np.uint32)
    (key,) = contiguous(key)
    begins = map(np.uint32, (first_block, first_row, first_channel, tensor))
    sides = np.int32(rows), np.int32(blocks)
    launch_each(
        "dither", "dither_words", math.prod(window), key, words, *sides, *begins, size(window)
    )
    return words
