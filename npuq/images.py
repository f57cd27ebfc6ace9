"""Image files to arrays and back; the shape of an image is (H, W, 3), uint8, RGB, everywhere.

Pillow is imported inside the functions, so that the library works on arrays without it.
"""

from __future__ import annotations

import io
import os
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from npuq.atomic import write_file_atomically
from npuq.backend import Array
from npuq.errors import InvalidImageError, MissingDependencyError

READ_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".pgm", ".pbm", ".tif", ".tiff", ".gif"}
)
"""What `list_images` takes for an image, by name; `read_image` reads whatever Pillow reads."""

PIXELS_MAX = 1 << 27
"""Of an image to read; decoded, it takes 400 MB."""

STRIP_ROWS = 256

WRITE_OPTIONS: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG"},
    ".ppm": {"format": "PPM"},
    ".bmp": {"format": "BMP"},
    ".tif": {"format": "TIFF", "compression": "tiff_deflate"},
    ".tiff": {"format": "TIFF", "compression": "tiff_deflate"},
    ".webp": {"format": "WEBP", "lossless": True},
}
"""The lossless formats, by suffix: a decoded picture must not be degraded a second time."""


_OPENING = threading.Lock()  # filters of warnings are global: one thread at a time changes them


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
    (EXIF) is applied. Of a file with several pictures the first is read. Colour profiles are
    ignored: the numbers are taken as they are.

    Args:
        path: the file.
        data: its contents, if they are at hand; `path` is but a name for messages then.

    Returns:
        uint8 (H, W, 3).

    Raises:
        InvalidImageError: no such file, not an image, damaged, more than 2^27 pixels, or more than
            8 bits a channel.
        MissingDependencyError: Pillow is not installed.
    """
    pillow, image_ops = _pillow()
    path = Path(path)
    if data is None and not path.exists():
        raise InvalidImageError(f"{path}: there is no such file")
    if data is None and path.is_dir():
        raise InvalidImageError(f"{path}: is a folder, not an image file")
    transparent = False
    try:
        with _opened(path if data is None else io.BytesIO(data), pillow) as file:
            _check_size_and_depth(file, path)
            image_ops.exif_transpose(file, in_place=True)
            picture = file
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                transparent = picture.getchannel("A").getextrema()[0] < 255
                white = pillow.new("RGBA", picture.size, "white")
                picture = pillow.alpha_composite(white, picture)
            image = _pixels(picture)
    except InvalidImageError:
        raise
    except pillow.DecompressionBombError as error:  # Pillow's own limit is higher, if not changed
        raise InvalidImageError(_too_large(path)) from error
    except pillow.UnidentifiedImageError as error:
        raise InvalidImageError(f"{path}: is not an image in a format that Pillow reads") from error
    except Exception as error:  # damaged files make Pillow's decoders raise almost anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InvalidImageError(f"{path}: cannot be read as an image ({reason})") from error
    if transparent:
        warnings.warn(f"{path}: transparent pixels are blended onto white", stacklevel=2)
    return image


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
    pillow, _ = _pillow()
    picture = pillow.fromarray(np.ascontiguousarray(image))
    options = WRITE_OPTIONS[path.suffix.lower()]
    _check_side(image, options, path)
    write_file_atomically(path, lambda temporary: picture.save(temporary, **options))


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
    pillow, _ = _pillow()
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


def list_images(folder: str | os.PathLike[str]) -> list[Path]:
    """The image files in a folder and its subfolders, by suffix, sorted by path.

    Hidden files and folders (a leading dot) are left out.

    Raises:
        InvalidImageError: there is no such folder, or no image in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InvalidImageError(f"{folder}: there is no such folder")
    files = [
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in READ_SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
    ]
    if not files:
        raise InvalidImageError(
            f"{folder}: holds no images (files that end in {', '.join(sorted(READ_SUFFIXES))})"
        )
    # by parts, not by string: the order must not depend on the system's path separator
    return sorted(files, key=lambda file: file.relative_to(folder).parts)


def _pillow() -> tuple[Any, Any]:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise MissingDependencyError(
            "reading and writing image files needs Pillow: pip install 'npuq[cli]'"
        ) from error
    return Image, ImageOps


def _pixels(picture: Any) -> Array:
    """The picture as uint8 RGB, strip by strip: converting a large one at once takes it thrice."""
    width, height = picture.size
    image = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, STRIP_ROWS):
        bottom = min(top + STRIP_ROWS, height)
        image[top:bottom] = picture.crop((0, top, width, bottom)).convert("RGB")
    return image


def _opened(source: Path | io.BytesIO, pillow: Any) -> Any:
    """The file, of which only the header is read; Pillow warns of sizes that we allow."""
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore", pillow.DecompressionBombWarning)
        return pillow.open(source)


def _check_size_and_depth(file: Any, path: Path) -> None:
    """Refuse before decoding what would fill the memory, or lose bits without a word.

    Pillow reduces 16-bit colour to 8 bits silently: its `mode` is then "RGB", and only the
    arguments of its decoder tell ("RGB;16B" for PNG and TIFF, the maximum value for PPM).
    """
    if file.width * file.height > PIXELS_MAX:
        raise InvalidImageError(_too_large(path))
    deep = file.mode.startswith(("I", "F"))  # 16 or 32 bits a pixel, integer or float
    for tile in file.tile:
        arguments = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        deep = deep or any(isinstance(a, str) and ";16" in a for a in arguments)
        deep = deep or (tile[0].startswith("ppm") and arguments[-1] > 255)
    if deep:
        raise InvalidImageError(
            f"{path}: has 16 bits a channel (or more); convert it to 8 bits first"
        )


def _check_side(image: Array, options: dict[str, Any], name: str | Path) -> None:
    if options["format"] == "WEBP" and max(image.shape) > 16383:
        raise InvalidImageError(f"{name}: WebP holds at most 16383 pixels a side; use PNG")


def _too_large(path: Path) -> str:
    return f"{path}: has more than {PIXELS_MAX} pixels; cut it into pieces first"
