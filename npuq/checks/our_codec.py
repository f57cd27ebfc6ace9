"""npuq's codecs under the names of the list: models that come with it, by their method.

`LINEAR` is what `npuq check npuq` judges; `npuq check npuq.checks.our_codec:HYPERPRIOR` judges the
other. The dither's seed is 0; an image's symbols do not depend on its place in a batch.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import npuq
from npuq.backend import Array
from npuq.codec import files, hyperprior
from npuq.codec.blocks import Tile, blocks_across
from npuq.codec.codec import Symbols
from npuq.codec.linear_tiles import quantize_tile
from npuq.codec.quantizer import phases_of
from npuq.codec.tiles import LATENT
from npuq.coding.dither import dither_integers
from npuq.models.linear import BLOCK, CHANNELS
from npuq.runtime.threads import divided
from npuq.trained.hyperprior import HYPERPRIOR as WITH_HYPER_LATENTS
from npuq.trained.model import Model
from npuq.trained.shipped import shipped_model

METHOD, SEED = "un+uq+sr", 0


def codec(model: Callable[[], Model]) -> dict[str, Callable[..., Any]]:
    """The functions of the list, of a model, which is asked for when it is needed."""

    def compress(image: Array) -> bytes:
        return npuq.compress(image, method=METHOD, model=model(), seed=SEED)

    def decompress(data: Array) -> Array:
        return npuq.decompress(data.tobytes(), model=model())

    def estimated_bits(image: Array) -> float:
        symbols = files.quantize(image, model(), METHOD, SEED)
        return files.estimated_bits(symbols, model(), METHOD)

    def symbols(images: Array, tile: int, threads: int) -> Array:
        with _threads(threads):
            return np.stack([_symbols(image, model(), tile) for image in images])

    return {
        "codec_compress": compress,
        "codec_decompress": decompress,
        "codec_estimated_bits": estimated_bits,
        "codec_symbols": symbols,
    }


LINEAR = codec(functools.partial(shipped_model, METHOD, 4, "linear"))
HYPERPRIOR = codec(functools.partial(shipped_model, METHOD, 1, "hyperprior"))


def _symbols(image: Array, model: Model, tile: int) -> Array:
    if not tile:
        return _all_of(files.quantize(image, model, METHOD, SEED))
    if model.kind == WITH_HYPER_LATENTS.name:
        latents = max(tile // LATENT, 1)
        symbols = hyperprior.quantize(image, model, METHOD, SEED, tile_size=(latents, latents))
        return _all_of(symbols)
    rows, columns = (blocks_across(side) for side in image.shape[:2])
    n = dither_integers((CHANNELS, rows, columns), seed=SEED)
    k, phases = np.empty(n.shape, np.int32), phases_of(model, METHOD)
    for down in divided(rows, max(tile // BLOCK, 1)):
        for across in divided(columns, max(tile // BLOCK, 1)):
            one = Tile(down, across)
            part = np.empty_like(k[one.blocks])
            quantize_tile(part, image, n[one.blocks], one, model, phases)
            k[one.blocks] = part
    return k.ravel()


def _all_of(symbols: Symbols) -> Array:
    return np.concatenate([symbols.hyper_k.ravel(), symbols.k.ravel()])


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = os.environ.get("NPUQ_THREADS")
    os.environ["NPUQ_THREADS"] = str(count)
    try:
        yield
    finally:
        os.environ.pop("NPUQ_THREADS")
        if before is not None:
            os.environ["NPUQ_THREADS"] = before
