"""Writes coding_v1.bin: dither, tables, coder and container of format version 1, in one file.

Everything in it comes from integers, so that no float decides a byte. Run it only for a new format
version, under a new name; what is there must stay decodable.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from npuq.backend import Array
from npuq.codec.container import Header, pack
from npuq.coding.arithmetic import encode_band
from npuq.coding.dither import dither_integers
from npuq.coding.philox import philox4x32
from npuq.coding.tables import IntegerTables, assemble_tables

PATH = Path(__file__).with_name("coding_v1.bin")
SHAPE = (9, 12, 21)
BAND_ROWS = 8
HEADER = Header(2, b"golden 1", 192, 336, 7.0, 16.0, 0x0123456789ABCDEF, BAND_ROWS)
PHASES = (32768 + (256 * np.arange(256) - 32640) * 3 // 5).astype(np.uint16)


def golden_tables() -> IntegerTables:
    """Nine channels, one for each fineness g of the grid, with bell-shaped steps."""
    knots, first, last = [], [], []
    for g in range(9):
        units = g + 3
        j = np.arange((units << g) + 1)
        weight = 1 + j * (j[-1] - j) // (1 << 2 * g)
        rise = np.cumsum(weight) * ((1 << 24) - 2 - units) // np.sum(weight)
        knots.append(1 + rise + (j >> g))
        first.append(-(units // 2))
        last.append(units - 2 - units // 2)
    return assemble_tables(
        np.concatenate(knots), np.array(first), np.array(last), np.arange(9, dtype=np.uint8)
    )


def golden_symbols() -> Array:
    """Small integers, and now and then an escape of any size."""
    counter = np.zeros((*SHAPE, 4), np.uint32)
    counter[..., 0] = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    words = philox4x32(counter, np.array([1, 2], np.uint32)).astype(np.int64)
    small = words[..., 0] % 5 - words[..., 1] % 5
    far = (words[..., 3] - (1 << 31)) >> words[..., 2] % 31
    return np.where(words[..., 2] % 97 == 0, far, small).astype(np.int32)


def golden_dither() -> Array:
    return dither_integers(SHAPE, seed=HEADER.seed)


def golden_bytes() -> bytes:
    symbols, dither, tables = golden_symbols(), golden_dither(), golden_tables()
    bands = [slice(top, top + BAND_ROWS) for top in range(0, SHAPE[1], BAND_ROWS)]
    return pack(HEADER, [encode_band(symbols[:, b], dither[:, b], PHASES, tables) for b in bands])


if __name__ == "__main__":
    PATH.write_bytes(golden_bytes())
