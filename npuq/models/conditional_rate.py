"""The channel of the hyperprior model: the rate of Eq. 23 for the residuals of Eq. 24.

Residuals t = y - mu are soft-rounded, sent over the uniform noise channel and coded by a normal
density of the residual with mean 0:

    s = s_alpha(t),   z = s + u,   bits = -log2 p_{s(T)+U}(z),   r = r_alpha_r(z),

T ~ N(0, sigma), where sigma is known for each coefficient by itself and has a lower bound. It is
`npuq.models.noisy_rate` with this density: a pair, forward and backward, whose fast twins find the
derivatives on the way forward and keep them. Arrays of one shape, any float dtype and device.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from npuq.backend import Array, xp_of
from npuq.models.noisy_rate import Softness, reconstruction, reconstruction_backward
from npuq.nn import normal
from npuq.nn.non_negative import lower_bound, lower_bound_backward_straight_through
from npuq.nn.normal import SMALLEST_SCALE
from npuq.paper.soft_rounded_channel import (
    noisy_rate_bits,
    noisy_rate_bits_backward,
    noisy_rate_bits_backward_expected,
)
from npuq.runtime.twins import has_twins


class ConditionalRate(NamedTuple):
    """What `conditional_rate_forward` returns.

    Attributes:
        r: reconstructed residuals, of the shape of t.
        bits: of each coefficient, of that shape too.
        kept: what `conditional_rate_backward_straight_through` needs, and nobody else reads.
    """

    r: Array
    bits: Array
    kept: Any


class Kept(NamedTuple):
    """What the plain `conditional_rate_forward` keeps: its arguments."""

    t: Array
    u: Array
    sigma: Array
    softness: Softness


def conditional_bits(t: Array, u: Array, sigma: Array, *, alpha: float = 0.0) -> Array:
    """-log2 p_{s(T)+U}(s_alpha(t) + u) with T ~ N(0, sigma): Eqs. (22) and (23).

    Args:
        t: residuals y - mu.
        u: noise in [-1/2, 1/2).
        sigma: standard deviations; below 0.11 they count as 0.11.
        alpha: softness.

    Returns:
        Bits; NaN where a scale is, which is no error: a training that diverges ends in its own
        words.
    """
    t, params = _normal(t, sigma)
    return noisy_rate_bits(t, u, params, cdf=normal, alpha=alpha)


def conditional_bits_backward_straight_through(
    d_bits: Array, t: Array, u: Array, sigma: Array, *, alpha: float = 0.0
) -> tuple[Array, Array]:
    """Gradients of `conditional_bits`, Eqs. (22) and (23), along the sampled path: d_t and d_sigma.

    Exact but for scales below 0.11, where the gradient passes if it leads upwards, see
    `npuq.nn.non_negative.lower_bound_backward_straight_through`.
    """
    t, params = _normal(t, sigma)
    d_t, d = noisy_rate_bits_backward(d_bits, t, u, params, cdf=normal, alpha=alpha)
    return d_t, lower_bound_backward_straight_through(d.scale, sigma, SMALLEST_SCALE)


def conditional_bits_backward_expected(
    d_bits: Array, t: Array, u: Array, sigma: Array, *, alpha: float = 0.0
) -> tuple[Array, Array]:
    """As `conditional_bits_backward_straight_through`, but for d_t the noise is integrated out.

    By Eq. (17), Sec. 4.2; the scales' gradient stays that of this u.
    """
    t, params = _normal(t, sigma)
    d_t, d = noisy_rate_bits_backward_expected(d_bits, t, u, params, cdf=normal, alpha=alpha)
    return d_t, lower_bound_backward_straight_through(d.scale, sigma, SMALLEST_SCALE)


def check_conditional_rate(t: Array, u: Array, sigma: Array, softness: Softness) -> None:
    """Check the arguments of `conditional_rate_forward`: compiled loops look at no bounds.

    Raises:
        ValueError: shapes differ, or a softness is negative or NaN.
        TypeError: a softness is no number at all.
    """
    if not t.shape == u.shape == sigma.shape:
        raise ValueError(
            f"t, u and sigma must have one shape, not {t.shape}, {u.shape} and {sigma.shape}"
        )
    softness.alphas()


def check_conditional_rate_gradients(d_r: Array, d_bits: Array, kept: Any) -> None:
    """Check the gradients given to `conditional_rate_backward_straight_through`.

    Raises:
        ValueError: they have not the shape of the residuals.
    """
    shape = kept[0].shape  # of t, or of what a twin has kept in its place
    if not d_r.shape == d_bits.shape == shape:
        raise ValueError(
            f"d_r and d_bits must have the shape of the residuals, {shape}, not {d_r.shape} and "
            f"{d_bits.shape}"
        )


@has_twins(check=check_conditional_rate, returns=ConditionalRate)
def conditional_rate_forward(
    t: Array, u: Array, sigma: Array, softness: Softness
) -> ConditionalRate:
    """Reconstruction and rate of residuals (Eqs. 23 and 24). It has fast twins.

    Args:
        t: residuals y - mu.
        u: noise in [-1/2, 1/2).
        sigma: standard deviation of the residual before soft rounding; where it is below 0.11 it
            counts as 0.11.
        softness: how to round, and how to differentiate on the way back.

    Returns:
        ConditionalRate.

    Raises:
        ValueError, TypeError: see `check_conditional_rate`.

    Numerics: of the dtype of the arrays. The compiled twin, `npuq.kernels.cpu.conditional_rate`,
        takes what is float32, with softnesses of 0 or from 0.01 to 80, and computes in float64
        within itself, good for sigma up to 1e12.
    """
    alpha, _ = softness.alphas()
    bits = conditional_bits(t, u, sigma, alpha=alpha)
    return ConditionalRate(reconstruction(t, u, softness), bits, Kept(t, u, sigma, softness))


@has_twins(check=check_conditional_rate_gradients, kept=Kept)
def conditional_rate_backward_straight_through(
    d_r: Array, d_bits: Array, kept: Any
) -> tuple[Array, Array]:
    """Gradients of `conditional_rate_forward`: that function read upwards (Eqs. (23), (24)).

    Where a scale is below 0.11, its gradient passes if the bits fall as it grows; the rest is exact
    for this u, or, where the softness says so, expected by Eqs. (17) and (20). It has fast twins,
    which read what the twin of the forward has kept.

    Args:
        d_r: gradient with respect to r.
        d_bits: gradient with respect to the bits of each coefficient.
        kept: what `conditional_rate_forward` kept.

    Returns:
        d_t and d_sigma.

    Raises:
        ValueError: see `check_conditional_rate_gradients`.
    """
    t, u, sigma, softness = kept
    alpha, _ = softness.alphas()
    bits_backward = (
        conditional_bits_backward_expected
        if softness.expected_rate
        else conditional_bits_backward_straight_through
    )
    d_t, d_sigma = bits_backward(xp_of(t).ones_like(t), t, u, sigma, alpha=alpha)
    return reconstruction_backward(d_r, t, u, softness) + d_bits * d_t, d_bits * d_sigma


def _normal(t: Array, sigma: Array) -> tuple[Array, normal.Params]:
    """The residuals, and their law N(0, sigma). NaN in a scale moves to its residual: a law has
    none, and raises."""
    xp = xp_of(t)
    scale = xp.fmax(lower_bound(sigma, SMALLEST_SCALE), t.dtype.type(SMALLEST_SCALE))
    return xp.where(xp.isnan(sigma), sigma, t), normal.Params(xp.zeros((), t.dtype), scale)
