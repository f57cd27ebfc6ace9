"""Generalized divisive normalization and its inverse (Ballé, Laparra & Simoncelli 2016).

    gdn          y_i = x_i / sqrt(n_i),     n_i = beta_i + sum over j of gamma_ij x_j^2
    inverse_gdn  y_i = x_i sqrt(n_i)

at each pixel, channels last: one product of all pixels with gamma. With n > 0 both are smooth;
`npuq.nn.non_negative` keeps beta and gamma where they must be while they are trained.

Shapes:
    x, y     (..., C), any shape before the channels
    beta     (C,), positive
    gamma    (C, C), not negative
"""

from __future__ import annotations

from npuq.backend import Array, xp_of
from npuq.runtime.twins import has_twins


def _check(x: Array, beta: Array, gamma: Array) -> None:
    channels = x.shape[-1] if x.ndim else -1
    if beta.shape != (channels,) or gamma.shape != (channels, channels):
        raise ValueError(
            f"x must be (..., C), beta (C,) and gamma (C, C), not {x.shape}, {beta.shape} and "
            f"{gamma.shape}"
        )


def _check_backward(d_y: Array, x: Array, beta: Array, gamma: Array) -> None:
    _check(x, beta, gamma)
    if d_y.shape != x.shape:
        raise ValueError(f"d_y must have the shape of x, {x.shape}, not {d_y.shape}")


@has_twins(check=_check)
def gdn(x: Array, beta: Array, gamma: Array) -> Array:
    """Divide channels by the pooled activity of all (Ballé et al. 2016, Eq. 1). It has fast twins.

    Args:
        x, beta, gamma: shapes at the top of this file.

    Returns:
        y.

    Raises:
        ValueError: shapes that do not fit each other.
    """
    return x / xp_of(x).sqrt(_pool(x, beta, gamma))


@has_twins(check=_check_backward)
def gdn_backward(d_y: Array, x: Array, beta: Array, gamma: Array) -> tuple[Array, Array, Array]:
    """Gradient of `gdn` (Ballé et al. 2016): d_x, d_beta, d_gamma. It has fast twins."""
    n = _pool(x, beta, gamma)
    root = xp_of(x).sqrt(n)
    d_x, d_beta, d_gamma = _pool_backward(-0.5 * d_y * x / (root * n), x, gamma)
    return d_y / root + d_x, d_beta, d_gamma


@has_twins(check=_check)
def inverse_gdn(x: Array, beta: Array, gamma: Array) -> Array:
    """The approximate inverse of `gdn` (Ballé et al. 2016, Eq. 2). It has fast twins.

    Args:
        x, beta, gamma: shapes at the top of this file.

    Returns:
        y.

    Raises:
        ValueError: shapes that do not fit each other.
    """
    return x * xp_of(x).sqrt(_pool(x, beta, gamma))


@has_twins(check=_check_backward)
def inverse_gdn_backward(
    d_y: Array, x: Array, beta: Array, gamma: Array
) -> tuple[Array, Array, Array]:
    """Gradient of `inverse_gdn` (Ballé et al. 2016): d_x, d_beta, d_gamma. It has fast twins."""
    root = xp_of(x).sqrt(_pool(x, beta, gamma))
    d_x, d_beta, d_gamma = _pool_backward(0.5 * d_y * x / root, x, gamma)
    return d_y * root + d_x, d_beta, d_gamma


def _pool(x: Array, beta: Array, gamma: Array) -> Array:
    """n."""
    return beta + (x * x) @ gamma.T


def _pool_backward(d_n: Array, x: Array, gamma: Array) -> tuple[Array, Array, Array]:
    """Gradients of `_pool`: d_x, d_beta, d_gamma."""
    pixels = tuple(range(x.ndim - 1))
    d_gamma = xp_of(x).tensordot(d_n, x * x, axes=(pixels, pixels))
    return 2 * x * (d_n @ gamma), d_n.sum(axis=pixels), d_gamma
