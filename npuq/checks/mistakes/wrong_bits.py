"""Wrong formulas of densities, as bits of (distribution, z, loc, scale, alpha)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import scipy.special

from npuq.backend import Array
from npuq.checks import exact
from npuq.checks.laws.densities import slopes

Bits: TypeAlias = Callable[[str, Array, Array, Array, float], Array]


def _cdf(distribution: str, x: Array) -> Array:
    return scipy.special.expit(x) if distribution == "logistic" else scipy.special.ndtr(x)


def as_printed(law: str, z: Array, loc: Array, scale: Array, alpha: float) -> Array:
    """Eqs. 22 and 44 as printed: c(s^-1(z) + 1/2) - c(s^-1(z) - 1/2), erratum E1."""
    return exact.bits(law, exact.soft_round_inverse(z, alpha), loc, scale)


def without_soft_rounding(law: str, z: Array, loc: Array, scale: Array, alpha: float) -> Array:
    """Eq. 43 for soft-rounded coefficients."""
    return exact.bits(law, z, loc, scale)


def with_a_jacobian(law: str, z: Array, loc: Array, scale: Array, alpha: float) -> Array:
    """The density times r'(z)."""
    slope = exact.soft_round_conditional_mean_slope(z, alpha)
    return exact.bits(law, z, loc, scale, alpha) - np.log2(slope)


def without_noise(law: str, z: Array, loc: Array, scale: Array, alpha: float) -> Array:
    """The density of Y itself, which noise was not convolved with."""
    m = exact.soft_round_conditional_mean(z, alpha)
    x = (m - loc) / scale
    if law == "logistic":
        nats = -scipy.special.log_expit(x) - scipy.special.log_expit(-x) + np.log(scale)
    else:
        nats = x * x / 2 + np.log(scale * math.sqrt(2 * math.pi))
    return nats / math.log(2)


def next_interval(law: str, z: Array, loc: Array, scale: Array, alpha: float) -> Array:
    """c(z + 1) - c(z)."""
    return exact.bits(law, exact.soft_round_conditional_mean(z, alpha) + 0.5, loc, scale)


def twice_as_wide(law: str, z: Array, loc: Array, scale: Array, alpha: float) -> Array:
    """c(z + 1) - c(z - 1)."""
    m = exact.soft_round_conditional_mean(z, alpha)
    return exact.bits(law, m / 2, loc / 2, scale / 2)


def with_scale(change: Callable[[Array], Array]) -> Bits:
    """The scale taken for something else."""
    return lambda law, z, loc, scale, alpha: exact.bits(law, z, loc, change(scale), alpha)


def with_loc(change: Callable[[Array], Array]) -> Bits:
    """The location taken for something else."""
    return lambda law, z, loc, scale, alpha: exact.bits(law, z, change(loc), scale, alpha)


def with_floor(floor: float) -> Bits:
    """log of the density plus, or not below, a small number."""

    def bits(law: str, z: Array, loc: Array, scale: Array, alpha: float) -> Array:
        p = np.exp2(-exact.bits(law, z, loc, scale, alpha))
        return np.asarray(-np.log2(np.maximum(p, floor)))

    return bits


def other_alpha(law: str, z: Array, loc: Array, scale: Array, alpha: float) -> Array:
    """tanh(alpha r / 2) in the density, tanh(alpha r) in s."""
    return exact.bits(law, z, loc, scale, alpha / 2)


def stopped_in_tails(
    law: str, d: Array, z: Array, loc: Array, scale: Array, alpha: float = 0.0
) -> tuple[Array, ...]:
    """Gradients of log max(p, 1e-9)."""
    inside = exact.bits(law, z, loc, scale, alpha) < -math.log2(1e-9)
    return tuple(d * inside * slope for slope in slopes(law, z, loc, scale, alpha))


def upper_tail(law: str, z: Array, loc: Array, scale: Array, alpha: float) -> Array:
    """c(b) - c(a) by itself: in the upper tail 1 less 1."""
    m = exact.soft_round_conditional_mean(z, alpha).astype(z.dtype)
    high, low = _cdf(law, (m + 0.5 - loc) / scale), _cdf(law, (m - 0.5 - loc) / scale)
    return np.asarray(-np.log2(high - low))
