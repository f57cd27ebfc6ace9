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
from npuq.kernels.threads import map_in_threads
from npuq.models.noisy_rate import Softness, rate_and_gradients
from npuq.nn import normal
from npuq.nn.non_negative import lower_bound, lower_bound_backward_straight_through

SMALLEST_SCALE = 0.11
"""Below it the noise hides what is left of a scale (Ballé et al. 2018 stop there as well)."""
PARTS = 8  # of the coefficients, which know nothing of each other, for as many threads


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
    if xp_of(t) is not np:
        return _conditional_rate(t, u, sigma, softness)
    flat = (np.array_split(a.reshape(-1), PARTS) for a in (t, u, sigma))

    def compute(part: tuple[Array, Array, Array]) -> ConditionalRate:
        return _conditional_rate(*part, softness)

    found = map_in_threads(compute, list(zip(*flat, strict=True)))
    return ConditionalRate(*(np.concatenate(a).reshape(t.shape) for a in zip(*found, strict=True)))


def _conditional_rate(t: Array, u: Array, sigma: Array, softness: Softness) -> ConditionalRate:
    cdf: Any = normal
    params = normal.Params(xp_of(t).zeros((), t.dtype), lower_bound(sigma, SMALLEST_SCALE))
    r, bits, d_t, dr_dt, d_params = rate_and_gradients(t, u, params, softness, cdf=cdf)
    d_sigma = lower_bound_backward_straight_through(d_params.scale, sigma, SMALLEST_SCALE)
    return ConditionalRate(r, bits, d_t, d_sigma, dr_dt)
