"""Shortest vectors of the lattices of Appendix C, listed without any nearest-point search."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np

from npuq.backend import Array
from npuq.paper.lattices import D4, E8, HEXAGONAL, Lattice, integer_lattice
from npuq.paper.leech import LEECH, golay_code

LATTICES = {lattice.name: lattice for lattice in (integer_lattice(3), HEXAGONAL, D4, E8, LEECH)}
KISSING_NUMBERS = {"Z^3": 6, "A2": 6, "D4": 24, "E8": 240, "Leech": 196560}


@cache
def shortest_vectors(name: str) -> Array:
    """(count, n) all of them."""
    lattice = LATTICES[name]
    near = _leech_vectors() if name == "Leech" else _points_around_0(lattice)
    norms = (near**2).sum(axis=1)
    smallest = norms[norms > 1e-9].min()
    return near[abs(norms - smallest) < 1e-9]


def _points_around_0(lattice: Lattice) -> Array:
    assert lattice.glue is not None
    steps = np.array(list(product((-1, 0, 1), repeat=lattice.box.size)))
    return np.concatenate([g + lattice.box * steps for g in lattice.glue])


def _leech_vectors() -> Array:
    """The three shapes of Conway & Sloane 1999, ch. 10, Table 10.1, over sqrt(8)."""
    code = golay_code()
    signs = np.array(list(product((1, -1), repeat=8)))
    signs = 2 * signs[signs.prod(axis=1) == 1]
    octads = np.nonzero(code[code.sum(axis=1) == 8])[1].reshape(-1, 8)
    twos = np.zeros((len(octads), len(signs), 24))
    np.put_along_axis(twos, octads[:, None], signs[None], axis=2)
    ones = np.repeat((1 - 2 * code)[:, None], 24, axis=1)
    ones[:, range(24), range(24)] *= -3
    pairs = np.array([(i, j) for i in range(24) for j in range(i)])
    fours = np.zeros((4, len(pairs), 24))
    for part, pair_signs in zip(fours, product((4, -4), repeat=2), strict=True):
        np.put_along_axis(part, pairs, np.array(pair_signs), axis=1)
    return np.concatenate([part.reshape(-1, 24) for part in (twos, ones, fours)]) / np.sqrt(8)
