"""What the header of an image file says that Pillow does not: bits a channel, turns, and remarks.

`file` is everywhere what `PIL.Image.open` returns.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from npuq.backend import Array
from npuq.errors import missing_dependency

FORMATS = (
    "JPEG", "PNG", "PPM", "BMP", "GIF", "WEBP", "TIFF", "JPEG2000", "QOI", "SGI", "SUN", "PCX",
    "TGA", "AVIF",
)  # fmt: skip
"""The formats that are read, by Pillow's names. Of the others, one would start a foreign program
(EPS), and several hold more than 8 bits a channel without Pillow's telling. The last one is not in
every Pillow."""

# Boxes of JPEG 2000 (ISO 15444-1, Annex I) and AVIF (ISO 14496-12) that hold other boxes, and how
# many bytes of their own come first.
CONTAINERS = {
    b"jp2h": 0, b"meta": 4, b"iprp": 0, b"ipco": 0, b"moov": 0, b"trak": 0, b"mdia": 0,
    b"minf": 0, b"stbl": 0, b"stsd": 8, b"av01": 78,
}  # fmt: skip
SIZ_START = b"\xff\x4f\xff\x51"  # of a JPEG 2000 codestream: start of codestream, image size
HEADER_MAX = 1 << 16  # bytes looked at in one box: 16384 components, as many as there can be

ORIENTATION = 0x0112


def is_deep(file: Any) -> bool:
    """Whether a file, of which only the header was read, has more than 8 bits in a channel.

    Pillow reduces many of these to 8 bits silently: its `mode` is then "RGB", and only the
    arguments of its decoder tell ("RGB;16B" for PNG, the maximum value for PPM), or a tag (TIFF),
    or nothing (JPEG 2000, AVIF).
    """
    if file.mode.startswith(("I", "F")):  # 16 or 32 bits a pixel, integer or float
        return True
    if file.format == "TIFF":
        return any(bits > 8 for bits in file.tag_v2.get(258, ()))  # BitsPerSample
    if file.format in ("JPEG2000", "AVIF"):
        return _is_deep_in_boxes(file.fp)
    for tile in file.tile:
        decoder, arguments = tile[0], tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if file.format in ("PNG", "SGI") and any(";16" in str(a) for a in arguments):
            return True
        if decoder == "SGI16" or (decoder.startswith("ppm") and arguments[-1] > 255):
            return True
    return False


def orientation(file: Any) -> int:
    """The orientation that a camera noted, 1 to 8, of a file whose pixels were read; 1 is upright.

    Nothing else of the EXIF block is looked at.

    Raises:
        Exception: almost any, if the block is damaged.
    """
    value = file.getexif().get(ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def turned(image: Array, orientation: int) -> Array:
    """An image (H, W, 3) as it is to be looked at, by the EXIF orientation of how it is stored."""
    if orientation >= 5:  # rows are stored as columns
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def has_more_pictures(file: Any) -> bool:
    """Whether a file holds an animation, or several pages."""
    try:
        return bool(getattr(file, "is_animated", False))
    except Exception:  # a damaged second picture is none
        return False


def has_foreign_colours(file: Any) -> bool:
    """Whether a file has a colour profile, and not one that calls itself sRGB."""
    profile = file.info.get("icc_profile") or b""
    return len(profile) > 0 and not any("sRGB".encode(c) in profile for c in ("ascii", "utf-16-be"))


def _is_deep_in_boxes(file: BinaryIO) -> bool:
    position = file.tell()
    try:
        end = file.seek(0, 2)
        file.seek(0)
        if file.read(4) == SIZ_START:  # a codestream without boxes
            file.seek(0)
            return _is_deep_box(b"jp2c", file.read(HEADER_MAX))
        file.seek(0)
        return any(_is_deep_box(kind, contents) for kind, contents in _boxes(file, end))
    finally:
        file.seek(position)


def _boxes(file: BinaryIO, end: int) -> Iterator[tuple[bytes, bytes]]:
    """Kind and beginning of each box from here to `end`, and of those within it."""
    while (start := file.tell()) + 8 <= end:
        size, kind = struct.unpack(">I4s", file.read(8))
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        elif size == 0:
            size = end - start
        stop = start + size
        if not file.tell() <= stop <= end:
            return  # damaged; Pillow says so when it reads the pixels
        if kind in CONTAINERS:
            file.seek(CONTAINERS[kind], 1)
            yield from _boxes(file, stop)
        else:
            yield kind, file.read(min(stop - file.tell(), HEADER_MAX))
        file.seek(stop)


def _is_deep_box(kind: bytes, contents: bytes) -> bool:
    """Whether a box says that a channel has more than 8 bits."""
    if kind == b"av1C" and len(contents) > 2:  # AV1 codec configuration: the flag high_bitdepth
        return bool(contents[2] & 0x40)
    if kind == b"jp2c" and contents.startswith(SIZ_START):  # three bytes a component from byte 42
        components = int.from_bytes(contents[40:42], "big")
        depths = contents[42 : 42 + 3 * components : 3]
    elif kind == b"pclr" and len(contents) > 2:  # a palette; its columns' depths
        depths = contents[3 : 3 + contents[2]]
    else:
        return False
    return any((depth & 0x7F) >= 8 for depth in depths)  # one less than the bits, beside the sign


def load_pillow() -> Any:
    """Pillow's `Image`, imported now.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        what = "reading and writing image files"
        raise missing_dependency(what, "Pillow", "cli", error) from error
    return Image
