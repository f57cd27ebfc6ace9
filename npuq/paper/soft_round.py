"""Soft rounding, its inverse and the conditional mean: Sec. 4.1, Eqs. 9-15, and Appendix D.

    s_alpha(y) = floor(y) + tanh(alpha r) / (2 tanh(alpha/2)) + 1/2,   r = y - floor(y) - 1/2   (10)
    r_alpha(z) = s_alpha^-1(z - 1/2) + 1/2                                                      (14)

These are the functions `..._literal` below, to be read. Taken literally, Eq. 10 loses all relative
precision near the integers, and its inverse is wrong in the third digit at the paper's last alpha,
16, in float32 and infinite above 18. What computes are other forms of the same three functions:

    s(n + t) = n + sinh(alpha t) / (sinh(alpha t) + sinh(alpha (1 - t)))
    s^-1(n + f) = n + log1p(2 f sinh(alpha) / (1 - f + f e^-alpha)) / (2 alpha)
    r(n + f) = n + log1p(4 f (1 - e^-alpha) / ((1 + 2 f) e^-alpha + (1 - 2 f))) / (2 alpha)

for n an integer and t, f in [0, 1/2]. All three are odd about n, which gives the other half: there
is no cancellation anywhere, and t = y - n is exact in floating point.

Derivation. For t in [0, 1), Eq. 10 has r = t - 1/2, and with tanh a - tanh b = sinh(a - b) /
(cosh a cosh b) and then 2 sinh a cosh b = sinh(a + b) + sinh(a - b),

    s - n = (tanh(alpha/2) - tanh(alpha/2 - alpha t)) / (2 tanh(alpha/2))
          = sinh(alpha t) / (2 sinh(alpha/2) cosh(alpha/2 - alpha t)),

the first form. For f = s - n it says f sinh(alpha (1 - t)) = (1 - f) sinh(alpha t); multiplied by
2 e^(alpha t), that is linear in E = e^(2 alpha t),

    f (e^alpha - e^-alpha E) = (1 - f) (E - 1),   E = (1 - f + f e^alpha) / (1 - f + f e^-alpha),

and t = log1p(E - 1) / (2 alpha) is the second. By Eq. 14, r(n + f) is the second at f + 1/2 above
n - 1, plus 1/2: n + log(e^-alpha E) / (2 alpha), which is the third.

`alpha` is a number, 0 <= alpha <= infinity: 0 is the identity and infinity is hard rounding
(Eq. 11). Arrays are float32 or float64, of any shape. The arithmetic that keeps the last digits is
in `npuq.paper.digits`.
"""

from __future__ import annotations

import math
from numbers import Real

from npuq.arguments import upstream
from npuq.backend import Array, floats, xp_of
from npuq.paper.digits import decay_of, finite, nearest_and_rest, quiet, up_to_half


def soft_round_literal(y: Array, alpha: float) -> Array:
    """s_alpha(y) as it is printed: Eq. (10), Sec. 4.1.

    In float64, for every alpha > 0, within 1e-15 (1 + alpha |y|) of `soft_round`; near integers
    that is more than the distance from them.
    """
    xp = xp_of(y)
    r = y - xp.floor(y) - 0.5
    return xp.floor(y) + 0.5 * xp.tanh(alpha * r) / math.tanh(alpha / 2) + 0.5


def soft_round_inverse_literal(z: Array, alpha: float) -> Array:
    """Eq. (10) solved for y, as in a textbook: floor(z) + 1/2 + artanh(2 tanh(alpha/2) r) / alpha.

    In float64, for alpha from 0 (excluded) to 16, within 1e-10 of `soft_round_inverse`.
    """
    xp = xp_of(z)
    r = z - xp.floor(z) - 0.5
    return xp.floor(z) + 0.5 + xp.arctanh(2 * math.tanh(alpha / 2) * r) / alpha


def soft_round_conditional_mean_literal(z: Array, alpha: float) -> Array:
    """r_alpha(z) as it is printed: Eq. (14), Sec. 4.1.

    In float64, for alpha from 0 (excluded) to 16, within 1e-10 of `soft_round_conditional_mean`.
    """
    return soft_round_inverse_literal(z - 0.5, alpha) + 0.5


def check_alpha(alpha: float, name: str = "alpha") -> float:
    """The softness as a Python float, which leaves float32 arrays float32: Eq. (11), Sec. 4.1.

    Args:
        alpha: a real number of Python or NumPy, 0 to infinity.
        name: what messages call it.

    Returns:
        float(alpha).

    Raises:
        TypeError: if it is no number: None, a string, a bool or an array.
        ValueError: if it is negative or not a number.
    """
    if not isinstance(alpha, Real) or isinstance(alpha, bool):
        raise TypeError(f"{name} must be a number from 0 to infinity, not {alpha!r}")
    if not alpha >= 0:
        raise ValueError(f"{name} must be a number from 0 to infinity, not {alpha!r}")
    return float(alpha)


def soft_round(y: Array, alpha: float) -> Array:
    """A differentiable approximation of rounding, s_alpha(y): Eq. (10), Sec. 4.1.

    s_alpha(y) = floor(y) + tanh(alpha r) / (2 tanh(alpha/2)) + 1/2,  r = y - floor(y) - 1/2

    Args:
        y: coefficients, float32 or float64, any shape; numbers and lists become float64.
        alpha: 0 (identity) to infinity (hard rounding, ties upwards), Eq. (11).

    Returns:
        s_alpha(y), same shape and dtype. For finite alpha, integers and half-integers are fixed
        points; infinities always are.

    Raises:
        TypeError: `alpha` is no number, or y no array of float32, float64 or integers.
        ValueError: `alpha` is negative or not a number.

    Numerics: a few units in the last place, also relative to results near 0, for every alpha. (The
        results are, that is, those for the exact `y` and `alpha` that were passed.) Results below
        1e-290, or 1e-36 in float32, are made of denormal numbers and have fewer digits.

    Example:
        >>> soft_round(np.array([-0.5, 0.2, 1.0, 1.8]), alpha=7.0).round(4)
        array([-0.5   ,  0.0139,  1.    ,  1.9861])
    """
    y, alpha = _checked(y, "y", alpha)
    if _is_identity(y, alpha):
        return +y
    xp = xp_of(y)
    n, t = nearest_and_rest(y)
    if math.isinf(alpha):
        return n
    size = abs(t)
    # Both terms divided by e^(alpha (1 - t)) / 2
    near = decay_of(size, alpha) * -xp.expm1(-2 * alpha * size)
    far = -xp.expm1(-2 * alpha * (1 - size))
    return n + xp.copysign(up_to_half(near / (near + far), size), t)


def soft_round_backward(d_s: Array, y: Array, alpha: float) -> Array:
    """Gradient of `soft_round`, Eq. (10) and Appendix D (Eqs. 37 and 42 at the integers).

    s_alpha'(y) = alpha (1 - tanh(alpha r)^2) / (2 tanh(alpha/2)),  r = y - floor(y) - 1/2

    Args:
        d_s: gradient with respect to s_alpha(y), of its shape, or one number for all.
        y: coefficients, any shape.
        alpha: as in `soft_round`.

    Returns:
        d_s * s_alpha'(y); between alpha/sinh(alpha) at integers and alpha/(2 tanh(alpha/2)) at
        half-integers. For infinite alpha it is 0, the derivative of rounding almost everywhere.

    Example:
        >>> soft_round_backward(np.ones(3), np.array([0.0, 0.2, 0.5]), alpha=7.0).round(4)
        array([0.0128, 0.2042, 3.5064])
    """
    y, alpha = _checked(y, "y", alpha)
    d_s = upstream(d_s, "d_s", y)
    if _is_identity(y, alpha):
        return +d_s
    xp = xp_of(y)
    if math.isinf(alpha):
        return xp.zeros_like(d_s)
    _, t = nearest_and_rest(y)
    # alpha sech^2(alpha (1/2 - |t|)) / (2 tanh(alpha/2)), sech^2(x) = 4 e^-2x / (1 + e^-2x)^2
    decay = decay_of(abs(t), alpha)
    with quiet():
        return finite(d_s * (2 * alpha / math.tanh(alpha / 2) * decay / (1 + decay) ** 2))


def soft_round_inverse(z: Array, alpha: float) -> Array:
    """The inverse function s_alpha^-1(z): of Eq. (10), used in Eqs. (13), (14) and (22).

    s_alpha^-1(z) = floor(z) + 1/2 + artanh(2 tanh(alpha/2) r) / alpha,  r = z - floor(z) - 1/2

    Args:
        z: values of s_alpha, float32 or float64, any shape.
        alpha: as in `soft_round`. Hard rounding has no inverse; for infinite alpha this is the
            limit, floor(z) + 1/2 between integers and z at integers.

    Returns:
        y with s_alpha(y) = z.

    Raises:
        TypeError: `alpha` is no number, or z no array of float32, float64 or integers.
        ValueError: `alpha` is negative or not a number.

    Numerics: a few units in the last place, also relative to results near 0, for every alpha.
        Where log1p(x) is log(x), it is the sum of alpha and the log of the rest, as x may overflow.
        Denormal numbers as in `soft_round`.

    Example:
        >>> soft_round_inverse(np.array([-0.5, 0.0148, 1.0]), alpha=7.0).round(3)
        array([-0.5  ,  0.204,  1.   ])
    """
    z, alpha = _checked(z, "z", alpha)
    if _is_identity(z, alpha):
        return +z
    xp = xp_of(z)
    n, w = nearest_and_rest(z)
    f = abs(w)
    if math.isinf(alpha):
        return n + xp.copysign(xp.where(f > 0, 0.5, 0.0).astype(z.dtype), w)
    limit = 0.49 * math.log(float(xp.finfo(z.dtype).max))
    parts = 2 if alpha / 2 <= limit else 4  # of e^alpha; f times four of them may still be small
    part = math.exp(min(alpha / parts, limit))
    rest = -math.expm1(-2 * alpha) / (1 - f + f * math.exp(-alpha))
    with quiet():
        x = f
        for _ in range(parts):
            x = x * part
        x = x * rest  # 2 f sinh(alpha) / (...), or still large
        log_x = alpha + xp.log(f * rest)
    is_large = x > float(xp.finfo(z.dtype).eps) ** -2
    t = xp.where(is_large, log_x, xp.log1p(x)) / (2 * alpha)
    return n + xp.copysign(up_to_half(t, f), w)


def soft_round_inverse_backward(d_y: Array, z: Array, alpha: float) -> Array:
    """Gradient of `soft_round_inverse`: that of Eq. (10), inverted.

    Args:
        d_y: gradient with respect to s_alpha^-1(z), of its shape, or one number for all.
        z: values of s_alpha, any shape.
        alpha: as in `soft_round_inverse`.

    Returns:
        d_y / s_alpha'(s_alpha^-1(z)); the slope is sinh(alpha)/alpha at integers, which is why
        Sec. 4.2 exists. Values beyond the range of the dtype are its largest finite number. For
        infinite alpha the result is 0.

    Example:
        >>> soft_round_inverse_backward(np.ones(2), np.array([0.0, 0.5]), alpha=7.0).round(3)
        array([78.331,  0.285])
    """
    z, alpha = _checked(z, "z", alpha)
    d_y = upstream(d_y, "d_y", z)
    if _is_identity(z, alpha):
        return +d_y
    xp = xp_of(z)
    if math.isinf(alpha):
        return xp.zeros_like(d_y)
    _, w = nearest_and_rest(z)
    f = abs(w)
    decay = math.exp(-alpha)
    scale = -math.expm1(-alpha) / (2 * alpha)
    with quiet():
        slope = scale / (f + (1 - f) * decay) + scale / (1 - f + f * decay)
        return finite(d_y * finite(slope))


def soft_round_conditional_mean(z: Array, alpha: float) -> Array:
    """The reconstruction r_alpha(z) = s_alpha^-1(z - 1/2) + 1/2: Eq. (14), Sec. 4.1.

    It is E[Y | s_alpha(Y) + U = z] where the density of Y is flat between s_alpha^-1(z - 1/2) and
    s_alpha^-1(z + 1/2); `npuq.paper.conditional_mean` has the mean for a density that is not.

    Args:
        z: received values k + u, float32 or float64, any shape.
        alpha: 0 (identity) to infinity (hard rounding, Eq. 15).

    Returns:
        r_alpha(z). For finite alpha, integers and half-integers are fixed points.

    Raises:
        TypeError: `alpha` is no number, or z no array of float32, float64 or integers.
        ValueError: `alpha` is negative or not a number.

    Numerics: a few units in the last place, also relative to results near 0, for every alpha.
        Denormal numbers as in `soft_round`.

    Example:
        >>> soft_round_conditional_mean(np.array([-0.4, 0.0, 0.5, 1.3]), alpha=7.0).round(3)
        array([-0.156,  0.   ,  0.5  ,  1.099])
    """
    z, alpha = _checked(z, "z", alpha)
    if _is_identity(z, alpha):
        return +z
    xp = xp_of(z)
    n, w = nearest_and_rest(z)
    if math.isinf(alpha):
        return n
    f = abs(w)
    with quiet():
        x = 4 * f * -math.expm1(-alpha) / ((1 + 2 * f) * math.exp(-alpha) + (1 - 2 * f))
        t = xp.log1p(x) / (2 * alpha)  # not a number at f = 1/2 where e^-alpha underflows
    return n + xp.copysign(up_to_half(t, f), w)


def soft_round_conditional_mean_backward(d_r: Array, z: Array, alpha: float) -> Array:
    """Gradient of `soft_round_conditional_mean`, Eq. (14).

    Args:
        d_r: gradient with respect to r_alpha(z), of its shape, or one number for all.
        z: received values, any shape.
        alpha: as in `soft_round_conditional_mean`.

    Returns:
        d_r * r_alpha'(z); the slope is 2 tanh(alpha/2)/alpha at integers and sinh(alpha)/alpha at
        half-integers, bounded by the largest finite number. For infinite alpha the result is 0.
        Eq. (20) replaces this slope by its expectation, 1: see `npuq.paper.expected_gradient`.

    Example:
        >>> d_r, z = np.ones(2), np.array([0.0, 0.5])
        >>> soft_round_conditional_mean_backward(d_r, z, alpha=7.0).round(3)
        array([ 0.285, 78.331])
    """
    z, alpha = _checked(z, "z", alpha)
    d_r = upstream(d_r, "d_r", z)
    if _is_identity(z, alpha):
        return +d_r
    xp = xp_of(z)
    if math.isinf(alpha):
        return xp.zeros_like(d_r)
    _, w = nearest_and_rest(z)
    f = abs(w)
    decay = math.exp(-alpha)
    scale = -math.expm1(-alpha) / alpha
    with quiet():  # the slope of the inverse with f replaced by 1/2 - f
        slope = scale / (1 - 2 * f + (1 + 2 * f) * decay)
        slope = slope + scale / (1 + 2 * f + (1 - 2 * f) * decay)
        return finite(d_r * finite(slope))


def _checked(y: Array, name: str, alpha: float) -> tuple[Array, float]:
    """Both arguments; the dtype must hold a finite alpha, beyond which s is hard anyway."""
    y, alpha = floats(y, name), check_alpha(alpha)
    largest = float(xp_of(y).finfo(y.dtype).max) / 4
    return y, alpha if math.isinf(alpha) else min(alpha, largest)


def _is_identity(y: Array, alpha: float) -> bool:
    """Whether s_alpha(y) is y to the last place: it differs by a factor of 1 + O(alpha^2)."""
    return bool(alpha * alpha < float(xp_of(y).finfo(y.dtype).eps))
