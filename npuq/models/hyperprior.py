"""The mean & scale hyperprior of Sec. 5.1 (Minnen, Ballé & Toderici 2018, not autoregressive).

Four stacks of convolutions around two noise channels:

    y = f(x),   v = h(y),   w = v + u_1,   (sigma, mu) = m(w),
    s = s_alpha(y - mu),   z = s + u_2,   x_hat = g(r_alpha(z) + mu)            (Eq. 24)

Coefficients y are coded by normal densities N(mu, sigma) (Eq. 23), hyper-latents v by
non-parametric ones. Layer for layer the architecture is that of CompressAI's
`MeanScaleHyperprior`, so that parameters can be exchanged (`npuq.exchange.compressai`).

Imported models may be of the older scale hyperprior (Ballé, Minnen, Singh, Hwang & Johnston 2018),
see `has_means`. They can be coded with, not trained.

Shapes, channels last:
    x, x_hat       (B, H, W, 3) pixels of 0..1, H and W multiples of 64
    y, mu, sigma   (B, H/16, W/16, M)
    v, w           (B, H/64, W/64, N)
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from npuq.backend import Array, Scalar, xp_of
from npuq.models.conditional_rate import (
    ConditionalRate,
    conditional_rate_backward_straight_through,
    conditional_rate_forward,
)
from npuq.models.layers import (
    DOWN,
    FLAT,
    UP,
    Conv,
    Gdn,
    stack_backward_straight_through,
    stack_forward,
)
from npuq.models.noisy_rate import NoisyRate, Softness, noisy_rate_backward, noisy_rate_forward
from npuq.nn import nonparametric
from npuq.nn.activations import leaky_relu
from npuq.nn.non_negative import non_negative_inverse
from npuq.nn.nonparametric import NonparametricParams
from npuq.nn.parameters import shape_only

ANALYSIS, SYNTHESIS = (DOWN,) * 4, (UP,) * 4
HYPER_ANALYSIS, HYPER_SYNTHESIS = (FLAT, DOWN, DOWN), (UP, UP, FLAT)
DENSITY_WIDTHS = (3, 3, 3, 3)
SIZES = {"small": (64, 96), "base": (128, 192), "full": (192, 320)}
"""(N, M) by name."""
PEAK = 255.0
"""White in grey levels: the distortion is in units of them, as in the linear model."""


class HyperpriorParams(NamedTuple):
    """Parameters; `..._gdn` stand between the convolutions of the stack of that name."""

    analysis: tuple[Conv, ...]
    analysis_gdn: tuple[Gdn, ...]
    synthesis: tuple[Conv, ...]
    synthesis_gdn: tuple[Gdn, ...]
    hyper_analysis: tuple[Conv, ...]
    hyper_synthesis: tuple[Conv, ...]
    hyper_density: NonparametricParams


class Loss(NamedTuple):
    """Bits per pixel (of both latents) + lambda * mean squared error (Eq. 21).

    In double precision, and where the parameters lie: nothing here waits for a device.
    """

    loss: Scalar
    bpp: Scalar
    mse: Scalar
    hyper_bpp: Scalar


class Kept(NamedTuple):
    """What `loss_backward` needs of the forward pass."""

    y_kept: list[Array]
    v_kept: list[Array]
    w_kept: list[Array]
    x_kept: list[Array]
    hyper: NoisyRate
    coded: ConditionalRate
    error: Array


def init(
    rng: np.random.Generator,
    *,
    channels: int = 128,
    latents: int = 192,
    init_scale: float = 10.0,
    dtype: npt.DTypeLike = np.float32,
    means: bool = True,
) -> HyperpriorParams:
    """Parameters to begin training from (Sec. 5.1).

    Kernels are uniform within sqrt(1 / fan-in) of 0 as in PyTorch, GDN begins near the identity
    (beta = 1, gamma = 0.1 I).

    Args:
        rng: source of randomness.
        channels: N, of all hidden layers and of the hyper-latents.
        latents: M, of the coefficients.
        init_scale: initial scale of the density of hyper-latents.
        dtype: of all parameters.
        means: or else of the scale hyperprior, see `has_means`.

    Raises:
        ValueError: a width is not positive, or M is odd where there are means.
    """
    N, M = channels, latents
    _check_widths(N, M, means)

    def down(c_in: int, c_out: int, k: int = 5) -> Conv:
        return _uniform_conv(rng, (c_out, c_in, k, k), c_out, c_in * k * k, dtype)

    def up(c_in: int, c_out: int, k: int = 5) -> Conv:
        return _uniform_conv(rng, (c_in, c_out, k, k), c_out, c_out * k * k, dtype)

    def gdn() -> Gdn:
        beta = non_negative_inverse(np.ones(N), 1e-6)
        return Gdn(beta.astype(dtype), non_negative_inverse(0.1 * np.eye(N)).astype(dtype))

    return HyperpriorParams(
        analysis=(down(3, N), down(N, N), down(N, N), down(N, M)),
        analysis_gdn=(gdn(), gdn(), gdn()),
        synthesis=(up(M, N), up(N, N), up(N, N), up(N, 3)),
        synthesis_gdn=(gdn(), gdn(), gdn()),
        hyper_analysis=(down(M, N, 3), down(N, N), down(N, N)),
        hyper_synthesis=(
            (up(N, M), up(M, M * 3 // 2), down(M * 3 // 2, 2 * M, 3))
            if means
            else (up(N, N), up(N, N), down(N, M, 3))
        ),
        hyper_density=nonparametric.init(
            rng, N, widths=DENSITY_WIDTHS, init_scale=init_scale, dtype=dtype
        ),
    )


def shapes(*, channels: int, latents: int, means: bool = True) -> HyperpriorParams:
    """The shapes of what `init` makes, taking no memory.

    Raises:
        ValueError: a width is not positive, or M is odd where there are means.
    """
    N, M = channels, latents
    _check_widths(N, M, means)

    def down(c_in: int, c_out: int, k: int = 5) -> Conv:
        return Conv(shape_only(c_out, c_in, k, k), shape_only(c_out))

    def up(c_in: int, c_out: int, k: int = 5) -> Conv:
        return Conv(shape_only(c_in, c_out, k, k), shape_only(c_out))

    gdn = (Gdn(shape_only(N), shape_only(N, N)),) * 3
    return HyperpriorParams(
        analysis=(down(3, N), down(N, N), down(N, N), down(N, M)),
        analysis_gdn=gdn,
        synthesis=(up(M, N), up(N, N), up(N, N), up(N, 3)),
        synthesis_gdn=gdn,
        hyper_analysis=(down(M, N, 3), down(N, N), down(N, N)),
        hyper_synthesis=(
            (up(N, M), up(M, M * 3 // 2), down(M * 3 // 2, 2 * M, 3))
            if means
            else (up(N, N), up(N, N), down(N, M, 3))
        ),
        hyper_density=nonparametric.shapes(N, DENSITY_WIDTHS),
    )


def _check_widths(channels: int, latents: int, means: bool) -> None:
    if channels < 1 or latents < 1 or (means and latents % 2):
        raise ValueError(
            "channels and latents must be positive, and latents even in a model with means, not "
            f"{channels} and {latents}"
        )


def _uniform_conv(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    channels: int,
    fan_in: int,
    dtype: npt.DTypeLike,
) -> Conv:
    bound = math.sqrt(1 / fan_in)
    w, b = rng.uniform(-bound, bound, shape), rng.uniform(-bound, bound, channels)
    return Conv(w.astype(dtype), b.astype(dtype))


def has_means(params: HyperpriorParams) -> bool:
    """Whether the hyper-synthesis gives means beside scales, 2M channels in all (Eq. 23).

    With M channels, the model is the scale hyperprior of Ballé et al. (2018): mu = 0, the
    hyper-analysis sees |y|, and ReLUs stand in the place of leaky ones and after the scales.
    """
    return params.hyper_synthesis[-1].w.shape[0] == 2 * params.analysis[-1].w.shape[0]


def hyper_analyse(y: Array, params: HyperpriorParams) -> tuple[Array, list[Array]]:
    """h: the hyper-latents v of coefficients, and what the backward pass needs (Sec. 5.1)."""
    if has_means(params):
        return stack_forward(y, params.hyper_analysis, HYPER_ANALYSIS, None)
    return stack_forward(xp_of(y).abs(y), params.hyper_analysis, HYPER_ANALYSIS, None, slope=0.0)


def hyper_synthesise(w: Array, params: HyperpriorParams) -> tuple[Array, Array, list[Array]]:
    """m: sigma and mu of the coefficients, and what the backward pass needs (Eq. 23)."""
    if not has_means(params):
        sigma, kept = stack_forward(w, params.hyper_synthesis, HYPER_SYNTHESIS, None, slope=0.0)
        return leaky_relu(sigma, 0.0), xp_of(w).zeros_like(sigma), kept
    both, kept = stack_forward(w, params.hyper_synthesis, HYPER_SYNTHESIS, None)
    sigma, mu = xp_of(w).split(both, 2, axis=-1)
    return sigma, mu, kept


def hyper_means(w: Array, params: HyperpriorParams) -> Array:
    """mu alone of `hyper_synthesise`, where the scales are found in integers (Eq. 23)."""
    *convs, last = params.hyper_synthesis
    means = last.w.shape[0] // 2
    if not has_means(params):
        B, rows, columns, _ = w.shape
        return xp_of(w).zeros((B, 4 * rows, 4 * columns, last.w.shape[0]), w.dtype)
    convs.append(Conv(last.w[means:], last.b[means:]))
    return stack_forward(w, convs, HYPER_SYNTHESIS, None)[0]


def loss_forward(
    params: HyperpriorParams,
    x: Array,
    u_1: Array,
    u_2: Array,
    *,
    lmbda: float,
    softness: Softness,
) -> tuple[Loss, Kept]:
    """The rate-distortion loss of a batch (Eqs. 21, 23 and 24).

    Args:
        params: the model.
        x: pixels of 0..1.
        u_1, u_2: uniform noise in [-1/2, 1/2) of the shapes of v and y.
        lmbda: lambda, bits per pixel per squared grey level.
        softness: rounding; alpha = 0 is the plain centred model (UN).

    Returns:
        The loss and what `loss_backward` needs.

    Raises:
        ValueError: a model without means, or x is not a batch of pixels, of sides in 64s.
    """
    if x.ndim != 4 or x.shape[3] != 3 or not x.size or x.shape[1] % 64 or x.shape[2] % 64:
        raise ValueError(
            f"x must be (B, H, W, 3) with B > 0, H and W multiples of 64, not {x.shape}"
        )
    if not has_means(params):
        raise ValueError("params are of a scale hyperprior, which has no means and is not trained")
    y, y_kept = stack_forward(x, params.analysis, ANALYSIS, params.analysis_gdn)
    v, v_kept = hyper_analyse(y, params)
    hyper = noisy_rate_forward(_rows(v), _rows(u_1), params.hyper_density, Softness())
    w = _from_rows(hyper.r, v.shape)  # v + u_1: without soft rounding r is what is received
    sigma, mu, w_kept = hyper_synthesise(w, params)
    coded = conditional_rate_forward(y - mu, u_2, sigma, softness)
    x_hat, x_kept = stack_forward(
        coded.r + mu, params.synthesis, SYNTHESIS, params.synthesis_gdn, inverse=True
    )
    error = x_hat - x
    pixels = _pixels(x)
    hyper_bpp = hyper.bits.sum() / pixels
    bpp = hyper_bpp + coded.bits.sum(dtype=np.float64) / pixels
    mse = PEAK**2 * xp_of(x).vdot(error, error).astype(np.float64) / error.size
    kept = Kept(y_kept, v_kept, w_kept, x_kept, hyper, coded, error)
    return Loss(bpp + lmbda * mse, bpp, mse, hyper_bpp), kept


def loss_backward(
    d_loss: float,
    kept: Kept,
    params: HyperpriorParams,
    x: Array,
    u_1: Array,
    u_2: Array,
    *,
    lmbda: float,
    softness: Softness,
) -> HyperpriorParams:
    """Gradients of the loss: `loss_forward` read upwards (Eqs. 21 and 24).

    Args:
        d_loss: the upstream gradient, 1 where the loss is what is minimised.
        kept: what `loss_forward` kept.
        params, x, u_1, u_2, lmbda, softness: as in `loss_forward`; the channel of the latents goes
            back by the gradients, sampled or expected, of that softness.

    Returns:
        Gradients in the type of the parameters.
    """
    xp, coded, hyper = xp_of(x), kept.coded, kept.hyper
    d_x_hat = kept.error * (2 * (d_loss * lmbda) * PEAK**2 / kept.error.size)
    # the same for each coefficient: one number, which stands for all and takes no memory
    d_bits = xp.full((), d_loss / _pixels(x), coded.bits.dtype)
    d_hyper_bits = xp.full_like(hyper.bits, d_loss / _pixels(x))
    d_decoded, d_synthesis, d_synthesis_gdn = stack_backward_straight_through(
        d_x_hat, kept.x_kept, params.synthesis, SYNTHESIS, params.synthesis_gdn, inverse=True
    )
    d_t, d_sigma = conditional_rate_backward_straight_through(
        d_decoded, xp.broadcast_to(d_bits, coded.bits.shape), coded.kept
    )
    d_mu = d_decoded - d_t  # the decoder sees r(t) + mu with t = y - mu
    d_w, d_hyper_synthesis, _ = stack_backward_straight_through(
        xp.concatenate((d_sigma, d_mu), axis=-1),
        kept.w_kept,
        params.hyper_synthesis,
        HYPER_SYNTHESIS,
        None,
    )
    d_rows, d_density = noisy_rate_backward(_rows(d_w), d_hyper_bits, hyper.kept)
    d_v = _from_rows(d_rows, d_w.shape)
    d_y, d_hyper_analysis, _ = stack_backward_straight_through(
        d_v, kept.v_kept, params.hyper_analysis, HYPER_ANALYSIS, None
    )
    _, d_analysis, d_analysis_gdn = stack_backward_straight_through(
        d_y + d_t, kept.y_kept, params.analysis, ANALYSIS, params.analysis_gdn, needs_d_x=False
    )
    assert d_analysis_gdn is not None and d_synthesis_gdn is not None
    return HyperpriorParams(
        d_analysis,
        d_analysis_gdn,
        d_synthesis,
        d_synthesis_gdn,
        d_hyper_analysis,
        d_hyper_synthesis,
        d_density,
    )


def _rows(v: Array) -> Array:
    """(B, h, w, N) -> (N, B h w): the density's order."""
    return v.reshape(-1, v.shape[-1]).T


def _from_rows(rows: Array, shape: tuple[int, ...]) -> Array:
    return rows.T.reshape(shape)


def _pixels(x: Array) -> int:
    return x.shape[0] * x.shape[1] * x.shape[2]
