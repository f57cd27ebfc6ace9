"""Elementwise functions that do not overflow. Arrays of any shape; dtype follows the input."""

from __future__ import annotations

from npuq.backend import Array, scipy_special_of, xp_of


def softplus(x: Array) -> Array:
    """log(1 + exp(x)), a positive number for every x (Dugas et al. 2001).

    Args:
        x: any shape.

    Returns:
        An array of the shape of `x`.

    Numerics: exp is only ever taken of -|x|, so nothing overflows; below about -103 in float32
    (-745 in float64) the result is 0.
    """
    xp = xp_of(x)
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


def softplus_backward(d_y: Array, x: Array) -> Array:
    """Gradient of `softplus` (Dugas et al. 2001): its derivative is the sigmoid."""
    return d_y * sigmoid(x)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), the CDF of the standard logistic distribution (Cox 1958).

    Args:
        x: any shape.

    Returns:
        An array of the shape of `x`, in [0, 1].
    """
    return scipy_special_of(x).expit(x)


def sigmoid_backward(d_y: Array, x: Array) -> Array:
    """Gradient of `sigmoid` (Cox 1958): sigmoid(x) sigmoid(-x), which keeps both tails exact."""
    return d_y * sigmoid(x) * sigmoid(-x)
