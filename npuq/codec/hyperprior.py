"""The hyperprior model as a codec: Eq. 24 at test time.

    y = f(x),  v = h(y)
    hyper-latents   k' = round(v - u'),  w = k' + u'        the plain channel, whatever the method
    latents         k = round(s(y - mu(w)) - u)             in the table of the scale sigma(w)
    image           x_hat = g(r(k + u) + mu(w))

For un+q the hyper-latents are rounded as well. Both sides find the scales with the integers of
`npuq.trained.integer_scales`; mu is a float, which decides no symbol of a decoder.

Shapes: image (H, W, 3) uint8; k, n, mu (M, h, w); hyper_k, hyper_n, w (N, h/4, w/4).
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array, to_device, to_host, xp_of
from npuq.codec.codec import Codec, Progress, Symbols
from npuq.codec.container import Header
from npuq.codec.quantizer import phases_of, quantize_into, reconstruct
from npuq.codec.scale_streams import (
    HYPER_LATENTS,
    LATENTS,
    TILE_SIZE,
    hyper_phases_of,
    read_streams,
    streams_in,
    table_indexes,
    write_streams,
)
from npuq.codec.tiles import (
    HYPER,
    LATENT,
    Tile,
    analyse,
    hyper_analyse,
    hyper_synthesise_tile,
    means_tile,
    scaled,
    synthesise,
    tiles_of,
)
from npuq.codec.tiles import TILE_SIZE as ANALYSED_AT_ONCE
from npuq.coding.dither import dither_integers, dither_values
from npuq.coding.tables import IntegerTables, table_bits
from npuq.models.grey import is_grey
from npuq.models.hyperprior import HyperpriorParams
from npuq.nn import nonparametric, normal
from npuq.nn.non_negative import lower_bound
from npuq.nn.parameters import cast
from npuq.paper.density import rate_bits
from npuq.trained.hyperprior import HYPERPRIOR
from npuq.trained.integer_scales import FRACTION, indexes_of
from npuq.trained.kind import as_params
from npuq.trained.methods import METHODS, softness_of
from npuq.trained.model import Model, device_of_model, hyper_of, medians_of


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
    image: Array,
    model: Model,
    method: str,
    seed: int,
    *,
    tile_size: tuple[int, int] = ANALYSED_AT_ONCE,
    progress: Progress | None = None,
) -> Symbols:
    """The sender's half of Eq. (24).

    Args:
        image: (H, W, 3) uint8.
        model: a hyperprior model.
        method: one of METHODS.
        seed: of the dither.
        tile_size: how many latents the analysis makes at once, down and across.
        progress: called with (tiles done, tiles in all) of the analysis.

    Raises:
        ModelError: the method does not go with the model, or a latent is beyond 32 bits.
        ValueError: the seed is out of range.
    """
    params, phases, device = _params(model), phases_of(model, method), device_of_model(model)
    y = analyse(image, params, tile_size=tile_size, progress=progress)
    v = hyper_analyse(y, params)
    v -= to_device(medians_of(model), device)
    hyper_n = dither_integers(v.shape, seed=seed, tensor=HYPER_LATENTS, device=device)
    hyper_k = xp_of(v).empty(v.shape, np.int32)
    quantize_into(hyper_k, v, hyper_n, hyper_phases_of(method), model.name)
    n = dither_integers(y.shape, seed=seed, tensor=LATENTS, device=device)
    w = _received(hyper_k, hyper_n, model, method)
    for tile in tiles_of(w.shape[1:], TILE_SIZE):
        y[_latents(tile)] -= means_tile(w, tile, params)
    k = xp_of(y).empty(y.shape, np.int32)
    quantize_into(k, y, n, phases, model.name)
    height, width, _ = image.shape
    k, n, hyper_k, hyper_n = (to_host(a) for a in (k, n, hyper_k, hyper_n))
    return Symbols(k, n, height, width, is_grey(image), hyper_k, hyper_n)


def dequantize(
    symbols: Symbols, model: Model, method: str, *, progress: Progress | None = None
) -> Array:
    """The receiver's half of Eq. (24): the image of the symbols, (H, W, 3) uint8."""
    (_, alpha_r), device = softness_of(model, method), device_of_model(model)
    parts = symbols.k, symbols.n, symbols.hyper_k, symbols.hyper_n
    k, n, hyper_k, hyper_n = (to_device(a, device) for a in parts)
    w = _received(hyper_k, hyper_n, model, method)
    y_hat = reconstruct(k, n, alpha_r)
    for tile in tiles_of(w.shape[1:], TILE_SIZE):
        y_hat[_latents(tile)] += means_tile(w, tile, _params(model))
    shape = symbols.height, symbols.width
    return synthesise(y_hat, _params(model), shape, grey=symbols.grey, progress=progress)


def estimated_bits(symbols: Symbols, model: Model, method: str) -> float:
    """The bits that the float model predicts for the symbols: -log2 p(w) - log2 p(k + u | w).

    In float64, with the float scales: the yardstick of tables, levels and the integer network.
    """
    alpha, _ = softness_of(model, method)
    params = cast(_params(model), np.float64)
    u, u_hyper = (_dither(n, method) for n in (symbols.n, symbols.hyper_n))
    w = symbols.hyper_k + u_hyper + medians_of(model).astype(np.float64)
    rows = w.reshape(len(w), -1)
    total = rate_bits(rows, params.hyper_density, cdf=nonparametric).sum()
    z = symbols.k + u
    for tile in tiles_of(w.shape[1:], TILE_SIZE):
        sigma, _ = hyper_synthesise_tile(w, tile, params)
        scale = normal.Params(np.zeros(()), lower_bound(sigma, normal.SMALLEST_SCALE))
        total += rate_bits(z[_latents(tile)], scale, cdf=normal, alpha=alpha).sum()
    return float(total)


def promised_bits(
    symbols: Symbols, model: Model, method: str, *, indexes: Array | None = None
) -> float:
    """The bits that the integer tables promise for the symbols.

    With other `indexes` of the tables, (M, h, w), those that other scales would cost.
    """
    hyper = hyper_of(model)
    phases, hyper_phases = (
        p.astype(np.int64) for p in (phases_of(model, method), hyper_phases_of(method))
    )
    total = table_bits(symbols.hyper_k, hyper_phases[symbols.hyper_n], hyper.tables).sum()
    if indexes is None:
        indexes = table_indexes(symbols, model, method)
    for level in np.unique(indexes):
        chosen = indexes == level
        one = IntegerTables(model.tables.values, *(f[level : level + 1] for f in model.tables[1:]))
        phase = phases[symbols.n[chosen]]
        total += table_bits(symbols.k[chosen][None], phase[None], one).sum()
    return float(total)


def float_table_indexes(symbols: Symbols, model: Model, method: str) -> Array:
    """The tables that the float scales would choose, which differ between machines; to compare."""
    hyper = hyper_of(model)
    w = _received(symbols.hyper_k, symbols.hyper_n, model, method)
    indexes = np.empty(symbols.k.shape, np.uint8)
    for tile in tiles_of(w.shape[1:], TILE_SIZE):
        sigma, _ = hyper_synthesise_tile(w, tile, _params(model))
        indexes[_latents(tile)] = indexes_of(sigma * np.float32(1 << FRACTION), hyper.scales)
    return indexes


def _params(model: Model) -> HyperpriorParams:
    return as_params(model.params, HyperpriorParams)


def _received(hyper_k: Array, hyper_n: Array, model: Model, method: str) -> Array:
    """The hyper-latents w as both sides know them, floats."""
    alpha_r = np.inf if method == "un+q" else 0.0
    w = reconstruct(hyper_k, hyper_n, alpha_r)
    return w + to_device(medians_of(model), device_of_model(model))


def _dither(n: Array, method: str) -> Array:
    return np.zeros(n.shape) if method == "un+q" else dither_values(n, np.float64)


def _latents(tile: Tile) -> tuple[slice, ...]:
    """The latents of a tile of hyper-latents."""
    return (slice(None), *scaled(tile.core, HYPER))


CODEC = Codec(
    kind=HYPERPRIOR.name,
    tensors=2,
    grid=LATENT * HYPER,
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
