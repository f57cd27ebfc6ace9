"""The factorized-prior model as a codec: Sec. 3.2 with convolutional transforms.

    y = f(x),   k = round(s(y - m) - u),   x_hat = g(r(k + u) + m)

An imported model rounds about m, the median of each channel. The streams are those of
`npuq.codec.channel_streams`.

Shapes: image (H, W, 3) uint8; y, k, n (M, h, w), h = H/16 and w = W/16 rounded up.
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array, to_device, to_host, xp_of
from npuq.codec import channel_streams
from npuq.codec.bands import band_count
from npuq.codec.channel_streams import promised_bits, write_streams
from npuq.codec.codec import Codec, Progress, Symbols
from npuq.codec.container import Header
from npuq.codec.quantizer import phases_of, quantize_into, reconstruct
from npuq.codec.tiles import LATENT, analyse, latent_size, synthesise
from npuq.coding.dither import dither_integers, dither_values
from npuq.models.factorized import FactorizedParams
from npuq.models.grey import is_grey
from npuq.nn import nonparametric
from npuq.nn.parameters import cast
from npuq.paper.channel import universal_dequantize
from npuq.paper.density import rate_bits
from npuq.paper.soft_round import soft_round_conditional_mean
from npuq.trained.factorized import FACTORIZED
from npuq.trained.kind import as_params
from npuq.trained.methods import METHODS, softness_of
from npuq.trained.model import Model, device_of_model, medians_of


def encode(
    image: Array, model: Model, method: str, seed: int, progress: Progress | None
) -> list[bytes]:
    """The streams of an image."""
    return write_streams(quantize(image, model, method, seed, progress=progress), model, method)


def decode(streams: list[bytes], header: Header, model: Model, progress: Progress | None) -> Array:
    """The image in streams."""
    symbols = read_streams(streams, header, model)
    return dequantize(symbols, model, METHODS[header.method], progress=progress)


def quantize(
    image: Array, model: Model, method: str, seed: int, *, progress: Progress | None = None
) -> Symbols:
    """The sender's half of universal quantization: k = round(s(y - m) - u), Eq. (5).

    Args:
        image: (H, W, 3) uint8.
        model: a factorized model.
        method: one of METHODS.
        seed: of the dither.
        progress: called with (tiles done, tiles in all) of the analysis.

    Raises:
        ModelError: the method does not go with the model, or a latent is beyond 32 bits.
        ValueError: the seed is out of range.
    """
    phases, device = phases_of(model, method), device_of_model(model)
    y = analyse(image, _params(model), step=1, progress=progress)
    y -= to_device(medians_of(model), device)
    n = dither_integers(y.shape, seed=seed, device=device)
    k = xp_of(y).empty(y.shape, np.int32)
    quantize_into(k, y, n, phases, model.name)
    return Symbols(to_host(k), to_host(n), image.shape[0], image.shape[1], is_grey(image))


def dequantize(
    symbols: Symbols, model: Model, method: str, *, progress: Progress | None = None
) -> Array:
    """The image of the symbols, (H, W, 3) uint8: rounded and clipped g(r(k + u) + m)."""
    (_, alpha_r), device = softness_of(model, method), device_of_model(model)
    y_hat = reconstruct(to_device(symbols.k, device), to_device(symbols.n, device), alpha_r)
    y_hat += to_device(medians_of(model), device)
    shape = symbols.height, symbols.width
    return synthesise(y_hat, _params(model), shape, grey=symbols.grey, progress=progress)


def read_streams(streams: list[bytes], header: Header, model: Model) -> Symbols:
    """The symbols in streams; all in integers, so the same everywhere.

    Raises:
        CorruptFileError: a stream holds what no symbols are coded as.
    """
    size = latent_size(header.height, header.width, step=1)
    return channel_streams.read_streams(streams, size, header, model)


def streams_in(height: int, width: int) -> int:
    """How many streams the file of an image has."""
    return band_count(latent_size(height, width, step=1)[0])


def estimated_bits(symbols: Symbols, model: Model, method: str) -> float:
    """The bits that the float model predicts for the symbols: the sum of -log2 p, Eq. (22).

    In float64, so that it can be the yardstick of the integer tables. As p_{s(Y)+U}(z) is
    p_{Y+U}(r(z)), the median comes after r.
    """
    alpha, _ = softness_of(model, method)
    z = universal_dequantize(symbols.k, dither_values(symbols.n, np.float64))
    r = soft_round_conditional_mean(z, alpha) + medians_of(model)
    density = cast(_params(model).density, np.float64)
    return float(rate_bits(r.reshape(len(r), -1), density, cdf=nonparametric).sum())


def _params(model: Model) -> FactorizedParams:
    return as_params(model.params, FactorizedParams)


CODEC = Codec(
    kind=FACTORIZED.name,
    tensors=1,
    grid=LATENT,
    streams_in=streams_in,
    encode=encode,
    decode=decode,
    quantize=quantize,
    dequantize=dequantize,
    write_streams=write_streams,
    read_streams=read_streams,
    estimated_bits=estimated_bits,
    promised_bits=promised_bits,
)
