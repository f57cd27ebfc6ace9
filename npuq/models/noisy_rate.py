"""From coefficients to reconstructions and bits, with gradients: the middle of Eq. (21).

Everything between the two transforms of a model with a factorial non-parametric density:

    s = s_alpha(y),   z = s + u,   bits = -log2 p_{s(Y)+U}(z),   r = r_alpha_r(z).

Two twins of one meaning: `noisy_rate_reference` is composed of the functions of `npuq.paper` and
computes in the dtype of its arrays; `npuq.kernels.cpu.noisy_rate` does the same in one pass, in
float32. `noisy_rate` picks the kernel for float32 arrays on the host.

Shapes: y, u, z, r are (C, n): channels, then the coefficients of each.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array, xp_of
from npuq.nn import nonparametric
from npuq.nn.activations import softplus, softplus_backward
from npuq.nn.nonparametric import NonparametricParams
from npuq.nn.parameters import named_arrays
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
from npuq.runtime.compile import use_reference

KERNEL_ALPHA = (0.01, 80.0)  # where the kernel's float32 formulas keep their digits, beside 0
KERNEL_WIDTHS = (3, 3, 3)  # hidden widths of the densities that the kernel is written for


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


def noisy_rate(y: Array, u: Array, density: NonparametricParams, softness: Softness) -> NoisyRate:
    """Rate, reconstruction and gradients of one use of the channel (Eq. 21).

    Args:
        y: (C, n) coefficients.
        u: (C, n) noise in [-1/2, 1/2).
        density: parameters of C channels.
        softness: how to round and differentiate.

    Returns:
        NoisyRate.

    Raises:
        ValueError: `y` and `u` differ in shape, or have another number of channels than `density`;
            a softness is negative or NaN.
        TypeError: a softness is no number at all.

    Numerics: on the host, the compiled kernel computes in float32 if `y`, `u` and all of `density`
    are float32, the density's widths 3, 3, 3, and both softnesses 0 or from 0.01 to 80; it sums the
    bits of each channel in float64, block by block. Everything else (float64, other devices, widths
    or softness, and `NPUQ_KERNELS=reference`) goes to the plain twin.
    """
    alphas = _check(y, u, density, softness)
    is_written_out = tuple(b.shape[1] for b in density.b[:-1]) == KERNEL_WIDTHS
    if not (is_written_out and is_fast(alphas, y, u, *named_arrays(density).values())):
        return noisy_rate_reference(y, u, density, softness)
    from npuq.kernels.cpu import noisy_rate as cpu

    r, bits, d_y, dr_dy, d_weights = cpu.noisy_rate(
        np.ascontiguousarray(y), np.ascontiguousarray(u), _pack(density), *alphas,
        softness.expected_rate, softness.expected_distortion,
    )  # fmt: skip
    return NoisyRate(r, bits, d_y, dr_dy, _unpack_backward(d_weights, density))


def is_fast(alphas: tuple[float, float], *arrays: Array) -> bool:
    """Whether kernels can be used: for float32 on the host, and alphas that they are good for."""
    low, high = KERNEL_ALPHA
    on_host = all(xp_of(a) is np and a.dtype == np.float32 for a in arrays)
    in_range = all(alpha == 0 or low <= alpha <= high for alpha in alphas)
    return on_host and in_range and not use_reference()


def noisy_rate_reference(
    y: Array, u: Array, density: NonparametricParams, softness: Softness
) -> NoisyRate:
    """The plain twin of `noisy_rate`: Eqs. (4), (10), (14), (22), then (17) and (20).

    Arguments, result and errors as there; any float dtype and device. Only the sums of bits are
    always float64.
    """
    _check(y, u, density, softness)
    cdf: Any = nonparametric
    r, bits, d_y, dr_dy, d_density = rate_and_gradients(y, u, density, softness, cdf=cdf)
    return NoisyRate(r, bits.sum(axis=1, dtype=np.float64), d_y, dr_dy, d_density)


def rate_and_gradients(
    y: Array, u: Array, params: Any, softness: Softness, *, cdf: Any
) -> tuple[Array, Array, Array, Array, Any]:
    """One use of the channel with any density: Eqs. (4), (10), (14), (22), then (17) and (20).

    Args:
        y, u: coefficients and noise, of one shape.
        params: of the density of y.
        softness: how to round and differentiate.
        cdf: the density's CDF module.

    Returns:
        r and bits of each coefficient; then the gradient of all bits with respect to y, the
        derivative of r with respect to y, and the gradient of all bits with respect to `params`.

    Raises:
        ValueError: a softness is negative or NaN.
    """
    alpha, alpha_r = softness.alphas()
    s = soft_round(y, alpha)
    z = uniform_noise_channel(s, u)
    bits = rate_bits(z, params, cdf=cdf, alpha=alpha)
    r = soft_round_conditional_mean(z, alpha_r)

    one = xp_of(y).ones_like(y)
    if softness.expected_distortion:
        d_s_distortion = soft_round_conditional_mean_backward_expected(one, z, alpha_r)
    else:
        d_s_distortion = soft_round_conditional_mean_backward(one, z, alpha_r)
    d_s_rate, d_params = rate_bits_backward(one, z, params, cdf=cdf, alpha=alpha)
    if softness.expected_rate:
        d_s_rate = rate_bits_backward_expected(one, s, params, cdf=cdf, alpha=alpha)
    d_y = soft_round_backward(d_s_rate, y, alpha)
    return r, bits, d_y, soft_round_backward(d_s_distortion, y, alpha), d_params


def _check(
    y: Array, u: Array, density: NonparametricParams, softness: Softness
) -> tuple[float, float]:
    """(alpha, alpha_r), after a check of the arguments: the compiled kernel looks at no bounds."""
    channels = density.H[0].shape[0]
    if y.ndim != 2 or y.shape[0] != channels or u.shape != y.shape:
        raise ValueError(
            f"y and u must have one shape ({channels}, n), with the {channels} channels of the "
            f"density, not {y.shape} and {u.shape}"
        )
    return softness.alphas()


def _pack(density: NonparametricParams) -> Array:
    """(C, w): per layer the entries of softplus(H), then b, then tanh(a), as the kernel reads."""
    channels = density.H[0].shape[0]
    parts = []
    for k, (H, b) in enumerate(zip(density.H, density.b, strict=True)):
        parts += [softplus(H).reshape(channels, -1), b.reshape(channels, -1)]
        if k < len(density.a):
            parts.append(np.tanh(density.a[k]).reshape(channels, -1))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _unpack_backward(d_weights: Array, density: NonparametricParams) -> NonparametricParams:
    """The gradient of `_pack`: d_weights (C, w) back to the parameters before softplus and tanh."""
    d_H, d_a, d_b, at = [], [], [], 0

    def take(like: Array) -> Array:
        nonlocal at
        size = like[0].size
        at += size
        return d_weights[:, at - size : at].reshape(like.shape)

    for k, (H, b) in enumerate(zip(density.H, density.b, strict=True)):
        d_H.append(softplus_backward(take(H), H))
        d_b.append(take(b).copy())
        if k < len(density.a):
            a = density.a[k]
            d_a.append(take(a) * (1 - np.tanh(a) ** 2))
    return NonparametricParams(tuple(d_H), tuple(d_a), tuple(d_b))
