"""Bands of the linear model that are too long to be in memory at once: panoramas, thin pictures.

A stream holds a band channel by channel, while the transforms take all channels of a few blocks at
a time. What lies between, a band's coefficients, is some seven times its pixels, or fifty times
where these are few rows, padded to eight. So the band is taken tile by tile:

    encoding    each tile is coded for itself; then these short streams are read, channel by
                channel, and what they hold is coded again, in the order of the band
    decoding    the stream is read once to find where each tile begins in each channel, and for
                each tile once more from all these places

Both take twice the coding, and the memory of some tiles. A damaged stream is noticed before there
is a picture.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np

from npuq.backend import Array, to_device, to_host, xp_of
from npuq.codec.blocks import STRIP_BLOCKS, WIDEST_TILE, Tile, blocks_across, tiles_of
from npuq.codec.container import Header
from npuq.codec.linear_tiles import TileSymbols, quantize_tile
from npuq.codec.quantizer import phases_of
from npuq.coding.arithmetic import Decoder, Encoder, encode_band, one_table
from npuq.coding.dither import dither_integers
from npuq.models.linear import CHANNELS
from npuq.runtime.threads import divided, map_in_threads
from npuq.trained.methods import METHODS
from npuq.trained.model import Model, device_of_model

AT_ONCE = STRIP_BLOCKS // WIDEST_TILE
"""Tiles in work."""


def encode_long_band(image: Array, rows: slice, model: Model, method: str, seed: int) -> bytes:
    """The stream of a band, as `encode_band` makes it of all its symbols.

    Args:
        image: (H, W, 3) uint8, the whole of it.
        rows: of blocks, those of the band.
        model: a linear model.
        method: one of METHODS.
        seed: of the dither.

    Raises:
        ModelError: a coefficient is beyond 32 bits.
    """
    phases, tiles = phases_of(model, method), _tiles(rows, image.shape[1])
    short: list[Decoder] = []
    for some in divided(len(tiles), AT_ONCE):
        short += _encode_tiles(image, tiles[some], model, phases, seed)
    encoder = Encoder(phases)
    for channel in range(CHANNELS):
        table, dither = one_table(model.tables, channel), _channel_dither(tiles, channel, seed)
        for decoder, n in zip(short, dither, strict=True):
            count = np.array([n.size])
            encoder.add(decoder.read(n, count, table), n, count, table)
    return encoder.finish()


def decode_long_band(
    stream: bytes, rows: slice, header: Header, model: Model
) -> Iterator[list[TileSymbols]]:
    """The symbols of a band, some tiles at a time; all in integers, so the same everywhere.

    Nothing is given before the whole stream was found to hold symbols.

    Args:
        stream: of the band.
        rows: of blocks, those of the band.
        header: of the file.
        model: a linear model.

    Raises:
        CorruptFileError: it does not.
    """
    phases = phases_of(model, METHODS[header.method])
    tiles = _tiles(rows, header.width)
    tables = [one_table(model.tables, channel) for channel in range(CHANNELS)]
    decoder = Decoder(stream, phases)
    states = np.empty((CHANNELS, len(tiles), 3), np.int64)
    for channel, table in enumerate(tables):
        for i, n in enumerate(_channel_dither(tiles, channel, header.seed)):
            states[channel, i] = decoder.state
            decoder.read(n, np.array([n.size]), table)

    def decode(job: tuple[Tile, Array]) -> TileSymbols:
        tile, begin = job
        here, n = copy.copy(decoder), _dither(tile, header.seed)
        k = np.empty(n.shape, np.int32)
        for channel, table in enumerate(tables):
            here.state = begin[channel]
            k[channel].flat = here.read(n[channel].ravel(), np.array([n[channel].size]), table)
        return TileSymbols(tile, k, n)

    jobs = [(tile, states[:, i]) for i, tile in enumerate(tiles)]
    for some in divided(len(jobs), AT_ONCE):
        yield map_in_threads(decode, jobs[some])


def _tiles(rows: slice, width: int) -> list[Tile]:
    """The tiles of a band, by their place in the image, in the order of its stream."""
    tiles = tiles_of(rows.stop - rows.start, blocks_across(width))
    return [tile.below(rows.start) for tile in tiles]


def _encode_tiles(
    image: Array, tiles: list[Tile], model: Model, phases: Array, seed: int
) -> list[Decoder]:
    """Each tile as a stream of its own, to be read from its beginning."""
    quantized = [_quantized(image, tile, model, phases, seed) for tile in tiles]
    return map_in_threads(
        lambda tile: Decoder(encode_band(tile.k, tile.n, phases, model.tables), phases), quantized
    )


def _quantized(image: Array, tile: Tile, model: Model, phases: Array, seed: int) -> TileSymbols:
    n = to_device(_dither(tile, seed), device_of_model(model))
    k = xp_of(n).empty(n.shape, np.int32)
    quantize_tile(k, image, n, tile, model, phases)
    return TileSymbols(tile, to_host(k), to_host(n))


def _channel_dither(tiles: list[Tile], channel: int, seed: int) -> Iterator[Array]:
    """The dither of one channel, tile by tile, (n,) each."""
    return (_dither(tile, seed, 1, channel).ravel() for tile in tiles)


def _dither(tile: Tile, seed: int, channels: int = CHANNELS, first_channel: int = 0) -> Array:
    return dither_integers(
        (channels, *tile.size),
        seed=seed,
        first_channel=first_channel,
        first_row=tile.rows.start,
        first_column=tile.columns.start,
    )
