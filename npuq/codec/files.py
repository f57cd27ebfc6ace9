"""Images as bytes and back, by any model: universal quantization at test time, Sec. 3.2.

What each kind of model does with an image is in a module of its own, a `Codec` (codec.py); here
are the table of them, and what concerns a file as a whole.
"""

from __future__ import annotations

from npuq.arguments import check_callable, contents, integer
from npuq.backend import Array, usable_device
from npuq.codec import factorized, hyperprior, linear
from npuq.codec.bands import BAND_ROWS
from npuq.codec.codec import Codec, Progress, Symbols
from npuq.codec.container import Header, pack, unpack
from npuq.errors import CorruptFileError, InvalidFileError, InvalidImageError
from npuq.io.images import PIXELS_MAX, check_image
from npuq.models.grey import is_grey
from npuq.trained.methods import METHODS, check_method, softness_of
from npuq.trained.model import Model, on_device
from npuq.trained.shipped import find_model, shipped_model

PADDED_MAX = 2 * PIXELS_MAX
CODECS = {codec.kind: codec for codec in (linear.CODEC, hyperprior.CODEC, factorized.CODEC)}
"""By the kind of model, one for each of `npuq.trained.kinds.KINDS`."""


def compress(
    image: Array,
    *,
    method: str = "un+uq+sr",
    quality: int = 4,
    model: Model | str = "linear",
    seed: int = 0,
    device: str = "cpu",
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
        device: "cpu", "cuda", or "auto", which is "cuda" where that can be used. There the
            transforms, the quantizer and the integer scales are computed; files decode to the same
            symbols on every device.
        progress: called with (how much is done, how much there is) as work goes on.

    Returns:
        The contents of a compressed file.

    Raises:
        InvalidImageError: not uint8 of shape (H, W, 3).
        NoDeviceError: "cuda", which cannot be used; the message says why.
        ModelError: no such model, method or quality, or a model that was not trained for the
            method.
        ValueError: the seed is out of range, or no such device.
        TypeError: seed or quality is not an integer, `model` neither a Model nor a name, or
            `progress` no function.
    """
    seed, quality = integer(seed, "seed", 0, (1 << 64) - 1), integer(quality, "quality")
    check_image(image)
    if progress is not None:
        check_callable(progress, "progress")
    if not isinstance(model, (Model, str)):
        raise TypeError("model must be a name, or what npuq.load_model returns")
    if isinstance(model, str):
        check_method(method)
        model = shipped_model(method, quality, model)
    if rule := _too_large(image.shape[0], image.shape[1], model):
        raise InvalidImageError(f"the image {rule}; cut it into parts")
    model = on_device(model, usable_device(device))
    header = header_of(image.shape[:2], model, method, seed, grey=is_grey(image))
    return pack(header, _codec(model).encode(image, model, method, seed, progress))


def decompress(
    data: bytes,
    *,
    model: Model | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Array:
    """The image in a compressed file (Sec. 3.2).

    Args:
        data: the contents of the file.
        model: needed if the file was made with a model that does not come with the package.
        device: "cpu", "cuda" or "auto", see `compress`.
        progress: called with (how much is done, how much there is) as work goes on.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        InvalidFileError: not a file of ours, of a newer version, truncated, or corrupt.
        WrongModelError: made with another model.
        NoDeviceError: "cuda", which cannot be used; the message says why.
        ValueError: no such device.
        TypeError: `data` is not bytes, `model` no Model, or `progress` no function.
    """
    if progress is not None:
        check_callable(progress, "progress")
    header, streams, model = _checked(contents(data), model)
    model = on_device(model, usable_device(device))
    return _codec(model).decode(streams, header, model, progress)


def quantize(image: Array, model: Model, method: str, seed: int) -> Symbols:
    """The symbols of an image.

    Raises:
        ModelError: the method does not go with the model, or a coefficient is beyond 32 bits.
        ValueError: the seed is out of range.
    """
    return _codec(model).quantize(image, model, method, seed)


def dequantize(symbols: Symbols, model: Model, method: str) -> Array:
    """The image of symbols, (H, W, 3) uint8."""
    return _codec(model).dequantize(symbols, model, method)


def estimated_bits(symbols: Symbols, model: Model, method: str) -> float:
    """The bits that the float model predicts for symbols, in float64, on the host."""
    return _codec(model).estimated_bits(symbols, on_device(model, "cpu"), method)


def promised_bits(symbols: Symbols, model: Model, method: str) -> float:
    """The bits that the integer tables promise for symbols."""
    return _codec(model).promised_bits(symbols, model, method)


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
        rows_per_band=BAND_ROWS,
        tensors=_codec(model).tensors,
        grey=grey,
    )


def write_symbols(symbols: Symbols, model: Model, method: str, seed: int) -> bytes:
    """Entropy-code the symbols of an image into a file, as `compress` does."""
    size = symbols.height, symbols.width
    header = header_of(size, model, method, seed, grey=symbols.grey)
    return pack(header, _codec(model).write_streams(symbols, model, method))


def read_symbols(data: bytes, model: Model | None = None) -> tuple[Symbols, Header, Model]:
    """Decode the symbols of a file; all in integers, so the same everywhere.

    Raises:
        as `decompress`.
    """
    header, streams, model = _checked(data, model)
    return _codec(model).read_streams(streams, header, model), header, model


def _codec(model: Model) -> Codec:
    return CODECS[model.kind]


def _too_large(height: int, width: int, model: Model) -> str:
    """What is wrong with the size of an image, if anything; a thin one is much longer padded."""
    if height * width > PIXELS_MAX:
        return f"has {height} x {width} pixels, more than {PIXELS_MAX}"
    grid = _codec(model).grid
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
        ("tensors", header.tensors, codec.tensors),
        ("rows per band", header.rows_per_band, BAND_ROWS),
    ):
        if found != ours:
            raise CorruptFileError(f"a file of a {model.kind} model has {ours} {what}, not {found}")
    if rule := _too_large(header.height, header.width, model):  # a few bytes could claim any size
        raise InvalidFileError(f"the image {rule}")
    if codec.streams_in(header.height, header.width) != len(streams):
        raise CorruptFileError("the number of streams does not fit the size of the image")
    return header, streams, model
