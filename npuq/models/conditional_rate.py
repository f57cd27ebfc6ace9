"""The middle of the hyperprior model: Eq. 24, and the rate of Eq. 23, with all gradients.

Residuals t = y - mu are soft-rounded, sent over the uniform noise channel and coded by a normal
density of the residual with mean 0:

    s = s_alpha(t),   z = s + u,   bits = -log2 p_{s(T)+U}(z),   r = r_alpha_r(z),

T ~ N(0, sigma). It is `npuq.models.noisy_rate` with another density, one whose scale is known for
each coefficient by itself. Arrays of one shape, any float dtype and device.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from npuq.backend import Array, xp_of
from npuq.models.noisy_rate import Softness
from npuq.nn import normal
from npuq.nn.non_negative import lower_bound, lower_bound_backward_straight_through
from npuq.paper.channel import uniform_noise_channel
from npuq.paper.density import rate_bits, rate_bits_backward
from npuq.paper.expected_gradient import (
    rate_bits_backward_expected,
    soft_round_conditional_mean_backward_expected,
)
from npuq.paper.soft_round import (
    check_alpha,
    soft_round,
    soft_round_backward,
    soft_round_conditional_mean,
    soft_round_conditional_mean_backward,
)

SMALLEST_SCALE = 0.11
"""Below it the noise hides what is left of a scale (Ballé et al. 2018 stop there as well)."""


class ConditionalRate(NamedTuple):
    """What `conditional_rate` returns: values first, then gradients; all of the shape of t.

    Attributes:
        r: reconstructed residuals.
        bits: of each coefficient.
        d_t: gradient of all bits with respect to t.
        d_sigma: gradient of all bits with respect to sigma.
        dr_dt: derivative of r with respect to t, sampled or expected.
    """

    r: Array
    bits: Array
    d_t: Array
    d_sigma: Array
    dr_dt: Array


def conditional_rate(t: Array, u: Array, sigma: Array, softness: Softness) -> ConditionalRate:
    """Rate, reconstruction and gradients of residuals (Eqs. 23 and 24).

    Args:
        t: residuals y - mu.
        u: noise in [-1/2, 1/2).
        sigma: standard deviation of the residual before soft rounding; where it is below 0.11 it
            counts as 0.11, and its gradient passes only if it leads upwards.
        softness: how to round and differentiate.

    Returns:
        ConditionalRate.

    Raises:
        ValueError: shapes differ, or a softness is negative or NaN.
    """
    if not t.shape == u.shape == sigma.shape:
        raise ValueError(
            f"t, u and sigma must have one shape, not {t.shape}, {u.shape} and {sigma.shape}"
        )
    alpha, alpha_r = check_alpha(softness.alpha), check_alpha(softness.alpha_r, "alpha_r")
    cdf: Any = normal
    xp = xp_of(t)
    params = normal.Params(xp.zeros((), t.dtype), lower_bound(sigma, SMALLEST_SCALE))
    s = soft_round(t, alpha)
    z = uniform_noise_channel(s, u)
    bits = rate_bits(z, params, cdf=cdf, alpha=alpha)
    r = soft_round_conditional_mean(z, alpha_r)

    one = xp.ones_like(t)
    if softness.expected_distortion:
        d_s_distortion = soft_round_conditional_mean_backward_expected(one, z, alpha_r)
    else:
        d_s_distortion = soft_round_conditional_mean_backward(one, z, alpha_r)
    d_s_rate, d_params = rate_bits_backward(one, z, params, cdf=cdf, alpha=alpha)
    if softness.expected_rate:
        d_s_rate = rate_bits_backward_expected(one, s, params, cdf=cdf, alpha=alpha)
    return ConditionalRate(
        r=r,
        bits=bits,
        d_t=soft_round_backward(d_s_rate, t, alpha),
        d_sigma=lower_bound_backward_straight_through(d_params.scale, sigma, SMALLEST_SCALE),
        dr_dt=soft_round_backward(d_s_distortion, t, alpha),
    )
