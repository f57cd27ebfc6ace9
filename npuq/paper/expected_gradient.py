"""Integrating the noise out of the gradient: Sec. 4.2, Eqs. 16-20.

The derivatives of s_alpha and r_alpha are near zero almost everywhere and huge in few places, so
that a gradient from one sample of noise has a large variance. Under uniform noise the expected
derivative of any pointwise h has a closed form, and needs no derivative of h at all.

Why s keeps its exact derivative. In Eq. (21) s_alpha stands before the noise, r_alpha after it:

    y = s_alpha(f(x)),   z = y + U,   rate = h(z),   distortion = d(x, g(r_alpha(z))).

"The expected derivative is always 1" holds for what is applied to noisy values: r_alpha, and
s_alpha or its inverse if they were. Given x, s_alpha'(f(x)) is a number: there is nothing to
integrate, and by the chain rule

    d E[rate] / d f(x) = s_alpha'(f(x)) (h(y + 1/2) - h(y - 1/2)),

exactly. A 1 in its place would not take variance out but put a bias in. That s_alpha' goes from
alpha / sinh(alpha) at integers to alpha / (2 tanh(alpha/2)) at half-integers, 4e-6 and 8 at
alpha = 16, is a difference between coefficients, not between draws of the noise, and stays. So the
gradient with respect to y that this file returns goes through
`npuq.paper.soft_round.soft_round_backward` next: `npuq.paper.soft_rounded_channel`, where all
parts of Eq. (21) and of this section come together.

Which gradients are sampled. Only those with respect to y, and so to what stands before it (the
encoder, and the means that the hyperprior model subtracts), are ever replaced, as
`npuq.models.noisy_rate.Softness` says:

    rate to y                     Eq. (17), the exact expectation given all that the density's
                                  parameters depend on, or sampled
    distortion to y               Eq. (20): 1 for r_alpha', times the gradient with respect to r
                                  at the sampled r, which is exact for losses that are linear
                                  there; or sampled
    rate to the density (scales)  sampled, always
    distortion to the decoder     sampled, always
    rate of the hyper-latents     sampled, always: plain noise without rounding

`Softness()` samples everything. In trainings both replacements are the default wherever alpha > 0
(`--no-expected-rate` and `--no-expected-distortion` of `npuq train` sample them). At alpha = 0,
plain noise, everything is sampled: r_alpha is the identity, whose derivative is 1 by itself, and
the derivative of h has no spikes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from npuq.arguments import check_callable, upstream
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

    Example:
        >>> expected_derivative(np.floor, np.array([0.2, 0.7]))  # of a function that has no slope
        array([1., 1.])
    """
    check_callable(h, "h")
    y = floats(y, "y")
    return h(y + 0.5) - h(y - 0.5)


def rate_bits_backward_expected(
    d_bits: Array, y: Array, params: Any, *, cdf: Cdf, alpha: float = 0.0
) -> Array:
    """Gradient of the expected rate with respect to y = s_alpha(f(x)): Eqs. (17) and (21).

    The gradient with respect to f(x) is that times s_alpha'(f(x)), see the top of the file.

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

    Example:
        >>> from npuq.nn import logistic
        >>> params = logistic.Params(np.array(0.0), np.array(0.5))
        >>> y = np.array([0.1, 0.3, 2.0])
        >>> rate_bits_backward_expected(np.ones(3), y, params, cdf=logistic, alpha=7.0).round(3)
        array([0.743, 0.94 , 2.706])
    """
    y = floats(y, "y")
    f_x = soft_round_inverse(y, alpha)
    return upstream(d_bits, "d_bits", y) * expected_derivative(
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

    Example:
        >>> d_r, z = np.ones(2), np.array([0.0, 0.5])  # where the slope is 0.285, and 78.3
        >>> soft_round_conditional_mean_backward_expected(d_r, z, alpha=7.0)
        array([1., 1.])
    """
    check_alpha(alpha)
    return +upstream(d_r, "d_r", floats(z, "z"))
