"""Universal quantization with a lattice: Eq. 28 of Appendix C, after Ziv (1985).

    Q(y - U) + U ~ y + U,   U uniform on the Voronoi cell of the lattice

The error has covariance G V^(2/n) I for the symmetric lattices of `npuq.paper.lattices`, and the
smaller G, the closer is its law to the Gaussian one (Zamir & Feder 1996). The receiver adds u, as
in one dimension: `channel.universal_dequantize`; the channel is `channel.uniform_noise_channel`.

Shapes: points are (..., n), the last axis being the dimension n of the lattice; V is the volume of
its Voronoi cell. A lattice of another size is had by scaling: quantize y / step, multiply by step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from npuq.backend import Array, floats, xp_of
from npuq.paper.lattices import Lattice, nearest_point


def voronoi_noise(
    rng: Any, shape: tuple[int, ...], lattice: Lattice, dtype: Any = "float64"
) -> Array:
    """The dither U of Eq. (28), Appendix C: uniform on the Voronoi cell around 0.

    A uniform point of any cell whose translates by lattice vectors tile space, here of a box, is
    uniform on the Voronoi cell once it is reduced modulo the lattice (Zamir 2014, ch. 4).

    Args:
        rng: a NumPy or CuPy random generator; the array comes from its library.
        shape: how many vectors; each is independent.
        lattice: of n dimensions.
        dtype: float32 or float64.

    Returns:
        (*shape, n).
    """
    u = rng.random((*shape, lattice.box.size), dtype=dtype)
    u = u * xp_of(u).asarray(lattice.box, dtype)
    return u - nearest_point(u, lattice)


def lattice_quantize(y: Array, u: Array, lattice: Lattice) -> Array:
    """What the sender transmits: the lattice point Q(y - u) of Eq. (28), Appendix C.

    Args:
        y: (..., n) coefficients.
        u: noise that sender and receiver share, of the shape of `y`, see `voronoi_noise`.
        lattice: of n dimensions.

    Returns:
        Lattice points; adding u gives what is received.

    Raises:
        ValueError: the shapes differ, do not end in n, or y - u is not finite.
    """
    u = floats(u, "u", floats(y, "y"))
    y = floats(y, "y", u)
    if u.shape != y.shape:
        raise ValueError(
            f"y and u must have one shape, not {y.shape} and {u.shape}: each vector "
            "needs noise of its own"
        )
    return nearest_point(y - u, lattice)


def lattice_rate_bits(
    z: Array, log_density: Callable[[Array], Array], lattice: Lattice, cell: Array
) -> Array:
    """-log2 P(Q = q | U = u) at z = q + u: Eqs. (7) and (43) for the lattice of Eq. (28).

    The point q is sent where y lies in the Voronoi cell around z, whose probability is
    V p_{Y+U}(z), so that the mean over z = Y + U is H[Q | U] = h[Y + U] - log2 V.

    Args:
        z: (..., n) received vectors.
        log_density: log p_Y in nats, (..., n) -> (...).
        lattice: of n dimensions.
        cell: (m, n) points of the Voronoi cell over which p_Y is averaged, as by `voronoi_noise`.

    Returns:
        Bits per vector, (...).

    Numerics: as the logarithm of a mean of m independent points the result is too large by about
        v / (2 m log 2), where v is the relative variance of p_Y on the cell.
    """
    z = floats(z, "z")
    cell = floats(cell, "cell", z)
    xp = xp_of(z)
    total = xp.full(z.shape[:-1], -np.inf, z.dtype)
    for u in cell:
        total = xp.logaddexp(total, log_density(z + u))
    return (math.log(len(cell) / lattice.volume) - total) / math.log(2)


def normalized_second_moment(u: Array, volume: float) -> float:
    """G = E|U|^2 / (n V^(2/n)), by samples of the noise U of Eq. (28), Appendix C.

    The mean squared error per dimension of a lattice scaled to a cell of volume 1 (Conway & Sloane
    1982): 1/12 for Z^n, more than 1 / (2 pi e) = 0.0585 for all, the limit of the best lattices.

    Args:
        u: (..., n) samples of the noise.
        volume: V.
    """
    u = floats(u, "u")
    return float((u**2).mean()) / volume ** (2 / u.shape[-1])


def gaussian_divergence_bits(second_moment: float) -> float:
    """1/2 log2(2 pi e G): how far the noise U of Eq. (28) is from a Gaussian. Appendix C.

    It is the divergence in bits per dimension between U and white Gaussian noise of its variance
    (Zamir & Feder 1996). A Gaussian source costs at most that much more than the information that
    it would send over the Gaussian channel; and any source at most half a bit more than that above
    its rate-distortion function (Zamir & Feder 1992).

    Args:
        second_moment: G, from `normalized_second_moment`.
    """
    return 0.5 * math.log2(2 * math.pi * math.e * second_moment)
