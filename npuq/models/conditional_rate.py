"""The middle of the hyperprior model: Eq. 24, and the rate of Eq. 23, with all gradients.

Residuals t = y - mu are soft-rounded, sent over the uniform noise channel and coded by a normal
density of the residual with mean 0:

    s = s_alpha(t),   z = s + u,   bits = -log2 p_{s(T)+U}(z),   r = r_alpha_r(z),

T ~ N(0, sigma). It is `npuq.models.noisy_rate` with another density, one whose scale is known for
each coefficient by itself. Arrays of one shape, any float dtype and device.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array, xp_of
from npuq.models.noisy_rate import Softness, is_fast, rate_and_gradients
from npuq.nn import normal
from npuq.nn.non_negative import lower_bound, lower_bound_backward_straight_through
from npuq.runtime.threads import for_each_range

SMALLEST_SCALE = float(np.float32(0.11))
"""Below it the noise hides what is left of a scale (Ballé et al. 2018 stop there as well).

It is 0.11 as float32 has it, so that what is at the bound in float32 is not below it in float64.
"""


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

    Numerics: the compiled kernel computes what is float32, on the host and of softness 0 or from
        0.01 to 80, in float64 within itself, good for sigma up to 1e12. All else goes to the plain
        twin.
    """
    if not t.shape == u.shape == sigma.shape:
        raise ValueError(
            f"t, u and sigma must have one shape, not {t.shape}, {u.shape} and {sigma.shape}"
        )
    alphas = softness.alphas()
    if not is_fast(alphas, t, u, sigma):
        return conditional_rate_reference(t, u, sigma, softness)
    from npuq.kernels.cpu import conditional_rate as conditional

    t_flat, u_flat, sigma_flat = (np.ascontiguousarray(a).reshape(-1) for a in (t, u, sigma))
    found = ConditionalRate(*(np.empty(t.shape, t.dtype) for _ in ConditionalRate._fields))
    r, bits, d_t, d_sigma, dr_dt = (a.reshape(-1) for a in found)

    def run(start: int, stop: int) -> None:
        part = slice(start, stop)
        conditional.conditional_rate(
            t_flat[part], u_flat[part], sigma_flat[part], *alphas, softness.expected_rate,
            softness.expected_distortion, SMALLEST_SCALE,
            r[part], bits[part], d_t[part], d_sigma[part], dr_dt[part],
        )  # fmt: skip

    for_each_range(run, t.size)
    return found


def conditional_rate_reference(
    t: Array, u: Array, sigma: Array, softness: Softness
) -> ConditionalRate:
    """The plain twin of `conditional_rate`, of any float dtype and device (Eqs. 23 and 24)."""
    cdf: Any = normal
    xp = xp_of(t)
    # a scale that is no number makes the rate none, as in the kernel, and is no error: a training
    # that diverges ends in its own words
    t = xp.where(xp.isnan(sigma), sigma, t)
    scale = xp.fmax(lower_bound(sigma, SMALLEST_SCALE), t.dtype.type(SMALLEST_SCALE))
    params = normal.Params(xp.zeros((), t.dtype), scale)
    r, bits, d_t, dr_dt, d_params = rate_and_gradients(t, u, params, softness, cdf=cdf)
    d_sigma = lower_bound_backward_straight_through(d_params.scale, sigma, SMALLEST_SCALE)
    return ConditionalRate(r, bits, d_t, d_sigma, dr_dt)
