"""Philox4x32-10 from its paper (Salmon et al. 2011), in Python's integers, and the dither of files.

Written anew so that what decides every symbol is said twice.
"""

from __future__ import annotations

from collections.abc import Sequence


def philox(counter: Sequence[int], key: Sequence[int]) -> list[int]:
    """Ten rounds: the halves of two products are swapped and mixed with the key, which steps on."""
    left_0, right_0, left_1, right_1 = counter
    key_0, key_1 = key
    for _ in range(10):
        high_0, low_0 = divmod(0xD2511F53 * left_0, 2**32)
        high_1, low_1 = divmod(0xCD9E8D57 * left_1, 2**32)
        left_0, right_0 = high_1 ^ right_0 ^ key_0, low_1
        left_1, right_1 = high_0 ^ right_1 ^ key_1, low_0
        key_0, key_1 = (key_0 + 0x9E3779B9) % 2**32, (key_1 + 0xBB67AE85) % 2**32
    return [left_0, right_0, left_1, right_1]


def dither_at(seed: int, tensor: int, channel: int, row: int, column: int) -> int:
    """The dither integer of a place: a byte of the words of sixteen neighbouring columns."""
    words = philox([column // 16, row, channel, tensor], [seed % 2**32, seed // 2**32])
    return b"".join(word.to_bytes(4, "little") for word in words)[column % 16]
