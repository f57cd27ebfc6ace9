"""The linear model as a codec: Sec. 3.2 at test time.

An image is coded in bands of 32 rows of blocks, each a stream of its own: on all cores, and a large
image in memory for a few bands beside its pixels, or for some tiles of one where it is very wide
(`npuq.codec.long_bands`).

Shapes: image (H, W, 3) uint8; y, k, u, r (192, h, w), h and w the rows and columns of blocks, of
the image or of a band of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from npuq.backend import Array, to_host, xp_of
from npuq.codec import channel_streams
from npuq.codec.bands import band_count
from npuq.codec.blocks import (
    STRIP_BLOCKS,
    blocks_across,
    is_long,
    pixel_rows,
    strips_of,
    tiles_of,
)
from npuq.codec.channel_streams import BandSymbols, decode_bands, encode_bands
from npuq.codec.codec import Codec, Progress, Symbols
from npuq.codec.container import Header
from npuq.codec.linear_tiles import TileSymbols, dequantize_tile, linear_params, quantize_tile
from npuq.codec.long_bands import decode_long_band, encode_long_band
from npuq.codec.quantizer import phases_of
from npuq.coding.dither import dither_integers, dither_values
from npuq.models import linear
from npuq.models.grey import is_grey
from npuq.nn import nonparametric
from npuq.nn.parameters import cast
from npuq.paper.channel import universal_dequantize
from npuq.paper.density import rate_bits
from npuq.trained.linear import LINEAR
from npuq.trained.methods import softness_of
from npuq.trained.model import Model, device_of_model


def encode(
    image: Array, model: Model, method: str, seed: int, progress: Progress | None
) -> list[bytes]:
    """The streams of an image, strip by strip; `progress` is told of bands."""
    height, width, _ = image.shape
    streams: list[bytes] = []
    for strip in strips_of(height, width):
        if is_long(height, width):
            streams += [encode_long_band(image, rows, model, method, seed) for rows in strip]
        else:
            streams += _encode_strip(image, strip, model, method, seed)
        if progress is not None:
            progress(len(streams), streams_in(height, width))
    return streams


def decode(streams: list[bytes], header: Header, model: Model, progress: Progress | None) -> Array:
    """The image in streams, strip by strip; no memory is taken for it before one proves sound."""
    image, done = np.empty((0, 0, 3), np.uint8), 0
    for strip in strips_of(header.height, header.width):
        for tiles in _decode_strip(streams[done : done + len(strip)], strip, header, model):
            if not image.size:
                image = np.empty((header.height, header.width, 3), np.uint8)
            _dequantize_tiles(image, tiles, model, header.alpha_r, grey=header.grey)
            del tiles  # before memory is taken for the next
        done += len(strip)
        if progress is not None:
            progress(done, len(streams))
    return image


def quantize(image: Array, model: Model, method: str, seed: int) -> Symbols:
    """The sender's half of universal quantization: k = round(s(y) - u), Eq. (5).

    Args:
        image: (H, W, 3) uint8.
        model: a linear model, whose analysis transform to use.
        method: one of METHODS.
        seed: of the dither.

    Raises:
        ModelError: the method does not go with the model, or a coefficient is beyond 32 bits.
        ValueError: the seed is out of range.
    """
    k, n = _quantize_rows(image, model, phases_of(model, method), seed, 0)
    return Symbols(k, n, image.shape[0], image.shape[1], is_grey(image))


def dequantize(symbols: Symbols, model: Model, method: str) -> Array:
    """The image of the symbols, (H, W, 3) uint8: rounded and clipped g(r(k + u))."""
    _, alpha_r = softness_of(model, method)
    image = np.empty((symbols.height, symbols.width, 3), np.uint8)
    tiles = _tiles(BandSymbols(symbols.k, symbols.n), 0, model)
    _dequantize_tiles(image, tiles, model, alpha_r, grey=symbols.grey)
    return image


def read_streams(streams: list[bytes], header: Header, model: Model) -> Symbols:
    """The symbols in streams; all in integers, so the same everywhere.

    Raises:
        CorruptFileError: a stream holds what no symbols are coded as.
    """
    size = blocks_across(header.height), blocks_across(header.width)
    return channel_streams.read_streams(streams, size, header, model)


def streams_in(height: int, width: int) -> int:
    """How many streams the file of an image has, whatever its width."""
    return band_count(blocks_across(height))


def estimated_bits(symbols: Symbols, model: Model, method: str) -> float:
    """The bits that the float model predicts for the symbols: the sum of -log2 p(k + u), Eq. (22).

    In float64, so that it can be the yardstick of the integer tables.
    """
    alpha, _ = softness_of(model, method)
    z = universal_dequantize(symbols.k, dither_values(symbols.n, np.float64))
    density = cast(linear_params(model).density, np.float64)
    bits = rate_bits(z.reshape(linear.CHANNELS, -1), density, cdf=nonparametric, alpha=alpha)
    return float(bits.sum())


def _encode_strip(
    image: Array, strip: list[slice], model: Model, method: str, seed: int
) -> list[bytes]:
    phases = phases_of(model, method)
    bands = [
        _quantize_rows(image[pixel_rows(rows)], model, phases, seed, rows.start) for rows in strip
    ]
    return encode_bands(bands, model, method)


def _quantize_rows(
    image: Array, model: Model, phases: Array, seed: int, first_row: int
) -> BandSymbols:
    """The symbols of some rows of an image, which begin in a row of blocks of the whole one."""
    rows, columns = (blocks_across(side) for side in image.shape[:2])
    shape, device = (linear.CHANNELS, rows, columns), device_of_model(model)
    n = dither_integers(shape, seed=seed, first_row=first_row, device=device)
    k = xp_of(n).empty(n.shape, np.int32)
    for tile in tiles_of(rows, columns, _at_once(model)):
        quantize_tile(k[tile.blocks], image, n[tile.blocks], tile, model, phases)
    return BandSymbols(to_host(k), to_host(n))


def _at_once(model: Model) -> int:
    """Blocks in one product, or 0 for the usual: a device has many cores to keep busy."""
    return 0 if device_of_model(model) == "cpu" else STRIP_BLOCKS


def _decode_strip(
    streams: list[bytes], strip: list[slice], header: Header, model: Model
) -> Iterator[list[TileSymbols]]:
    """The symbols of bands, some tiles at a time."""
    if is_long(header.height, header.width):
        for stream, rows in zip(streams, strip, strict=True):
            yield from decode_long_band(stream, rows, header, model)
        return
    bands = decode_bands(streams, strip, blocks_across(header.width), header, model)
    yield [
        tile
        for rows, band in zip(strip, bands, strict=True)
        for tile in _tiles(band, rows.start, model)
    ]


def _tiles(band: BandSymbols, first_row: int, model: Model) -> list[TileSymbols]:
    """The tiles of a band that begins in a row of blocks of the image."""
    _, rows, columns = band.k.shape
    return [
        TileSymbols(tile.below(first_row), band.k[tile.blocks], band.n[tile.blocks])
        for tile in tiles_of(rows, columns, _at_once(model))
    ]


def _dequantize_tiles(
    image: Array, tiles: list[TileSymbols], model: Model, alpha_r: float, *, grey: bool
) -> None:
    for tile in tiles:
        dequantize_tile(image, tile, model, alpha_r, grey=grey)


CODEC = Codec(
    kind=LINEAR.name,
    tensors=1,
    grid=linear.BLOCK,
    streams_in=streams_in,
    encode=encode,
    decode=decode,
    quantize=quantize,
    dequantize=dequantize,
    write_streams=channel_streams.write_streams,
    read_streams=read_streams,
    estimated_bits=estimated_bits,
    promised_bits=channel_streams.promised_bits,
)
