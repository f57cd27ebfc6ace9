"""Golden vectors of what decides bytes: dither, tables, a stream and a file, all in integers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.codec.container import Header, pack
from npuq.coding.arithmetic import encode_band
from npuq.coding.dither import dither_integers
from npuq.coding.philox import philox4x32
from npuq.coding.tables import TOTAL, IntegerTables, assemble_tables, symbol_intervals

SHAPE = (3, 5, 21)
SEED = 0x0123456789ABCDEF
PHASES = (32768 + (256 * np.arange(256) - 32640) * 3 // 5).astype(np.uint16)
HEADER = Header(2, b"vectors1", 40, 168, 7.0, 16.0, SEED, SHAPE[1])

Found = tuple[str, str, tuple[Any, ...], Array]
"""Name, function, arguments and result of a case."""


def tables() -> IntegerTables:
    """Three channels of triangular densities on grids of 1, 4 and 16 knots a unit."""
    knots, first, last = [], [], []
    for channel, g in enumerate((0, 2, 4)):
        units = 4 + 3 * channel
        j = np.arange((units << g) + 1, dtype=np.int64)
        rise = np.cumsum(1 + np.minimum(j, j[-1] - j))
        knots.append(1 + rise * (TOTAL - 2 - units) // rise[-1] + (j >> g))
        first.append(-(units // 2) + 1)
        last.append(units - 1 - units // 2)
    return assemble_tables(
        np.concatenate(knots), np.array(first), np.array(last), np.array([0, 2, 4], np.uint8)
    )


def symbols() -> Array:
    """Small integers, and now and then one that no table holds."""
    counter = np.zeros((*SHAPE, 4), np.uint32)
    counter[..., 0] = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    words = philox4x32(counter, np.array([7, 8], np.uint32)).astype(np.int64)
    near = words[..., 0] % 3 - words[..., 1] % 3
    far = (words[..., 3] - (1 << 31)) >> words[..., 2] % 31
    return np.where(words[..., 2] % 29 == 0, far, near).astype(np.int32)


def formats() -> Iterator[Found]:
    """Philox, the dither of some windows, intervals of a table, a stream, a file."""
    counter = np.array([[0, 0, 0, 0], [1, 2, 3, 4]], np.uint32)
    key = np.array([0x89ABCDEF, 0x01234567], np.uint32)
    words = philox4x32(counter, key).astype(np.int64)
    yield "philox.0", "philox4x32", (counter.astype(np.int64), key.astype(np.int64)), words
    for number, (seed, tensor, place) in enumerate(
        ((0, 0, (0, 0, 0)), (SEED, 2, (3, 5, 7)), (2**64 - 1, 1, (0, 1000, 15)))
    ):
        n = dither_integers(SHAPE, seed=seed, tensor=tensor, first_channel=place[0],
                            first_row=place[1], first_column=place[2])  # fmt: skip
        where = (SHAPE, (seed & 0xFFFFFFFF, seed >> 32), tensor, place)
        yield f"dither_integers.{number}", "dither_integers", where, n
    table, k = tables(), symbols()
    n = dither_integers(SHAPE, seed=SEED)
    parts = tuple(np.asarray(a) for a in table)
    phase = PHASES[n].astype(np.int64)
    intervals = np.stack(symbol_intervals(k, phase, table)[:2])
    yield "symbol_intervals.0", "symbol_intervals", (k, phase, *parts), intervals
    stream = encode_band(k, n, PHASES, table)
    data = np.frombuffer(stream, np.uint8)
    yield "encode_band.0", "encode_band", (k, n, PHASES, *parts), data
    header = [int(x) for x in (HEADER.method, HEADER.height, HEADER.width, HEADER.rows_per_band)]
    packed = np.frombuffer(pack(HEADER, [stream, b"", stream[:5]]), np.uint8)
    arguments = (tuple(header), (HEADER.alpha, HEADER.alpha_r), np.frombuffer(HEADER.model_hash,
                 np.uint8), (SEED & 0xFFFFFFFF, SEED >> 32), data)  # fmt: skip
    yield "pack.0", "pack", arguments, packed
