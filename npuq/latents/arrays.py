"""The door: arrays of coefficients to bytes and back, Sec. 3.2.

    k = round(s((y - m) / step) - u)   is sent,   step r(k + u) + m   is what the receiver makes.

u is the dither of the coefficient's address, s and r are soft rounding, m are means that both sides
know. What decides a symbol is the encoder's float64 alone; the decoder finds it in integers.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from npuq.arguments import contents, integer
from npuq.backend import Array, check_unmasked
from npuq.coding.arithmetic import decode_band, decode_runs, encode_band, encode_runs
from npuq.coding.dither import content_seed
from npuq.coding.philox import WORD_MASK
from npuq.errors import InvalidArrayError, WrongTablesError
from npuq.latents.container import DTYPES, ArrayHeader, Parts, check_shape, pack, unpack
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

LARGEST = 1 << 28
"""Coefficients of an array that a decoder makes unless it is told otherwise."""


class Decoded(NamedTuple):
    """What `decode_array` returns: the array, and where in the data its stream ends."""

    array: Array
    end: int


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
    check_unmasked(y, "y")
    y = np.asarray(y)
    if y.dtype.name not in DTYPES:  # the name says nothing of the byte order
        raise InvalidArrayError(f"y must be an array of {', '.join(DTYPES)}, not {y.dtype}")
    check_shape(y.shape)
    channel_axis = _axis(tables, axis, y.shape)
    if method is None:
        method = "un+uq+sr" if tables.alpha > 0 else "un+uq"
    phases = phases_of(tables, method)
    seed = content_seed(y) if isinstance(seed, str) and seed == "content" else seed
    if isinstance(seed, str):
        raise ValueError(f"seed must be an integer or 'content', not {seed!r}")
    seed = integer(seed, "seed", 0, (1 << 64) - 1)
    tensor = integer(tensor, "tensor", 0, WORD_MASK)
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
    parts = unpack(contents(data), integer(start, "start", 0))
    header, largest = parts.header, integer(largest, "largest")
    tables = _find_tables(parts, tables)
    if math.prod(header.shape) > largest:
        raise InvalidArrayError(
            f"the array has shape {header.shape}, more than {largest} coefficients; say so by "
            "largest= if it is yours"
        )
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


def _find_tables(parts: Parts, tables: Tables | None) -> Tables:
    needed = f"the array needs tables {parts.header.tables_hash.hex()}"
    if tables is None:
        if not parts.tables:
            raise WrongTablesError(f"{needed}, which are not in it")
        tables = tables_from_bytes(parts.tables)
    check_tables(tables)
    if tables.hash != parts.header.tables_hash:
        raise WrongTablesError(f"{needed}, not {tables.hash.hex()}")
    return tables


def _check_fit(tables: Tables, header: ArrayHeader) -> None:
    """That a header, which may be anybody's, is one for these tables."""
    channels = 1 if header.axis is None else header.shape[header.axis]
    if channels != tables.channels or header.has_scales != (tables.thresholds is not None):
        raise WrongTablesError("the array's header does not fit the tables that it names")


def _axis(tables: Tables, axis: int, shape: tuple[int, ...]) -> int | None:
    """The axis of the channels, None where there is one table for all."""
    axis = integer(axis, "axis")
    if (channels := tables.channels) == 1:
        return None
    if not -len(shape) <= axis < len(shape) or shape[axis] != channels:
        raise InvalidArrayError(
            f"y of shape {shape} must have {channels} channels along axis {axis}, one per table"
        )
    return axis % len(shape)
