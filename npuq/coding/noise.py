"""The uniform noise of training, a function of seed, step and tensor alone (Eq. 4).

Each number is addressed by its place, as the dither is (`npuq.coding.dither`), so that every device
makes the same ones in whatever order it likes, and a run that goes on after a stop sees what one
without a stop would have seen.
"""

from __future__ import annotations

import math

import numpy as np

from npuq.backend import Array, xp_of
from npuq.coding.philox import WORD_MASK, philox4x32
from npuq.runtime.twins import has_twins


def noise_place(seed: int, step: int, tensor: int = 0) -> Array:
    """Where the noise of a tensor at a step begins, as `uniform_noise` takes it. Eq. 4.

    Args:
        seed: 0 .. 2^64 - 1.
        step, tensor: 0 .. 2^32 - 1.

    Returns:
        uint32 (4,): seed mod 2^32, seed div 2^32, step, tensor.

    Raises:
        ValueError: a number is out of range.
    """
    if not 0 <= seed < 1 << 64 or not 0 <= min(step, tensor) <= max(step, tensor) <= WORD_MASK:
        raise ValueError(
            "seed must be from 0 to 2**64 - 1, step and tensor from 0 to 2**32 - 1, not "
            f"{seed}, {step} and {tensor}"
        )
    return np.array([seed & WORD_MASK, seed >> 32, step, tensor], np.uint32)


def _check(place: Array, shape: tuple[int, ...]) -> None:
    if place.shape != (4,) or place.dtype != np.uint32 or min(shape, default=0) < 0:
        raise ValueError(f"place must be of `noise_place`, and {shape} a shape of an array")


@has_twins(check=_check)
def uniform_noise(place: Array, shape: tuple[int, ...]) -> Array:
    """Noise u of `shape`, uniform in [-1/2, 1/2). Eq. 4. It has fast twins.

    The counter (number // 4, 0, step, tensor) under the key (seed mod 2^32, seed div 2^32) gives
    four words n, for four numbers that follow each other in memory; each is
    (n // 2^8) / 2^24 - 1/2.

    Args:
        place: of `noise_place`.
        shape: of the result, fewer than 2^31 numbers.

    Returns:
        float32.

    Raises:
        ValueError: `place` is of another shape or type, or a side of `shape` negative.

    Departure: 2^24 levels stand for a continuum, all that float32 can tell apart there.
    """
    count = math.prod(shape)
    xp = xp_of(place)
    counter = xp.zeros((-(-count // 4), 4), np.uint32)
    counter[:, 0] = xp.arange(len(counter))
    counter[:, 2:] = place[2:]
    words = philox4x32(counter, place[:2]).reshape(-1)[:count]
    u = (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24) - np.float32(0.5)
    return u.reshape(shape)
