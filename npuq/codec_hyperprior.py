"""The hyperprior model as a codec: Eq. 24 at test time.

    y = f(x),  v = h(y)
    hyper-latents   k' = round(v - u'),  w = k' + u'        the plain channel, whatever the method
    latents         k = round(s(y - mu(w)) - u)             in the table of the scale sigma(w)
    image           x_hat = g(r(k + u) + mu(w))

For un+q the hyper-latents are rounded as well. Both sides find the scales with the integers of
`npuq.models.integer_scales`; mu is a float, which decides no symbol of a decoder.

The first stream holds the hyper-latents of the whole image, channel by channel. Each of the others
holds a band of 32 rows of latents, sorted by scale, those of one scale in the order of channel, row
and column.

Shapes: image (H, W, 3) uint8; k, n, mu (M, h, w); hyper_k, hyper_n, w (N, h/4, w/4).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.coding.arithmetic import decode_band, decode_runs, encode_band, encode_runs
from npuq.coding.container import METHODS, Header
from npuq.coding.dither import dither_integers, dither_values
from npuq.coding.tables import IntegerTables, table_bits
from npuq.kernels.threads import map_in_threads
from npuq.model import HyperCoding, Model, latents_of
from npuq.models.conditional_rate import SMALLEST_SCALE
from npuq.models.integer_scales import FRACTION, indexes_of, scale_indexes
from npuq.nn import nonparametric, normal
from npuq.nn.non_negative import lower_bound
from npuq.nn.parameters import cast
from npuq.paper.density import rate_bits
from npuq.quantizer import (
    hard_phases,
    offset_values,
    phases_of_method,
    plain_phases,
    quantize_into,
    reconstruct,
    softness_of_method,
)
from npuq.tiles import (
    HYPER,
    Progress,
    Window,
    analyse,
    hyper_analyse,
    hyper_synthesise_window,
    latent_size,
    scaled,
    synthesise,
    windows,
)

BAND_ROWS = 32
TENSORS = 2
LATENTS, HYPER_LATENTS = 0, 1  # numbers of the tensors, for their dither
STRIP_BANDS = 8  # in work at a time


class HyperSymbols(NamedTuple):
    """An image between the transforms and the entropy coder.

    Attributes:
        k: (M, h, w) int32, of the latents.
        n: (M, h, w) uint8, their dither integers.
        hyper_k, hyper_n: (N, h/4, w/4), of the hyper-latents.
        height, width: of the image, pixels.
    """

    k: Array
    n: Array
    hyper_k: Array
    hyper_n: Array
    height: int
    width: int


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
) -> HyperSymbols:
    """The sender's half of Eq. (24).

    Args:
        image: (H, W, 3) uint8.
        model: a hyperprior model.
        method: one of METHODS.
        seed: of the dither.
        progress: called with (tiles done, tiles in all) of the analysis.

    Raises:
        ModelError: the method does not go with the model, or a latent is beyond 32 bits.
        ValueError: the seed is out of range.
    """
    params, hyper = model.params, _hyper(model)
    softness_of_method(method, model.alpha, model.alpha_r, model.name)
    phases = phases_of_method(method, model.phases)
    y = analyse(image, params, progress=progress)
    v = hyper_analyse(y, params)
    v -= offset_values(hyper.offset)
    hyper_n = dither_integers(v.shape, seed=seed, tensor=HYPER_LATENTS)
    hyper_k = np.empty(v.shape, np.int32)
    quantize_into(hyper_k, v, hyper_n, _hyper_phases(method), model.name)
    n = dither_integers(y.shape, seed=seed, tensor=LATENTS)
    w = _received(hyper_k, hyper_n, hyper, method)
    for window in windows(w.shape[1:], _TILE):
        _, mu = hyper_synthesise_window(w, window, params)
        y[_latents(window)] -= mu
    k = np.empty(y.shape, np.int32)
    quantize_into(k, y, n, phases, model.name)
    return HyperSymbols(k, n, hyper_k, hyper_n, *image.shape[:2])


def dequantize(
    symbols: HyperSymbols, model: Model, method: str, *, progress: Progress | None = None
) -> Array:
    """The receiver's half of Eq. (24): the image of the symbols, (H, W, 3) uint8."""
    _, alpha_r = softness_of_method(method, model.alpha, model.alpha_r, model.name)
    w = _received(symbols.hyper_k, symbols.hyper_n, _hyper(model), method)
    y_hat = reconstruct(symbols.k, symbols.n, alpha_r)
    for window in windows(w.shape[1:], _TILE):
        _, mu = hyper_synthesise_window(w, window, model.params)
        y_hat[_latents(window)] += mu
    shape = symbols.height, symbols.width
    return synthesise(y_hat, model.params, shape, progress=progress)


def write_streams(symbols: HyperSymbols, model: Model, method: str) -> list[bytes]:
    """Entropy-code the symbols of an image: the hyper-latents, then bands of latents."""
    hyper, phases = _hyper(model), phases_of_method(method, model.phases)
    hyper_phases = _hyper_phases(method)
    streams = [encode_band(symbols.hyper_k, symbols.hyper_n, hyper_phases, hyper.tables)]

    def encode(job: tuple[slice, Array]) -> bytes:
        rows, indexes = job
        order, counts = _by_scale(indexes)
        k, n = (a[:, rows].ravel()[order] for a in (symbols.k, symbols.n))
        return encode_runs(k, n, counts, phases, model.tables)

    for strip in _strips(symbols.k.shape[1]):
        jobs = [(rows, _indexes(symbols, rows, hyper, method)) for rows in strip]
        streams += map_in_threads(encode, jobs)
    return streams


def read_streams(streams: list[bytes], header: Header, model: Model) -> HyperSymbols:
    """The symbols that `write_streams` coded; all in integers, so the same everywhere.

    Raises:
        CorruptFileError: a stream holds what no symbols are coded as.
    """
    hyper, method = _hyper(model), METHODS[header.method]
    phases, hyper_phases = phases_of_method(method, model.phases), _hyper_phases(method)
    rows, columns = latent_size(header.height, header.width)
    hyper_shape = hyper.offset.size, rows // HYPER, columns // HYPER
    hyper_n = dither_integers(hyper_shape, seed=header.seed, tensor=HYPER_LATENTS)
    hyper_k = decode_band(streams[0], hyper_n, hyper_phases, hyper.tables)
    shape = latents_of(model.params), rows, columns
    n = dither_integers(shape, seed=header.seed, tensor=LATENTS)
    symbols = HyperSymbols(
        np.empty(shape, np.int32), n, hyper_k, hyper_n, header.height, header.width
    )

    def decode(job: tuple[bytes, slice, Array]) -> None:
        stream, rows, indexes = job
        order, counts = _by_scale(indexes)
        band_n = n[:, rows]
        decoded = np.empty(order.size, np.int32)
        decoded[order] = decode_runs(stream, band_n.ravel()[order], counts, phases, model.tables)
        symbols.k[:, rows] = decoded.reshape(band_n.shape)

    at = 1
    for strip in _strips(rows):
        jobs = [
            (stream, rows, _indexes(symbols, rows, hyper, method))
            for stream, rows in zip(streams[at : at + len(strip)], strip, strict=True)
        ]
        map_in_threads(decode, jobs)
        at += len(strip)
    return symbols


def streams_in(header: Header) -> int:
    """How many streams the file of an image has; none that fits another height of bands."""
    rows, _ = latent_size(header.height, header.width)
    return 1 + -(-rows // BAND_ROWS) if header.rows_per_band == BAND_ROWS else 0


def estimated_bits(symbols: HyperSymbols, model: Model, method: str) -> float:
    """The bits that the float model predicts for the symbols: -log2 p(w) - log2 p(k + u | w).

    In float64, with the float scales: the yardstick of tables, levels and the integer network.
    """
    alpha, _ = softness_of_method(method, model.alpha, model.alpha_r, model.name)
    params, hyper = cast(model.params, np.float64), _hyper(model)
    u, u_hyper = (_dither(n, method) for n in (symbols.n, symbols.hyper_n))
    w = symbols.hyper_k + u_hyper + offset_values(hyper.offset).astype(np.float64)
    rows = w.reshape(len(w), -1)
    total = rate_bits(rows, params.hyper_density, cdf=nonparametric).sum()
    z = symbols.k + u
    for window in windows(w.shape[1:], _TILE):
        sigma, _ = hyper_synthesise_window(w, window, params)
        scale = normal.Params(np.zeros(()), lower_bound(sigma, SMALLEST_SCALE))
        total += rate_bits(z[_latents(window)], scale, cdf=normal, alpha=alpha).sum()  # type: ignore[arg-type]
    return float(total)


def promised_bits(
    symbols: HyperSymbols, model: Model, method: str, *, indexes: Array | None = None
) -> float:
    """The bits that the integer tables promise for the symbols.

    With other `indexes` of the tables, (M, h, w), those that other scales would cost.
    """
    hyper = _hyper(model)
    phases, hyper_phases = (
        p.astype(np.int64) for p in (phases_of_method(method, model.phases), _hyper_phases(method))
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


def table_indexes(symbols: HyperSymbols, model: Model, method: str) -> Array:
    """The table of each latent, (M, h, w) uint8, found in integers."""
    return _indexes(symbols, slice(0, symbols.k.shape[1]), _hyper(model), method)


def float_table_indexes(symbols: HyperSymbols, model: Model, method: str) -> Array:
    """The tables that the float scales would choose, which differ between machines; to compare."""
    hyper = _hyper(model)
    w = _received(symbols.hyper_k, symbols.hyper_n, hyper, method)
    indexes = np.empty(symbols.k.shape, np.uint8)
    for window in windows(w.shape[1:], _TILE):
        sigma, _ = hyper_synthesise_window(w, window, model.params)
        indexes[_latents(window)] = indexes_of(sigma * np.float32(1 << FRACTION), hyper.scales)
    return indexes


_TILE = (BAND_ROWS // HYPER, 32)  # of hyper-latents, where means or scales are computed


def _hyper(model: Model) -> HyperCoding:
    assert model.hyper is not None, "not a hyperprior model"
    return model.hyper


def _hyper_phases(method: str) -> Array:
    return hard_phases() if method == "un+q" else plain_phases()


def _received(hyper_k: Array, hyper_n: Array, hyper: HyperCoding, method: str) -> Array:
    """w as floats."""
    alpha_r = np.inf if method == "un+q" else 0.0
    return reconstruct(hyper_k, hyper_n, alpha_r) + offset_values(hyper.offset)


def _dither(n: Array, method: str) -> Array:
    return np.zeros(n.shape) if method == "un+q" else dither_values(n, np.float64)


def _latents(window: Window) -> tuple[slice, ...]:
    """The latents of a tile of hyper-latents."""
    return (slice(None), *scaled(window.core, HYPER))


def _strips(rows: int) -> list[list[slice]]:
    """Bands of rows of latents, some at a time."""
    bands = [slice(top, min(top + BAND_ROWS, rows)) for top in range(0, rows, BAND_ROWS)]
    return [bands[i : i + STRIP_BANDS] for i in range(0, len(bands), STRIP_BANDS)]


def _indexes(symbols: HyperSymbols, rows: slice, hyper: HyperCoding, method: str) -> Array:
    """The table of each latent of a band, or of all of them, (M, rows, w) uint8; in integers."""
    w = symbols.hyper_k.astype(np.int64) * 512 + hyper.offset[:, None, None]
    if method != "un+q":
        w += 2 * symbols.hyper_n.astype(np.int64) - 255
    indexes = np.empty((len(symbols.k), rows.stop - rows.start, symbols.k.shape[2]), np.uint8)
    for window in windows(w.shape[1:], _TILE):  # as many rows as a band, and begin where it does
        core_rows, core_columns = scaled(window.core, HYPER)
        if rows.start <= core_rows.start < rows.stop:
            part = scale_indexes(w[(slice(None), *window.outer)][None], hyper.scales)[0]
            target = slice(core_rows.start - rows.start, core_rows.stop - rows.start)
            indexes[:, target, core_columns] = part[(slice(None), *scaled(window.inner, HYPER))]
    return indexes


def _by_scale(indexes: Array) -> tuple[Array, Array]:
    """The order that sorts latents by table, and how many there are for each."""
    flat = indexes.ravel()
    return np.argsort(flat, kind="stable"), np.bincount(flat, minlength=64)
