"""The file format: every change of a byte and every truncation is noticed, with its own error."""

import struct
import zlib

import pytest

from npuq.codec.container import Header, pack, read_header, unpack
from npuq.errors import (
    CorruptFileError,
    InvalidFileError,
    NotNpuqFileError,
    TruncatedFileError,
    UnsupportedVersionError,
)
from npuq.trained.methods import METHODS

HEADER = Header(2, b"12345678", 512, 768, 7.0, 16.0, 2**64 - 1, 16)
STREAMS = [b"first", b"", b"\0third\0"]
DATA = pack(HEADER, STREAMS)


def resealed(position, value):
    """The file with one byte of its header changed and the header's checksum made to match."""
    end = 47 + 4 * len(STREAMS)
    head = bytearray(DATA[:end])
    head[position] = value
    return bytes(head) + struct.pack("<I", zlib.crc32(head)) + DATA[end + 4 :]


@pytest.mark.parametrize("streams", [STREAMS, [], [b""], [bytes(1000)] * 300])
def test_round_trip(streams):
    data = pack(HEADER, streams)
    assert unpack(data) == (HEADER, streams)
    assert read_header(data) == HEADER
    assert len(data) == 47 + 4 * len(streams) + 4 + sum(map(len, streams)) + 4


def test_the_bytes_are_where_the_format_says():
    assert DATA[:8] == b"NPUQ\x01\x02\x01\x00"
    assert DATA[8:16] == b"12345678"
    assert struct.unpack("<IIffQHBI", DATA[16:47]) == (512, 768, 7, 16, 2**64 - 1, 16, 1, 3)


def test_grey_is_a_bit_that_files_of_colours_do_not_have():
    grey = pack(HEADER._replace(grey=True), STREAMS)
    assert grey[7] == 1 and unpack(grey) == (HEADER._replace(grey=True), STREAMS)
    assert [i for i in range(47) if grey[i] != DATA[i]] == [7]


def test_head_can_be_read_without_the_streams():
    assert read_header(DATA[: 47 + 12 + 4]) == HEADER


def test_every_change_of_a_byte_is_noticed():
    for i in range(len(DATA)):
        for change in range(1, 256):
            with pytest.raises(InvalidFileError):
                unpack(DATA[:i] + bytes([DATA[i] ^ change]) + DATA[i + 1 :])


def test_every_truncation_is_noticed():
    for length in range(len(DATA)):
        with pytest.raises(TruncatedFileError):
            unpack(DATA[:length])


def test_what_follows_the_end_is_noticed():
    with pytest.raises(CorruptFileError, match="1 bytes follow"):
        unpack(DATA + b"\0")


@pytest.mark.parametrize("data", [b"J", b"NPUX", b"\x89PNG" + bytes(100)])
def test_foreign_files_are_told_apart(data):
    with pytest.raises(NotNpuqFileError):
        unpack(data)


def test_a_newer_version_is_told_apart():
    with pytest.raises(UnsupportedVersionError, match="version 2"):
        unpack(b"NPUQ\x02 of which nothing more is known")


@pytest.mark.parametrize(
    ("position", "value"),
    [(4, 0), (5, len(METHODS)), (6, 0), (6, 2), (7, 2), (7, 129), (42, 0), (27, 0xFF), (31, 0xC1)],
    ids=[
        "version",
        "method",
        "dither 0",
        "dither 2",
        "flags 2",
        "flags 129",
        "tensors",
        "alpha",
        "alpha_r",
    ],
)
def test_impossible_fields_are_noticed_though_the_checksum_matches(position, value):
    with pytest.raises(CorruptFileError, match="impossible"):
        unpack(resealed(position, value))


def test_a_huge_number_of_streams_allocates_nothing():
    for position in range(43, 47):
        with pytest.raises(InvalidFileError):
            unpack(resealed(position, 0xFF))


@pytest.mark.parametrize(
    "change",
    [
        {"method": 3},
        {"model_hash": b"short"},
        {"height": 0},
        {"width": 1 << 32},
        {"alpha": float("nan")},
        {"alpha": -1.0},
        {"alpha": 7.3},  # not a float32: the decoder would use another alpha than the encoder
        {"alpha_r": 1e300},
        {"seed": 1 << 64},
        {"rows_per_band": 0},
        {"tensors": 256},
    ],
)
def test_headers_that_do_not_fit_are_refused(change):
    with pytest.raises(ValueError, match="header"):
        pack(HEADER._replace(**change), STREAMS)


def test_infinite_alpha_is_hard_rounding_and_fits():
    header = HEADER._replace(method=0, alpha=float("inf"), alpha_r=float("inf"))
    assert unpack(pack(header, []))[0] == header
