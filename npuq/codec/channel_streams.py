"""The streams of models with a table for each channel, all in integers, so the same everywhere.

Each stream holds a band of latents, channel by channel, row by row.

Shapes: k, n (C, rows, columns), of an image or of a band.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.codec.bands import bands_of
from npuq.codec.codec import Symbols
from npuq.codec.container import Header
from npuq.codec.quantizer import phases_of
from npuq.coding.arithmetic import decode_band, encode_band
from npuq.coding.dither import dither_integers
from npuq.coding.tables import table_bits
from npuq.runtime.threads import map_in_threads
from npuq.trained.methods import METHODS
from npuq.trained.model import Model


class BandSymbols(NamedTuple):
    """The symbols of a band, k and n."""

    k: Array
    n: Array


def encode_bands(bands: list[BandSymbols], model: Model, method: str) -> list[bytes]:
    """The streams of bands, on all cores."""
    phases = phases_of(model, method)
    return map_in_threads(lambda band: encode_band(*band, phases, model.tables), bands)


def decode_bands(
    streams: list[bytes], bands: list[slice], columns: int, header: Header, model: Model
) -> list[BandSymbols]:
    """The symbols of bands, given by their rows of latents, on all cores.

    Raises:
        CorruptFileError: a stream holds what no symbols are coded as.
    """
    phases = phases_of(model, METHODS[header.method])
    return map_in_threads(
        lambda job: _decode_band(*job, columns, header.seed, model, phases),
        list(zip(streams, bands, strict=True)),
    )


def write_streams(symbols: Symbols, model: Model, method: str) -> list[bytes]:
    """Entropy-code the symbols of an image, band by band."""
    k, n, bands = symbols.k, symbols.n, bands_of(symbols.k.shape[1])
    return encode_bands([BandSymbols(k[:, rows], n[:, rows]) for rows in bands], model, method)


def read_streams(
    streams: list[bytes], size: tuple[int, int], header: Header, model: Model
) -> Symbols:
    """The symbols that `write_streams` coded, of a grid of `size` rows and columns of latents.

    Raises:
        CorruptFileError: a stream holds what no symbols are coded as.
    """
    phases, shape = phases_of(model, METHODS[header.method]), (len(model.tables.first), *size)
    k, n = np.empty(shape, np.int32), np.empty(shape, np.uint8)

    def decode(job: tuple[bytes, slice]) -> None:
        stream, rows = job
        k[:, rows], n[:, rows] = _decode_band(stream, rows, size[1], header.seed, model, phases)

    map_in_threads(decode, list(zip(streams, bands_of(size[0]), strict=True)))
    return Symbols(k, n, header.height, header.width, header.grey)


def promised_bits(symbols: Symbols, model: Model, method: str) -> float:
    """The bits that the integer tables promise for the symbols."""
    phases = phases_of(model, method).astype(np.int64)
    return float(table_bits(symbols.k, phases[symbols.n], model.tables).sum())


def _decode_band(
    stream: bytes, rows: slice, columns: int, seed: int, model: Model, phases: Array
) -> BandSymbols:
    shape = len(model.tables.first), rows.stop - rows.start, columns
    n = dither_integers(shape, seed=seed, first_row=rows.start)
    return BandSymbols(decode_band(stream, n, phases, model.tables), n)
