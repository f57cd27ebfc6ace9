"""Images as bytes and back, by any model: universal quantization at test time, Sec. 3.2.

What the models do with an image is in `npuq.codec.linear`, `npuq.codec.hyperprior` and
`npuq.codec.factorized`, under the same names; here is what concerns a file as a whole.
"""

from __future__ import annotations

import operator
from types import ModuleType
from typing import Any

from npuq.backend import Array
from npuq.codec import factorized as codec_factorized
from npuq.codec import hyperprior as codec_hyperprior
from npuq.codec import linear as codec_linear
from npuq.codec.quantizer import softness_of_method
from npuq.codec.tiles import Progress
from npuq.coding.container import METHODS, Header, pack, unpack
from npuq.errors import CorruptFileError, InvalidFileError, InvalidImageError
from npuq.io.images import PIXELS_MAX, check_image
from npuq.models.grey import is_grey
from npuq.trained.model import FACTORIZED, HYPERPRIOR, LINEAR, Model
from npuq.trained.shipped import find_model, shipped_model

PADDED_MAX = 2 * PIXELS_MAX
_CODECS = {LINEAR: codec_linear, HYPERPRIOR: codec_hyperprior, FACTORIZED: codec_factorized}


def compress(
    image: Array,
    *,
    method: str = "un+uq+sr",
    quality: int = 4,
    model: Model | str = LINEAR,
    seed: int = 0,
    progress: Progress | None = None,
) -> bytes:
    """Compress an image into the bytes of a file (Sec. 3.2).

    Args:
        image: (H, W, 3) uint8, RGB.
        method: "un+q", "un+uq" or "un+uq+sr".
        quality: of the models that come with the package; 1 makes the smallest files.
        model: "linear" or "hyperprior", which come with the package; or a model of one's own, and
            `quality` is ignored then.
        seed: of the dither, 0 to 2^64 - 1. The same seed gives the same bytes.
        progress: called with (parts done, parts in all) as work goes on.

    Returns:
        The contents of a compressed file.

    Raises:
        InvalidImageError: not uint8 of shape (H, W, 3).
        ModelError: no such model, method or quality, or a model that was not trained for the
            method.
        ValueError: the seed is out of range.
        TypeError: seed or quality is not an integer, or `model` is neither a Model nor a name.
    """
    seed, quality = operator.index(seed), operator.index(quality)
    check_image(image)
    if not isinstance(model, (Model, str)):
        raise TypeError("model must be a name, or what npuq.load_model returns")
    if isinstance(model, str):
        model = shipped_model(method, quality, model)
    if rule := _too_large(image.shape[0], image.shape[1], model):
        raise InvalidImageError(f"the image {rule}; cut it into parts")
    header = header_of(image.shape[:2], model, method, seed, grey=is_grey(image))
    return pack(header, _codec(model).encode(image, model, method, seed, progress))


def decompress(
    data: bytes, *, model: Model | None = None, progress: Progress | None = None
) -> Array:
    """The image in a compressed file (Sec. 3.2).

    Args:
        data: the contents of the file.
        model: needed if the file was made with a model that does not come with the package.
        progress: called with (parts done, parts in all) as work goes on.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        InvalidFileError: not a file of ours, of a newer version, truncated, or corrupt.
        WrongModelError: made with another model.
        TypeError: `data` is not bytes.
    """
    header, streams, model = _checked(bytes(memoryview(data)), model)
    image: Array = _codec(model).decode(streams, header, model, progress)
    return image


def softness_of(model: Model, method: str) -> tuple[float, float]:
    """The softness of s and of r at test time: one coder for the three approaches (Sec. 5.1).

    Raises:
        ModelError: unknown method, or "un+uq+sr" with a model trained without soft rounding.
    """
    return softness_of_method(method, model.alpha, model.alpha_r, model.name)


def quantize(image: Array, model: Model, method: str, seed: int) -> Any:
    """The symbols of an image: `Symbols`, `HyperSymbols` or `FactorizedSymbols`.

    Raises:
        ModelError: the method does not go with the model, or a coefficient is beyond 32 bits.
        ValueError: the seed is out of range.
    """
    return _codec(model).quantize(image, model, method, seed)


def dequantize(symbols: Any, model: Model, method: str) -> Array:
    """The image of symbols, (H, W, 3) uint8."""
    image: Array = _codec(model).dequantize(symbols, model, method)
    return image


def estimated_bits(symbols: Any, model: Model, method: str) -> float:
    """The bits that the float model predicts for symbols, in float64."""
    return float(_codec(model).estimated_bits(symbols, model, method))


def promised_bits(symbols: Any, model: Model, method: str) -> float:
    """The bits that the integer tables promise for symbols."""
    return float(_codec(model).promised_bits(symbols, model, method))


def header_of(
    size: tuple[int, int], model: Model, method: str, seed: int, *, grey: bool = False
) -> Header:
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
        rows_per_band=_codec(model).BAND_ROWS,
        tensors=_codec(model).TENSORS,
        grey=grey,
    )


def write_symbols(symbols: Any, model: Model, method: str, seed: int) -> bytes:
    """Entropy-code the symbols of an image into a file, as `compress` does."""
    size = symbols.height, symbols.width
    header = header_of(size, model, method, seed, grey=symbols.grey)
    return pack(header, _codec(model).write_streams(symbols, model, method))


def read_symbols(data: bytes, model: Model | None = None) -> tuple[Any, Header, Model]:
    """Decode the symbols of a file; all in integers, so the same everywhere.

    Raises:
        as `decompress`.
    """
    header, streams, model = _checked(data, model)
    return _codec(model).read_streams(streams, header, model), header, model


def _codec(model: Model) -> ModuleType:
    return _CODECS[model.kind]


def _too_large(height: int, width: int, model: Model) -> str:
    """What is wrong with the size of an image, if anything; a thin one is much longer padded."""
    if height * width > PIXELS_MAX:
        return f"has {height} x {width} pixels, more than {PIXELS_MAX}"
    grid = _codec(model).GRID
    padded = grid**2 * -(-height // grid) * -(-width // grid)
    if padded > PADDED_MAX:
        return f"has {padded} pixels with sides in whole {grid}s, more than {PADDED_MAX}"
    return ""


def _checked(data: bytes, model: Model | None) -> tuple[Header, list[bytes], Model]:
    """Header, streams and model of a file, found to fit each other."""
    header, streams = unpack(data)
    model = find_model(header.model_hash, model)
    codec = _codec(model)
    if (header.alpha, header.alpha_r) != softness_of(model, METHODS[header.method]):
        raise CorruptFileError("the softness in the file is not that of its method and model")
    for what, found, ours in (
        ("tensors", header.tensors, codec.TENSORS),
        ("rows per band", header.rows_per_band, codec.BAND_ROWS),
    ):
        if found != ours:
            raise CorruptFileError(f"a file of a {model.kind} model has {ours} {what}, not {found}")
    if rule := _too_large(header.height, header.width, model):  # a few bytes could claim any size
        raise InvalidFileError(f"the image {rule}")
    if codec.streams_in(header) != len(streams):
        raise CorruptFileError("the number of streams does not fit the size of the image")
    return header, streams, model
