"""The quantizers that the paper compares itself with: Sec. 2, and the contrasts of Secs. 3.2, 4.1.

    Toderici et al. (2016)    stochastic rounding    floor(y) + Bernoulli(y - floor(y))
    Theis et al. (2017)       rounding               [y], the gradient straight through
    Agustsson et al. (2017)   soft-to-hard           s_alpha(y), no noise, alpha annealed
    Choi et al. (2019)        dithered rounding      [y - u] + u, one u for all coefficients
    Roberts (1962)            the same, of pixels    [y - u] + u, a u for each

Rounding and its straight-through gradient are in `npuq.paper.channel`, soft rounding is in
`npuq.paper.soft_round`. Here is the rest. All are made of one rounding and one uniform number: what
is sent, [y + u] or [y - u], is in distribution the same; dither is what the receiver subtracts
again.

The soft-to-hard quantizer of Agustsson et al. is the mean of all centres with the weights
softmax(-alpha (y - centre)^2). For scalars and the two nearest integers as centres this is
floor(y) + 1/2 + tanh(alpha r) / 2 with r = y - floor(y) - 1/2: Eq. (10) but for the factor
1 / tanh(alpha / 2), which makes s_alpha continuous.

Shapes: `y` of any shape; `u` in [-1/2, 1/2), of the same shape or one number.
"""

from __future__ import annotations

from npuq.backend import Array, floats
from npuq.paper.channel import (
    round_half_up,
    uniform_noise_channel,
    uniform_noise_channel_backward,
    universal_dequantize,
    universal_quantize,
)

WHITE = 255.0
"""The brightest grey level; the darkest is 0."""


def stochastic_round(y: Array, u: Array) -> Array:
    """Stochastic rounding, floor(y) + Bernoulli(y - floor(y)): Sec. 2 (Toderici et al. 2016).

    Computed as [y + u]: rounding of what leaves the noise channel of Eq. (4). The mean over u is y,
    the variance f (1 - f) with f the fraction of y: on average over f 1/6, twice that of rounding.

    Args:
        y: coefficients.
        u: uniform noise that the receiver need not know.

    Returns:
        Integers of the dtype of `y`, one of the two nearest.

    Raises:
        ValueError: the shapes differ.
    """
    return round_half_up(uniform_noise_channel(y, u))


def stochastic_round_backward_straight_through(d_k: Array, y: Array, u: Array) -> Array:
    """Straight-through gradient of stochastic rounding: Sec. 2 (Toderici et al. 2016).

    It is the derivative of the mean of `stochastic_round` over u.

    Args:
        d_k: gradient with respect to the rounded values.
        y: coefficients.
        u: the noise, which has no gradient.

    Returns:
        The gradient with respect to `y`.
    """
    return uniform_noise_channel_backward(d_k, y, u)[0]


def dithered_round(y: Array, u: Array) -> Array:
    """Rounding to a grid that is moved by u, [y - u] + u: Eq. (5), Sec. 3.2.

    Args:
        y: coefficients.
        u: the dither; one number for all of them is the shared shift of Choi et al. (2019), 0 is
            plain rounding.

    Returns:
        What the receiver of [y - u] knows, within 1/2 of `y`.

    Raises:
        ValueError: the shapes differ.
    """
    return universal_dequantize(universal_quantize(y, u), u)


def dithered_round_backward_straight_through(d_z: Array, y: Array, u: Array) -> Array:
    """Straight-through gradient of dithered rounding: Sec. 2 (Choi et al. 2019).

    For each y it is the derivative of the mean of `dithered_round` over u, by Eq. (6).

    Args:
        d_z: gradient with respect to the values of `dithered_round`.
        y: coefficients.
        u: the dither, which has no gradient.

    Returns:
        The gradient with respect to `y`.
    """
    return uniform_noise_channel_backward(d_z, y, u)[0]


def dithered_pixels(pixels: Array, u: Array, levels: int) -> Array:
    """Universal quantization of pixels, "picture coding using pseudo-random noise": Sec. 2.

    After Roberts (1962): noise is added to a picture, few bits of each sample are sent, and the
    receiver subtracts the same noise. The error is uniform and independent of the picture (Eq. 6),
    where that of plain quantization (u = 0) draws contours. Both send one of `levels` symbols for
    each sample, and have the same mean squared error where the picture is smooth.

    Args:
        pixels: grey or colour samples, 0 to 255.
        u: the dither, of the shape of `pixels`; or one number, 0 for plain quantization.
        levels: symbols a sample, at least 2.

    Returns:
        What the receiver shows, from 0 to 255; floats.

    Raises:
        ValueError: `levels` is below 2, or the shapes differ.
    """
    if levels < 2:
        raise ValueError(f"levels must be at least 2, not {levels}")
    step = WHITE / (levels - 1)
    return (step * dithered_round(floats(pixels, "pixels") / step, u)).clip(0, WHITE)
