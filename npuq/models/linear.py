"""The linear model of Sec. 5.1: blocks of 8x8 pixels, one matrix there and one back.

The encoder is a convolution of kernel 8 and stride 8 with 192 channels, the decoder a transposed
convolution. As kernel and stride agree, blocks do not overlap, and both are matrix products with
the pixels of each block as one column:

    y = W (x - 127.5),   x_hat = V^T r + 127.5.

Shapes:
    N, H, W     images of a batch, their height and width
    h, w        H/8 and W/8, rounded up: rows and columns of blocks
    blocks      (192, n): the 3 x 8 x 8 pixels of each of n = N h w blocks, less 127.5
    y, u, r     (192, n) or (192, h, w): coefficients, noise, reconstructed coefficients
    weights     (192, 3, 8, 8): of conv2d and of conv_transpose2d in `npuq.nn` (and in PyTorch)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from npuq.backend import Array, Scalar, xp_of
from npuq.models.grey import made_grey
from npuq.models.noisy_rate import NoisyRate, Softness, noisy_rate_backward, noisy_rate_forward
from npuq.models.older_rate import older_rate_backward_straight_through, older_rate_forward
from npuq.nn import nonparametric
from npuq.nn.initialize import jpeg_analysis, jpeg_synthesis, random_orthogonal
from npuq.nn.nonparametric import NonparametricParams
from npuq.nn.parameters import shape_only
from npuq.nn.products import product

BLOCK = 8
CHANNELS = 3 * BLOCK * BLOCK
GREY = 127.5
"""Middle of the range of pixels, subtracted so that coefficients are centred."""


class LinearParams(NamedTuple):
    """Parameters of the linear model (Sec. 5.1); shapes at the top of the file."""

    analysis: Array
    synthesis: Array
    density: NonparametricParams


class Loss(NamedTuple):
    """What a training step reports: bits per pixel + lambda * mean squared error (Eq. 21).

    In double precision, and where the parameters lie: nothing here waits for a device.
    """

    loss: Scalar
    bpp: Scalar
    mse: Scalar


def init(
    rng: np.random.Generator,
    *,
    start: str = "orthogonal",
    step: float = 1.0,
    init_scale: float = 10.0,
    widths: tuple[int, ...] = (3, 3, 3),
    dtype: npt.DTypeLike = np.float32,
) -> LinearParams:
    """Parameters to begin training from (Sec. 5.1; Fig. 5A for "jpeg").

    Args:
        rng: source of randomness.
        start: "orthogonal", two independent random orthogonal matrices, or "jpeg", the colour
            transform and DCT of JPEG and their inverse.
        step: quantization step in grey levels: the analysis is divided and the synthesis multiplied
            by it. The density models are for coefficients of integer steps.
        init_scale: initial scale of the densities.
        widths: of the density's hidden layers.
        dtype: of all parameters.

    Raises:
        ValueError: unknown `start`, or `step` not positive.
    """
    if not step > 0:
        raise ValueError(f"step must be positive, not {step}")
    if start == "orthogonal":
        analysis, synthesis = (random_orthogonal(rng, CHANNELS, np.float64) for _ in range(2))
    elif start == "jpeg":
        analysis, synthesis = jpeg_analysis(), jpeg_synthesis().T
    else:
        raise ValueError(f"start must be 'orthogonal' or 'jpeg', not {start!r}")
    shape = (CHANNELS, 3, BLOCK, BLOCK)
    return LinearParams(
        analysis=(analysis / step).reshape(shape).astype(dtype),
        synthesis=(synthesis * step).reshape(shape).astype(dtype),
        density=nonparametric.init(
            rng, CHANNELS, widths=widths, init_scale=init_scale, dtype=dtype
        ),
    )


def shapes(widths: tuple[int, ...] = (3, 3, 3)) -> LinearParams:
    """The shapes of what `init` makes, taking no memory.

    Raises:
        ValueError: a width is not positive.
    """
    kernels = shape_only(CHANNELS, 3, BLOCK, BLOCK)
    return LinearParams(kernels, kernels, nonparametric.shapes(CHANNELS, widths))


def pad_to_blocks(image: Array) -> Array:
    """(H, W, 3) -> (8 h, 8 w, 3): the last row and column repeated up to whole blocks."""
    height, width = image.shape[:2]
    if height % BLOCK == width % BLOCK == 0:
        return image
    return np.pad(image, ((0, -height % BLOCK), (0, -width % BLOCK), (0, 0)), mode="edge")


def images_to_blocks(images: Array, dtype: npt.DTypeLike = np.float32) -> Array:
    """(N, 8 h, 8 w, 3) pixels of 0..255 -> blocks (192, N h w)."""
    count, height, width, _ = images.shape
    parts = images.reshape(count, height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3)
    columns = parts.transpose(5, 2, 4, 0, 1, 3).astype(dtype, order="C")
    columns -= columns.dtype.type(GREY)
    return columns.reshape(CHANNELS, -1)


def blocks_to_images(blocks: Array, shape: tuple[int, int, int]) -> Array:
    """Blocks (192, N h w) -> (N, 8 h, 8 w, 3) unclipped pixels; `shape` is (N, h, w)."""
    images = _arrange(blocks, shape)
    return images + images.dtype.type(GREY)


def blocks_to_bytes(blocks: Array, shape: tuple[int, int, int], *, grey: bool = False) -> Array:
    """`blocks_to_images`, rounded and clipped to uint8; bytes are quicker to rearrange.

    Of a `grey` picture the three colours are made one (`npuq.models.grey`).
    """
    pixels = blocks + blocks.dtype.type(GREY)
    if grey:
        colours = pixels.reshape(3, -1, pixels.shape[1])
        pixels = made_grey(colours, 0, 255).reshape(pixels.shape)
    xp_of(pixels).rint(pixels, out=pixels)
    return _arrange(pixels.clip(0, 255, out=pixels).astype(np.uint8), shape)


def _arrange(blocks: Array, shape: tuple[int, int, int]) -> Array:
    count, rows, columns = shape
    parts = blocks.reshape(3, BLOCK, BLOCK, count, rows, columns).transpose(3, 4, 1, 5, 2, 0)
    return parts.reshape(count, rows * BLOCK, columns * BLOCK, 3)


def analyse(blocks: Array, analysis: Array) -> Array:
    """The encoder f, y = W x: a convolution of kernel and stride 8 (Sec. 5.1).

    Args:
        blocks: (192, n).
        analysis: (192, 3, 8, 8).

    Returns:
        y (192, n).
    """
    return product(analysis.reshape(CHANNELS, CHANNELS), blocks)


def analyse_backward(
    d_y: Array, blocks: Array, analysis: Array, *, needs_d_blocks: bool = True
) -> tuple[Array | None, Array]:
    """Gradients of `analyse` (Sec. 5.1): (d_blocks, d_analysis); pixels seldom need theirs."""
    d_blocks = product(analysis.reshape(CHANNELS, CHANNELS).T, d_y) if needs_d_blocks else None
    return d_blocks, product(d_y, blocks.T).reshape(analysis.shape)


def synthesise(r: Array, synthesis: Array) -> Array:
    """The decoder g, V^T r: a transposed convolution of kernel and stride 8 (Sec. 5.1).

    Args:
        r: (192, n).
        synthesis: (192, 3, 8, 8).

    Returns:
        Blocks (192, n).
    """
    return product(synthesis.reshape(CHANNELS, CHANNELS).T, r)


def synthesise_backward(d_blocks: Array, r: Array, synthesis: Array) -> tuple[Array, Array]:
    """Gradients of `synthesise` (Sec. 5.1): (d_r, d_synthesis)."""
    d_r = product(synthesis.reshape(CHANNELS, CHANNELS), d_blocks)
    return d_r, product(r, d_blocks.T).reshape(synthesis.shape)


class Kept(NamedTuple):
    """What `loss_backward` needs of the forward pass."""

    coded: NoisyRate
    error: Array


def loss_forward(
    params: LinearParams,
    blocks: Array,
    u: Array,
    *,
    lmbda: float,
    softness: Softness,
    quantizer: str = "noise",
) -> tuple[Loss, Kept]:
    """The rate-distortion loss of a batch: Eqs. (2) and (21).

    Args:
        params: the model.
        blocks: (192, n) pixels.
        u: (192, n) uniform noise in [-1/2, 1/2).
        lmbda: lambda, bits per pixel per squared grey level.
        softness: rounding; alpha = 0 is Eq. (2).
        quantizer: "noise", the channel of Eqs. (2) and (21); or an older one, see
            `npuq.models.older_rate`, which takes nothing but alpha of `softness`.

    Returns:
        The loss and what `loss_backward` needs.
    """
    y = analyse(blocks, params.analysis)
    if quantizer == "noise":
        coded = noisy_rate_forward(y, u, params.density, softness)
    else:
        coded = older_rate_forward(y, u, params.density, quantizer, softness.alpha)
    error = synthesise(coded.r, params.synthesis)
    error -= blocks
    bpp = coded.bits.sum() / _pixels(blocks)
    mse = xp_of(error).vdot(error, error).astype(np.float64) / error.size
    return Loss(bpp + lmbda * mse, bpp, mse), Kept(coded, error)


def loss_backward(
    d_loss: float,
    kept: Kept,
    params: LinearParams,
    blocks: Array,
    u: Array,
    *,
    lmbda: float,
    softness: Softness,
    quantizer: str = "noise",
) -> LinearParams:
    """Gradients of the loss: `loss_forward` read upwards (Eq. 21).

    Args:
        d_loss: the upstream gradient, 1 where the loss is what is minimised.
        kept: what `loss_forward` kept.
        params, blocks, u, lmbda, softness, quantizer: as in `loss_forward`; the channel goes back
            by the gradients, sampled or expected, of that softness.

    Returns:
        Gradients in the type of the parameters.
    """
    coded, error = kept
    d_error = (2 * (d_loss * lmbda) / error.size) * error
    d_bits = xp_of(error).full_like(coded.bits, d_loss / _pixels(blocks))
    d_r, d_synthesis = synthesise_backward(d_error, coded.r, params.synthesis)
    if quantizer == "noise":
        d_y, d_density = noisy_rate_backward(d_r, d_bits, coded.kept)
    else:
        d_y, d_density = older_rate_backward_straight_through(d_r, d_bits, coded.kept)
    _, d_analysis = analyse_backward(d_y, blocks, params.analysis, needs_d_blocks=False)
    return LinearParams(d_analysis, d_synthesis, d_density)


def _pixels(blocks: Array) -> int:
    return blocks.shape[1] * BLOCK * BLOCK
