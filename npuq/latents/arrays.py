"""The door: arrays of coefficients to bytes and back, Sec. 3.2.

    k = round(s((y - m) / step) - u)   is sent,   step r(k + u) + m   is what the receiver makes.

u is the dither of the coefficient's address, s and r are soft rounding, m are means that both sides
know. What decides a symbol is the encoder's float64 alone; the decoder finds it in integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npuq.coding.arithmetic import decode_band, decode_runs, encode_band, encode_runs
from npuq.errors import WrongTablesError
from npuq.latents.container import DTYPES, ArrayHeader, pack
from npuq.latents.doors import (
    LARGEST,
    Decoded,
    address_of,
    channel_axis_of,
    codable_array,
    received,
)
from npuq.latents.layout import blocks_of, by_channel, grid_of, place_of
from npuq.latents.quantization import (
    check_means,
    dither_of,
    phases_of,
    quantize,
    reconstructed_dither,
)
from npuq.latents.scales import check_scales, indexes_crc, level_indexes, sorted_by_level
from npuq.latents.tables import Tables, check_tables
from npuq.latents.tables_file import tables_from_bytes, tables_to_bytes
from npuq.runtime.threads import map_in_threads
from npuq.trained.methods import METHODS


def encode_array(
    y: Any,
    tables: Tables,
    *,
    method: str | None = None,
    axis: int = 0,
    scales: Any = None,
    means: Any = 0.0,
    scales_are_shared: bool = False,
    seed: int | str = 0,
    tensor: int = 0,
    embed: bool = False,
) -> bytes:
    """Code an array by universal quantization: Eq. 5, Sec. 3.2.

    Args:
        y: floats of any shape, or what NumPy makes such an array of.
        tables: from `make_tables` or `make_scale_tables`.
        method: "un+q" rounds, "un+uq" is universal quantization, "un+uq+sr" soft-rounds before it;
            the default is the last that the tables serve.
        axis: of the channels, where the tables have one for each.
        scales: where the tables are of scales, that of each coefficient, of a shape that broadcasts
            to y's: integers, round(2^16 scale / step).
        means: which are subtracted from y, of a shape that broadcasts to its; they decide no
            symbol of the decoder's (Eq. 24), so they may be floats that both sides compute.
        scales_are_shared: both sides hold the same scales, bit by bit; floats then, in units of y.
        seed: of the dither, 0 to 2^64 - 1; or "content", that of `npuq.content_seed(y)`.
        tensor: number of the array where several share a seed, so that no two share their dither.
        embed: put the tables into the stream, so that a decoder needs nothing else: 2 or 3 kB for
            one density, 135 kB for 160 scales.

    Returns:
        A stream that knows its length: several can follow one another. It has 48 bytes, 8 for
        each axis, 4 for each block of 2^20 coefficients, and what the tables promise, to 0.01 % and
        some 3 bytes for each block. Besides it and y, coding takes some 60 MB for each thread, and
        with scales a byte for each coefficient.

    Numerics: under "un+uq" the error of the decoded array, in steps, is uniform on [-1/2, 1/2] and
        independent of y, but for what floats cannot hold. The dither has 256 values
        (`npuq.coding.dither.dither_values`), so that the error of one given y lies on a grid of
        1/256. All is computed in float64 and the result rounded to the type of y, which moves it by
        up to 2^-24 |y| in float32. That stays below half of the dither's grid, 1/512 of a step, for
        |y| / step up to 2^15 in float32, 2^2 in float16; in float64 for all that can be coded,
        2^31, where rounding moves the error by 2^-22.

    Raises:
        InvalidArrayError: y is not an array of floats, or holds what is not finite or beyond 2^31
            steps; it has more than 32 axes; its channels, scales or means do not fit.
        TablesError: the tables do not serve the method.
        ModelError: there is no such method.
        ValueError: seed or tensor is out of range.
        TypeError: seed or tensor is no integer, `tables` are none, or an array is masked.
    """
    check_tables(tables)
    y = codable_array(y)
    channel_axis = channel_axis_of(tables.channels, axis, y.shape)
    if method is None:
        method = "un+uq+sr" if tables.alpha > 0 else "un+uq"
    phases = phases_of(tables, method)
    seed, tensor = address_of(seed, tensor, y)
    levels = check_scales(scales, tables, y.shape, are_shared=scales_are_shared)
    view, shift = (by_channel(a, channel_axis) for a in (y, check_means(means, y.shape)))
    blocks = blocks_of(grid_of(y.shape, channel_axis))
    indexes = None if levels is None else level_indexes(levels, tables, blocks)

    def encode(number: int) -> bytes:
        part = place_of(blocks[number], view)
        x = view[part].astype(np.float64)
        x -= shift[part]  # in place, here and below: new memory would cost more than the arithmetic
        x /= tables.step
        n = dither_of(blocks[number], len(x), seed, tensor)
        k = quantize(x, n, phases)
        if indexes is None:
            return encode_band(k, n, phases, tables.integers)
        order, counts = sorted_by_level(indexes[number], tables)
        return encode_runs(k.ravel()[order], n.ravel()[order], counts, phases, tables.integers)

    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused
        streams = map_in_threads(encode, range(len(blocks)))
    header = ArrayHeader(
        method=METHODS.index(method),
        dtype=DTYPES.index(y.dtype.name),
        axis=channel_axis,
        has_scales=indexes is not None,
        tables_hash=tables.hash,
        seed=seed,
        tensor=tensor,
        scales_crc=indexes_crc(indexes or []),
        shape=y.shape,
    )
    indexes = None  # their memory is wanted for the whole stream
    return pack(header, tables_to_bytes(tables) if embed else b"", streams)


def decode_array(
    data: Any,
    tables: Tables | None = None,
    *,
    scales: Any = None,
    means: Any = 0.0,
    scales_are_shared: bool = False,
    start: int = 0,
    largest: int = LARGEST,
) -> Decoded:
    """The array that `encode_array` coded: Eqs. 5 and 14, Sec. 3.2.

    Args:
        data: bytes in which its stream begins at `start`.
        tables: those of the encoder; not needed where they are inside of the stream.
        scales, means, scales_are_shared: as for the encoder.
        start: `end` of the array before, where several follow one another.
        largest: how many coefficients the array may have; a few bytes can claim very many.

    Returns:
        (array, end): the array in the shape and type that was coded, and where the stream ends.

    Raises:
        InvalidFileError: no stream of ours, of a newer version, truncated, or corrupt.
        WrongTablesError: it was coded with other tables, or other scales.
        InvalidArrayError: scales or means do not fit, or the array is larger than `largest`.
        TablesError: the tables in the stream are damaged, or do not serve its method.
        TypeError: `data` is not bytes, `start` or `largest` no integer, or `tables` are none.
    """
    parts, tables = received(data, start, largest, tables, check_tables, tables_from_bytes)
    header = parts.header
    method = METHODS[header.method]
    phases, r = phases_of(tables, method), reconstructed_dither(tables, method)
    _check_fit(tables, header)
    levels = check_scales(scales, tables, header.shape, are_shared=scales_are_shared)
    shift = by_channel(check_means(means, header.shape), header.axis)
    blocks = blocks_of(grid_of(header.shape, header.axis))
    indexes = None if levels is None else level_indexes(levels, tables, blocks)
    if indexes is not None and indexes_crc(indexes) != header.scales_crc:
        raise WrongTablesError("scales: not those that the array was coded with")
    array = np.empty(header.shape, DTYPES[header.dtype])
    view, most = by_channel(array, header.axis), float(np.finfo(array.dtype).max)

    def decode(number: int) -> None:
        part, stream = place_of(blocks[number], view), parts.blocks[number]
        n = dither_of(blocks[number], len(view), header.seed, header.tensor)
        if indexes is None:
            k = decode_band(stream, n, phases, tables.integers)
        else:
            order, counts = sorted_by_level(indexes[number], tables)
            k = np.empty(n.shape, np.int32)
            k.ravel()[order] = decode_runs(
                stream, n.ravel()[order], counts, phases, tables.integers
            )
        z = r[n]
        z += k
        z *= tables.step
        z += shift[part]
        view[part] = np.clip(z, -most, most, out=z)

    with np.errstate(over="ignore"):  # next to the largest number, the error may lead beyond it
        map_in_threads(decode, range(len(blocks)))
    return Decoded(array, parts.end)


def _check_fit(tables: Tables, header: ArrayHeader) -> None:
    """That a header, which may be anybody's, is one for these tables."""
    channels = 1 if header.axis is None else header.shape[header.axis]
    if channels != tables.channels or header.has_scales != (tables.thresholds is not None):
        raise WrongTablesError("the array's header does not fit the tables that it names")
