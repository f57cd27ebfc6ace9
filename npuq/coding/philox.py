"""Philox4x32-10, the counter-based random generator of Salmon et al. (2011), in NumPy.

A counter-based generator is a keyed bijection of 128-bit counters: number i is computed from i
alone. Encoder and decoder can therefore ask for the randomness of any place in any order.
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL_STEPS = (0x9E3779B9, 0xBB67AE85)  # the key's increments: golden ratio, sqrt(3) - 1
WORD_MASK = 0xFFFFFFFF


def philox4x32(counter: Array, key: Array) -> Array:
    """Four random 32-bit words for each 128-bit counter. Salmon et al. (2011), "Parallel random
    numbers: as easy as 1, 2, 3", Sec. 3.3.

    Args:
        counter: uint32, shape (..., 4), word 0 first.
        key: uint32, shape (2,).

    Returns:
        words: uint32, shape (..., 4), word 0 first.

    Numerics: 32-bit words are held in uint64, where the 32 x 32 bit products are exact.
    """
    c0, c1, c2, c3 = (np.asarray(counter)[..., i].astype(np.uint64) for i in range(4))
    k0, k1 = (int(word) for word in key)
    for _ in range(ROUNDS):
        product0 = c0 * np.uint64(MULTIPLIERS[0])
        product1 = c2 * np.uint64(MULTIPLIERS[1])
        c0 = (product1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0)
        c1 = product1 & np.uint64(WORD_MASK)
        c2 = (product0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1)
        c3 = product0 & np.uint64(WORD_MASK)
        k0 = (k0 + WEYL_STEPS[0]) & WORD_MASK
        k1 = (k1 + WEYL_STEPS[1]) & WORD_MASK
    return np.stack((c0, c1, c2, c3), axis=-1).astype(np.uint32)
