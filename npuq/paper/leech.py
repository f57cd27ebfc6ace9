"""The Leech lattice, in 24 dimensions, for Eq. 28 in Appendix C.

Shapes: N points (N, 24); the 4096 words of the Golay code (4096, 24).

In units of 1/sqrt(8) its vectors are o + 2 c + 4 f, with o = 0 or 1, c a word of the binary Golay
code and f integers whose sum is even for o = 0 and odd for o = 1 (Conway & Sloane 1999, ch. 4,
Sec. 11). Given o and c, the nearest f is found by rounding; if its sum has the wrong parity, the
coordinate in which it costs least is rounded the other way (Conway & Sloane 1982). All 2 x 4096
choices of o and c are tried: what they cost is a sum over coordinates, hence a matrix product.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from npuq.backend import Array, xp_of
from npuq.paper.channel import round_half_up
from npuq.paper.lattices import Lattice

_UNIT = math.sqrt(8)
_CHUNK = 32  # points decoded together: bounds the memory, to 100 MB where all words tie


@cache
def golay_code() -> Array:
    """The words of the extended binary Golay code: (4096, 24) of 0.0 and 1.0. Appendix C.

    The cyclic code of length 23 with generator x^11 + x^9 + x^7 + x^6 + x^5 + x + 1, and a bit that
    makes the weight even (MacWilliams & Sloane 1977, ch. 16).
    """
    generator = np.zeros(23, np.int64)
    generator[[0, 1, 5, 6, 7, 9, 11]] = 1
    basis = np.stack([np.roll(generator, shift) for shift in range(12)])
    choices = np.arange(4096)[:, None] >> np.arange(12) & 1
    words = choices @ basis % 2
    return np.hstack([words, words.sum(axis=1, keepdims=True) % 2]).astype(np.float64)


def _nearest(y: Array) -> Array:
    """The nearest points of y (..., 24), computed in float64."""
    xp = xp_of(y)
    x = y.reshape(-1, 24).astype(np.float64) * _UNIT
    points = xp.empty_like(x)
    for start in range(0, len(x), _CHUNK):
        part = x[start : start + _CHUNK]
        even, odd = _nearest_half(part, 0), _nearest_half(part, 1)
        closer = ((part - odd) ** 2).sum(1) < ((part - even) ** 2).sum(1)
        points[start : start + _CHUNK] = xp.where(closer[:, None], odd, even)
    return (points / _UNIT).reshape(y.shape).astype(y.dtype)


class _Rounded(NamedTuple):
    """x rounded to the coset c + 4 Z, in each coordinate; all (N, 24)."""

    f: Array
    rest: Array  # (x - c) / 4 - f
    cost: Array  # rest^2
    parity: Array  # 0.0 or 1.0
    extra: Array  # what it costs more to round the other way: (1 - |rest|)^2 - rest^2


def _round(x: Array, c: int) -> _Rounded:
    place = (x - c) / 4
    f = round_half_up(place)
    rest = place - f
    return _Rounded(f, rest, rest**2, f % 2, 1 - 2 * abs(rest))


def _nearest_half(x: Array, o: int) -> Array:
    """The nearest vectors o + 2 c + 4 f, for one o."""
    xp = xp_of(x)
    code = xp.asarray(golay_code())
    zero, one = _round(x, o), _round(x, o + 2)  # where c is 0, and where it is 1

    def over_the_code(if_zero: Array, if_one: Array) -> Array:  # sums over coordinates: (N, 4096)
        return if_zero.sum(axis=1, keepdims=True) + (if_one - if_zero) @ code.T

    cost = over_the_code(zero.cost, one.cost)
    wrong = (over_the_code(zero.parity, one.parity) + o).astype(np.int8) & 1 == 1
    total = xp.where(wrong, np.inf, cost)
    # Of the words with the wrong parity, only those that would win without it need a closer look.
    row, word = xp.nonzero(wrong & (cost < total.min(axis=1, keepdims=True)))
    extra = xp.where(code[word] == 1, one.extra[row], zero.extra[row])
    total[row, word] = cost[row, word] + extra.min(axis=1)

    best, all_rows = total.argmin(axis=1), xp.arange(len(x))
    c = code[best]
    f, rest, _, _, extra = (xp.where(c == 1, b, a) for a, b in zip(zero, one, strict=True))
    cheapest = extra.argmin(axis=1)
    other_way = xp.where(rest[all_rows, cheapest] < 0, -1, 1)
    f[all_rows, cheapest] += xp.where(wrong[all_rows, best], other_way, 0)
    return o + 2 * c + 4 * f


LEECH = Lattice("Leech", box=np.full(24, _UNIT), glue=None, volume=1.0, nearest=_nearest)
