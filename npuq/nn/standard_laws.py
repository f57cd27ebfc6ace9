"""The normal, logistic and Laplace laws of scale 1 around 0, for `npuq.nn.log_mass`.

Shapes: elementwise, any shape. Intervals are given with a + b >= 0 and their gap w = b - a.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from npuq.backend import Array, scipy_special_of, xp_of
from npuq.nn.activations import softplus

NODES, WEIGHTS = np.polynomial.legendre.leggauss(10)


class Standard(NamedTuple):
    """A distribution of scale 1 around 0, even; all functions are elementwise."""

    log_cdf: Callable[[Array], Array]
    slope: Callable[[Array], Array]  # its derivative, p / c
    # a, b, w = b - a, with a + b >= 0 -> log of the mass, p(a) / mass, p(b) / mass
    interval: Callable[[Array, Array, Array], tuple[Array, Array, Array]]


# --- normal -------------------------------------------------------------------------------------


def _normal_log_cdf(x: Array) -> Array:
    return scipy_special_of(x).log_ndtr(x)


def _normal_slope(x: Array) -> Array:
    """p(x) / c(x): both have a factor exp(-x^2 / 2), which erfcx leaves out."""
    return math.sqrt(2 / math.pi) / scipy_special_of(x).erfcx(-x * math.sqrt(0.5))


def _normal_interval(a: Array, b: Array, w: Array) -> tuple[Array, Array, Array]:
    """Short intervals by quadrature about the middle; others by tails, or by the whole less them.

    Tails beyond 0 <= a: Q(a) - Q(b) = Q(a) (1 - r), r = Q(b) / Q(a) = e^(-w (a + b) / 2) times a
    quotient of Mills ratios. As r is away from 1, nothing cancels.
    """
    xp, special = xp_of(a), scipy_special_of(a)
    half = math.sqrt(0.5)
    # short: p(m + t) = p(m) e^(-m t - t^2 / 2), |m| w <= 1 and w <= 1
    m = a + w / 2
    t = [w / 2 * float(node) for node in NODES]
    mean = sum(float(v) / 2 * xp.exp(-s * (m + s / 2)) for v, s in zip(WEIGHTS, t, strict=True))
    short = -(m**2) / 2 - math.log(2 * math.pi) / 2 + xp.log(w) + xp.log(mean)
    at_a, at_b = (xp.exp(-s * (m + s / 2)) / (w * mean) for s in (-w / 2, w / 2))
    # 0 <= a
    far = xp.exp(-w * (a + b) / 2)
    mills = special.erfcx(a * half)
    beyond = far * special.erfcx(b * half) / mills
    tail = special.log_ndtr(-a) + xp.log1p(-beyond)
    hazard = math.sqrt(2 / math.pi) / mills / (1 - beyond)
    # a < 0 < b
    outside = (special.erfc(b * half) + special.erfc(-a * half)) / 2
    inside = (special.erf(b * half) + special.erf(-a * half)) / 2
    both = xp.where(inside > 0.5, xp.log1p(-outside), xp.log(inside))
    peak = [xp.exp(-(x**2) / 2) / (math.sqrt(2 * math.pi) * inside) for x in (a, b)]
    is_short = (w <= 1) & (abs(m) * w <= 1)

    def chosen(short: Array, tail: Array, both: Array) -> Array:
        return xp.where(is_short, short, xp.where(a >= 0, tail, both)).astype(a.dtype)

    return (
        chosen(short, tail, both),
        chosen(at_a, hazard, peak[0]),
        chosen(at_b, hazard * far, peak[1]),
    )


# --- logistic and Laplace -----------------------------------------------------------------------


def _logistic_interval(a: Array, b: Array, w: Array) -> tuple[Array, Array, Array]:
    """c(b) - c(a) = (1 - e^-w) c(-a) c(b): three logarithms, none positive."""
    xp, special = xp_of(a), scipy_special_of(a)
    gap = 1 / xp.expm1(w)
    log_mass = _log_1m_exp(w) - softplus(a) - softplus(-b)
    return log_mass, special.expit(a) + gap, special.expit(-b) + gap


def _laplace_log_cdf(x: Array) -> Array:
    xp = xp_of(x)
    tail = xp.log1p(-xp.exp(-abs(x)) / 2)
    return xp.where(x < 0, x - math.log(2), tail).astype(x.dtype)


def _laplace_slope(x: Array) -> Array:
    xp = xp_of(x)
    tail = xp.exp(-abs(x))
    return xp.where(x < 0, 1, tail / (2 - tail)).astype(x.dtype)


def _laplace_interval(a: Array, b: Array, w: Array) -> tuple[Array, Array, Array]:
    """e^-a (1 - e^-w) / 2 beyond 0 <= a; both sides of 0, 1 - e^-b / 2 - e^a / 2."""
    xp = xp_of(a)
    inside = -(xp.expm1(-b) + xp.expm1(a)) / 2
    outside = (xp.exp(-b) + xp.exp(a)) / 2
    both = xp.where(inside > 0.5, xp.log1p(-outside), xp.log(inside))
    return (
        xp.where(a >= 0, _log_1m_exp(w) - a - math.log(2), both).astype(a.dtype),
        xp.where(a >= 0, -1 / xp.expm1(-w), xp.exp(a) / (2 * inside)).astype(a.dtype),
        xp.where(a >= 0, 1 / xp.expm1(w), xp.exp(-b) / (2 * inside)).astype(a.dtype),
    )


def _log_1m_exp(w: Array) -> Array:
    """log(1 - e^-w), w >= 0."""
    xp = xp_of(w)
    return xp.where(w > math.log(2), xp.log1p(-xp.exp(-w)), xp.log(-xp.expm1(-w))).astype(w.dtype)


STANDARDS = {
    "normal": Standard(_normal_log_cdf, _normal_slope, _normal_interval),
    "logistic": Standard(
        lambda x: -softplus(-x), lambda x: scipy_special_of(x).expit(-x), _logistic_interval
    ),
    "laplace": Standard(_laplace_log_cdf, _laplace_slope, _laplace_interval),
}
