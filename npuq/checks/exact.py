"""The answers: soft rounding in 60 digits, densities by SciPy in whichever tail is short.

None of it is what `npuq.paper` or `npuq.nn` compute with. Arrays in, float64 out, any shape.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import scipy.special

from npuq.backend import Array
from npuq.checks import exact_soft_round


def soft_round(y: Array, alpha: float) -> Array:
    """s_alpha(y), Eq. (10)."""
    return _each(exact_soft_round.soft_round, y, alpha)


def soft_round_slope(y: Array, alpha: float) -> Array:
    """s_alpha'(y), Appendix D."""
    return _each(exact_soft_round.soft_round_slope, y, alpha)


def soft_round_inverse(z: Array, alpha: float) -> Array:
    """s_alpha^-1(z)."""
    return _each(exact_soft_round.soft_round_inverse, z, alpha)


def soft_round_inverse_slope(z: Array, alpha: float) -> Array:
    """Its derivative."""
    return _each(exact_soft_round.soft_round_inverse_slope, z, alpha)


def soft_round_conditional_mean(z: Array, alpha: float) -> Array:
    """r_alpha(z), Eq. (14)."""
    return _each(exact_soft_round.conditional_mean, z, alpha)


def soft_round_conditional_mean_slope(z: Array, alpha: float) -> Array:
    """r_alpha'(z)."""
    return _each(exact_soft_round.conditional_mean_slope, z, alpha)


def round_half_up(y: Array) -> Array:
    """The nearest integer, ties upwards, by Python's integers."""
    whole = [math.floor(v) + (v - math.floor(v) >= 0.5) for v in np.ravel(y).tolist()]
    return np.array(whole, np.float64).reshape(np.shape(y))


def bits(distribution: str, z: Array, loc: Array, scale: Array, alpha: float = 0.0) -> Array:
    """-log2 p of s_alpha(Y) + U at z, Eqs. (43) and (22), for a logistic or a normal Y.

    c(b) - c(a) is taken in the lower tail, into which its symmetry moves an interval beyond the
    median: log c(b) + log(1 - c(a) / c(b)) there loses no digit.
    """
    m = soft_round_conditional_mean(z, alpha) if alpha else np.asarray(z, np.float64)
    x = -abs(m - np.asarray(loc, np.float64)) / scale
    half = 0.5 / np.asarray(scale, np.float64)
    log_cdf: Any = {"logistic": scipy.special.log_expit, "normal": scipy.special.log_ndtr}
    low, high = log_cdf[distribution](x - half), log_cdf[distribution](x + half)
    return -(high + np.log(-np.expm1(low - high))) / math.log(2)


def of_kind(kind: str, values: Array) -> Array:
    """Bits as bits, as a log-density in nats, or as a density."""
    if kind == "bits":
        return values
    return -values * math.log(2) if kind == "log_density" else np.exp2(-values)


def _each(function: Callable[[float, float], Decimal], x: Array, alpha: float) -> Array:
    if alpha == 0:
        return np.ones_like(x, np.float64) if "slope" in function.__name__ else np.asarray(x, float)
    if math.isinf(alpha):  # between the jumps
        if "slope" in function.__name__:
            return np.zeros_like(x, np.float64)
        return np.floor(x) + 0.5 if "inverse" in function.__name__ else round_half_up(x)
    numbers = np.asarray(x, np.float64)
    values = _all(function, numbers.tobytes(), float(alpha))
    return np.frombuffer(values).reshape(numbers.shape).copy()


@functools.lru_cache(maxsize=1 << 12)
def _all(function: Callable[[float, float], Decimal], x: bytes, alpha: float) -> bytes:
    """Of the numbers in x. Laws ask the same arrays of a target and of every mistake."""
    return np.array([float(function(y, alpha)) for y in np.frombuffer(x).tolist()]).tobytes()
