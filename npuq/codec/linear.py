"""The linear model as a codec: Sec. 3.2 at test time.

An image is coded in bands of 32 rows of blocks, each a stream of its own: on all cores, and a large
image in memory for a few bands beside its pixels, or for parts of one where it is very wide
(`npuq.codec.long_bands`).

Shapes: image (H, W, 3) uint8; y, k, u, r (192, h, w), h and w the rows and columns of blocks, of
the image or of a band of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.codec.bands import (
    BAND_ROWS,
    Band,
    band_count,
    bands_of,
    blocks_across,
    is_long,
    strips_of,
    windows_of,
)
from npuq.codec.linear_windows import dequantize_window, quantize_window
from npuq.codec.long_bands import Part, decode_long_band, encode_long_band
from npuq.codec.quantizer import phases_of_method, softness_of_method
from npuq.coding.arithmetic import decode_band, encode_band
from npuq.coding.container import METHODS, Header
from npuq.coding.dither import dither_integers, dither_values
from npuq.coding.tables import table_bits
from npuq.models import linear
from npuq.models.grey import is_grey
from npuq.nn import nonparametric
from npuq.nn.parameters import cast
from npuq.paper.channel import universal_dequantize
from npuq.paper.density import rate_bits
from npuq.runtime.threads import map_in_threads
from npuq.trained.model import Model

TENSORS = 1
GRID = linear.BLOCK  # sides are padded to multiples of it, pixels

__all__ = [  # what `npuq.codec.files` expects of a codec
    "BAND_ROWS",
    "GRID",
    "TENSORS",
    "decode",
    "dequantize",
    "encode",
    "estimated_bits",
    "promised_bits",
    "quantize",
    "read_streams",
    "streams_in",
    "write_streams",
]
Progress = Callable[[int, int], None]


class Symbols(NamedTuple):
    """An image between the transforms and the entropy coder.

    Attributes:
        k: (192, h, w) int32.
        n: (192, h, w) uint8, the dither integers.
        height, width: of the image, pixels.
        grey: whether it is (`npuq.models.grey`).
    """

    k: Array
    n: Array
    height: int
    width: int
    grey: bool = False


class BandSymbols(NamedTuple):
    """k and n of a band, (192, rows, columns)."""

    k: Array
    n: Array


def encode(
    image: Array, model: Model, method: str, seed: int, progress: Progress | None
) -> list[bytes]:
    """The streams of an image, strip by strip."""
    bands = bands_of(image.shape[0])
    streams: list[bytes] = []
    for strip in _strips(bands, *image.shape[:2]):
        if is_long(*image.shape[:2]):
            streams += [encode_long_band(image, band, model, method, seed) for band in strip]
        else:
            streams += _encode_strip(image, strip, model, method, seed)
        if progress is not None:
            progress(len(streams), len(bands))
    return streams


def decode(streams: list[bytes], header: Header, model: Model, progress: Progress | None) -> Array:
    """The image in streams, strip by strip; no memory is taken for it before one proves sound."""
    bands, image, done = bands_of(header.height), np.empty((0, 0, 3), np.uint8), 0
    for strip in _strips(bands, header.height, header.width):
        for parts in _decode_strip(streams[done : done + len(strip)], strip, header, model):
            if not image.size:
                image = np.empty((header.height, header.width, 3), np.uint8)
            _dequantize_parts(image, parts, model, header.alpha_r, grey=header.grey)
            del parts  # before memory is taken for the next
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
    phases = _phases(model, method)
    k, n = _quantize_band(image, model, phases, seed, first_row)
    return Symbols(k, n, image.shape[0], image.shape[1], is_grey(image))


def dequantize(symbols: Symbols, model: Model, method: str) -> Array:
    """The image of the symbols, (H, W, 3) uint8: rounded and clipped g(r(k + u))."""
    _, alpha_r = softness_of_method(method, model.alpha, model.alpha_r, model.name)
    image = np.empty((symbols.height, symbols.width, 3), np.uint8)
    parts = _parts(BandSymbols(symbols.k, symbols.n), 0)
    _dequantize_parts(image, parts, model, alpha_r, grey=symbols.grey)
    return image


def write_streams(symbols: Symbols, model: Model, method: str) -> list[bytes]:
    """Entropy-code the symbols of an image, as `encode` does."""
    parts = [
        BandSymbols(symbols.k[:, band.rows], symbols.n[:, band.rows])
        for band in bands_of(symbols.height)
    ]
    return _encode(parts, model, method)


def read_streams(streams: list[bytes], header: Header, model: Model) -> Symbols:
    """The symbols in streams; all in integers, so the same everywhere.

    Raises:
        CorruptFileError: a stream holds what no symbols are coded as.
    """
    parts = _decode(streams, bands_of(header.height), header, model)
    k, n = (np.concatenate([part[i] for part in parts], axis=1) for i in (0, 1))
    return Symbols(k, n, header.height, header.width, header.grey)


def streams_in(header: Header) -> int:
    """How many streams the file of an image has."""
    return band_count(header.height)


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


def _strips(bands: list[Band], height: int, width: int) -> list[list[Band]]:
    """Bands that are in work at a time."""
    return [[band] for band in bands] if is_long(height, width) else strips_of(bands, width)


def _encode_strip(
    image: Array, strip: list[Band], model: Model, method: str, seed: int
) -> list[bytes]:
    phases = _phases(model, method)
    parts = [
        _quantize_band(image[band.pixels], model, phases, seed, band.rows.start) for band in strip
    ]
    return _encode(parts, model, method)


def _quantize_band(
    image: Array, model: Model, phases: Array, seed: int, first_row: int
) -> BandSymbols:
    rows, columns = (blocks_across(side) for side in image.shape[:2])
    n = dither_integers((linear.CHANNELS, rows, columns), seed=seed, first_row=first_row)
    k = np.empty(n.shape, np.int32)
    for window in windows_of(rows, columns):
        quantize_window(k[window.blocks], image, n[window.blocks], window, model, phases)
    return BandSymbols(k, n)


def _phases(model: Model, method: str) -> Array:
    """The phases of a method that goes with the model."""
    softness_of_method(method, model.alpha, model.alpha_r, model.name)
    return phases_of_method(method, model.phases)


def _decode_strip(
    streams: list[bytes], strip: list[Band], header: Header, model: Model
) -> Iterator[list[Part]]:
    """The symbols of bands, some windows at a time."""
    if is_long(header.height, header.width):
        for stream, band in zip(streams, strip, strict=True):
            yield from decode_long_band(stream, band, header, model)
        return
    yield [
        part
        for band, symbols in zip(strip, _decode(streams, strip, header, model), strict=True)
        for part in _parts(symbols, band.rows.start)
    ]


def _parts(symbols: BandSymbols, first_row: int) -> list[Part]:
    """The windows of a band that begins in a row of the image."""
    return [
        Part(window.below(first_row), symbols.k[window.blocks], symbols.n[window.blocks])
        for window in windows_of(*symbols.k.shape[1:])
    ]


def _dequantize_parts(
    image: Array, parts: list[Part], model: Model, alpha_r: float, *, grey: bool
) -> None:
    for window, k, n in parts:
        dequantize_window(image, k, n, window, model, alpha_r, grey=grey)


def _encode(parts: list[BandSymbols], model: Model, method: str) -> list[bytes]:
    """The streams of bands, on all cores."""
    phases = phases_of_method(method, model.phases)
    return map_in_threads(lambda part: encode_band(part.k, part.n, phases, model.tables), parts)


def _decode(
    streams: list[bytes], bands: list[Band], header: Header, model: Model
) -> list[BandSymbols]:
    """The symbols of bands, on all cores."""
    phases = phases_of_method(METHODS[header.method], model.phases)
    columns = blocks_across(header.width)

    def decode(job: tuple[bytes, Band]) -> BandSymbols:
        stream, (rows, _) = job
        shape = (linear.CHANNELS, rows.stop - rows.start, columns)
        n = dither_integers(shape, seed=header.seed, first_row=rows.start)
        return BandSymbols(decode_band(stream, n, phases, model.tables), n)

    return map_in_threads(decode, list(zip(streams, bands, strict=True)))
