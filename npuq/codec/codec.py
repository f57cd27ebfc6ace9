"""What coding with a kind of model is: a record of functions, and the symbols that they exchange.

Each kind of model has a module here whose last lines are such a record. All functions of a record
take a model of that kind, and `method` is one of METHODS (`npuq.trained.methods`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.codec.container import Header
from npuq.trained.model import Model

NONE_K, NONE_N = np.zeros((0, 0, 0), np.int32), np.zeros((0, 0, 0), np.uint8)

Progress = Callable[[int, int], None]
"""Called with (done, of how many) as work goes on."""


class Symbols(NamedTuple):
    """An image between the transforms and the entropy coder.

    Attributes:
        k: (C, h, w) int32, of the latents.
        n: (C, h, w) uint8, their dither integers.
        height, width: of the image, pixels.
        grey: whether it is (`npuq.models.grey`).
        hyper_k, hyper_n: of the hyper-latents, (N, h/4, w/4); empty where a model has none.
    """

    k: Array
    n: Array
    height: int
    width: int
    grey: bool = False
    hyper_k: Array = NONE_K
    hyper_n: Array = NONE_N

    def same_as(self, other: Symbols) -> bool:
        """Whether these are the same symbols of images of one size."""
        pairs = (
            (self.k, other.k),
            (self.n, other.n),
            (self.hyper_k, other.hyper_k),
            (self.hyper_n, other.hyper_n),
        )
        return self[2:5] == other[2:5] and all(np.array_equal(a, b) for a, b in pairs)


class Codec(NamedTuple):
    """How images are coded with a kind of model.

    Attributes:
        kind: its name.
        tensors: 1, or 2 where hyper-latents go before the latents.
        grid: sides are padded to multiples of it, pixels.
        streams_in: (height, width) -> how many streams the file of such an image has.
        encode: (image, model, method, seed, progress) -> the streams of an image.
        decode: (streams, header, model, progress) -> the image in them.
        quantize: (image, model, method, seed) -> its symbols.
        dequantize: (symbols, model, method) -> their image.
        write_streams: (symbols, model, method) -> their streams, as `encode` makes them.
        read_streams: (streams, header, model) -> the symbols in them, found in integers alone.
        estimated_bits: (symbols, model, method) -> bits that the float model predicts.
        promised_bits: (symbols, model, method) -> bits that the integer tables promise.
    """

    kind: str
    tensors: int
    grid: int
    streams_in: Callable[[int, int], int]
    encode: Callable[[Array, Model, str, int, Progress | None], list[bytes]]
    decode: Callable[[list[bytes], Header, Model, Progress | None], Array]
    quantize: Callable[[Array, Model, str, int], Symbols]
    dequantize: Callable[[Symbols, Model, str], Array]
    write_streams: Callable[[Symbols, Model, str], list[bytes]]
    read_streams: Callable[[list[bytes], Header, Model], Symbols]
    estimated_bits: Callable[[Symbols, Model, str], float]
    promised_bits: Callable[[Symbols, Model, str], float]
