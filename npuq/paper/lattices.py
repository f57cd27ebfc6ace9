"""Lattices and their nearest points, Q of Eq. 28 in Appendix C: Z^n, hexagonal, D4 and E8.

Shapes: points are (..., n), the last axis being the dimension n of the lattice; m cosets.

Each lattice here is a union of few translates, or cosets, of the points (b_1 k_1, ..., b_n k_n), k
integer: a lattice of boxes with sides b. Its nearest point is the best one of the cosets', and each
of those is found by rounding (Conway & Sloane 1982). The boxes serve twice more: they tile space,
so that a random point of one, reduced modulo the lattice, is uniform on the Voronoi cell; and
given its coset, a lattice point is n independent integers, which is a way to code it.
The Leech lattice has too many cosets for that: `npuq.paper.leech`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from npuq.backend import Array, floats, xp_of
from npuq.paper.channel import round_half_up


class Lattice(NamedTuple):
    """A lattice of n dimensions; `nearest_point` finds its points."""

    name: str
    box: Array  # (n,) sides of a box, each of which is itself a vector of the lattice
    glue: Array | None  # (m, n) a point of each coset of the boxes; None: too many to list
    volume: float  # V of a Voronoi cell
    nearest: Callable[[Array], Array]  # of floats (..., n), unchecked


def nearest_point(y: Array, lattice: Lattice) -> Array:
    """Q(y), the point of the lattice that is nearest to y: Eq. (28), Appendix C.

    Args:
        y: (..., n).
        lattice: of n dimensions.

    Returns:
        Lattice points, of the shape and dtype of `y`. Where several are equally near, it is one of
        them.

    Raises:
        ValueError: `y` does not end in an axis of length n, or is not finite.
    """
    y = floats(y, "y")
    n = lattice.box.size
    if y.shape[-1:] != (n,):
        raise ValueError(f"y must have shape (..., {n}) for the lattice {lattice.name}: {y.shape}")
    if not xp_of(y).isfinite(y).all():
        raise ValueError("y must be finite")
    return lattice.nearest(y)


def lattice_of_cosets(name: str, box: Array, glue: Array) -> Lattice:
    """The lattice that is the union of the cosets g + (b_1 Z x ... x b_n Z). Appendix C.

    Args:
        name: for messages.
        box: (n,) the sides b.
        glue: (m, n) one point g of each coset. The union must be closed under addition; that is
            not checked.
    """
    volume = float(np.prod(box) / len(glue))
    return Lattice(name, box, glue, volume, partial(_nearest_of_cosets, box, glue))


def integer_lattice(n: int) -> Lattice:
    """Z^n: Eq. (28) is then Eq. (5), universal quantization of each coefficient by itself."""
    return lattice_of_cosets(f"Z^{n}", np.ones(n), np.zeros((1, n)))


def _nearest_of_cosets(box: Array, glue: Array, y: Array) -> Array:
    xp = xp_of(y)
    box = xp.asarray(box, y.dtype)
    nearest, smallest = xp.empty_like(y), xp.full_like(y[..., :1], np.inf)
    for g in xp.asarray(glue, y.dtype):
        point = g + box * round_half_up((y - g) / box)
        distance = ((y - point) ** 2).sum(axis=-1, keepdims=True)
        nearest = xp.where(distance < smallest, point, nearest)
        smallest = xp.minimum(distance, smallest)
    return nearest


def _even_words(n: int) -> Array:
    """(2^(n-1), n) the binary words with an even number of ones."""
    words = np.array(list(product((0, 1), repeat=n)))
    return words[words.sum(axis=1) % 2 == 0]


def _hamming_words() -> Array:
    """(16, 8) the extended Hamming code: words with any two at least 4 places apart."""
    basis = np.array([[1, 0, 0, 0, 0, 1, 1, 1], [0, 1, 0, 0, 1, 0, 1, 1],
                      [0, 0, 1, 0, 1, 1, 0, 1], [0, 0, 0, 1, 1, 1, 1, 0]])  # fmt: skip
    return np.array(list(product((0, 1), repeat=4))) @ basis % 2


# With vectors of length 1, sqrt(2) and sqrt(2) as the shortest ones. D4: integers with an even sum.
# E8 is the Hamming code modulo 2, over sqrt(2) (Conway & Sloane 1999, ch. 7, Construction A).
HEXAGONAL = lattice_of_cosets(
    "A2", np.array([1, np.sqrt(3)]), np.array([[0, 0], [0.5, np.sqrt(0.75)]])
)
D4 = lattice_of_cosets("D4", np.full(4, 2.0), _even_words(4).astype(np.float64))
E8 = lattice_of_cosets("E8", np.full(8, np.sqrt(2)), _hamming_words() / np.sqrt(2))
