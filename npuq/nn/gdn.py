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

import numpy as np

from npuq.backend import Array, xp_of
from npuq.runtime.compile import use_reference


def gdn(x: Array, beta: Array, gamma: Array) -> Array:
    """Divide each channel by the pooled activity of all (Ballé et al. 2016, Eq. 1).

    Args:
        x, beta, gamma: shapes at the top of this file.

    Returns:
        y.

    Raises:
        ValueError: shapes that do not fit each other.
    """
    return _normalize(x, beta, gamma, inverse=False)


def gdn_backward(d_y: Array, x: Array, beta: Array, gamma: Array) -> tuple[Array, Array, Array]:
    """Gradient of `gdn` (Ballé et al. 2016): d_x, d_beta, d_gamma."""
    return _normalize_backward(d_y, x, beta, gamma, inverse=False)


def inverse_gdn(x: Array, beta: Array, gamma: Array) -> Array:
    """Multiply each channel by the pooled activity of all (Ballé et al. 2016, Eq. 2).

    Args:
        x, beta, gamma: shapes at the top of this file.

    Returns:
        y.

    Raises:
        ValueError: shapes that do not fit each other.
    """
    return _normalize(x, beta, gamma, inverse=True)


def inverse_gdn_backward(
    d_y: Array, x: Array, beta: Array, gamma: Array
) -> tuple[Array, Array, Array]:
    """Gradient of `inverse_gdn` (Ballé et al. 2016): d_x, d_beta, d_gamma."""
    return _normalize_backward(d_y, x, beta, gamma, inverse=True)


def _normalize(x: Array, beta: Array, gamma: Array, *, inverse: bool) -> Array:
    _check(x, beta, gamma)
    rows = x.reshape(-1, x.shape[-1])
    if _is_fast(rows, beta, gamma):
        from npuq.kernels.cpu import gdn as kernel

        y = kernel.normalize(*_contiguous(rows, beta, gamma), inverse=inverse)
    else:
        root = xp_of(x).sqrt((rows * rows) @ gamma.T + beta)
        y = rows * root if inverse else rows / root
    return y.reshape(x.shape)


def _normalize_backward(
    d_y: Array, x: Array, beta: Array, gamma: Array, *, inverse: bool
) -> tuple[Array, Array, Array]:
    _check(x, beta, gamma)
    if d_y.shape != x.shape:
        raise ValueError(f"d_y must have the shape of x, {x.shape}, not {d_y.shape}")
    rows, d_rows = x.reshape(-1, x.shape[-1]), d_y.reshape(-1, x.shape[-1])
    if _is_fast(rows, d_rows, beta, gamma):
        from npuq.kernels.cpu import gdn as kernel

        arrays = _contiguous(d_rows, rows, beta, gamma)
        d_x, d_beta, d_gamma = kernel.normalize_backward(*arrays, inverse=inverse)
        return d_x.reshape(x.shape), d_beta, d_gamma
    squares = rows * rows
    norm = squares @ gamma.T + beta
    root = xp_of(x).sqrt(norm)
    d_norm = 0.5 * d_rows * rows / root if inverse else -0.5 * d_rows * rows / (root * norm)
    # n depends on x as well: beside what reaches x by itself, 2 x gamma' d_norm
    d_x = (d_rows * root if inverse else d_rows / root) + 2 * rows * (d_norm @ gamma)
    return d_x.reshape(x.shape), d_norm.sum(axis=0), d_norm.T @ squares


def _is_fast(*arrays: Array) -> bool:
    """Whether the kernels can be used: float32 on the host."""
    on_host = all(isinstance(a, np.ndarray) and a.dtype == np.float32 for a in arrays)
    return on_host and not use_reference()


def _contiguous(*arrays: Array) -> list[Array]:
    return [np.ascontiguousarray(a) for a in arrays]


def _check(x: Array, beta: Array, gamma: Array) -> None:
    channels = x.shape[-1] if x.ndim else -1
    if beta.shape != (channels,) or gamma.shape != (channels, channels):
        raise ValueError(
            f"x must be (..., C), beta (C,) and gamma (C, C), not {x.shape}, {beta.shape} and "
            f"{gamma.shape}"
        )
