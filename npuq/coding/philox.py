"""Philox4x32-10, the counter-based random generator of Salmon et al. (2011), in NumPy.

A counter-based generator is a keyed bijection of 128-bit counters: number i is computed from i
alone. Encoder and decoder can therefore ask for the randomness of any place in any order.
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array, to_host, xp_of

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
    c0, c1, c2, c3 = (counter[..., i].astype(np.uint64) for i in range(4))
    low, half = np.uint64(WORD_MASK), np.uint64(32)
    for k0, k1 in round_keys(key):
        product0 = c0 * np.uint64(MULTIPLIERS[0])
        product1 = c2 * np.uint64(MULTIPLIERS[1])
        c0, c1 = (product1 >> half) ^ c1 ^ k0, product1 & low
        c2, c3 = (product0 >> half) ^ c3 ^ k1, product0 & low
    return xp_of(c0).stack((c0, c1, c2, c3), axis=-1).astype(np.uint32)


def round_keys(key: Array) -> Array:
    """The key of each round, raised by the Weyl steps from one to the next (Salmon et al. 2011).

    Args:
        key: uint32, shape (2,).

    Returns:
        uint64, shape (10, 2), below 2^32.
    """
    steps = np.arange(ROUNDS, dtype=np.uint64)[:, None] * np.array(WEYL_STEPS, np.uint64)
    return (to_host(key).astype(np.uint64) + steps) & np.uint64(WORD_MASK)
