"""Between pixels and symbols of the linear model, a window of blocks at a time (Sec. 3.2).

Shapes: image (H, W, 3) uint8; k, n (192, rows, columns) of a window.
"""

from __future__ import annotations

from npuq.backend import Array
from npuq.codec.bands import Window
from npuq.codec.quantizer import quantize_into, reconstruct
from npuq.models import linear
from npuq.trained.model import Model


def quantize_window(
    k: Array, image: Array, n: Array, window: Window, model: Model, phases: Array
) -> None:
    """k = round(s(y) - u), Eq. (5); the last pixels are repeated up to whole blocks.

    Args:
        k: int32, written to.
        image: of which the window is a part.
        n: the dither.
        window: which.
        model: whose analysis transform to use.
        phases: of the method.

    Raises:
        ModelError: a coefficient is beyond 32 bits.
    """
    pixels = linear.pad_to_blocks(image[window.pixels])
    y = linear.analyse(linear.images_to_blocks(pixels[None]), model.params.analysis)
    quantize_into(k, y.reshape(k.shape), n, phases, model.name)


def dequantize_window(
    image: Array, k: Array, n: Array, window: Window, model: Model, alpha_r: float, *, grey: bool
) -> None:
    """Write g(r(k + u)), rounded and clipped, to the window's place in the image (Eq. 5).

    Args:
        image: (H, W, 3) uint8, written to.
        k, n: of the window.
        window: which.
        model: whose synthesis transform to use.
        alpha_r: softness of r.
        grey: whether the picture is (`npuq.models.grey`).
    """
    r = reconstruct(k, n, alpha_r)
    blocks = linear.synthesise(r.reshape(linear.CHANNELS, -1), model.params.synthesis)
    target = image[window.pixels]  # the padding is beyond its end
    pixels = linear.blocks_to_bytes(blocks, (1, *window.size), grey=grey)[0]
    target[:] = pixels[: target.shape[0], : target.shape[1]]
