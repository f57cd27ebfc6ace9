"""Images as bytes: universal quantization at test time, Sec. 3.2.

The three approaches of the paper (Sec. 5.1) are one coder at three softnesses:

    method       alpha, alpha_r    sent                    reconstructed coefficients
    un+q         infinity          k = round(y)            k
    un+uq        0                 k = round(y - u)        k + u
    un+uq+sr     of the model      k = round(s(y) - u)     r(k + u)

as s and r become rounding for infinite alpha and the identity for alpha = 0. The dither u is
generated on both sides from the seed in the file.

Shapes: image (H, W, 3) uint8; y, k, u, r (192, h, w), h and w the rows and columns of blocks.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np

from npuq.backend import Array
from npuq.coding.arithmetic import decode_band, encode_band
from npuq.coding.container import METHODS, Header, pack, unpack
from npuq.coding.dither import dither_integers, dither_values
from npuq.coding.tables import table_bits
from npuq.errors import CorruptFileError, InvalidFileError, InvalidImageError, ModelError
from npuq.images import PIXELS_MAX, check_image
from npuq.kernels.threads import thread_count
from npuq.model_file import Model, hard_phases, plain_phases
from npuq.models import linear
from npuq.nn import nonparametric
from npuq.nn.parameters import cast
from npuq.paper.channel import universal_dequantize, universal_quantize
from npuq.paper.density import rate_bits
from npuq.paper.soft_round import soft_round, soft_round_conditional_mean
from npuq.shipped import find_model, shipped_model

BAND_ROWS = 32
"""Rows of blocks in one stream: the number of streams depends on the image only."""

T = TypeVar("T")
S = TypeVar("S")


class Symbols(NamedTuple):
    """An image between the transforms and the entropy coder.

    Attributes:
        k: (192, h, w) int32.
        n: (192, h, w) uint8, the dither integers.
        height, width: of the image, pixels.
    """

    k: Array
    n: Array
    height: int
    width: int


def compress(
    image: Array,
    *,
    method: str = "un+uq+sr",
    quality: int = 2,
    model: Model | None = None,
    seed: int = 0,
) -> bytes:
    """Compress an image into the bytes of a file (Sec. 3.2).

    Args:
        image: (H, W, 3) uint8, RGB.
        method: "un+q", "un+uq" or "un+uq+sr".
        quality: of the models that come with the package; 1 makes the smallest files.
        model: a model of one's own; `quality` is ignored then.
        seed: of the dither, 0 to 2^64 - 1. The same seed gives the same bytes.

    Returns:
        The contents of a compressed file.

    Raises:
        InvalidImageError: not uint8 of shape (H, W, 3).
        ModelError: no such method or quality, or a model that was not trained for the method.
        ValueError: the seed is out of range.
        TypeError: seed or quality is not an integer, or `model` is not a Model.
    """
    seed, quality = operator.index(seed), operator.index(quality)
    check_image(image)
    if model is not None and not isinstance(model, Model):
        raise TypeError("model must be what npuq.load_model returns")
    if image.shape[0] * image.shape[1] > PIXELS_MAX:
        raise InvalidImageError(f"the image has more than {PIXELS_MAX} pixels; cut it into parts")
    model = shipped_model(method, quality) if model is None else model
    return write_symbols(quantize(image, model, method, seed), model, method, seed)


def decompress(data: bytes, *, model: Model | None = None) -> Array:
    """The image in a compressed file (Sec. 3.2).

    Args:
        data: the contents of the file.
        model: needed if the file was made with a model that does not come with the package.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        InvalidFileError: not a file of ours, of a newer version, truncated, or corrupt.
        WrongModelError: made with another model.
        TypeError: `data` is not bytes.
    """
    symbols, header, model = read_symbols(bytes(memoryview(data)), model)
    return dequantize(symbols, model, METHODS[header.method])


def softness_of(model: Model, method: str) -> tuple[float, float]:
    """The softness of s and of r at test time: one coder for the three approaches (Sec. 5.1).

    Raises:
        ModelError: unknown method, or "un+uq+sr" with a model trained without soft rounding.
    """
    if method not in METHODS:
        raise ModelError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    if method == "un+uq+sr" and model.alpha == 0:
        raise ModelError(
            f"model {model.name} was trained without soft rounding; use un+q or un+uq with it"
        )
    if method == "un+uq+sr":
        return model.alpha, model.alpha_r
    return (math.inf, math.inf) if method == "un+q" else (0.0, 0.0)


def phases_of(model: Model, method: str) -> Array:
    """The phase of each dither value under a method, (256,) uint16; integers from the start."""
    if method == "un+uq+sr":
        return model.phases
    return hard_phases() if method == "un+q" else plain_phases()


def quantize(image: Array, model: Model, method: str, seed: int) -> Symbols:
    """The sender's half of universal quantization: k = round(s(y) - u), Eq. (5).

    Args:
        image: (H, W, 3) uint8.
        model: whose analysis transform to use.
        method: one of METHODS.
        seed: of the dither.
    """
    alpha, _ = softness_of(model, method)
    padded = linear.pad_to_blocks(image)
    rows, columns = padded.shape[0] // linear.BLOCK, padded.shape[1] // linear.BLOCK
    shape = (linear.CHANNELS, rows, columns)
    blocks = linear.images_to_blocks(padded[None])
    y = linear.analyse(blocks, model.params.analysis).reshape(shape)
    n = dither_integers(shape, seed=seed)
    k = universal_quantize(soft_round(y, alpha), dither_values(n, y.dtype))
    if not np.all(np.abs(k) < 2**31):  # also if not a number
        raise ModelError(f"model {model.name} makes coefficients beyond 2**31 of this image")
    return Symbols(k.astype(np.int32), n, *image.shape[:2])


def reconstruct(symbols: Symbols, model: Model, method: str) -> Array:
    """The receiver's half: r_alpha(k + u), Eqs. (5) and (14), float32 (192, h, w)."""
    _, alpha_r = softness_of(model, method)
    z = universal_dequantize(symbols.k.astype(np.float32), dither_values(symbols.n))
    return soft_round_conditional_mean(z, alpha_r)


def dequantize(symbols: Symbols, model: Model, method: str) -> Array:
    """The image of the symbols, (H, W, 3) uint8: rounded and clipped g(r(k + u))."""
    r = reconstruct(symbols, model, method)
    blocks = linear.synthesise(r.reshape(linear.CHANNELS, -1), model.params.synthesis)
    image = linear.blocks_to_images(blocks, (1, *symbols.k.shape[1:]))[0]
    pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return pixels[: symbols.height, : symbols.width]


def estimated_bits(symbols: Symbols, model: Model, method: str) -> float:
    """The bits that the float model predicts for the symbols: the sum of -log2 p(k + u), Eq. (22).

    In float64, so that it can be the yardstick of the integer tables.
    """
    alpha, _ = softness_of(model, method)
    z = universal_dequantize(symbols.k, dither_values(symbols.n, np.float64))
    density = cast(model.params.density, np.float64)
    bits = rate_bits(z.reshape(linear.CHANNELS, -1), density, cdf=nonparametric, alpha=alpha)
    return float(bits.sum())


def promised_bits(symbols: Symbols, model: Model, method: str) -> float:
    """The bits that the integer tables promise for the symbols."""
    phases = phases_of(model, method).astype(np.int64)
    return float(table_bits(symbols.k, phases[symbols.n], model.tables).sum())


def write_symbols(symbols: Symbols, model: Model, method: str, seed: int) -> bytes:
    """Entropy-code symbols into a file, one stream per band of rows."""
    phases, tables = phases_of(model, method), model.tables
    alpha, alpha_r = softness_of(model, method)
    header = Header(
        method=METHODS.index(method),
        model_hash=model.hash,
        height=symbols.height,
        width=symbols.width,
        alpha=alpha,
        alpha_r=alpha_r,
        seed=seed,
        rows_per_band=BAND_ROWS,
        tensors=1,
    )
    streams = _in_threads(
        lambda band: encode_band(symbols.k[:, band], symbols.n[:, band], phases, tables),
        _bands(symbols.k.shape[1], BAND_ROWS),
    )
    return pack(header, streams)


def read_symbols(data: bytes, model: Model | None = None) -> tuple[Symbols, Header, Model]:
    """Decode the symbols of a file; all in integers, so the same everywhere.

    Raises:
        as `decompress`.
    """
    header, streams = unpack(data)
    model = find_model(header.model_hash, model)
    method = METHODS[header.method]
    if (header.alpha, header.alpha_r) != softness_of(model, method):
        raise CorruptFileError("the softness in the file is not that of its method and model")
    phases = phases_of(model, method)
    rows, columns = (-(-side // linear.BLOCK) for side in (header.height, header.width))
    if header.tensors != 1:
        raise CorruptFileError("a file of a linear model has one tensor")
    if -(-rows // header.rows_per_band) != len(streams):
        raise CorruptFileError("the number of streams does not fit the size of the image")
    if header.height * header.width > PIXELS_MAX:  # a few bytes could claim any size
        raise InvalidFileError(
            f"the image has {header.height} x {header.width} pixels, more than {PIXELS_MAX}"
        )
    bands = _bands(rows, header.rows_per_band)
    n = dither_integers((linear.CHANNELS, rows, columns), seed=header.seed)
    parts = _in_threads(
        lambda job: decode_band(job[0], n[:, job[1]], phases, model.tables),
        list(zip(streams, bands, strict=True)),
    )
    k = np.concatenate(parts, axis=1)
    return Symbols(k, n, header.height, header.width), header, model


def _bands(rows: int, rows_per_band: int) -> list[slice]:
    return [slice(top, top + rows_per_band) for top in range(0, rows, rows_per_band)]


def _in_threads(function: Callable[[S], T], jobs: list[S]) -> list[T]:
    """Results in the order of the jobs; the compiled coder holds no GIL."""
    if len(jobs) < 2:
        return [function(job) for job in jobs]
    with ThreadPoolExecutor(min(thread_count(), len(jobs))) as pool:
        return list(pool.map(function, jobs))
