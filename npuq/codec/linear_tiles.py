"""Between pixels and symbols of the linear model, a tile of blocks at a time (Sec. 3.2).

Shapes: image (H, W, 3) uint8; k, n (192, rows, columns) of a tile.
"""

from __future__ import annotations

from typing import NamedTuple

from npuq.backend import Array, device_of, to_device, to_host
from npuq.codec.blocks import Tile
from npuq.codec.quantizer import quantize_into, reconstruct
from npuq.models import linear
from npuq.models.linear import LinearParams
from npuq.trained.kind import as_params
from npuq.trained.model import Model, device_of_model


class TileSymbols(NamedTuple):
    """A tile of an image with its symbols: k and n (192, rows, columns)."""

    tile: Tile
    k: Array
    n: Array


def linear_params(model: Model) -> LinearParams:
    """The parameters of a linear model."""
    return as_params(model.params, LinearParams)


def quantize_tile(
    k: Array, image: Array, n: Array, tile: Tile, model: Model, phases: Array
) -> None:
    """k = round(s(y) - u), Eq. (5); the last pixels are repeated up to whole blocks.

    Args:
        k: int32, written to; k and n lie where the parameters of the model do.
        image: of which the tile is a part.
        n: the dither.
        tile: which.
        model: whose analysis transform to use.
        phases: of the method.

    Raises:
        ModelError: a coefficient is beyond 32 bits.
    """
    pixels = to_device(linear.pad_to_blocks(image[tile.pixels]), device_of(k))
    y = linear.analyse(linear.images_to_blocks(pixels[None]), linear_params(model).analysis)
    quantize_into(k, y.reshape(k.shape), n, phases, model.name)


def dequantize_tile(
    image: Array, symbols: TileSymbols, model: Model, alpha_r: float, *, grey: bool
) -> None:
    """Write g(r(k + u)), rounded and clipped, to the tile's place in the image (Eq. 5).

    Args:
        image: (H, W, 3) uint8, written to.
        symbols: of the tile, on the host.
        model: whose synthesis transform to use.
        alpha_r: softness of r.
        grey: whether the picture is (`npuq.models.grey`).
    """
    (tile, *both), device = symbols, device_of_model(model)
    k, n = (to_device(a, device) for a in both)
    r = reconstruct(k, n, alpha_r)
    blocks = linear.synthesise(r.reshape(linear.CHANNELS, -1), linear_params(model).synthesis)
    target = image[tile.pixels]  # the padding is beyond its end
    pixels = linear.blocks_to_bytes(blocks, (1, *tile.size), grey=grey)[0]
    target[:] = to_host(pixels[: target.shape[0], : target.shape[1]])
