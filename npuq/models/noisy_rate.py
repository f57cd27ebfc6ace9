"""The channel of a model with a density for each channel: the middle of Eq. (21), there and back.

    s = s_alpha(y),   z = s + u,   bits = -log2 p_{s(Y)+U}(z),   r = r_alpha_r(z)

The equations are those of `npuq.paper.soft_rounded_channel`; here they are put together as a model
needs them. A decoder goes on from r and a loss from the bits, so `noisy_rate_forward` returns both,
and `noisy_rate_backward` takes the gradients of both. Which gradients they become, sampled or
expected ones, is chosen in the backward function, by `Softness`.

The pair has fast twins. How r and the bits depend on y costs little more while s and z are at hand:
so a forward twin finds these derivatives in its one pass and keeps them, where the plain one keeps
its arguments, and all that is left to the backward twin is to multiply by them.

Shapes: y, u, z, r are (C, n): channels, then the coefficients of each.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array, xp_of
from npuq.nn import nonparametric
from npuq.nn.nonparametric import NonparametricParams
from npuq.nn.parameters import scaled
from npuq.paper.soft_round import check_alpha
from npuq.paper.soft_rounded_channel import (
    noisy_rate_bits,
    noisy_rate_bits_backward,
    noisy_rate_bits_backward_expected,
    noisy_reconstruction,
    noisy_reconstruction_backward,
    noisy_reconstruction_backward_expected,
)
from npuq.runtime.twins import has_twins


class Softness(NamedTuple):
    """How coefficients are soft-rounded, and which gradients replace the sampled ones.

    Attributes:
        alpha: of s_alpha and of the density; 0 is the plain noise channel (UN).
        alpha_r: of r_alpha, where that is another one (Fig. 2B trains s_7 with r_16); None for
            alpha.
        expected_rate: the gradient of Eq. (17) for the rate.
        expected_distortion: the gradient of Eq. (20) for the distortion.
    """

    alpha: float = 0.0
    alpha_r: float | None = None
    expected_rate: bool = False
    expected_distortion: bool = False

    def alphas(self) -> tuple[float, float]:
        """The softness of s and that of r, checked (Eqs. 10 and 14).

        Raises:
            ValueError: one is negative or NaN.
            TypeError: one is no number at all.
        """
        alpha = check_alpha(self.alpha)
        return alpha, alpha if self.alpha_r is None else check_alpha(self.alpha_r, "alpha_r")


class NoisyRate(NamedTuple):
    """What `noisy_rate_forward` returns.

    Attributes:
        r: (C, n) reconstructed coefficients.
        bits: (C,) float64, total bits of each channel.
        kept: what `noisy_rate_backward` needs, and nobody else reads.
    """

    r: Array
    bits: Array
    kept: Any


class Kept(NamedTuple):
    """What the plain `noisy_rate_forward` keeps: its arguments."""

    y: Array
    u: Array
    density: NonparametricParams
    softness: Softness


def check_noisy_rate(y: Array, u: Array, density: NonparametricParams, softness: Softness) -> None:
    """Check the arguments of `noisy_rate_forward`: compiled loops look at no bounds.

    Raises:
        ValueError: `y` and `u` differ in shape, or have another number of channels than `density`;
            a softness is negative or NaN.
        TypeError: a softness is no number at all.
    """
    channels = density.H[0].shape[0]
    if y.ndim != 2 or y.shape[0] != channels or u.shape != y.shape:
        raise ValueError(
            f"y and u must have one shape ({channels}, n), with the {channels} channels of the "
            f"density, not {y.shape} and {u.shape}"
        )
    softness.alphas()


def check_noisy_rate_gradients(d_r: Array, d_bits: Array, kept: Any) -> None:
    """Check the gradients given to `noisy_rate_backward`.

    Raises:
        ValueError: `d_r` has not the shape of r, or `d_bits` not that of the bits.
    """
    shape = kept[0].shape  # of y, or of what a twin has kept in its place
    if d_r.shape != shape or d_bits.shape != shape[:1]:
        raise ValueError(
            f"d_r and d_bits must have the shapes of r and of the bits, {shape} and {shape[:1]}, "
            f"not {d_r.shape} and {d_bits.shape}"
        )


@has_twins(check=check_noisy_rate, returns=NoisyRate)
def noisy_rate_forward(
    y: Array, u: Array, density: NonparametricParams, softness: Softness
) -> NoisyRate:
    """Reconstruction and rate of one use of the channel (Eq. 21). It has fast twins.

    Args:
        y: (C, n) coefficients.
        u: (C, n) noise in [-1/2, 1/2).
        density: parameters of C channels.
        softness: how to round, and how to differentiate on the way back.

    Returns:
        NoisyRate.

    Raises:
        ValueError, TypeError: see `check_noisy_rate`.

    Numerics: of the dtype of the arrays; bits are summed in float64. The compiled twin,
        `npuq.kernels.cpu.noisy_rate`, takes what is float32 throughout, for densities of widths
        3, 3, 3 and softnesses of 0 or from 0.01 to 80.
    """
    alpha, _ = softness.alphas()
    bits = noisy_rate_bits(y, u, density, cdf=nonparametric, alpha=alpha)
    r = reconstruction(y, u, softness)
    return NoisyRate(r, bits.sum(axis=1, dtype=np.float64), Kept(y, u, density, softness))


@has_twins(check=check_noisy_rate_gradients, kept=Kept)
def noisy_rate_backward(d_r: Array, d_bits: Array, kept: Any) -> tuple[Array, NonparametricParams]:
    """Gradients of `noisy_rate_forward`: that function read upwards (Eq. 21; Sec. 4.2).

    It has fast twins, which read what the twin of the forward has kept.

    Args:
        d_r: (C, n) gradient with respect to r.
        d_bits: (C,) gradient with respect to the bits of each channel.
        kept: what `noisy_rate_forward` kept.

    Returns:
        d_y and d_density: exact for this u, or, where the softness says so, d_y with the noise
        integrated out of the rate by Eq. (17), and with the derivative of r by Eq. (20).

    Raises:
        ValueError: see `check_noisy_rate_gradients`.
    """
    y, u, density, softness = kept
    alpha, _ = softness.alphas()
    rate_backward = (
        noisy_rate_bits_backward_expected if softness.expected_rate else noisy_rate_bits_backward
    )
    # the bits of a channel are one sum, whose gradient is a factor of all that they depend on
    one = xp_of(y).ones_like(y)
    d_one = rate_backward(one, y, u, density, cdf=nonparametric, alpha=alpha)
    d_y, d_density = scaled(d_one, d_bits)
    return reconstruction_backward(d_r, y, u, softness) + d_y, d_density


def reconstruction(y: Array, u: Array, softness: Softness) -> Array:
    """What a decoder sees, r_alpha_r(s_alpha(y) + u): Eq. (12).

    Args:
        y: coefficients, of any shape.
        u: noise of that shape.
        softness: how to round and differentiate.
    """
    alpha, alpha_r = softness.alphas()
    return noisy_reconstruction(y, u, alpha=alpha, alpha_r=alpha_r)


def reconstruction_backward(d_r: Array, y: Array, u: Array, softness: Softness) -> Array:
    """Gradient of `reconstruction`: exact for this u, or, where the softness says so, Eq. (20)."""
    alpha, alpha_r = softness.alphas()
    backward = (
        noisy_reconstruction_backward_expected
        if softness.expected_distortion
        else noisy_reconstruction_backward
    )
    return backward(d_r, y, u, alpha=alpha, alpha_r=alpha_r)
