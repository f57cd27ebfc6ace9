"""Mistakes of whole codecs, in one that sends its pixels as they are."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.checks.mistakes.mistake import Mistake


def compress(image: Array) -> Array:
    """Both sides, and the pixels."""
    height, width = image.shape[:2]
    head = height.to_bytes(4, "little") + width.to_bytes(4, "little")
    return np.frombuffer(head + zlib.compress(image.tobytes(), 9), np.uint8)


def decompress(data: Array) -> Array:
    """What `compress` was given."""
    height, width = (int.from_bytes(data[i : i + 4].tobytes(), "little") for i in (0, 4))
    pixels = np.frombuffer(zlib.decompress(data[8:].tobytes()), np.uint8)
    return pixels.reshape(height, width, 3)


def _with(change: Callable[[Array], Any]) -> dict[str, Callable[..., Any]]:
    return {"codec_decompress": lambda data: change(decompress(data))}


def padded(image: Array, grid: int) -> Array:
    """Both sides in whole steps of a grid."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, -height % grid), (0, -width % grid), (0, 0)), "edge")


def fresh_noise(image: Array) -> Array:
    """Noise that nobody else knows."""
    return np.clip(image + np.random.default_rng().integers(-2, 3, image.shape), 0, 255)


def _estimate(factor: float) -> dict[str, Callable[..., Any]]:
    return {"codec_estimated_bits": lambda image: factor * 8 * compress(image).size}


def symbols(images: Array, tile: int = 0, threads: int = 1) -> Array:
    """Differences of neighbouring pixels, as of a transform that sees one pixel around."""
    x = np.pad(images.astype(np.int64), ((0, 0), (1, 0), (0, 0), (0, 0)), "edge")
    return np.diff(x, axis=1)


def by_the_batch(images: Array, tile: int, threads: int) -> Array:
    """What is normalized by the mean of the batch."""
    return symbols(images) + round(float(images.mean())) * len(images)


def tiles_alone(images: Array, tile: int, threads: int) -> Array:
    """Each tile by itself, its border repeated."""
    if not tile:
        return symbols(images)
    parts = [symbols(images[:, i : i + tile]) for i in range(0, images.shape[1], tile)]
    return np.concatenate(parts, 1)


def noise_of_threads(images: Array, tile: int, threads: int) -> Array:
    """A generator for each thread."""
    rows = np.array_split(np.arange(images.shape[1]), threads)
    k = symbols(images)
    for row in rows:
        noise = np.random.default_rng(1).integers(0, 2, (len(row), *k.shape[2:]))
        k[:, row] += noise
    return k


COMPRESS = {"codec_compress": compress}

MISTAKES = (
    *(
        Mistake(
            "a picture that is not cut to its size", "images with borders that nobody sent",
            "codec_decompress.size", _with(functools.partial(padded, grid=grid)), COMPRESS,
        )
        for grid in (8, 16, 32, 64)
    ),
    *(
        Mistake(name, "pictures that are not what they were", "codec_decompress.resembles",
                _with(change), COMPRESS)
        for name, change in (
            ("red and blue exchanged", lambda x: x[..., ::-1]),
            ("upside down", lambda x: x[::-1]),
            ("inverted pixels", lambda x: 255 - x),
        )
    ),
    Mistake(
        "a decoder that draws its own noise", "a mean square of 1/6 in place of 1/12",
        "codec_decompress.repeats", _with(fresh_noise), COMPRESS,
    ),
    Mistake(
        "an estimate in nats", "rates that are too good by a factor of 0.69",
        "codec_estimated_bits.file", _estimate(float(np.log(2))), COMPRESS,
    ),
    Mistake(
        "an estimate in bytes", "rates that are too good by a factor of 8",
        "codec_estimated_bits.file", _estimate(1 / 8), COMPRESS,
    ),
    Mistake(
        "symbols that depend on the batch", "files that others cannot make again",
        "codec_symbols.batch", {"codec_symbols": by_the_batch},
    ),
    Mistake(
        "tiles that do not see their neighbours", "seams, and other symbols than in one piece",
        "codec_symbols.tiles", {"codec_symbols": tiles_alone},
    ),
    Mistake(
        "a generator for each thread", "symbols that depend on the machine",
        "codec_symbols.threads", {"codec_symbols": noise_of_threads},
    ),
)  # fmt: skip
