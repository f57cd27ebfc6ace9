"""The streams of the hyperprior model's symbols, all in integers, so the same everywhere.

The first stream holds the hyper-latents of the whole image, channel by channel. Each of the others
holds a band of 32 rows of latents, sorted by scale (`npuq.trained.integer_scales`), those of one
scale in the order of channel, row and column.

Shapes: k, n (M, h, w); hyper_k, hyper_n, w (N, h/4, w/4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.codec.quantizer import phases_of_method
from npuq.codec.tiles import HYPER, Window, latent_size, scaled, windows
from npuq.coding.arithmetic import decode_band, decode_runs, encode_band, encode_runs
from npuq.coding.container import METHODS, Header
from npuq.coding.dither import dither_integers
from npuq.runtime.threads import divided, map_in_threads
from npuq.trained.integer_scales import LEVELS, scale_indexes
from npuq.trained.model import HyperCoding, Model, latents_of
from npuq.trained.phases import hard_phases, plain_phases

BAND_ROWS = 32
LATENTS, HYPER_LATENTS = 0, 1  # numbers of the tensors, for their dither
STRIP_BANDS = 8  # in work at a time
TILE = (BAND_ROWS // HYPER, 32)  # of hyper-latents, where means or scales are computed


class HyperSymbols(NamedTuple):
    """An image between the transforms and the entropy coder.

    Attributes:
        k: (M, h, w) int32, of the latents.
        n: (M, h, w) uint8, their dither integers.
        hyper_k, hyper_n: (N, h/4, w/4), of the hyper-latents.
        height, width: of the image, pixels.
        grey: whether it is (`npuq.models.grey`).
    """

    k: Array
    n: Array
    hyper_k: Array
    hyper_n: Array
    height: int
    width: int
    grey: bool = False


def write_streams(symbols: HyperSymbols, model: Model, method: str) -> list[bytes]:
    """Entropy-code the symbols of an image: the hyper-latents, then bands of latents."""
    hyper, phases = hyper_of(model), phases_of_method(method, model.phases)
    hyper_phases = hyper_phases_of(method)
    streams = [encode_band(symbols.hyper_k, symbols.hyper_n, hyper_phases, hyper.tables)]

    indexes_of_band = _band_indexes(symbols, hyper, method)

    def encode(job: tuple[slice, Array]) -> bytes:
        rows, indexes = job
        order, counts = _by_scale(indexes)
        k, n = (a[:, rows].ravel()[order] for a in (symbols.k, symbols.n))
        return encode_runs(k, n, counts, phases, model.tables)

    for strip in _strips(symbols.k.shape[1]):
        jobs = [(rows, indexes_of_band(rows)) for rows in strip]
        streams += map_in_threads(encode, jobs)
    return streams


def read_streams(streams: list[bytes], header: Header, model: Model) -> HyperSymbols:
    """The symbols that `write_streams` coded; all in integers, so the same everywhere.

    Raises:
        CorruptFileError: a stream holds what no symbols are coded as.
    """
    hyper, method = hyper_of(model), METHODS[header.method]
    phases, hyper_phases = phases_of_method(method, model.phases), hyper_phases_of(method)
    rows, columns = latent_size(header.height, header.width)
    hyper_shape = hyper.offset.size, rows // HYPER, columns // HYPER
    hyper_n = dither_integers(hyper_shape, seed=header.seed, tensor=HYPER_LATENTS)
    hyper_k = decode_band(streams[0], hyper_n, hyper_phases, hyper.tables)
    shape = latents_of(model.params), rows, columns
    k, n = np.empty(shape, np.int32), np.empty(shape, np.uint8)
    symbols = HyperSymbols(k, n, hyper_k, hyper_n, header.height, header.width, header.grey)

    indexes_of_band = _band_indexes(symbols, hyper, method)

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


def streams_in(header: Header) -> int:
    """How many streams the file of an image has."""
    rows, _ = latent_size(header.height, header.width)
    return 1 + -(-rows // BAND_ROWS)


def table_indexes(symbols: HyperSymbols, model: Model, method: str) -> Array:
    """The table of each latent, (M, h, w) uint8, found in integers."""
    indexes_of_band = _band_indexes(symbols, hyper_of(model), method)
    bands = divided(symbols.k.shape[1], BAND_ROWS)
    return np.concatenate([indexes_of_band(rows) for rows in bands], axis=1)


def hyper_of(model: Model) -> HyperCoding:
    """What a hyperprior model codes its hyper-latents and finds its scales with."""
    assert model.hyper is not None, "not a hyperprior model"
    return model.hyper


def hyper_phases_of(method: str) -> Array:
    """The phases of hyper-latents, (256,): they are never soft-rounded."""
    return hard_phases() if method == "un+q" else plain_phases()


def _strips(rows: int) -> list[list[slice]]:
    """Bands of rows of latents, some at a time."""
    bands = divided(rows, BAND_ROWS)
    return [bands[i : i + STRIP_BANDS] for i in range(0, len(bands), STRIP_BANDS)]


def _band_indexes(
    symbols: HyperSymbols, hyper: HyperCoding, method: str
) -> Callable[[slice], Array]:
    """A function of a band, which finds the table of each of its latents: (M, rows, w) uint8."""
    w = symbols.hyper_k.astype(np.int64) * 512 + hyper.offset[:, None, None]
    if method != "un+q":
        w += 2 * symbols.hyper_n.astype(np.int64) - 255
    tiles: dict[int, list[Window]] = {}  # by the band that they belong to, of as many rows
    for window in windows(w.shape[1:], TILE):
        tiles.setdefault(window.core[0].start * HYPER, []).append(window)

    def indexes_of_band(rows: slice) -> Array:
        indexes = np.empty((len(symbols.k), rows.stop - rows.start, symbols.k.shape[2]), np.uint8)
        for window in tiles[rows.start]:
            part = scale_indexes(w[(slice(None), *window.outer)][None], hyper.scales)[0]
            _, columns = scaled(window.core, HYPER)
            indexes[:, :, columns] = part[(slice(None), *scaled(window.inner, HYPER))]
        return indexes

    return indexes_of_band


def _by_scale(indexes: Array) -> tuple[Array, Array]:
    """The order that sorts latents by table, and how many there are for each."""
    flat = indexes.ravel()
    return np.argsort(flat, kind="stable"), np.bincount(flat, minlength=LEVELS)
