"""Images as bytes: universal quantization at test time, Sec. 3.2.

The three approaches of the paper (Sec. 5.1) are one coder at three softnesses:

    method       alpha, alpha_r    sent                    reconstructed coefficients
    un+q         infinity          k = round(y)            k
    un+uq        0                 k = round(y - u)        k + u
    un+uq+sr     of the model      k = round(s(y) - u)     r(k + u)

as s and r become rounding for infinite alpha and the identity for alpha = 0. The dither u is
generated on both sides from the seed in the file. It has 256 values, and s and r repeat in steps of
one, so that both sides look up what soft rounding does (`quantize`, `reconstruct`).

An image is coded in bands of 32 rows of blocks, each a stream of its own: on all cores, and a large
image in memory for a few bands beside its pixels.

Shapes: image (H, W, 3) uint8; y, k, u, r (192, h, w), h and w the rows and columns of blocks, of
the image or of a band of it.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.bands import BAND_ROWS, Band, bands_of, slabs_of, strips_of
from npuq.coding.arithmetic import decode_band, encode_band
from npuq.coding.container import METHODS, Header, pack, unpack
from npuq.coding.dither import DITHER_LEVELS, dither_integers, dither_values
from npuq.coding.tables import PHASE_UNIT, table_bits
from npuq.errors import CorruptFileError, InvalidFileError, InvalidImageError, ModelError
from npuq.images import PIXELS_MAX, check_image
from npuq.kernels.compile import use_reference
from npuq.kernels.threads import map_in_threads
from npuq.model_file import Model, hard_phases, plain_phases
from npuq.models import linear
from npuq.nn import nonparametric
from npuq.nn.parameters import cast
from npuq.paper.channel import universal_dequantize
from npuq.paper.density import rate_bits
from npuq.paper.soft_round import soft_round_conditional_mean
from npuq.shipped import find_model, shipped_model

FARTHEST = 2.0**31

Progress = Callable[[int, int], None]


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
    quality: int = 4,
    model: Model | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> bytes:
    """Compress an image into the bytes of a file (Sec. 3.2).

    Args:
        image: (H, W, 3) uint8, RGB.
        method: "un+q", "un+uq" or "un+uq+sr".
        quality: of the models that come with the package; 1 makes the smallest files.
        model: a model of one's own; `quality` is ignored then.
        seed: of the dither, 0 to 2^64 - 1. The same seed gives the same bytes.
        progress: called with (bands done, bands in all) after each strip of bands.

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

    bands = bands_of(image.shape[0], BAND_ROWS)
    streams: list[bytes] = []
    for strip in strips_of(bands, image.shape[1]):
        parts = [
            quantize(image[band.pixels], model, method, seed, first_row=band.rows.start)
            for band in strip
        ]
        streams += _encode(parts, model, method)
        if progress is not None:
            progress(len(streams), len(bands))
    return pack(header_of(image.shape[:2], model, method, seed), streams)


def decompress(
    data: bytes, *, model: Model | None = None, progress: Progress | None = None
) -> Array:
    """The image in a compressed file (Sec. 3.2).

    Args:
        data: the contents of the file.
        model: needed if the file was made with a model that does not come with the package.
        progress: called with (bands done, bands in all) after each strip of bands.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        InvalidFileError: not a file of ours, of a newer version, truncated, or corrupt.
        WrongModelError: made with another model.
        TypeError: `data` is not bytes.
    """
    header, streams, model = _checked(bytes(memoryview(data)), model)
    image = np.empty((header.height, header.width, 3), np.uint8)

    bands = bands_of(header.height, header.rows_per_band)
    done = 0
    for strip in strips_of(bands, header.width):
        parts = _decode(streams[done : done + len(strip)], strip, header, model)
        for band, symbols in zip(strip, parts, strict=True):
            image[band.pixels] = dequantize(symbols, model, METHODS[header.method])
        done += len(strip)
        if progress is not None:
            progress(done, len(bands))
    return image


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


def quantize(image: Array, model: Model, method: str, seed: int, *, first_row: int = 0) -> Symbols:
    """The sender's half of universal quantization: k = round(s(y) - u), Eq. (5).

    In terms of the phase v = s^-1(u + 1/2) of the dither, which the coder needs as well, it is

        k = floor(y - v) + 1,   as   k - 1/2 <= s(y) - u < k + 1/2   is   k - 1 + v <= y < k + v.

    Args:
        image: (H, W, 3) uint8, a whole one or a band.
        method: one of METHODS.
        model: whose analysis transform to use.
        seed: of the dither.
        first_row: of blocks, where the band begins.

    Raises:
        ModelError: the method does not go with the model, or a coefficient is beyond 32 bits.
        ValueError: the seed is out of range.
    """
    v = (phases_of(model, method) / PHASE_UNIT).astype(np.float32)
    padded = linear.pad_to_blocks(image)
    rows, columns = padded.shape[0] // linear.BLOCK, padded.shape[1] // linear.BLOCK
    n = dither_integers((linear.CHANNELS, rows, columns), seed=seed, first_row=first_row)
    k = np.empty(n.shape, np.int32)
    for slab in slabs_of(rows, columns):
        pixels = padded[linear.BLOCK * slab.start : linear.BLOCK * slab.stop]
        y = linear.analyse(linear.images_to_blocks(pixels[None]), model.params.analysis)
        if not -FARTHEST < y.min() <= y.max() < FARTHEST:  # also if not a number
            raise ModelError(f"model {model.name} makes coefficients beyond 2**31 of this image")
        _floor_less(y.reshape(k[:, slab].shape), n[:, slab], v, k[:, slab])
    return Symbols(k, n, *image.shape[:2])


def reconstruct(symbols: Symbols, model: Model, method: str) -> Array:
    """The receiver's half: r_alpha(k + u), Eqs. (5) and (14), float32 (192, h, w).

    As r_alpha(z + 1) = r_alpha(z) + 1, this is k + r_alpha(u), one of 256 numbers for each dither.
    """
    _, alpha_r = softness_of(model, method)
    return _plus(symbols.k, symbols.n, _reconstructed_dither(alpha_r))


@functools.lru_cache(maxsize=16)
def _reconstructed_dither(alpha_r: float) -> Array:
    """r_alpha(u) of each dither value, (256,) float32; once, not for every slab."""
    u = dither_values(np.arange(DITHER_LEVELS), np.float64)
    return soft_round_conditional_mean(u, alpha_r).astype(np.float32)


def dequantize(symbols: Symbols, model: Model, method: str) -> Array:
    """The image of the symbols, (H, W, 3) uint8: rounded and clipped g(r(k + u))."""
    _, rows, columns = symbols.k.shape
    image = np.empty((linear.BLOCK * rows, linear.BLOCK * columns, 3), np.uint8)
    for slab in slabs_of(rows, columns):
        part = symbols._replace(k=symbols.k[:, slab], n=symbols.n[:, slab])
        r = reconstruct(part, model, method)
        blocks = linear.synthesise(r.reshape(linear.CHANNELS, -1), model.params.synthesis)
        pixels = slice(linear.BLOCK * slab.start, linear.BLOCK * slab.stop)
        image[pixels] = linear.blocks_to_bytes(blocks, (1, *r.shape[1:]))[0]
    return image[: symbols.height, : symbols.width]


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


def _floor_less(y: Array, n: Array, table: Array, k: Array) -> None:
    """k = floor(y - table[n]) + 1."""
    if use_reference():
        k[:] = np.floor(y - table[n]) + 1
        return
    from npuq.kernels import lookup

    lookup.floor_less(_by_channel(y), _by_channel(n), table, _by_channel(k))


def _plus(k: Array, n: Array, table: Array) -> Array:
    """k + table[n], float32."""
    if use_reference():
        return k.astype(np.float32) + table[n]
    from npuq.kernels import lookup

    r = np.empty(k.shape, np.float32)
    lookup.plus(_by_channel(k), _by_channel(n), table, _by_channel(r))
    return r


def _by_channel(array: Array) -> Array:
    """(C, rows, columns) as (C, rows * columns), without a copy of neighbouring rows."""
    return array.reshape(len(array), -1)


def header_of(size: tuple[int, int], model: Model, method: str, seed: int) -> Header:
    """The header of a file of an image of `size` (H, W)."""
    alpha, alpha_r = softness_of(model, method)
    return Header(
        method=METHODS.index(method),
        model_hash=model.hash,
        height=size[0],
        width=size[1],
        alpha=alpha,
        alpha_r=alpha_r,
        seed=seed,
        rows_per_band=BAND_ROWS,
        tensors=1,
    )


def write_symbols(symbols: Symbols, model: Model, method: str, seed: int) -> bytes:
    """Entropy-code the symbols of an image into a file, as `compress` does."""
    parts = [
        symbols._replace(k=symbols.k[:, band.rows], n=symbols.n[:, band.rows])
        for band in bands_of(symbols.height, BAND_ROWS)
    ]
    header = header_of((symbols.height, symbols.width), model, method, seed)
    return pack(header, _encode(parts, model, method))


def read_symbols(data: bytes, model: Model | None = None) -> tuple[Symbols, Header, Model]:
    """Decode the symbols of a file; all in integers, so the same everywhere.

    Raises:
        as `decompress`.
    """
    header, streams, model = _checked(data, model)
    parts = _decode(streams, bands_of(header.height, header.rows_per_band), header, model)
    k, n = (np.concatenate([part[i] for part in parts], axis=1) for i in (0, 1))
    return Symbols(k, n, header.height, header.width), header, model


def _encode(parts: list[Symbols], model: Model, method: str) -> list[bytes]:
    """The streams of bands, on all cores."""
    phases = phases_of(model, method)
    return map_in_threads(lambda part: encode_band(part.k, part.n, phases, model.tables), parts)


def _decode(streams: list[bytes], bands: list[Band], header: Header, model: Model) -> list[Symbols]:
    """The symbols of bands, on all cores."""
    phases, columns = phases_of(model, METHODS[header.method]), -(-header.width // linear.BLOCK)

    def decode(job: tuple[bytes, Band]) -> Symbols:
        stream, (rows, pixels) = job
        shape = (linear.CHANNELS, rows.stop - rows.start, columns)
        n = dither_integers(shape, seed=header.seed, first_row=rows.start)
        k = decode_band(stream, n, phases, model.tables)
        return Symbols(k, n, pixels.stop - pixels.start, header.width)

    return map_in_threads(decode, list(zip(streams, bands, strict=True)))


def _checked(data: bytes, model: Model | None) -> tuple[Header, list[bytes], Model]:
    """Header, streams and model of a file, found to fit each other."""
    header, streams = unpack(data)
    model = find_model(header.model_hash, model)
    if (header.alpha, header.alpha_r) != softness_of(model, METHODS[header.method]):
        raise CorruptFileError("the softness in the file is not that of its method and model")
    if header.tensors != 1:
        raise CorruptFileError("a file of a linear model has one tensor")
    if header.height * header.width > PIXELS_MAX:  # a few bytes could claim any size
        raise InvalidFileError(
            f"the image has {header.height} x {header.width} pixels, more than {PIXELS_MAX}"
        )
    if len(bands_of(header.height, header.rows_per_band)) != len(streams):
        raise CorruptFileError("the number of streams does not fit the size of the image")
    return header, streams, model
