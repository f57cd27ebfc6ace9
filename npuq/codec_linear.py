"""The linear model as a codec: Sec. 3.2 at test time.

An image is coded in bands of 32 rows of blocks, each a stream of its own: on all cores, and a large
image in memory for a few bands beside its pixels.

Shapes: image (H, W, 3) uint8; y, k, u, r (192, h, w), h and w the rows and columns of blocks, of
the image or of a band of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.bands import BAND_ROWS, Band, bands_of, slabs_of, strips_of
from npuq.coding.arithmetic import decode_band, encode_band
from npuq.coding.container import METHODS, Header
from npuq.coding.dither import dither_integers, dither_values
from npuq.coding.tables import table_bits
from npuq.kernels.threads import map_in_threads
from npuq.model import Model
from npuq.models import linear
from npuq.nn import nonparametric
from npuq.nn.parameters import cast
from npuq.paper.channel import universal_dequantize
from npuq.paper.density import rate_bits
from npuq.quantizer import phases_of_method, quantize_into, reconstruct, softness_of_method

TENSORS = 1
GRID = linear.BLOCK  # sides are padded to multiples of it, pixels

Progress = Callable[[int, int], None]


class Symbols(NamedTuple):
    """An image between the transforms and the entropy coder.

    Attributes:
        k: (192, h, w) int32.
        n: (192, h, w) uint8, the dither integers.
        height, width: of the image, pixels.
    """

    k: Array
    n: Array
    height: int
    width: int


def encode(
    image: Array, model: Model, method: str, seed: int, progress: Progress | None
) -> list[bytes]:
    """The streams of an image, strip by strip."""
    bands = bands_of(image.shape[0], BAND_ROWS)
    streams: list[bytes] = []
    for strip in strips_of(bands, image.shape[1]):
        parts = [
            quantize(image[band.pixels], model, method, seed, first_row=band.rows.start)
            for band in strip
        ]
        streams += _encode(parts, model, method)
        if progress is not None:
            progress(len(streams), len(bands))
    return streams


def decode(streams: list[bytes], header: Header, model: Model, progress: Progress | None) -> Array:
    """The image in streams, strip by strip."""
    image = np.empty((header.height, header.width, 3), np.uint8)
    bands = bands_of(header.height, header.rows_per_band)
    done = 0
    for strip in strips_of(bands, header.width):
        parts = _decode(streams[done : done + len(strip)], strip, header, model)
        for band, symbols in zip(strip, parts, strict=True):
            image[band.pixels] = dequantize(symbols, model, METHODS[header.method])
        done += len(strip)
        if progress is not None:
            progress(done, len(bands))
    return image


def quantize(image: Array, model: Model, method: str, seed: int, *, first_row: int = 0) -> Symbols:
    """The sender's half of universal quantization: k = round(s(y) - u), Eq. (5).

    Args:
        image: (H, W, 3) uint8, a whole one or a band.
        method: one of METHODS.
        model: whose analysis transform to use.
        seed: of the dither.
        first_row: of blocks, where the band begins.

    Raises:
        ModelError: the method does not go with the model, or a coefficient is beyond 32 bits.
        ValueError: the seed is out of range.
    """
    softness_of_method(method, model.alpha, model.alpha_r, model.name)
    phases = phases_of_method(method, model.phases)
    padded = linear.pad_to_blocks(image)
    rows, columns = padded.shape[0] // linear.BLOCK, padded.shape[1] // linear.BLOCK
    n = dither_integers((linear.CHANNELS, rows, columns), seed=seed, first_row=first_row)
    k = np.empty(n.shape, np.int32)
    for slab in slabs_of(rows, columns):
        pixels = padded[linear.BLOCK * slab.start : linear.BLOCK * slab.stop]
        y = linear.analyse(linear.images_to_blocks(pixels[None]), model.params.analysis)
        quantize_into(k[:, slab], y.reshape(k[:, slab].shape), n[:, slab], phases, model.name)
    return Symbols(k, n, *image.shape[:2])


def dequantize(symbols: Symbols, model: Model, method: str) -> Array:
    """The image of the symbols, (H, W, 3) uint8: rounded and clipped g(r(k + u))."""
    _, alpha_r = softness_of_method(method, model.alpha, model.alpha_r, model.name)
    _, rows, columns = symbols.k.shape
    image = np.empty((linear.BLOCK * rows, linear.BLOCK * columns, 3), np.uint8)
    for slab in slabs_of(rows, columns):
        r = reconstruct(symbols.k[:, slab], symbols.n[:, slab], alpha_r)
        blocks = linear.synthesise(r.reshape(linear.CHANNELS, -1), model.params.synthesis)
        pixels = slice(linear.BLOCK * slab.start, linear.BLOCK * slab.stop)
        image[pixels] = linear.blocks_to_bytes(blocks, (1, *r.shape[1:]))[0]
    return image[: symbols.height, : symbols.width]


def write_streams(symbols: Symbols, model: Model, method: str) -> list[bytes]:
    """Entropy-code the symbols of an image, as `encode` does."""
    parts = [
        symbols._replace(k=symbols.k[:, band.rows], n=symbols.n[:, band.rows])
        for band in bands_of(symbols.height, BAND_ROWS)
    ]
    return _encode(parts, model, method)


def read_streams(streams: list[bytes], header: Header, model: Model) -> Symbols:
    """The symbols in streams; all in integers, so the same everywhere.

    Raises:
        CorruptFileError: a stream holds what no symbols are coded as.
    """
    parts = _decode(streams, bands_of(header.height, header.rows_per_band), header, model)
    k, n = (np.concatenate([part[i] for part in parts], axis=1) for i in (0, 1))
    return Symbols(k, n, header.height, header.width)


def streams_in(header: Header) -> int:
    """How many streams the file of an image has."""
    return len(bands_of(header.height, header.rows_per_band))


def estimated_bits(symbols: Symbols, model: Model, method: str) -> float:
    """The bits that the float model predicts for the symbols: the sum of -log2 p(k + u), Eq. (22).

    In float64, so that it can be the yardstick of the integer tables.
    """
    alpha, _ = softness_of_method(method, model.alpha, model.alpha_r, model.name)
    z = universal_dequantize(symbols.k, dither_values(symbols.n, np.float64))
    density = cast(model.params.density, np.float64)
    bits = rate_bits(z.reshape(linear.CHANNELS, -1), density, cdf=nonparametric, alpha=alpha)
    return float(bits.sum())


def promised_bits(symbols: Symbols, model: Model, method: str) -> float:
    """The bits that the integer tables promise for the symbols."""
    phases = phases_of_method(method, model.phases).astype(np.int64)
    return float(table_bits(symbols.k, phases[symbols.n], model.tables).sum())


def _encode(parts: list[Symbols], model: Model, method: str) -> list[bytes]:
    """The streams of bands, on all cores."""
    phases = phases_of_method(method, model.phases)
    return map_in_threads(lambda part: encode_band(part.k, part.n, phases, model.tables), parts)


def _decode(streams: list[bytes], bands: list[Band], header: Header, model: Model) -> list[Symbols]:
    """The symbols of bands, on all cores."""
    phases, columns = (
        phases_of_method(METHODS[header.method], model.phases),
        -(-header.width // linear.BLOCK),
    )

    def decode(job: tuple[bytes, Band]) -> Symbols:
        stream, (rows, pixels) = job
        shape = (linear.CHANNELS, rows.stop - rows.start, columns)
        n = dither_integers(shape, seed=header.seed, first_row=rows.start)
        k = decode_band(stream, n, phases, model.tables)
        return Symbols(k, n, pixels.stop - pixels.start, header.width)

    return map_in_threads(decode, list(zip(streams, bands, strict=True)))
