"""A coefficient through soft rounding and noise: the middle of Eq. (21), where Sec. 4.2 ends up.

    s = s_alpha(y),   z = s + u,   bits = -log2 p_{s(Y)+U}(z),   r = r_alpha(z)

with y = f(x) what the encoder says. Two functions of y, the rate and the reconstruction, and of
each of them two ways back:

    ..._backward             along the sampled path, the exact derivative for this u
    ..._backward_expected    Sec. 4.2: the noise is integrated out, by Eq. (17) of the rate and by
                             Eq. (20) of the reconstruction

On either way s keeps its exact derivative, as nothing about it is random; and the parameters of
the density get the sampled gradient: `npuq.paper.expected_gradient` says why. The models choose
between the two by `npuq.models.noisy_rate.Softness`.

Shapes: y and u have one shape, and so have bits and r; `params` and `cdf` are those of
`npuq.paper.density`. `u` is noise and has no gradient.
"""

from __future__ import annotations

from typing import Any

from npuq.backend import Array
from npuq.paper.channel import uniform_noise_channel, uniform_noise_channel_backward
from npuq.paper.density import Cdf, rate_bits, rate_bits_backward
from npuq.paper.expected_gradient import (
    rate_bits_backward_expected,
    soft_round_conditional_mean_backward_expected,
)
from npuq.paper.soft_round import (
    soft_round,
    soft_round_backward,
    soft_round_conditional_mean,
    soft_round_conditional_mean_backward,
)


def noisy_rate_bits(y: Array, u: Array, params: Any, *, cdf: Cdf, alpha: float = 0.0) -> Array:
    """The rate term of Eq. (21), -log2 p_{s(Y)+U}(s_alpha(y) + u), of each coefficient.

    Args:
        y: coefficients f(x).
        u: noise in [-1/2, 1/2).
        params: parameters of the distribution of Y.
        cdf: its module, see `npuq.paper.density`.
        alpha: softness; 0 is the plain noise channel of Eq. (2).

    Returns:
        Bits.

    Raises:
        ValueError: the shapes of `y` and `u` differ.
    """
    s = soft_round(y, alpha)
    z = uniform_noise_channel(s, u)
    return rate_bits(z, params, cdf=cdf, alpha=alpha)


def noisy_rate_bits_backward(
    d_bits: Array, y: Array, u: Array, params: Any, *, cdf: Cdf, alpha: float = 0.0
) -> tuple[Array, Any]:
    """Gradients of `noisy_rate_bits`, Eq. (21), along the sampled path.

    Returns:
        d_y and d_params.
    """
    s = soft_round(y, alpha)
    z = uniform_noise_channel(s, u)
    d_z, d_params = rate_bits_backward(d_bits, z, params, cdf=cdf, alpha=alpha)
    d_s, _ = uniform_noise_channel_backward(d_z, s, u)
    return soft_round_backward(d_s, y, alpha), d_params


def noisy_rate_bits_backward_expected(
    d_bits: Array, y: Array, u: Array, params: Any, *, cdf: Cdf, alpha: float = 0.0
) -> tuple[Array, Any]:
    """The gradient of the rate with the noise integrated out: Eq. (17), Sec. 4.2.

    Returns:
        d_y, the derivative of the mean of `noisy_rate_bits` over u, exact; and d_params, that of
        this u.
    """
    s = soft_round(y, alpha)
    z = uniform_noise_channel(s, u)
    _, d_params = rate_bits_backward(d_bits, z, params, cdf=cdf, alpha=alpha)
    d_s = rate_bits_backward_expected(d_bits, s, params, cdf=cdf, alpha=alpha)
    return soft_round_backward(d_s, y, alpha), d_params


def noisy_reconstruction(y: Array, u: Array, *, alpha: float, alpha_r: float) -> Array:
    """What the decoder of Eq. (21) sees: r_alpha(s_alpha(y) + u), Eq. (12).

    Args:
        y: coefficients f(x).
        u: noise in [-1/2, 1/2).
        alpha: softness of s.
        alpha_r: softness of r, the same but where Fig. 2B trains s_7 with r_16.

    Returns:
        r.

    Raises:
        ValueError: the shapes of `y` and `u` differ.
    """
    s = soft_round(y, alpha)
    z = uniform_noise_channel(s, u)
    return soft_round_conditional_mean(z, alpha_r)


def noisy_reconstruction_backward(
    d_r: Array, y: Array, u: Array, *, alpha: float, alpha_r: float
) -> Array:
    """Gradient of `noisy_reconstruction`, Eqs. (12) and (21), along the sampled path: d_y."""
    s = soft_round(y, alpha)
    z = uniform_noise_channel(s, u)
    d_z = soft_round_conditional_mean_backward(d_r, z, alpha_r)
    d_s, _ = uniform_noise_channel_backward(d_z, s, u)
    return soft_round_backward(d_s, y, alpha)


def noisy_reconstruction_backward_expected(
    d_r: Array, y: Array, u: Array, *, alpha: float, alpha_r: float
) -> Array:
    """`noisy_reconstruction_backward` with 1 for the derivative of r: Eq. (20), Sec. 4.2.

    Returns:
        d_y. Its mean over u is the gradient of the expected loss where the loss is linear in r.
    """
    s = soft_round(y, alpha)
    z = uniform_noise_channel(s, u)
    d_z = soft_round_conditional_mean_backward_expected(d_r, z, alpha_r)
    d_s, _ = uniform_noise_channel_backward(d_z, s, u)
    return soft_round_backward(d_s, y, alpha)
