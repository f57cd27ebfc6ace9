"""Parameters that must stay above a bound, as free parameters: what the field trains GDN with.

    value = max(theta, sqrt(bound + p))^2 - p,    p = 2^-36

(Ballé 2018, "Efficient nonlinear transforms for lossy image compression"). The square makes steps
small near 0, p keeps the derivative from vanishing there. Arrays of any shape.
"""

from __future__ import annotations

import math

from npuq.backend import Array, xp_of
from npuq.runtime.twins import has_twins

PEDESTAL = 2.0**-36


def lower_bound(x: Array, bound: float) -> Array:
    """max(x, bound) (Ballé 2018).

    Args:
        x: any shape.
        bound: the least value of the result.
    """
    return xp_of(x).maximum(x, x.dtype.type(bound))


def lower_bound_backward(d_y: Array, x: Array, bound: float) -> Array:
    """Gradient of `lower_bound` (Ballé 2018): nothing passes where x is below the bound."""
    return d_y * (x >= bound)


def lower_bound_backward_straight_through(d_y: Array, x: Array, bound: float) -> Array:
    """The gradient that the field uses in the place of `lower_bound_backward` (Ballé 2018, Sec. 2).

    Below the bound, what would move x towards it, a negative gradient, passes all the same: a
    parameter that has fallen below can come back.
    """
    return d_y * ((x >= bound) | (d_y < 0))


@has_twins(check=lambda theta, minimum=0.0: _root(minimum))
def non_negative(theta: Array, minimum: float = 0.0) -> Array:
    """The bounded parameter that a free one stands for (Ballé 2018). It has fast twins.

    Args:
        theta: any shape.
        minimum: the least value of the result, from 0 on.

    Raises:
        ValueError: `minimum` is negative.
    """
    return lower_bound(theta, _root(minimum)) ** 2 - theta.dtype.type(PEDESTAL)


def non_negative_backward(d_y: Array, theta: Array, minimum: float = 0.0) -> Array:
    """Gradient of `non_negative` (Ballé 2018), exact."""
    root = _root(minimum)
    return lower_bound_backward(2 * lower_bound(theta, root) * d_y, theta, root)


@has_twins(check=lambda d_y, theta, minimum=0.0: _root(minimum))
def non_negative_backward_straight_through(d_y: Array, theta: Array, minimum: float = 0.0) -> Array:
    """The gradient to train with: `lower_bound_backward_straight_through` (Ballé 2018, Sec. 2).

    It has fast twins.
    """
    root = _root(minimum)
    d_bounded = 2 * lower_bound(theta, root) * d_y
    return lower_bound_backward_straight_through(d_bounded, theta, root)


def non_negative_inverse(value: Array, minimum: float = 0.0) -> Array:
    """The free parameter of a value, where training begins or goes on (Ballé 2018)."""
    root = _root(minimum)
    xp = xp_of(value)
    return xp.sqrt(xp.maximum(value, 0) + value.dtype.type(PEDESTAL)).clip(root)


def _root(minimum: float) -> float:
    if not minimum >= 0:
        raise ValueError(f"minimum must not be negative, not {minimum}")
    return math.sqrt(minimum + PEDESTAL)
