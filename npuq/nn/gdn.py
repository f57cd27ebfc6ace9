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


def gdn(x: Array, beta: Array, gamma: Array) -> Array:
    """Divide each channel by the pooled activity of all (Ballé et al. 2016, Eq. 1).

    Args:
        x, beta, gamma: shapes at the top of this file.

    Returns:
        y.

    Raises:
        ValueError: shapes that do not fit each other.
    """
    return x / xp_of(x).sqrt(_norm(x, beta, gamma))


def gdn_backward(d_y: Array, x: Array, beta: Array, gamma: Array) -> tuple[Array, Array, Array]:
    """Gradient of `gdn` (Ballé et al. 2016): d_x, d_beta, d_gamma."""
    norm = _norm(x, beta, gamma)
    inverse = 1 / xp_of(x).sqrt(norm)
    d_norm = -0.5 * d_y * x * inverse / norm
    return _norm_backward(d_norm, d_y * inverse, x, gamma)


def inverse_gdn(x: Array, beta: Array, gamma: Array) -> Array:
    """Multiply each channel by the pooled activity of all (Ballé et al. 2016, Eq. 2).

    Args:
        x, beta, gamma: shapes at the top of this file.

    Returns:
        y.

    Raises:
        ValueError: shapes that do not fit each other.
    """
    return x * xp_of(x).sqrt(_norm(x, beta, gamma))


def inverse_gdn_backward(
    d_y: Array, x: Array, beta: Array, gamma: Array
) -> tuple[Array, Array, Array]:
    """Gradient of `inverse_gdn` (Ballé et al. 2016): d_x, d_beta, d_gamma."""
    root = xp_of(x).sqrt(_norm(x, beta, gamma))
    return _norm_backward(0.5 * d_y * x / root, d_y * root, x, gamma)


def _norm(x: Array, beta: Array, gamma: Array) -> Array:
    channels = x.shape[-1] if x.ndim else -1
    if beta.shape != (channels,) or gamma.shape != (channels, channels):
        raise ValueError(
            f"x must be (..., C), beta (C,) and gamma (C, C), not {x.shape}, {beta.shape} and "
            f"{gamma.shape}"
        )
    return ((x * x).reshape(-1, channels) @ gamma.T + beta).reshape(x.shape)


def _norm_backward(d_norm: Array, d_x: Array, x: Array, gamma: Array) -> tuple[Array, Array, Array]:
    """What flows back through n, added to what has reached x by itself."""
    rows = d_norm.reshape(-1, x.shape[-1])
    squares = (x * x).reshape(rows.shape)
    through = (rows @ gamma).reshape(x.shape)
    return d_x + 2 * x * through, rows.sum(axis=0), rows.T @ squares
