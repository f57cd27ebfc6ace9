"""The density of a noisy, soft-rounded coefficient, in bits: Eqs. 22, 43 and 44.

With c_Y the CDF of Y and U uniform on [-1/2, 1/2],

    p_{Y+U}(z) = c_Y(z + 1/2) - c_Y(z - 1/2)                                             (43)
    p_{s(Y)+U}(z) = c_Y(s^-1(z + 1/2)) - c_Y(s^-1(z - 1/2))                              (44, 22)

and because s^-1(z + 1) = s^-1(z) + 1 and r(z) = s^-1(z - 1/2) + 1/2, the second is the first at
r(z): p_{s(Y)+U}(z) = p_{Y+U}(r_alpha(z)). Soft rounding only moves the place of evaluation.

A distribution is given by its *CDF module*, anything with two functions:
    logits(y, params) -> log(c / (1 - c)), and
    logits_backward(d_logits, y, params) -> (d_y, d_params).
The logit keeps full relative precision in both tails, where c itself would round to 0 or 1.
`density_literal` is the equation as above, c and all, and to be read; `rate_bits` is what computes.
`npuq.nn.logistic`, `normal`, `nonparametric` and `scipy_cdf.from_scipy(...)` are such modules.

Shapes: `z` has the shape that the CDF module takes; results have the same.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

from npuq.arguments import pair, upstream
from npuq.backend import Array, floats, xp_of
from npuq.nn.activations import softplus
from npuq.paper.soft_round import (
    soft_round_conditional_mean,
    soft_round_conditional_mean_backward,
    soft_round_inverse,
)


class Cdf(Protocol):
    """A cumulative distribution, given by its logit: c_Y of Eq. (43)."""

    def logits(self, y: Array, params: Any) -> Array:
        """log(c / (1 - c)), non-decreasing in y; Eq. (43)."""

    def logits_backward(self, d_logits: Array, y: Array, params: Any) -> tuple[Array, Any]:
        """(d_y, d_params) of `logits`; Eq. (43)."""


def density_literal(z: Array, params: Any, *, cdf: Cdf, alpha: float = 0.0) -> Array:
    """p_{s_alpha(Y)+U}(z) as a difference of two CDFs: Eqs. (22) and (44), Eq. (43) for alpha = 0.

    To be read. In float64 it is within 1e-9 of `density`, for alpha up to 16; its logarithm is good
    where the density is not small: in the tails both terms round to 0 or to 1.

    Departure: erratum E1, see `rate_bits`.
    """
    upper, lower = soft_round_inverse(z + 0.5, alpha), soft_round_inverse(z - 0.5, alpha)
    return _sigmoid(cdf.logits(upper, params)) - _sigmoid(cdf.logits(lower, params))


def interval_bits(lower: Array, upper: Array) -> Array:
    """-log2(c(b) - c(a)) from the logits of c(a) and c(b): the difference in Eq. (43).

    Args:
        lower: logit of the CDF at the lower end.
        upper: logit of the CDF at the upper end, of the same shape or one number; upper >= lower.

    Returns:
        Bits, finite for finite logits; infinite if both ends have the same infinite logit, as
        outside of the support of the distribution.

    Raises:
        ValueError: the shapes differ.

    Numerics: sigmoid(b) - sigmoid(a) = (1 - e^-(b - a)) sigmoid(-a) sigmoid(b), so that the log is
        a sum of terms that neither cancel nor overflow, however far out in a tail. The gap b - a
        is kept from 0 by the square of the machine precision.

    Example:
        >>> lower, upper = np.array([0.0, 50.0]), np.array([np.inf, 51.0])  # one half; in a tail
        >>> interval_bits(lower, upper).round(3)
        array([ 1.   , 72.796])
    """
    lower, upper = pair(lower, "lower", upper, "upper")
    xp = xp_of(lower)
    gap = xp.maximum(_gap(lower, upper), _smallest_gap(lower))
    nats = softplus(lower) + softplus(-upper) - xp.log(-xp.expm1(-gap))
    return nats / math.log(2)


def interval_bits_backward(d_bits: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
    """Gradients of `interval_bits`, the rate of Eq. (43).

    Args:
        d_bits: gradient with respect to the bits.
        lower: logit at the lower end.
        upper: logit at the upper end.

    Returns:
        (d_lower, d_upper), of the shape of the bits; 0 where they are infinite.

    Example:
        >>> d_lower, d_upper = interval_bits_backward(np.ones(1), np.array([-1.0]), np.array([1.0]))
        >>> d_lower.round(3), d_upper.round(3)
        (array([0.614]), array([-0.614]))
    """
    lower, upper = pair(lower, "lower", upper, "upper")
    d_bits = upstream(d_bits, "d_bits", lower)
    xp = xp_of(lower)
    gap = _gap(lower, upper)
    wide = gap > _smallest_gap(lower)
    gap = xp.where(wide, gap, 1)
    # 1 / (e^gap - 1), which must not overflow on the way
    shared = xp.where(wide, xp.exp(-gap) / -xp.expm1(-gap), 0).astype(lower.dtype)
    scale = xp.where(_is_outside(lower, upper), 0, d_bits) / math.log(2)
    return scale * (_sigmoid(lower) + shared), -scale * (_sigmoid(-upper) + shared)


def rate_bits(z: Array, params: Any, *, cdf: Cdf, alpha: float = 0.0) -> Array:
    """-log2 p_{s_alpha(Y)+U}(z): Eqs. (22), (43) and (44).

    p_{s_alpha(Y)+U}(z) = c(r + 1/2) - c(r - 1/2) with r = r_alpha(z) and c the CDF of Y.

    For alpha = 0 this is the density of Y + U (Eq. 43). At integers z = k it is the code length of
    a rounded coefficient, P(k) = c(k + 1/2) - c(k - 1/2), for every alpha (Eq. 1).

    Args:
        z: noisy coefficients, or k + u (Sec. 3.2), of the shape that the CDF module takes.
        params: parameters of the distribution of Y, as the module takes them.
        cdf: the module of the distribution.
        alpha: softness of the rounding, 0 to infinity.

    Returns:
        Bits per coefficient, finite for |z| up to 1e6 and beyond, and infinite where the density is
        0. They are negative only by rounding, as the density of Y + U is at most 1.

    Departure: Eqs. (22) and (44) are printed as c(s^-1(y) + 1/2) - c(s^-1(y) - 1/2) (erratum E1);
        that function integrates to 1 too but is not the density of s(Y) + U.

    Example:
        >>> from npuq.nn import logistic
        >>> params = logistic.Params(np.array(0.0), np.array(0.5))
        >>> rate_bits(np.array([0.0, 0.4, 3.0]), params, cdf=logistic, alpha=7.0).round(3)
        array([1.114, 1.141, 7.434])
    """
    m = soft_round_conditional_mean(floats(z, "z"), alpha)
    return interval_bits(logits_at(m - 0.5, params, cdf), logits_at(m + 0.5, params, cdf))


def rate_bits_backward(
    d_bits: Array, z: Array, params: Any, *, cdf: Cdf, alpha: float = 0.0
) -> tuple[Array, Any]:
    """Gradients of `rate_bits`, Eqs. (22), (43), (44), along the sampled path.

    Args:
        d_bits: gradient with respect to the bits, of the shape of z, or one number for all.
        z: noisy coefficients.
        params: parameters of the distribution.
        cdf: the module of the distribution.
        alpha: softness of the rounding.

    Returns:
        (d_z, d_params), the latter of the type of `params`.

    Example:
        >>> from npuq.nn import logistic
        >>> params = logistic.Params(np.array(0.0), np.array(0.5))
        >>> z = np.array([0.1, 0.4, 3.0])
        >>> d_z, d_params = rate_bits_backward(np.ones(3), z, params, cdf=logistic, alpha=7.0)
        >>> d_z.round(3), round(float(d_params.scale), 3)
        (array([0.019, 0.278, 0.817]), -8.587)
    """
    z = floats(z, "z")
    d_bits = upstream(d_bits, "d_bits", z)
    m = soft_round_conditional_mean(z, alpha)
    d_lower, d_upper = interval_bits_backward(
        d_bits, logits_at(m - 0.5, params, cdf), logits_at(m + 0.5, params, cdf)
    )
    d_low, d_params_low = cdf.logits_backward(d_lower, m - 0.5, params)
    d_high, d_params_high = cdf.logits_backward(d_upper, m + 0.5, params)
    d_z = soft_round_conditional_mean_backward(d_low + d_high, z, alpha)
    return d_z, _add(d_params_low, d_params_high)


def density(z: Array, params: Any, *, cdf: Cdf, alpha: float = 0.0) -> Array:
    """p_{s_alpha(Y)+U}(z) itself, 2^-bits: Eqs. (22), (43) and (44).

    It is c(s_alpha^-1(z + 1/2)) - c(s_alpha^-1(z - 1/2)) with c the CDF of Y.

    Args:
        z: where to evaluate.
        params: parameters of the distribution of Y.
        cdf: the module of the distribution.
        alpha: softness of the rounding.

    Returns:
        The density, from 0 to 1; above 1 only by rounding.

    Example:
        >>> from npuq.nn import logistic
        >>> params = logistic.Params(np.array(0.0), np.array(0.5))
        >>> density(np.array([0.0, 0.4, 3.0]), params, cdf=logistic, alpha=7.0).round(4)
        array([0.4621, 0.4533, 0.0058])
    """
    return 2.0 ** -rate_bits(z, params, cdf=cdf, alpha=alpha)


def logits_at(y: Array, params: Any, cdf: Cdf) -> Array:
    """cdf.logits(y, params), of Eq. (43).

    Raises:
        TypeError: `cdf` has no logits, or `params` are not those that it takes.
    """
    try:
        return cdf.logits(y, params)
    except AttributeError as error:
        raise TypeError(
            "cdf must be a CDF module, such as npuq.nn.logistic or npuq.nn.scipy_cdf.from_scipy "
            f"makes them, and params what it takes: {error}"
        ) from error


def _add(a: Any, b: Any) -> Any:
    """The sum of two trees of arrays of one structure (parameters are nested tuples, or None)."""
    if not isinstance(a, tuple):
        return None if a is None else a + b
    parts = [_add(*pair) for pair in zip(a, b, strict=True)]
    return type(a)(*parts) if hasattr(a, "_fields") else tuple(parts)


def _is_outside(lower: Array, upper: Array) -> Array:
    """Where both ends of the interval lie on one side of the support."""
    return (lower == upper) & xp_of(lower).isinf(lower)


def _gap(lower: Array, upper: Array) -> Array:
    """upper - lower, and 0 between equal infinities."""
    xp = xp_of(lower)
    outside = _is_outside(lower, upper)
    return xp.where(outside, 0, upper) - xp.where(outside, 0, lower)


def _smallest_gap(x: Array) -> float:
    return float(xp_of(x).finfo(x.dtype).eps) ** 2


# Not that of `npuq.nn.activations`, which has other last bits: runs of training can be repeated.
def _sigmoid(x: Array) -> Array:
    xp = xp_of(x)
    e = xp.exp(-abs(x))
    return xp.where(x < 0, e, xp.ones_like(e)) / (1 + e)
