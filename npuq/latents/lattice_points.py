"""Lattice points in integers: Eq. 28, with the dither of files and tables like those of un+uq.

Each lattice here is made of boxes and a code (`npuq.paper.lattices`): its points are b (k + w / 2),
b the sides of the box, k integers, w a word of a binary code. A box tiles space as well as the
Voronoi cell does, so the dither is b u, u_i the ordinary dither of coefficient i, and

    z_i = b_i (k_i + w_i / 2 + u_i).

With 256 dither values half a step is 128 of them: k + 1/2 + u_n = k' + u_n' for n' = n + 128 mod
256 and k' = k, or k + 1 where that wraps. So given the word, k' is what universal quantization
sends, by one table for each density and side; and the word is sent before it, by what the dithers
make of its probability.

Shapes: V vectors of n coefficients; x, k, dither (V, n); words (m, n).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.coding.dither import DITHER_LEVELS, dither_values
from npuq.coding.tables import TOTAL
from npuq.errors import InvalidArrayError, TablesError
from npuq.paper.lattices import D4, E8, HEXAGONAL, Lattice, integer_lattice

HALF_STEP = DITHER_LEVELS // 2
FARTHEST = 2.0**31 - 2  # sides of a box
WEIGHT_BITS = 12
WEIGHT = 1 << WEIGHT_BITS


class CodedLattice(NamedTuple):
    """A lattice whose points can be coded: Eq. 28."""

    name: str
    words: Array  # (m, n) int64 of 0 and 1, a linear code
    sides: Array  # of the box in units of the root mean squared error times sqrt(12), one period

    @property
    def dimensions(self) -> int:
        """n, of the vectors."""
        return self.words.shape[1]


def _coded(name: str, lattice: Lattice, error: float) -> CodedLattice:
    """`error` is the mean squared error per dimension, G V^(2/n) (Conway & Sloane 1982)."""
    assert lattice.glue is not None
    sides = lattice.box / np.sqrt(12 * error)
    period = sides[:1] if np.all(sides == sides[0]) else sides
    return CodedLattice(name, np.rint(2 * lattice.glue / lattice.box).astype(np.int64), period)


LATTICES = {
    lattice.name: lattice
    for lattice in (
        _coded("Z", integer_lattice(1), 1 / 12),
        _coded("A2", HEXAGONAL, 5 / 72),
        _coded("D4", D4, 13 / 120),
        _coded("E8", E8, 929 / 12960),
    )
}


def lattice_named(name: str) -> CodedLattice:
    """The lattice of a name.

    Raises:
        TablesError: there is none.
    """
    if name not in LATTICES:
        raise TablesError(f"lattice must be one of {', '.join(LATTICES)}, not {name!r}")
    return LATTICES[name]


def nearest(x: Array, dither: Array, lattice: CodedLattice) -> tuple[Array, Array]:
    """The sender's half of Eq. (28): which word, and k, of the nearest point to x less the dither.

    Args:
        x: (V, n) float64, coefficients in sides of the box.
        dither: (V, n) uint8.
        lattice: of n dimensions.

    Returns:
        words: (V,) int64, their numbers.
        k: (V, n) int64, such that z = b (k + w / 2 + u).

    Raises:
        InvalidArrayError: one is beyond 32 bits, or not a number.
    """
    if x.size and not -FARTHEST < x.min() <= x.max() < FARTHEST:  # also if not a number
        raise InvalidArrayError("y holds numbers that are not finite, or beyond 2**31 steps")
    t = x - dither_values(dither, np.float64)
    squares = np.resize(lattice.sides**2, lattice.dimensions)
    # Each coefficient is rounded for either bit; a word only chooses between the two.
    k = np.stack([np.floor(t + 0.5), np.floor(t)])
    costs = squares * (t - (k + np.array([0.0, 0.5])[:, None, None])) ** 2
    distances = costs[0].sum(axis=1)[:, None] + (costs[1] - costs[0]) @ lattice.words.T
    words = distances.argmin(axis=1)
    chosen = np.where(lattice.words[words] == 1, k[1], k[0])
    return words, chosen.astype(np.int64)


def moved_by_words(dither: Array, words: Array, lattice: CodedLattice) -> tuple[Array, Array]:
    """The dither n' that a word's halves make of n, and by how much k' exceeds k.

    Args:
        dither: (V, n) uint8.
        words: (V,) numbers of words.

    Returns:
        n', (V, n) uint8, and 0 or 1, (V, n) int64.
    """
    bits = lattice.words[words]
    moved = dither ^ (HALF_STEP * bits).astype(np.uint8)
    return moved, bits & (dither >= HALF_STEP)


def word_edges(weights: Array, lattice: CodedLattice) -> Array:
    """What each word owns of [0, 2^24), from the weight of a 1 in each place; integers only.

    P(w) is the product over places of a_i / 2^12 where w_i = 1, and 1 - a_i / 2^12 where it is 0,
    over its sum. Products are formed of four weights of 12 bits each; of eight, as the product of
    two such, 17 bits shorter: nothing exceeds 62 bits. What is lost is at most 2^-6 of a share,
    where every word has some place of weight 1, and commonly nothing. Each word owns 1 at least,
    and the likeliest what is over.

    Args:
        weights: (V, n) integers a from 1 to 2^12 - 1.

    Returns:
        (V, m + 1) int64, as `npuq.coding.choices` takes them.
    """
    count, n = len(lattice.words), lattice.dimensions
    ones = weights.astype(np.int64)
    both = np.stack([WEIGHT - ones, ones])
    total = np.zeros(len(weights), np.int64)
    products = np.empty((count, len(weights)), np.int64)
    for j, word in enumerate(lattice.words):
        of_places = both[word, :, np.arange(n)]  # (n, V)
        halves = [of_places[i : i + 4].prod(axis=0) for i in range(0, n, 4)]
        product = halves[0] << (48 - WEIGHT_BITS * min(n, 4))
        products[j] = product if n <= 4 else (product >> 17) * (halves[1] >> 17)
        total += products[j]
    unit = total // (TOTAL - count) + 1
    shares = products // unit + 1
    shares[products.argmax(axis=0), np.arange(len(weights))] += TOTAL - shares.sum(axis=0)
    edges = np.zeros((len(weights), count + 1), np.int64)
    np.cumsum(shares.T, axis=1, out=edges[:, 1:])
    return edges
