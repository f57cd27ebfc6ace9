"""Laws of a whole codec, from pixels to a file and back.

Shapes: images (H, W, 3) uint8, RGB; files are bytes; symbols are integers, the first axis images.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.checks.law import NO_FLOATS, Functions, Law, Observation
from npuq.checks.laws.asking import WrongResultError, beside

SIZES = ((1, 1), (17, 5), (64, 100), (8, 130))
LARGE = (160, 240)
PICTURE = (
    "((np.add.outer(np.arange({0}) * 2, np.arange({1}) * 3)[..., None] + [0, 40, 90]) % 200 + 20)"
    ".astype('uint8')"
)
"""Slopes and edges, in three colours; neither side nor colour may take another's place."""
HEADER = 1024
"""Bits of a file that no model estimates: sizes, seeds, checksums."""
EXCHANGED = 1e-3
"""Symbols that may be others: sums of floats in another order meet a tie now and then."""

LIKE = {
    "the image": lambda x: x,
    "red and blue exchanged": lambda x: x[..., ::-1],
    "upside down": lambda x: x[::-1],
    "left and right exchanged": lambda x: x[:, ::-1],
    "inverted": lambda x: 255 - x,
    "nothing but its mean": lambda x: np.broadcast_to(x.mean((0, 1), keepdims=True), x.shape),
}


def picture(height: int, width: int) -> Array:
    """The image of PICTURE."""
    steps = np.add.outer(np.arange(height) * 2, np.arange(width) * 3)[..., None]
    return ((steps + [0, 40, 90]) % 200 + 20).astype(np.uint8)


def compressed(functions: Functions, image: Array) -> Array:
    """The file of an image.

    Raises:
        WrongResultError: the answer is no bytes.
    """
    data = np.asarray(functions["codec_compress"](image))
    if data.dtype != np.uint8 or data.ndim != 1:
        raise WrongResultError(f"codec_compress returned {data.dtype} of {data.shape}, not bytes")
    return data


def _both_ways(height: int, width: int) -> str:
    image = PICTURE.format(height, width)
    return f"np.asarray({{f}}({{w}}({_file_of(image)})))"


def _file_of(image: str) -> str:
    return f"np.frombuffer(bytes({{of[codec_compress]}}({{w}}({image}))), np.uint8)"


def _decoded(functions: Functions, image: Array) -> Array:
    return np.asarray(functions["codec_decompress"](compressed(functions, image)))


def _size(functions: Functions) -> Iterator[Observation]:
    for size in SIZES:
        shape = np.array(_decoded(functions, picture(*size)).shape)
        yield beside("codec_decompress", (), shape, (*size, 3), 0, pointwise=False,
                     read=f"{_both_ways(*size)}.shape")  # fmt: skip


def _resembles(functions: Functions) -> Iterator[Observation]:
    """Which of some pictures it is most like: of LIKE, in their order."""
    image = picture(64, 100)
    back = _decoded(functions, image)[:64, :100].astype(np.float64)  # its size is another law's
    wide = image.astype(np.float64)
    beside("codec_decompress", (), back, wide, 0)  # of the same shape
    errors = [abs(back - change(wide)).mean() for change in LIKE.values()]
    read = (
        "(lambda x, r: np.arange(6) == np.argmin([abs(r - a).mean() for a in (x, x[..., ::-1], "
        f"x[::-1], x[:, ::-1], 255 - x, x.mean((0, 1)))]))({PICTURE.format(64, 100)} + 0.0, "
        f"{_both_ways(64, 100)}[:64, :100] + 0.0)"
    )
    nearest = np.arange(len(errors)) == np.argmin(errors)
    due = np.arange(len(errors)) == 0
    yield beside("codec_decompress", (), nearest, due, 0, pointwise=False, read=read)


def _repeats(functions: Functions) -> Iterator[Observation]:
    data = compressed(functions, picture(64, 100))
    first, again = (np.asarray(functions["codec_decompress"](data), np.float64) for _ in range(2))
    read = (
        f"(lambda d: abs(np.asarray({{f}}(d)) + 0.0 - np.asarray({{f}}(d))).max())"
        f"({{w}}({_file_of(PICTURE.format(64, 100))}))"
    )
    yield beside("codec_decompress", (), abs(first - again).max(), 0, 0, pointwise=False, read=read)


def _file(functions: Functions) -> Iterator[Observation]:
    """Bits of the file, as parts of the estimate."""
    image = picture(*LARGE)
    bits = 8 * compressed(functions, image).size
    estimate = float(np.asarray(functions["codec_estimated_bits"](image)))
    code = PICTURE.format(*LARGE)
    read = f"(lambda x: 8 * len({{of[codec_compress]}}({{w}}(x))) / float({{f}}({{w}}(x))))({code})"
    yield beside("codec_estimated_bits", (), np.divide(bits, estimate), 1.0,
                 0.01 + HEADER / max(estimate, 1.0), pointwise=False, read=read)  # fmt: skip


def _symbols(functions: Functions, *, pieces: tuple[tuple[int, int], ...]) -> Iterator[Observation]:
    """The share of symbols that are others in a batch, by tiles or by threads."""
    images = np.stack([picture(64, 96), picture(64, 96)[::-1], picture(64, 96)[:, ::-1]])
    alone = np.asarray(functions["codec_symbols"](images[1:2], 0, 1))[0]
    for tile, threads in pieces:
        batch = np.asarray(functions["codec_symbols"](images, tile, threads))
        beside("codec_symbols", (), batch, np.zeros((3, *alone.shape)), 0)
        image = PICTURE.format(64, 96)
        read = (
            f"(lambda x: np.mean(np.asarray({{f}}({{w}}(np.stack([x, x[::-1], x[:, ::-1]])), "
            f"{tile}, {threads}))[1] != np.asarray({{f}}({{w}}(x[None, ::-1].copy()), 0, 1))[0]))"
            f"({image})"
        )
        yield beside("codec_symbols", (), (batch[1] != alone).mean(), 0, EXCHANGED,
                     pointwise=False, read=read)  # fmt: skip


def _laws() -> Iterator[Law]:
    both = "codec_decompress", "codec_compress"
    for name, statement, reason, cost, observe in (
        ("size", f"an image of its size comes back, for sizes such as {SIZES[1]}", "0: pixels",
         "images that must be cut by hand, or cannot be read", _size),
        ("resembles", "what comes back is most like the image: not mirrored, inverted or of "
         "exchanged colours, and nearer to it than its mean", "0: the nearest of six",
         "pictures that are not what they were", _resembles),
        ("repeats", "a file gives the same image each time", "0",
         "noise that changes from one look to the next; a dither that the file does not know",
         _repeats),
    ):  # fmt: skip
        yield Law(f"codec_decompress.{name}", "Sec. 3.2", both, statement, reason, cost, observe,
                  NO_FLOATS)  # fmt: skip
    yield Law(
        "codec_estimated_bits.file", "Eq. 21", ("codec_estimated_bits", "codec_compress"),
        "the file is as long as was estimated", f"a hundredth, and {HEADER} bits of a header",
        "rates of a training, or of a paper, that no file has", _file, NO_FLOATS,
    )  # fmt: skip
    reason = f"{EXCHANGED:g} of the symbols: sums of floats in another order meet ties"
    cases: dict[str, tuple[str, Any]] = {
        "batch": ("in a batch as alone", ((0, 1),)),
        "tiles": ("in tiles of 16 or 32 pixels as in one piece", ((16, 1), (32, 1))),
        "threads": ("by two or three threads as by one", ((0, 2), (0, 3))),
    }
    for name, (statement, pieces) in cases.items():
        yield Law(
            f"codec_symbols.{name}", "Sec. 3.2", ("codec_symbols",),
            f"an image has the same symbols {statement}", reason,
            "files that depend on the machine, and that others cannot make again",
            functools.partial(_symbols, pieces=pieces), NO_FLOATS,
        )  # fmt: skip


LAWS = tuple(_laws())
