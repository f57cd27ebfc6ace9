"""The streams of the hyperprior model, with a table for each scale: all in integers, see Eq. 23.

The first stream holds the hyper-latents of the whole image, channel by channel. Each of the others
holds a band of latents, sorted by scale (`npuq.trained.integer_scales`), those of one
scale in the order of channel, row and column.

Shapes: k, n (M, h, w); hyper_k, hyper_n, w (N, h/4, w/4).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from npuq.backend import Array, to_device, to_host
from npuq.codec.bands import BAND_ROWS, band_count, bands_of
from npuq.codec.codec import Symbols
from npuq.codec.container import Header
from npuq.codec.quantizer import phases_of
from npuq.codec.tiles import HYPER, Tile, latent_size, scaled, tiles_of
from npuq.coding.arithmetic import decode_band, decode_runs, encode_band, encode_runs
from npuq.coding.dither import dither_integers
from npuq.runtime.threads import map_in_threads
from npuq.trained.hyperprior import HYPERPRIOR
from npuq.trained.integer_scales import LEVELS, scale_indexes
from npuq.trained.methods import METHODS
from npuq.trained.model import Model, device_of_model, hyper_of
from npuq.trained.phases import hard_phases, plain_phases

LATENTS, HYPER_LATENTS = 0, 1  # numbers of the tensors, for their dither
STRIP_BANDS = 8  # in work at a time
TILE_SIZE = (BAND_ROWS // HYPER, 32)  # of hyper-latents, where means or scales are computed


def write_streams(symbols: Symbols, model: Model, method: str) -> list[bytes]:
    """Entropy-code the symbols of an image: the hyper-latents, then bands of latents."""
    hyper, phases = hyper_of(model), phases_of(model, method)
    hyper_phases = hyper_phases_of(method)
    streams = [encode_band(symbols.hyper_k, symbols.hyper_n, hyper_phases, hyper.tables)]

    indexes_of_band = _band_indexes(symbols, model, method)

    def encode(job: tuple[slice, Array]) -> bytes:
        rows, indexes = job
        order, counts = _by_scale(indexes)
        k, n = (a[:, rows].ravel()[order] for a in (symbols.k, symbols.n))
        return encode_runs(k, n, counts, phases, model.tables)

    for strip in _strips(symbols.k.shape[1]):
        jobs = [(rows, indexes_of_band(rows)) for rows in strip]
        streams += map_in_threads(encode, jobs)
    return streams


def read_streams(streams: list[bytes], header: Header, model: Model) -> Symbols:
    """The symbols that `write_streams` coded; all in integers, so the same everywhere.

    Raises:
        CorruptFileError: a stream holds what no symbols are coded as.
    """
    hyper, method = hyper_of(model), METHODS[header.method]
    phases, hyper_phases = phases_of(model, method), hyper_phases_of(method)
    rows, columns = latent_size(header.height, header.width)
    hyper_shape = hyper.tables.first.size, rows // HYPER, columns // HYPER
    hyper_n = dither_integers(hyper_shape, seed=header.seed, tensor=HYPER_LATENTS)
    hyper_k = decode_band(streams[0], hyper_n, hyper_phases, hyper.tables)
    shape = HYPERPRIOR.size(model.params)[1], rows, columns
    k, n = np.empty(shape, np.int32), np.empty(shape, np.uint8)
    symbols = Symbols(k, n, header.height, header.width, header.grey, hyper_k, hyper_n)

    indexes_of_band = _band_indexes(symbols, model, method)

    def decode(job: tuple[bytes, slice, Array]) -> None:
        stream, rows, indexes = job
        order, counts = _by_scale(indexes)
        band_n = dither_integers(
            indexes.shape, seed=header.seed, tensor=LATENTS, first_row=rows.start
        )
        decoded = np.empty(order.size, np.int32)
        decoded[order] = decode_runs(stream, band_n.ravel()[order], counts, phases, model.tables)
        k[:, rows], n[:, rows] = decoded.reshape(band_n.shape), band_n

    at = 1
    for strip in _strips(rows):
        jobs = [
            (stream, rows, indexes_of_band(rows))
            for stream, rows in zip(streams[at : at + len(strip)], strip, strict=True)
        ]
        map_in_threads(decode, jobs)
        at += len(strip)
    return symbols


def streams_in(height: int, width: int) -> int:
    """How many streams the file of an image has."""
    return 1 + band_count(latent_size(height, width)[0])


def table_indexes(symbols: Symbols, model: Model, method: str) -> Array:
    """The table of each latent, (M, h, w) uint8, found in integers."""
    indexes_of_band = _band_indexes(symbols, model, method)
    bands = bands_of(symbols.k.shape[1])
    return np.concatenate([indexes_of_band(rows) for rows in bands], axis=1)


def hyper_phases_of(method: str) -> Array:
    """The phases of hyper-latents, (256,): they are never soft-rounded."""
    return hard_phases() if method == "un+q" else plain_phases()


def _strips(rows: int) -> list[list[slice]]:
    """The bands of so many rows of latents, in strips that are in work at a time."""
    bands = bands_of(rows)
    return [bands[i : i + STRIP_BANDS] for i in range(0, len(bands), STRIP_BANDS)]


def _band_indexes(symbols: Symbols, model: Model, method: str) -> Callable[[slice], Array]:
    """A function of a band, which finds the table of each of its latents: (M, rows, w) uint8.

    It computes where the model's integer scales lie.
    """
    assert model.medians is not None, "not a hyperprior model"
    w = symbols.hyper_k.astype(np.int64) * 512 + model.medians[:, None, None]
    if method != "un+q":
        w += 2 * symbols.hyper_n.astype(np.int64) - 255
    scales, device = hyper_of(model).scales, device_of_model(model)
    tiles: dict[int, list[Tile]] = {}  # by the band that they belong to, of as many rows
    for tile in tiles_of(w.shape[1:], TILE_SIZE):
        tiles.setdefault(tile.core[0].start * HYPER, []).append(tile)

    def indexes_of_band(rows: slice) -> Array:
        indexes = np.empty((len(symbols.k), rows.stop - rows.start, symbols.k.shape[2]), np.uint8)
        for tile in tiles[rows.start]:
            part = to_device(w[(slice(None), *tile.outer)][None], device)
            found = scale_indexes(part, scales)[0][(slice(None), *scaled(tile.inner, HYPER))]
            _, columns = scaled(tile.core, HYPER)
            indexes[:, :, columns] = to_host(found)
        return indexes

    return indexes_of_band


def _by_scale(indexes: Array) -> tuple[Array, Array]:
    """The order that sorts latents by table, and how many there are for each."""
    flat = indexes.ravel()
    return np.argsort(flat, kind="stable"), np.bincount(flat, minlength=LEVELS)
