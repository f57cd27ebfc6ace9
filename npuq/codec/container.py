"""The file format: a header, independent streams, and checksums over both.

All numbers are little-endian.

    bytes  content
        4  magic, b"NPUQ"
        1  format version, 1
        1  method, an index of METHODS (`npuq.trained.methods`)
        1  dither, 1: Philox4x32-10 with 8 bits
        1  flags: 1 if the picture is grey, red = green = blue (`npuq.models.grey`), else 0
        8  hash of the model
      4+4  height and width of the image in pixels
      4+4  alpha of the encoder's s and of the decoder's r, float32 (Eqs. 10 and 14)
        8  seed of the dither
        2  rows of the latent grid per band
        1  tensors: 1, or 2 where a hyper-latent goes before
        4  number of streams, n
      4 n  length of each stream in bytes
        4  CRC-32 of all before
           the streams
        4  CRC-32 of the streams
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from npuq.errors import (
    CorruptFileError,
    NotNpuqFileError,
    TruncatedFileError,
    UnsupportedVersionError,
)
from npuq.trained.methods import METHODS

MAGIC = b"NPUQ"
VERSION = 1
PHILOX_8_BITS = 1
GREY = 1  # a bit of the flags

FIXED = struct.Struct("<4sBBBB8sIIffQHBI")
U32 = struct.Struct("<I")


class Header(NamedTuple):
    """What a decoder must know beside the model and the streams."""

    method: int  # index of METHODS
    model_hash: bytes  # 8 bytes
    height: int  # pixels
    width: int
    alpha: float  # of the encoder's s: a float32, 0 for s(y) = y, infinite for rounding
    alpha_r: float  # of the decoder's r, likewise
    seed: int  # of the dither, 0 .. 2^64 - 1
    rows_per_band: int  # of the latent grid
    tensors: int = 1
    grey: bool = False  # red = green = blue in every pixel of the picture


def pack(header: Header, streams: Sequence[bytes]) -> bytes:
    """The bytes of a compressed file.

    Raises:
        ValueError: a field of `header` is impossible or does not fit its place; an alpha is not a
            float32, so that the decoder would not use the one that the encoder used.
    """
    problem = _problem(header)
    if problem:
        raise ValueError(f"header: {problem}")
    try:
        start = (MAGIC, VERSION, header.method, PHILOX_8_BITS, GREY if header.grey else 0)
        fixed = FIXED.pack(*start, *header[1:-1], len(streams))
    except (struct.error, OverflowError) as error:
        raise ValueError(f"header: a field does not fit its place in the file: {error}") from error
    if _parse_fixed(fixed)[0] != header:
        raise ValueError("header: alpha and alpha_r must be float32 numbers; round them first")
    head = fixed + struct.pack(f"<{len(streams)}I", *map(len, streams))
    return b"".join((head, _crc(head), *streams, _crc(*streams)))


def unpack(data: bytes) -> tuple[Header, list[bytes]]:
    """Header and streams of a compressed file, checked to the last byte.

    Raises:
        NotNpuqFileError: the magic is missing.
        UnsupportedVersionError: the format is newer than this library.
        TruncatedFileError: bytes are missing at the end.
        CorruptFileError: a checksum does not match, a field is impossible, or bytes follow.
    """
    header, lengths, begin = _parse_head(data)
    end = begin + sum(lengths)
    if len(data) < end + U32.size:
        raise TruncatedFileError(f"the file should have {end + U32.size} bytes, not {len(data)}")
    if len(data) > end + U32.size:
        raise CorruptFileError(f"{len(data) - end - U32.size} bytes follow the end of the file")
    if data[end:] != _crc(memoryview(data)[begin:end]):
        raise CorruptFileError("the checksum of the compressed data does not match")
    streams = []
    for length in lengths:
        streams.append(data[begin : begin + length])
        begin += length
    return header, streams


def read_header(data: bytes) -> Header:
    """The header alone; of `data` only the head need be there.

    Raises:
        InvalidFileError: as `unpack`, for what concerns the head.
    """
    return _parse_head(data)[0]


def _parse_head(data: bytes) -> tuple[Header, tuple[int, ...], int]:
    """Header, stream lengths, and where the streams begin. Nothing is used before its check."""
    if not data:
        raise TruncatedFileError("the file is empty")
    if not data.startswith(MAGIC[: len(data)]):
        raise NotNpuqFileError("this is not a file compressed by npuq")
    if len(data) > len(MAGIC) and data[len(MAGIC)] > VERSION:
        raise UnsupportedVersionError(
            f"the file has format version {data[len(MAGIC)]}, this library reads up to {VERSION}: "
            "use a newer npuq"
        )
    if len(data) < FIXED.size:
        raise TruncatedFileError("the file ends within its header")
    header, count, error = _parse_fixed(data[: FIXED.size])
    end = FIXED.size + U32.size * count
    if len(data) < end + U32.size:
        raise TruncatedFileError("the file ends within its header")
    if data[end : end + U32.size] != _crc(data[:end]):
        raise CorruptFileError("the checksum of the header does not match")
    if error:
        raise CorruptFileError(f"the header is impossible: {error}")
    return header, struct.unpack_from(f"<{count}I", data, FIXED.size), end + U32.size


def _parse_fixed(fixed: bytes) -> tuple[Header, int, str]:
    """The header, the number of streams, and what is impossible about them ("" if nothing)."""
    _, version, method, dither, flags, *fields, count = FIXED.unpack(fixed)
    header = Header(method, *fields)._replace(grey=bool(flags & GREY))
    if version != VERSION or dither != PHILOX_8_BITS or flags & ~GREY:
        return header, count, f"version {version}, dither {dither}, flags {flags}"
    return header, count, _problem(header)


def _problem(header: Header) -> str:
    """What is impossible about a header, or ""."""
    if not 0 <= header.method < len(METHODS):
        return f"method must be an index of {METHODS}, not {header.method}"
    if len(header.model_hash) != 8:
        return "model_hash must have 8 bytes"
    for name in ("height", "width", "rows_per_band", "tensors"):
        if getattr(header, name) < 1:
            return f"{name} must be at least 1"
    if not (header.alpha >= 0 and header.alpha_r >= 0):  # nor NaN
        return "alpha and alpha_r must be 0 or more"
    return ""


def _crc(*parts: bytes | memoryview) -> bytes:
    """The CRC-32 of the parts one after another, as it stands in the file."""
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return U32.pack(crc)
