"""Arithmetic that keeps the last digits, for `npuq.paper.soft_round`: no equation of the paper.

Arrays are float32 or float64, of any shape.
"""

from __future__ import annotations

import math

import numpy as np

from npuq.backend import Array, xp_of
from npuq.paper.channel import round_half_up


def nearest_and_rest(y: Array) -> tuple[Array, Array]:
    """y = n + t with n the nearest integer and |t| <= 1/2, which is exact; t is 0 at infinities.

    Where y - n is 0, t has the sign of y, for that of soft_round(-0.0).
    """
    xp = xp_of(y)
    n = round_half_up(y)
    with quiet():
        return n, xp.where(n == y, xp.copysign(y.dtype.type(0), y), y - n)


def up_to_half(value: Array, f: Array) -> Array:
    """`value` at most 1/2, and exactly that at f = 1/2, the fixed point."""
    xp = xp_of(f)
    return xp.where(f == 0.5, 0.5, xp.minimum(value, 0.5)).astype(f.dtype)


def decay_of(t: Array, alpha: float) -> Array:
    """e^(-alpha (1 - 2 t)) for t in [0, 1/2], to a few units in the last place."""
    xp = xp_of(t)
    half = alpha / 2
    if half < 0.98 * math.log(float(xp.finfo(t.dtype).max)):
        return (exp_of_product(alpha, t) * math.exp(-half)) ** 2
    # Here results for t < 1/4, where 1 - 2 t is rounded, vanish anyway.
    return exp_of_product(-alpha, 1 - 2 * t)


def exp_of_product(a: float, t: Array) -> Array:
    """e^(a t) for t in [0, 1], without the error |a t| eps of a rounded product.

    The upper halves of the digits of `a` and of `t` (Veltkamp 1968) have an exact product; what
    remains of a t is small.
    """
    xp = xp_of(t)
    bits = (xp.finfo(t.dtype).nmant + 1) // 2
    mantissa, exponent = math.frexp(a)
    a_high = math.ldexp(round(math.ldexp(mantissa, bits)), exponent - bits)
    scaled = t * (2.0**bits + 1)
    t_high = scaled - (scaled - t)
    rest = a_high * (t - t_high) + (a - a_high) * t
    # Small, that is, unless e^(a t) vanishes, where it must not come back as 0 times infinity
    return xp.exp(a_high * t_high) * xp.exp(xp.clip(rest, -1, 1))


def finite(x: Array) -> Array:
    """Infinities to the largest finite numbers of their sign."""
    xp = xp_of(x)
    largest = xp.finfo(x.dtype).max
    return xp.clip(x, -largest, largest)


def quiet() -> np.errstate:
    """Overflow to infinity, inf - inf and the log of 0 are meant where this is used."""
    return np.errstate(over="ignore", divide="ignore", under="ignore", invalid="ignore")
