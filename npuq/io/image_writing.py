"""Arrays to image files, without loss."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.errors import InvalidImageError
from npuq.io.atomic import write_file_atomically
from npuq.io.image_formats import load_pillow
from npuq.io.images import check_image

WRITE_OPTIONS: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG"},
    ".ppm": {"format": "PPM"},
    ".bmp": {"format": "BMP"},
    ".tif": {"format": "TIFF", "compression": "tiff_deflate"},
    ".tiff": {"format": "TIFF", "compression": "tiff_deflate"},
    ".webp": {"format": "WEBP", "lossless": True},
}
"""The lossless formats, by suffix: a decoded picture must not be degraded a second time."""


def write_image(path: str | os.PathLike[str], image: Array) -> None:
    """Write an image without loss, atomically; the suffix chooses the format.

    Args:
        path: a name that ends in .png, .ppm, .bmp, .tif, .tiff or .webp (written lossless).
        image: uint8 (H, W, 3).

    Raises:
        InvalidImageError: not such an image, or the suffix of another format.
        NpuqError: the folder does not exist, or the file cannot be written.
        MissingDependencyError: Pillow is not installed.
    """
    path = Path(path)
    check_image(image)
    check_writable(path)
    pillow = load_pillow()
    picture = pillow.fromarray(np.ascontiguousarray(image))
    options = WRITE_OPTIONS[path.suffix.lower()]
    _check_side(image, options, path)

    def write(temporary: Path) -> None:
        with _WithoutDescriptor(io.FileIO(temporary, "w")) as file:
            picture.save(file, **options)

    write_file_atomically(path, write)


def encode_image(image: Array, suffix: str) -> bytes:
    """The contents of the file that `write_image` writes under a name with this suffix.

    Args:
        image: uint8 (H, W, 3).
        suffix: .png, .ppm, .bmp, .tif, .tiff or .webp.

    Raises:
        InvalidImageError: not such an image, or the suffix of another format.
        MissingDependencyError: Pillow is not installed.
    """
    check_image(image)
    check_writable(f"image{suffix}")
    pillow = load_pillow()
    options = WRITE_OPTIONS[suffix.lower()]
    _check_side(image, options, "the image")
    contents = io.BytesIO()
    pillow.fromarray(np.ascontiguousarray(image)).save(contents, **options)
    return contents.getvalue()


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check, before any work is done, that `write_image` knows the suffix of a file name.

    Raises:
        InvalidImageError: it does not, or the format would lose information.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in WRITE_OPTIONS:
        what = f"{suffix} is not" if suffix else "a name without suffix does not stand for"
        raise InvalidImageError(
            f"{path}: {what} a lossless image format that npuq writes; "
            f"use one of {', '.join(sorted(WRITE_OPTIONS))}"
        )


class _WithoutDescriptor(io.BufferedWriter):
    """A file that Pillow must write through Python's own, checked writing.

    Given a descriptor, it writes to it by itself, and takes a short write for a whole one: where
    the disk is full, the file would be cut off and nobody would know.
    """

    def fileno(self) -> int:
        """None is given."""
        raise io.UnsupportedOperation("fileno")


def _check_side(image: Array, options: dict[str, Any], name: str | Path) -> None:
    if options["format"] == "WEBP" and max(image.shape) > 16383:
        raise InvalidImageError(f"{name}: WebP holds at most 16383 pixels a side; use PNG")
