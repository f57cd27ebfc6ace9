"""The factorized-prior model as a codec: Sec. 3.2 with convolutional transforms.

    y = f(x),   k = round(s(y - m) - u),   x_hat = g(r(k + u) + m)

The offset m of a channel is the median that an imported model rounds about. Each stream holds a
band of 32 rows of latents, channel by channel, row by row.

Shapes: image (H, W, 3) uint8; y, k, n (M, h, w), h = H/16 and w = W/16 rounded up.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.codec.quantizer import (
    offset_values,
    phases_of_method,
    quantize_into,
    reconstruct,
    softness_of_method,
)
from npuq.codec.tiles import LATENT, Progress, analyse, latent_size, synthesise
from npuq.coding.arithmetic import decode_band, encode_band
from npuq.coding.container import METHODS, Header
from npuq.coding.dither import dither_integers, dither_values
from npuq.coding.tables import table_bits
from npuq.models.grey import is_grey
from npuq.nn import nonparametric
from npuq.nn.parameters import cast
from npuq.paper.channel import universal_dequantize
from npuq.paper.density import rate_bits
from npuq.paper.soft_round import soft_round_conditional_mean
from npuq.runtime.threads import divided, map_in_threads
from npuq.trained.model import Model, latents_of

BAND_ROWS = 32
TENSORS = 1
GRID = LATENT  # sides are padded to multiples of it, pixels


class FactorizedSymbols(NamedTuple):
    """An image between the transforms and the entropy coder.

    Attributes:
        k: (M, h, w) int32.
        n: (M, h, w) uint8, the dither integers.
        height, width: of the image, pixels.
        grey: whether it is (`npuq.models.grey`).
    """

    k: Array
    n: Array
    height: int
    width: int
    grey: bool = False


def encode(
    image: Array, model: Model, method: str, seed: int, progress: Progress | None
) -> list[bytes]:
    """The streams of an image."""
    return write_streams(quantize(image, model, method, seed, progress=progress), model, method)


def decode(streams: list[bytes], header: Header, model: Model, progress: Progress | None) -> Array:
    """The image in streams."""
    symbols = read_streams(streams, header, model)
    return dequantize(symbols, model, METHODS[header.method], progress=progress)


def quantize(
    image: Array, model: Model, method: str, seed: int, *, progress: Progress | None = None
) -> FactorizedSymbols:
    """The sender's half of universal quantization: k = round(s(y - m) - u), Eq. (5).

    Args:
        image: (H, W, 3) uint8.
        model: a factorized model.
        method: one of METHODS.
        seed: of the dither.
        progress: called with (tiles done, tiles in all) of the analysis.

    Raises:
        ModelError: the method does not go with the model, or a latent is beyond 32 bits.
        ValueError: the seed is out of range.
    """
    softness_of_method(method, model.alpha, model.alpha_r, model.name)
    y = analyse(image, model.params, step=1, progress=progress)
    y -= _offset(model)
    n = dither_integers(y.shape, seed=seed)
    k = np.empty(y.shape, np.int32)
    quantize_into(k, y, n, phases_of_method(method, model.phases), model.name)
    return FactorizedSymbols(k, n, image.shape[0], image.shape[1], is_grey(image))


def dequantize(
    symbols: FactorizedSymbols, model: Model, method: str, *, progress: Progress | None = None
) -> Array:
    """The image of the symbols, (H, W, 3) uint8: rounded and clipped g(r(k + u) + m)."""
    _, alpha_r = softness_of_method(method, model.alpha, model.alpha_r, model.name)
    y_hat = reconstruct(symbols.k, symbols.n, alpha_r)
    y_hat += _offset(model)
    shape = symbols.height, symbols.width
    return synthesise(y_hat, model.params, shape, grey=symbols.grey, progress=progress)


def write_streams(symbols: FactorizedSymbols, model: Model, method: str) -> list[bytes]:
    """Entropy-code the symbols of an image, band by band, on all cores."""
    phases = phases_of_method(method, model.phases)

    def encode(rows: slice) -> bytes:
        return encode_band(symbols.k[:, rows], symbols.n[:, rows], phases, model.tables)

    return map_in_threads(encode, divided(symbols.k.shape[1], BAND_ROWS))


def read_streams(streams: list[bytes], header: Header, model: Model) -> FactorizedSymbols:
    """The symbols in streams; all in integers, so the same everywhere.

    Raises:
        CorruptFileError: a stream holds what no symbols are coded as.
    """
    phases = phases_of_method(METHODS[header.method], model.phases)
    M, (rows, columns) = latents_of(model.params), latent_size(header.height, header.width, step=1)
    k, n = np.empty((M, rows, columns), np.int32), np.empty((M, rows, columns), np.uint8)

    def decode(job: tuple[bytes, slice]) -> None:
        stream, band = job
        shape = M, band.stop - band.start, columns
        n[:, band] = dither_integers(shape, seed=header.seed, first_row=band.start)
        k[:, band] = decode_band(stream, n[:, band], phases, model.tables)

    map_in_threads(decode, list(zip(streams, divided(rows, BAND_ROWS), strict=True)))
    return FactorizedSymbols(k, n, header.height, header.width, header.grey)


def streams_in(header: Header) -> int:
    """How many streams the file of an image has."""
    rows, _ = latent_size(header.height, header.width, step=1)
    return -(-rows // BAND_ROWS)


def estimated_bits(symbols: FactorizedSymbols, model: Model, method: str) -> float:
    """The bits that the float model predicts for the symbols: the sum of -log2 p, Eq. (22).

    In float64, so that it can be the yardstick of the integer tables. As p_{s(Y)+U}(z) is
    p_{Y+U}(r(z)), the offset comes after r.
    """
    alpha, _ = softness_of_method(method, model.alpha, model.alpha_r, model.name)
    z = universal_dequantize(symbols.k, dither_values(symbols.n, np.float64))
    r = soft_round_conditional_mean(z, alpha) + _offset(model)
    density = cast(model.params.density, np.float64)
    return float(rate_bits(r.reshape(len(r), -1), density, cdf=nonparametric).sum())


def promised_bits(symbols: FactorizedSymbols, model: Model, method: str) -> float:
    """The bits that the integer tables promise for the symbols."""
    phases = phases_of_method(method, model.phases).astype(np.int64)
    return float(table_bits(symbols.k, phases[symbols.n], model.tables).sum())


def _offset(model: Model) -> Array:
    """m, (M, 1, 1) float32; exact."""
    assert model.offset is not None, "not a factorized model"
    return offset_values(model.offset)
