"""The rate-distortion losses: Eqs. 1, 2 and 21.

Each is (rate in bits, distortion); `rate_distortion` weighs them. The transforms f (encoder) and g
(decoder), the code length `bits` of coefficients and the distortion d are passed as functions, so
that the three losses can be read, and compared, line by line.

Convention (the paper leaves the units open): lambda times MSE on the 0..255 scale is added to bits
per pixel, see `rate_distortion`.
"""

from __future__ import annotations

from collections.abc import Callable

from npuq.arguments import pair
from npuq.backend import Array
from npuq.paper.channel import round_half_up, uniform_noise_channel
from npuq.paper.soft_round import soft_round, soft_round_conditional_mean

Function = Callable[[Array], Array]


def quantized_loss(
    x: Array, f: Function, g: Function, bits: Function, d: Callable[[Array, Array], float]
) -> tuple[float, float]:
    """Rate and distortion with hard quantization: -log2 P([f(x)]) and d(x, g([f(x)])), Eq. (1).

    Args:
        x: the data.
        f: encoder, x -> y.
        g: decoder, coefficients -> reconstruction.
        bits: code length -log2 P of each integer coefficient.
        d: distortion of (x, reconstruction).

    Returns:
        (total bits, distortion). Its derivative with respect to f vanishes almost everywhere.
    """
    k = round_half_up(f(x))
    return float(bits(k).sum()), d(x, g(k))


def noisy_loss(
    x: Array,
    u: Array,
    f: Function,
    g: Function,
    bits: Function,
    d: Callable[[Array, Array], float],
) -> tuple[float, float]:
    """Rate and distortion over the noise channel: -log2 p(f(x) + u), d(x, g(f(x) + u)), Eq. (2).

    Args:
        x: the data.
        u: uniform noise of the shape of f(x).
        f: encoder.
        g: decoder.
        bits: -log2 p of each noisy coefficient, p the density of Y + U (Eq. 43).
        d: distortion.

    Returns:
        (total bits, distortion): the training loss of UN and, with u the dither, the test loss of
        UN + UQ (Sec. 3.2).
    """
    z = uniform_noise_channel(f(x), u)
    return float(bits(z).sum()), d(x, g(z))


def soft_rounded_loss(
    x: Array,
    u: Array,
    f: Function,
    g: Function,
    bits: Function,
    d: Callable[[Array, Array], float],
    *,
    alpha: float,
    alpha_r: float | None = None,
) -> tuple[float, float]:
    """Rate and distortion with soft rounding: one sample of the expectations of Eq. (21).

    Args:
        x: the data.
        u: uniform noise of the shape of f(x).
        f: encoder.
        g: decoder.
        bits: -log2 p of each noisy coefficient, p the density of s_alpha(Y) + U (Eq. 22).
        d: distortion.
        alpha: softness of s_alpha.
        alpha_r: softness of r_alpha if it is another one (s_7 with r_16 in Fig. 2B).

    Returns:
        (total bits, distortion). For alpha = 0 it is Eq. (2); as alpha grows it tends to Eq. (1).
    """
    z = uniform_noise_channel(soft_round(f(x), alpha), u)
    r = soft_round_conditional_mean(z, alpha if alpha_r is None else alpha_r)
    return float(bits(z).sum()), d(x, g(r))


def mse(x: Array, x_hat: Array) -> float:
    """Mean squared error, the distortion d of Sec. 5.2.

    Args:
        x: the data.
        x_hat: its reconstruction, same shape.

    Returns:
        The mean over everything, in squared units of x.

    Raises:
        ValueError: if x is empty, or the shapes differ.
    """
    x, x_hat = _both(x, x_hat)
    return float(((x_hat - x) ** 2).mean())


def mse_backward(d_mse: float, x: Array, x_hat: Array) -> tuple[Array, Array]:
    """Gradients of `mse`, the distortion of Sec. 5.2.

    Args:
        d_mse: gradient with respect to the mean squared error.
        x: the data.
        x_hat: its reconstruction.

    Returns:
        (d_x, d_x_hat).

    Raises:
        ValueError: if x is empty, or the shapes differ.
    """
    x, x_hat = _both(x, x_hat)
    d_x_hat = float(2 * d_mse / x.size) * (x_hat - x)
    return -d_x_hat, d_x_hat


def rate_distortion(rate_bits: float, distortion: float, *, lmbda: float, pixels: int) -> float:
    """The loss R + lambda D of Eqs. (1), (2) and (21), per pixel.

    Args:
        rate_bits: total bits.
        distortion: mean squared error on the 0..255 scale.
        lmbda: the trade-off lambda, bits per pixel per squared grey level.
        pixels: number of pixels that the bits are spent on.

    Returns:
        Bits per pixel plus lambda times the mean squared error.
    """
    return rate_bits / pixels + lmbda * distortion


def _both(x: Array, x_hat: Array) -> tuple[Array, Array]:
    x, x_hat = pair(x, "x", x_hat, "x_hat")
    if x.size == 0:
        raise ValueError("x is empty: it has no mean squared error")
    return x, x_hat
