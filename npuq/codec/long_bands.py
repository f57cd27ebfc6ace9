"""Bands of the linear model that are too long to be in memory at once: panoramas, thin pictures.

A stream holds a band channel by channel, while the transforms take all channels of a few blocks at
a time. What lies between, a band's coefficients, is some seven times its pixels, or fifty times
where these are few rows, padded to eight. So the band is taken window by window:

    encoding    each window is coded for itself; then these short streams are read, channel by
                channel, and what they hold is coded again, in the order of the band
    decoding    the stream is read once to find where each window begins in each channel, and for
                each window once more from all these places

Both take twice the coding, and the memory of some windows. A damaged stream is noticed before there
is a picture.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.codec.bands import STRIP_BLOCKS, WIDEST_WINDOW, Band, Window, blocks_across, windows_of
from npuq.codec.linear_windows import quantize_window
from npuq.codec.quantizer import phases_of_method
from npuq.coding.arithmetic import Decoder, Encoder, encode_band, one_table
from npuq.coding.container import METHODS, Header
from npuq.coding.dither import dither_integers
from npuq.models.linear import CHANNELS
from npuq.runtime.threads import map_in_threads
from npuq.trained.model import Model

AT_ONCE = STRIP_BLOCKS // WIDEST_WINDOW
"""Windows in work."""


class Part(NamedTuple):
    """A window of an image with its symbols: k and n (192, rows, columns)."""

    window: Window
    k: Array
    n: Array


def encode_long_band(image: Array, band: Band, model: Model, method: str, seed: int) -> bytes:
    """The stream of a band, as `encode_band` makes it of all its symbols.

    Args:
        image: (H, W, 3) uint8, the whole of it.
        band: which.
        model: a linear model.
        method: one of METHODS.
        seed: of the dither.

    Raises:
        ModelError: a coefficient is beyond 32 bits.
    """
    phases, windows = phases_of_method(method, model.phases), _windows(band, image.shape[1])
    short: list[Decoder] = []
    for some in _some(windows):
        short += _encode_windows(image, some, model, phases, seed)
    encoder = Encoder(phases)
    for channel in range(CHANNELS):
        table, dither = one_table(model.tables, channel), _channel_dither(windows, channel, seed)
        for decoder, n in zip(short, dither, strict=True):
            count = np.array([n.size])
            encoder.add(decoder.read(n, count, table), n, count, table)
    return encoder.finish()


def decode_long_band(
    stream: bytes, band: Band, header: Header, model: Model
) -> Iterator[list[Part]]:
    """The symbols of a band, some windows at a time; all in integers, so the same everywhere.

    Nothing is given before the whole stream was found to hold symbols.

    Raises:
        CorruptFileError: it does not.
    """
    phases = phases_of_method(METHODS[header.method], model.phases)
    windows = _windows(band, header.width)
    tables = [one_table(model.tables, channel) for channel in range(CHANNELS)]
    decoder = Decoder(stream, phases)
    states = np.empty((CHANNELS, len(windows), 3), np.int64)
    for channel, table in enumerate(tables):
        for i, n in enumerate(_channel_dither(windows, channel, header.seed)):
            states[channel, i] = decoder.state
            decoder.read(n, np.array([n.size]), table)

    def decode(job: tuple[Window, Array]) -> Part:
        window, begin = job
        here, n = copy.copy(decoder), _dither(window, header.seed)
        k = np.empty(n.shape, np.int32)
        for channel, table in enumerate(tables):
            here.state = begin[channel]
            k[channel].flat = here.read(n[channel].ravel(), np.array([n[channel].size]), table)
        return Part(window, k, n)

    jobs = [(window, states[:, i]) for i, window in enumerate(windows)]
    for first in range(0, len(jobs), AT_ONCE):
        yield map_in_threads(decode, jobs[first : first + AT_ONCE])


def _windows(band: Band, width: int) -> list[Window]:
    """The windows of a band, by their place in the image, in the order of its stream."""
    top = band.rows.start
    return [w.below(top) for w in windows_of(band.rows.stop - top, blocks_across(width))]


def _some(windows: list[Window]) -> list[list[Window]]:
    return [windows[first : first + AT_ONCE] for first in range(0, len(windows), AT_ONCE)]


def _encode_windows(
    image: Array, windows: list[Window], model: Model, phases: Array, seed: int
) -> list[Decoder]:
    """Each window as a stream of its own, to be read from its beginning."""
    parts = [_quantized(image, window, model, phases, seed) for window in windows]
    return map_in_threads(
        lambda part: Decoder(encode_band(part.k, part.n, phases, model.tables), phases), parts
    )


def _quantized(image: Array, window: Window, model: Model, phases: Array, seed: int) -> Part:
    n = _dither(window, seed)
    k = np.empty(n.shape, np.int32)
    quantize_window(k, image, n, window, model, phases)
    return Part(window, k, n)


def _dither(window: Window, seed: int) -> Array:
    return _window_dither(window, seed, CHANNELS, 0)


def _channel_dither(windows: list[Window], channel: int, seed: int) -> Iterator[Array]:
    """The dither of one channel, window by window, (n,) each."""
    return (_window_dither(window, seed, 1, channel).ravel() for window in windows)


def _window_dither(window: Window, seed: int, channels: int, first_channel: int) -> Array:
    return dither_integers(
        (channels, *window.size),
        seed=seed,
        first_channel=first_channel,
        first_row=window.rows.start,
        first_column=window.columns.start,
    )
