"""Integrating the noise out of the gradient: Sec. 4.2, Eqs. 16-20.

The derivatives of s_alpha and r_alpha are near zero almost everywhere and huge in few places, so
that a gradient from one sample of noise has a large variance. Under uniform noise the expected
derivative of any pointwise h has a closed form, and needs no derivative of h at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from npuq.backend import Array, floats
from npuq.paper.density import Cdf, rate_bits
from npuq.paper.soft_round import check_alpha, soft_round_inverse


def expected_derivative(h: Callable[[Array], Array], y: Array) -> Array:
    """d/dy E[h(y + U)] = h(y + 1/2) - h(y - 1/2): Eqs. (16) and (17), Sec. 4.2.

    Args:
        h: a pointwise function, differentiable or not.
        y: coefficients, any shape.

    Returns:
        The derivative of the expectation at `y`, of the same shape.

    Departure: the integral in the middle of Eq. (17) is printed with the limits y -+ 1/2 and the
        integrand h(y + u) (erratum E2); the limits are -+1/2. The result is right.
    """
    y = floats(y, "y")
    return h(y + 0.5) - h(y - 0.5)


def rate_bits_backward_expected(
    d_bits: Array, y: Array, params: Any, *, cdf: Cdf, alpha: float = 0.0
) -> Array:
    """Gradient of the expected rate with respect to y = s_alpha(f(x)): Eqs. (17) and (21).

    Args:
        d_bits: gradient with respect to the bits of each coefficient.
        y: soft-rounded coefficients *before* the noise.
        params: parameters of the distribution of f(x).
        cdf: module of the distribution, see `npuq.paper.density`.
        alpha: softness of the rounding that made `y`.

    Returns:
        d_bits * (h(y + 1/2) - h(y - 1/2)) with h = `rate_bits`.

    Numerics: as r_alpha(y + 1/2) = s_alpha^-1(y) + 1/2, this is the rate of f(x) + 1/2 minus that
        of f(x) - 1/2 under the plain density (Eq. 43), the same for every alpha, and is computed
        so. For infinite alpha, f(x) is taken to be where `soft_round_inverse` puts it. The absolute
        error is some eps of the rates themselves: in float32, 1e-7 of 1e6 bits is a tenth of a bit.
    """
    y = floats(y, "y")
    f_x = soft_round_inverse(y, alpha)
    return floats(d_bits, "d_bits", y) * expected_derivative(
        lambda z: rate_bits(z, params, cdf=cdf), f_x
    )


def soft_round_conditional_mean_backward_expected(d_r: Array, z: Array, alpha: float) -> Array:
    """Backward pass of r_alpha with its expected derivative: Eqs. (18)-(20), Sec. 4.2.

    Args:
        d_r: gradient with respect to r_alpha(z).
        z: received values y + u.
        alpha: softness; the result does not depend on it.

    Returns:
        The gradient to use for y: r_alpha(y + 1/2) - r_alpha(y - 1/2) = 1, so `d_r` itself, the
        straight-through estimate.
    """
    check_alpha(alpha)
    return +floats(d_r, "d_r", floats(z, "z"))
