"""Image files to arrays and back; the shape of an image is (H, W, 3), uint8, RGB, everywhere.

Pillow is imported inside the functions, so that the library works on arrays without it.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.errors import InvalidImageError
from npuq.io.image_formats import (
    FORMATS,
    has_foreign_colours,
    has_more_pictures,
    is_deep,
    load_pillow,
    orientation,
    turned,
)

PIXELS_MAX = 1 << 27
"""Of an image to read; decoded, it takes 400 MB."""

STRIP_ROWS = 256


_WARNINGS = threading.RLock()  # filters of warnings are global: one thread at a time changes them


def _renew_lock() -> None:
    global _WARNINGS
    _WARNINGS = threading.RLock()


if hasattr(os, "register_at_fork"):  # a thread that holds it is not there in a forked child
    os.register_at_fork(after_in_child=_renew_lock)


def check_image(image: Array, name: str = "image") -> None:
    """Check that an array is an 8-bit RGB picture with at least one pixel.

    Args:
        image: anything that a caller hands in.
        name: what the message calls it.

    Raises:
        InvalidImageError: not a NumPy array of type uint8 and shape (H, W, 3), H, W >= 1.
    """
    if not isinstance(image, np.ndarray):
        raise InvalidImageError(
            f"{name} must be a NumPy array of type uint8, not {type(image).__name__}"
        )
    if isinstance(image, np.ma.MaskedArray):
        raise InvalidImageError(f"{name} is a masked array; fill it first (numpy.ma.filled)")
    if image.dtype != np.uint8:
        raise InvalidImageError(
            f"{name} must have type uint8 (values 0 to 255), not {image.dtype}; convert it first"
        )
    if image.ndim != 3 or image.shape[2] != 3:
        raise InvalidImageError(
            f"{name} must have shape (height, width, 3), not {image.shape}; "
            "repeat a grey picture three times, drop an alpha channel"
        )
    if image.size == 0:
        raise InvalidImageError(f"{name} has no pixels: its shape is {image.shape}")


def read_image(path: str | os.PathLike[str], *, data: bytes | None = None) -> Array:
    """Read an image file as 8-bit RGB.

    Greyscale, palette, one-bit and CMYK pictures are converted to RGB. Transparent pixels are
    blended onto white, with a warning if there are any. The orientation that a camera noted
    (EXIF) is applied; if that block is damaged, the picture is read as it is stored, with a
    warning. Of a file with several pictures the first is read, with a warning. Colour profiles are
    ignored: the numbers are taken as they are, with a warning unless the profile is sRGB's.

    Args:
        path: the file, in one of the formats `npuq.io.image_formats.FORMATS`, whatever its name.
        data: its contents, if they are at hand; `path` is but a name for messages then.

    Returns:
        uint8 (H, W, 3).

    Raises:
        InvalidImageError: no such file, not an image, damaged, more than 2^27 pixels, or more than
            8 bits a channel.
        MissingDependencyError: Pillow is not installed.
    """
    pillow = load_pillow()
    path = Path(path)
    if data is None and not path.exists():
        raise InvalidImageError(f"{path}: there is no such file")
    if data is None and path.is_dir():
        raise InvalidImageError(f"{path}: is a folder, not an image file")
    remarks: list[str] = []
    try:
        with _opened(path if data is None else io.BytesIO(data), pillow, remarks) as file:
            _check_size_and_depth(file, path)
            if has_more_pictures(file):
                remarks.append("of its pictures only the first is read")
            if has_foreign_colours(file):
                remarks.append("its colour profile is ignored, its numbers are taken for sRGB")
            file.load()
            turn = _orientation(file, remarks)
            picture = file
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                if picture.getchannel("A").getextrema()[0] < 255:
                    remarks.append("transparent pixels are blended onto white")
                white = pillow.new("RGBA", picture.size, "white")
                picture = pillow.alpha_composite(white, picture)
            image = _pixels(picture)
    except (InvalidImageError, MemoryError):
        raise
    except pillow.DecompressionBombError as error:  # Pillow's own limit is higher, if not changed
        raise InvalidImageError(_too_large(path)) from error
    except pillow.UnidentifiedImageError as error:
        raise InvalidImageError(
            f"{path}: is not an image in a format that is read ({', '.join(sorted(FORMATS))})"
        ) from error
    except Exception as error:  # damaged files make Pillow's decoders raise almost anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InvalidImageError(f"{path}: cannot be read as an image ({reason})") from error
    with _WARNINGS:  # or another thread would catch them as Pillow's
        for remark in dict.fromkeys(remarks):
            warnings.warn(f"{path}: {remark}", stacklevel=2)
    return turned(image, turn)


def _pixels(picture: Any) -> Array:
    """The picture as uint8 RGB, strip by strip: converting a large one at once takes it thrice."""
    width, height = picture.size
    image = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, STRIP_ROWS):
        bottom = min(top + STRIP_ROWS, height)
        image[top:bottom] = picture.crop((0, top, width, bottom)).convert("RGB")
    return image


def _opened(source: Path | io.BytesIO, pillow: Any, remarks: list[str]) -> Any:
    """The file, of which only the header is read; Pillow's warnings are added to `remarks`.

    Not that of sizes that we allow.
    """
    with _warnings_in(remarks):
        warnings.simplefilter("ignore", pillow.DecompressionBombWarning)
        try:
            return pillow.open(source, formats=FORMATS)
        except KeyError as error:  # a Pillow without the last of the formats
            raise pillow.UnidentifiedImageError from error


def _orientation(file: Any, remarks: list[str]) -> int:
    """How the picture is to be turned; not at all if the EXIF block does not say."""
    found: list[str] = []
    turn = 1
    try:
        with _warnings_in(found):
            turn = orientation(file)
    except Exception as error:  # a damaged block makes Pillow raise almost anything
        found.append(str(error))
    if found and not any("EXIF" in remark for remark in remarks):  # said when it was opened
        what = "the picture is not turned" if turn == 1 else "but says how the picture is turned"
        remarks.append(f"its EXIF block is damaged; {what}")
    return turn


@contextlib.contextmanager
def _warnings_in(remarks: list[str]) -> Iterator[None]:
    with _WARNINGS, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            remarks += [str(warning.message) for warning in caught]


def _check_size_and_depth(file: Any, path: Path) -> None:
    """Refuse before decoding what would fill the memory, or lose bits without a word."""
    if file.width * file.height > PIXELS_MAX:
        raise InvalidImageError(_too_large(path))
    if is_deep(file):
        raise InvalidImageError(
            f"{path}: has more than 8 bits a channel; convert it to 8 bits first"
        )


def _too_large(path: Path) -> str:
    return f"{path}: has more than {PIXELS_MAX} pixels; cut it into pieces first"
