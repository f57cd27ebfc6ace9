"""Universal quantization with errors of any shape, by rejection: beside Eqs. 28 and 29, Appendix C.

Ling and Li (2024), "Rejection-sampled universal quantization for smaller quantization errors". The
error of lattice quantization is uniform on a Voronoi cell, whatever y. Sender and receiver share
many dithers; the first one under which the error lies in a part A of the cell is used, and its
number sent along: the error is then uniform on A. A ball inside of the cell has the smallest
maximum, and, of random size, makes Gaussian noise: a density that falls with |x| is a mixture of
uniform ones on balls, as Eq. 29 has it of intervals.

Each dither serves with probability V(A)/V, so that its number costs log2(V/V(A)) + log2(e) bits at
most (`index_codes.geometric_entropy_bits`), and it takes V/V(A) steps, however fine the lattice:
time does not grow with the information.

Shapes: y, u and points (n,), the dimension of the lattice; over dithers, (count, n).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array, floats
from npuq.paper.lattice_quantization import lattice_quantize
from npuq.paper.lattices import Lattice, nearest_point
from npuq.paper.reverse_channel import Candidates, ranges


class RejectionMessage(NamedTuple):
    """What is sent: the number of a dither, from 0, and a lattice point (n,). Appendix C."""

    n: int
    point: Array


def cell_dithers(dithers: Candidates, lattice: Lattice) -> Candidates:
    """Dithers on the Voronoi cell (Eq. 28), of `candidates.shared_dithers` of n dimensions."""

    def sample(first: int, count: int) -> Array:
        u = dithers.sample(first, count) * lattice.box
        return u - nearest_point(u, lattice)

    return dithers._replace(sample=sample)


def rejection_quantize(
    y: Array, dithers: Candidates, lattice: Lattice, is_wanted: Callable[[Array], Array]
) -> RejectionMessage:
    """Q(y - u_n) with the first u_n that makes an error of A: Ling and Li (2024), beside Eq. (28).

    The receiver adds u_n: `universal_dequantize`.

    Args:
        y: (n,).
        dithers: of `cell_dithers`.
        lattice: of n dimensions.
        is_wanted: whether errors (count, n) lie in A, (count,) booleans.
    """
    y = floats(y, "y")
    for first, size in ranges():
        u = dithers.sample(first, size)
        points = lattice_quantize(np.broadcast_to(y, u.shape), u, lattice)
        wanted = is_wanted(points + u - y)
        if wanted.any():
            i = int(wanted.argmax())
            return RejectionMessage(first + i, points[i])
    raise AssertionError("ranges() has no end")


def in_ball(radius: float) -> Callable[[Array], Array]:
    """Whether errors (count, n) lie in the ball, for `rejection_quantize` beside Eq. (28).

    Raises:
        ValueError: the radius is not positive, so that no error ever would.
    """
    if not radius > 0:
        raise ValueError(f"radius must be positive, not {radius}")
    return lambda error: (error**2).sum(axis=-1) <= radius**2


def packing_radius(lattice: Lattice) -> float:
    """Half of the shortest vector: the largest ball in the Voronoi cell of Eq. (28).

    Raises:
        ValueError: the lattice does not list its cosets.
    """
    if lattice.glue is None:
        raise ValueError(f"the lattice {lattice.name} has too many cosets to list")
    nearest = lattice.glue - lattice.box * np.rint(lattice.glue / lattice.box)
    lengths = np.sqrt((nearest**2).sum(axis=1))
    return float(min(lattice.box.min(), *lengths[lengths > 0], math.inf)) / 2


def ball_volume(dimensions: int, radius: float = 1.0) -> float:
    """pi^(n/2) / Gamma(n/2 + 1) r^n; over V, the probability that a dither serves. Appendix C."""
    return math.exp(
        dimensions / 2 * math.log(math.pi) - math.lgamma(dimensions / 2 + 1)
    ) * radius**dimensions  # fmt: skip


def gaussian_radius(rng: Any, dimensions: int, shape: tuple[int, ...] = ()) -> Array:
    """Radii of balls whose mixture is the standard normal law, beside Eq. (29).

    A uniform point of a ball of radius R, R^2 from the chi-squared law with n + 2 degrees of
    freedom; for n = 1 that is S/2 of Eq. (29). Sender and receiver share R, and quantize y / s
    with s = R sigma / r, where r is the radius of `in_ball`.

    Args:
        rng: a NumPy random generator.
        dimensions: n.
        shape: of the result.
    """
    return np.sqrt(rng.chisquare(dimensions + 2, shape))
