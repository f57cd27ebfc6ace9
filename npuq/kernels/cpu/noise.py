"""The fast twin of `npuq.coding.noise.uniform_noise`: Philox4x32-10 and the numbers in one loop."""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.coding.philox import MULTIPLIERS, round_keys
from npuq.runtime.compile import jit
from npuq.runtime.twins import takes

_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


@takes(np.uint32)
def uniform_noise(place: Array, shape: tuple[int, ...]) -> Array:
    """Fast twin of `npuq.coding.noise.uniform_noise`."""
    u = np.empty(shape, np.float32)
    step, tensor = (int(word) for word in place[2:])
    _fill(step, tensor, round_keys(place[:2]), np.array(MULTIPLIERS, np.uint64), u.reshape(-1))
    return u


@jit(error_model="numpy")
def _fill(step, tensor, keys, multipliers, u):
    """Fill u, (n,) float32; keys (rounds, 2) and multipliers (2,) uint64.

    32-bit words are held in 64 bits, where the products are exact; 24 bits of each are a number.
    """
    m0, m1 = multipliers
    for block in range(np.uintp((u.size + 3) // 4)):
        c0, c1 = np.uint64(block), np.uint64(0)
        c2, c3 = np.uint64(step), np.uint64(tensor)
        for i in range(np.uintp(len(keys))):
            product0, product1 = c0 * m0, c2 * m1
            c0, c1 = (product1 >> _HALF) ^ c1 ^ keys[i, 0], product1 & _LOW
            c2, c3 = (product0 >> _HALF) ^ c3 ^ keys[i, 1], product0 & _LOW
        first = 4 * block
        words = (c0, c1, c2, c3)
        for i in range(4):
            if first + i < u.size:
                u[first + i] = np.float32(words[i] >> np.uint64(8)) * np.float32(
                    2.0**-24
                ) - np.float32(0.5)
