"""The channel of a model with a density for each channel: the middle of Eq. (21), in one call.

    s = s_alpha(y),   z = s + u,   bits = -log2 p_{s(Y)+U}(z),   r = r_alpha_r(z)

`npuq.paper.soft_rounded_channel` has the equations, forward and backward. A model needs both at
once: its decoder goes on from r, and its backward pass needs how r and the bits depend on y, which
costs little more while s and z are at hand. So `noisy_rate` returns the values and their gradients,
and has a compiled twin that does it all in one pass.

Shapes: y, u, z, r are (C, n): channels, then the coefficients of each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npuq.backend import Array, xp_of
from npuq.nn import nonparametric
from npuq.nn.nonparametric import NonparametricParams
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
    """What `noisy_rate` returns: values first, then gradients.

    Attributes:
        r: (C, n) reconstructed coefficients.
        bits: (C,) float64, total bits of each channel.
        d_y: (C, n) gradient of all bits with respect to y.
        dr_dy: (C, n) derivative of r with respect to y, sampled or expected.
        d_density: gradient of all bits with respect to the density's parameters.
    """

    r: Array
    bits: Array
    d_y: Array
    dr_dy: Array
    d_density: NonparametricParams


def check_noisy_rate(y: Array, u: Array, density: NonparametricParams, softness: Softness) -> None:
    """Check the arguments of `noisy_rate`: compiled loops look at no bounds.

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


@has_twins(check=check_noisy_rate, returns=NoisyRate)
def noisy_rate(y: Array, u: Array, density: NonparametricParams, softness: Softness) -> NoisyRate:
    """Rate, reconstruction and gradients of one use of the channel (Eq. 21; Sec. 4.2).

    Args:
        y: (C, n) coefficients.
        u: (C, n) noise in [-1/2, 1/2).
        density: parameters of C channels.
        softness: how to round and differentiate.

    Returns:
        NoisyRate.

    Raises:
        ValueError, TypeError: see `check_noisy_rate`.

    Numerics: of the dtype of the arrays; bits are summed in float64. The compiled twin,
        `npuq.kernels.cpu.noisy_rate`, takes what is float32 throughout, for densities of widths
        3, 3, 3 and softnesses of 0 or from 0.01 to 80.
    """
    alpha, alpha_r = softness.alphas()
    one = xp_of(y).ones_like(y)

    bits = noisy_rate_bits(y, u, density, cdf=nonparametric, alpha=alpha)
    rate_backward = (
        noisy_rate_bits_backward_expected if softness.expected_rate else noisy_rate_bits_backward
    )
    d_y, d_density = rate_backward(one, y, u, density, cdf=nonparametric, alpha=alpha)

    r, dr_dy = reconstruction_and_slope(y, u, softness)
    return NoisyRate(r, bits.sum(axis=1, dtype=np.float64), d_y, dr_dy, d_density)


def reconstruction_and_slope(y: Array, u: Array, softness: Softness) -> tuple[Array, Array]:
    """r_alpha_r(s_alpha(y) + u) and its derivative with respect to y, sampled or expected (Eq. 20).

    Args:
        y: coefficients, of any shape.
        u: noise of that shape.
        softness: how to round and differentiate.
    """
    alpha, alpha_r = softness.alphas()
    backward = (
        noisy_reconstruction_backward_expected
        if softness.expected_distortion
        else noisy_reconstruction_backward
    )
    one = xp_of(y).ones_like(y)
    return (
        noisy_reconstruction(y, u, alpha=alpha, alpha_r=alpha_r),
        backward(one, y, u, alpha=alpha, alpha_r=alpha_r),
    )
