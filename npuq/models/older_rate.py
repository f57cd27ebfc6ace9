"""From coefficients to reconstructions and bits with the quantizers of Sec. 2, for comparison.

As `npuq.models.noisy_rate`, with something else in the place of the noise channel:

    stochastic         z = floor(y) + Bernoulli(y - floor(y))   Toderici et al. 2016
    straight-through   z = [y]                                  Theis et al. 2017
    annealed           z = s_alpha(y), without noise            Agustsson et al. 2017, scalar
    shared-shift       z = [y - u] + u, u one number            Choi et al. 2019
    shared-noise       z = y + u, u one number                  a warning of Sec. 3.2

and bits = -log2(c(z + 1/2) - c(z - 1/2)), r = z for all of them: they differ in nothing else. At
integers this is the code length P(z) of Eq. (1), for a shared shift P(K | U) of Sec. 3.2, and
between integers, for s_alpha, it joins the code lengths smoothly. Gradients are exact for the two
that are differentiable, "annealed" and "shared-noise"; where there is rounding they pass straight
through it, rate and distortion alike.

Shapes: as there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from npuq.backend import Array, xp_of
from npuq.models.noisy_rate import NoisyRate, Softness, noisy_rate_backward, noisy_rate_forward
from npuq.nn.nonparametric import NonparametricParams
from npuq.paper.channel import (
    round_half_up,
    round_half_up_backward_straight_through,
    uniform_noise_channel,
    uniform_noise_channel_backward,
)
from npuq.paper.older_quantizers import (
    dithered_round,
    dithered_round_backward_straight_through,
    stochastic_round,
    stochastic_round_backward_straight_through,
)
from npuq.paper.soft_round import soft_round, soft_round_backward

SHARED = ("shared-shift", "shared-noise")
"""Those whose `u` holds one number for all coefficients of an image."""
OLDER_QUANTIZERS = ("stochastic", "straight-through", "annealed", *SHARED)


class Kept(NamedTuple):
    """What `older_rate_forward` keeps: arguments, and what was kept of the rate of z."""

    y: Array
    u: Array
    quantizer: str
    alpha: float
    at_z: Any


def older_rate_forward(
    y: Array, u: Array, density: NonparametricParams, quantizer: str, alpha: float
) -> NoisyRate:
    """Reconstruction and rate with an older quantizer (Secs. 2, 3.2 and 4.1).

    Args:
        y: (C, n) coefficients.
        u: (C, n) noise in [-1/2, 1/2), the same in all channels for those in SHARED.
        density: parameters of C channels.
        quantizer: one of OLDER_QUANTIZERS.
        alpha: softness of "annealed".

    Returns:
        NoisyRate, whose `kept` is for `older_rate_backward_straight_through`.

    Raises:
        ValueError: unknown quantizer, or see `noisy_rate_forward`.

    Numerics: those of `noisy_rate_forward`, which is called for z with noise 0.

    Departure: the authors trained with other rates. Toderici et al. had codes of fixed length;
        Theis et al. bound P([y]) by the density of [y] + u; Agustsson et al. average the code
        lengths of all centres, of vectors, with the weights of the soft assignment.
    """
    z = older_quantize(y, u, quantizer=quantizer, alpha=alpha)
    coded = noisy_rate_forward(z, xp_of(z).zeros_like(z), density, Softness())
    return coded._replace(kept=Kept(y, u, quantizer, alpha, coded.kept))


def older_rate_backward_straight_through(
    d_r: Array, d_bits: Array, kept: Kept
) -> tuple[Array, NonparametricParams]:
    """Gradients of `older_rate_forward`: that function read upwards (Secs. 2, 3.2 and 4.1).

    Args:
        d_r: (C, n) gradient with respect to r.
        d_bits: (C,) gradient with respect to the bits of each channel.
        kept: what `older_rate_forward` kept.

    Returns:
        d_y and d_density. The first is exact where z is differentiable, see the top of this file.
    """
    y, u, quantizer, alpha, at_z = kept
    d_z, d_density = noisy_rate_backward(d_r, d_bits, at_z)
    static: Any = {"quantizer": quantizer, "alpha": alpha}
    return older_quantize_backward_straight_through(d_z, y, u, **static), d_density


def older_quantize(y: Array, u: Array, *, quantizer: str, alpha: float) -> Array:
    """z of the table above: what an older quantizer makes of coefficients (Secs. 2, 3.2 and 4.1).

    Args:
        y: coefficients.
        u: noise of their shape.
        quantizer: one of OLDER_QUANTIZERS.
        alpha: softness of "annealed".

    Raises:
        ValueError: unknown quantizer, or the shapes differ.
    """
    if quantizer == "stochastic":
        return stochastic_round(y, u)
    if quantizer == "straight-through":
        return round_half_up(y)
    if quantizer == "annealed":
        return soft_round(y, alpha)
    if quantizer == "shared-shift":
        return dithered_round(y, u)
    if quantizer == "shared-noise":
        return uniform_noise_channel(y, u)
    raise _unknown(quantizer)


def older_quantize_backward_straight_through(
    d_z: Array, y: Array, u: Array, *, quantizer: str, alpha: float
) -> Array:
    """Gradient of `older_quantize` with respect to y (Secs. 2 and 4.1).

    Exact where z is differentiable, for "annealed" and "shared-noise"; straight through elsewhere.
    """
    if quantizer == "stochastic":
        return stochastic_round_backward_straight_through(d_z, y, u)
    if quantizer == "straight-through":
        return round_half_up_backward_straight_through(d_z, y)
    if quantizer == "annealed":
        return soft_round_backward(d_z, y, alpha)
    if quantizer == "shared-shift":
        return dithered_round_backward_straight_through(d_z, y, u)
    if quantizer == "shared-noise":
        return uniform_noise_channel_backward(d_z, y, u)[0]
    raise _unknown(quantizer)


def _unknown(quantizer: str) -> ValueError:
    return ValueError(f"quantizer must be one of {', '.join(OLDER_QUANTIZERS)}, not {quantizer!r}")
