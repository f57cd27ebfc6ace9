"""Elementwise functions that do not overflow. Arrays of any shape; dtype follows the input."""

from __future__ import annotations

from npuq.backend import Array, scipy_special_of, xp_of
from npuq.runtime.twins import has_twins


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


def _check_slope(x: Array, slope: float = 0.01) -> None:
    if not 0 <= slope <= 1:
        raise ValueError(f"slope must be from 0 to 1, not {slope}")


def _check_slope_backward(d_y: Array, x: Array, slope: float = 0.01) -> None:
    _check_slope(x, slope)


@has_twins(check=_check_slope)
def leaky_relu(x: Array, slope: float = 0.01) -> Array:
    """x, or `slope` times x where that is larger (Maas, Hannun & Ng 2013). It has fast twins.

    Args:
        x: any shape.
        slope: of the negative side, from 0 to 1.

    Raises:
        ValueError: another slope.
    """
    return xp_of(x).maximum(x, x.dtype.type(slope) * x)


@has_twins(check=_check_slope_backward)
def leaky_relu_backward(d_y: Array, x: Array, slope: float = 0.01) -> Array:
    """Gradient of `leaky_relu` (Maas et al. 2013); at 0 it is that of the negative side.

    It has fast twins.
    """
    return xp_of(x).where(x > 0, d_y, x.dtype.type(slope) * d_y)
