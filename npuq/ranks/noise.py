"""The noise of a part of a batch, without that of the rest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from npuq.ranks.alone import Share

if TYPE_CHECKING:
    from npuq.backend import Array


def part_of_uniform(words: list[int], shape: tuple[int, ...], share: Share) -> Array:
    """What `default_rng(words).random` gives a batch, float32 in [0, 1): a share of it alone.

    Numbers of other images are skipped, not drawn: so its cost falls with the share.

    Args:
        words: the seed.
        shape: of the part. Images lie along the first axis; of a matrix, whose columns are blocks
            of pixels, along the second.
        share: which images.
    """
    if share.weight == 1:
        return np.random.default_rng(words).random(shape, np.float32)
    generator = np.random.PCG64(words)  # that of default_rng
    rng = np.random.Generator(generator)
    axis = 1 if len(shape) == 2 else 0
    part = np.empty((math.prod(shape[:axis]), math.prod(shape[axis:])), np.float32)
    one_image = part.shape[1] // (share.stop - share.first)
    drawn = 0  # words of 64 bits; each gives two numbers, its lower half the first
    for number, row in enumerate(part):
        start = (number * share.of + share.first) * one_image
        generator.advance(start // 2 - drawn)
        numbers = rng.random(start % 2 + row.size, np.float32)
        row[:] = numbers[start % 2 :]
        drawn = start // 2 + (numbers.size + 1) // 2
    return part.reshape(shape)
