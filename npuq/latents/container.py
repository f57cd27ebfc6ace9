"""The format of a coded array: a header, independent blocks, and checksums over both.

All numbers are little-endian. A stream knows its length, so that others can follow it.

    bytes  content
        4  magic, b"NPUA"
        1  format version, 1
        1  method, an index of METHODS (`npuq.trained.methods`)
        1  dither, 1: Philox4x32-10 with 8 bits
        1  type of the array: 0 float16, 1 float32, 2 float64
        1  axis of the channels, 255 if all coefficients are of one
        1  number of axes, d
        1  flags: 1 if each coefficient has a scale
        1  0
        8  hash of the tables
        8  seed of the dither
        4  number of the tensor, for its dither
        4  CRC-32 of the tables that coefficients have, a byte each in the order of the blocks; 0
           where there are no scales
        4  length of the tables inside of the stream in bytes, 0 if both sides hold them
        4  number of blocks, n
      8 d  shape
      4 n  length of each block in bytes
        4  CRC-32 of all before
           the tables, as in their file (`npuq.latents.tables_file`), and the blocks
        4  CRC-32 of these
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from npuq.errors import (
    CorruptFileError,
    InvalidArrayError,
    NotNpuqFileError,
    TruncatedFileError,
    UnsupportedVersionError,
)
from npuq.latents.layout import block_count, grid_of
from npuq.trained.methods import METHODS

MAGIC = b"NPUA"
VERSION = 1
PHILOX_8_BITS = 1
SCALES = 1  # a bit of the flags
NO_AXIS = 255
DTYPES = ("float16", "float32", "float64")
MOST_AXES = 32
LARGEST_SHAPE = 1 << 59  # coefficients, empty axes left out: what NumPy can address

FIXED = struct.Struct("<4sBBBBBBBB8sQIIII")
U32 = struct.Struct("<I")


class ArrayHeader(NamedTuple):
    """What a stream says of its array."""

    method: int  # index of METHODS
    dtype: int  # index of DTYPES
    axis: int | None  # of the channels
    has_scales: bool
    tables_hash: bytes
    seed: int
    tensor: int
    scales_crc: int
    shape: tuple[int, ...]


class Parts(NamedTuple):
    """A stream, taken apart."""

    header: ArrayHeader
    tables: bytes  # empty if both sides hold them
    blocks: list[bytes]
    end: int  # where in the data the stream ends


def pack(header: ArrayHeader, tables: bytes, blocks: Sequence[bytes]) -> bytes:
    """The bytes of a coded array."""
    fixed = FIXED.pack(
        MAGIC, VERSION, header.method, PHILOX_8_BITS, header.dtype,
        NO_AXIS if header.axis is None else header.axis, len(header.shape),
        SCALES if header.has_scales else 0, 0,
        header.tables_hash, header.seed, header.tensor, header.scales_crc,
        len(tables), len(blocks),
    )  # fmt: skip
    lengths = struct.pack(f"<{len(blocks)}I", *map(len, blocks))
    head = fixed + struct.pack(f"<{len(header.shape)}Q", *header.shape) + lengths
    return b"".join((head, _crc(head), tables, *blocks, _crc(tables, *blocks)))


def unpack(data: bytes | memoryview, start: int = 0) -> Parts:
    """A stream that begins at `start`, checked to its last byte; others may follow.

    Raises:
        NotNpuqFileError: the magic is missing.
        UnsupportedVersionError: the format is newer than this library.
        TruncatedFileError: bytes are missing at the end.
        CorruptFileError: a checksum does not match, or a field is impossible.
    """
    view = memoryview(data)[start:]
    if not view:
        raise TruncatedFileError("there is no coded array: the data ends here")
    if view[:4] != MAGIC[: len(view)]:
        raise NotNpuqFileError("this is not an array coded by npuq")
    if len(view) > 4 and view[4] > VERSION:
        raise UnsupportedVersionError(
            f"the array has format version {view[4]}, this library reads up to {VERSION}: "
            "use a newer npuq"
        )
    if len(view) < FIXED.size:
        raise TruncatedFileError("the data ends within the header of an array")
    (_, version, method, dither, dtype, axis, axes, flags, zero, hash_, seed, tensor, scales_crc,
     tables_length, count) = FIXED.unpack(view[: FIXED.size])  # fmt: skip
    begin = FIXED.size + 8 * axes + U32.size * count
    if len(view) < begin + U32.size:
        raise TruncatedFileError("the data ends within the header of an array")
    if view[begin : begin + U32.size] != _crc(view[:begin]):
        raise CorruptFileError("the checksum of the array's header does not match")
    shape = struct.unpack_from(f"<{axes}Q", view, FIXED.size)
    header = ArrayHeader(
        method, dtype, None if axis == NO_AXIS else axis, bool(flags & SCALES), hash_, seed,
        tensor, scales_crc, shape,
    )  # fmt: skip
    if version != VERSION or dither != PHILOX_8_BITS or flags & ~SCALES or zero:
        raise CorruptFileError("the array's header is impossible: version, dither or flags")
    _check(header, count)
    lengths = struct.unpack_from(f"<{count}I", view, FIXED.size + 8 * axes)
    begin += U32.size
    end = begin + tables_length + sum(lengths)
    if len(view) < end + U32.size:
        raise TruncatedFileError(f"the array takes {end + U32.size} bytes, not {len(view)}")
    if view[end : end + U32.size] != _crc(view[begin:end]):
        raise CorruptFileError("the checksum of the coded array does not match")
    tables = bytes(view[begin : begin + tables_length])
    begin += tables_length
    blocks = []
    for length in lengths:
        blocks.append(bytes(view[begin : begin + length]))
        begin += length
    return Parts(header, tables, blocks, start + end + U32.size)


def check_shape(shape: tuple[int, ...]) -> None:
    """Check that the header has room for a shape.

    Raises:
        InvalidArrayError: too many axes, or endless ones.
    """
    if not _is_codable(shape):
        raise InvalidArrayError(
            f"y of shape {shape} has more than {MOST_AXES} axes, or too long ones: reshape it"
        )


def _is_codable(shape: tuple[int, ...]) -> bool:
    return len(shape) <= MOST_AXES and math.prod(max(n, 1) for n in shape) <= LARGEST_SHAPE


def _check(header: ArrayHeader, count: int) -> None:
    """Refuse what no encoder writes, before memory is taken for it."""
    shape, axis = header.shape, header.axis
    problem = ""
    if header.method >= len(METHODS) or header.dtype >= len(DTYPES):
        problem = f"method {header.method}, type {header.dtype}"
    elif not _is_codable(shape):
        problem = f"shape {shape}"
    elif axis is not None and (axis >= len(shape) or header.has_scales):
        problem = f"channels along axis {axis}"
    elif not header.has_scales and header.scales_crc:
        problem = "a checksum of scales without any"
    elif count != block_count(grid_of(shape, axis)):
        problem = f"{count} blocks for shape {shape}"
    if problem:
        raise CorruptFileError(f"the array's header is impossible: {problem}")


def _crc(*parts: bytes | memoryview) -> bytes:
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return U32.pack(crc)
