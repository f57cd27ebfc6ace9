"""npuq's codec under the names of the list: the linear model that comes with it, by its method.

The dither's seed is 0; an image's symbols do not depend on its place in a batch.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import numpy as np

import npuq
from npuq.backend import Array
from npuq.codec import files
from npuq.codec.blocks import Tile, blocks_across
from npuq.codec.linear_tiles import quantize_tile
from npuq.codec.quantizer import phases_of
from npuq.coding.dither import dither_integers
from npuq.models.linear import BLOCK, CHANNELS
from npuq.runtime.threads import divided
from npuq.trained.model import Model
from npuq.trained.shipped import shipped_model

METHOD, QUALITY, SEED = "un+uq+sr", 4, 0


def _model() -> Model:
    return shipped_model(METHOD, QUALITY, "linear")


def codec_compress(image: Array) -> bytes:
    """The file of an image."""
    return npuq.compress(image, method=METHOD, model=_model(), seed=SEED)


def codec_decompress(data: Array) -> Array:
    """The image in a file."""
    return npuq.decompress(data.tobytes())


def codec_estimated_bits(image: Array) -> float:
    """What the model estimates for the symbols of an image."""
    return files.estimated_bits(files.quantize(image, _model(), METHOD, SEED), _model(), METHOD)


def codec_symbols(images: Array, tile: int, threads: int) -> Array:
    """k of each image."""
    with _threads(threads):
        return np.stack([_symbols(image, tile) for image in images])


def _symbols(image: Array, tile: int) -> Array:
    if not tile:
        return files.quantize(image, _model(), METHOD, SEED).k
    rows, columns = (blocks_across(side) for side in image.shape[:2])
    n = dither_integers((CHANNELS, rows, columns), seed=SEED)
    k, phases = np.empty(n.shape, np.int32), phases_of(_model(), METHOD)
    for down in divided(rows, max(tile // BLOCK, 1)):
        for across in divided(columns, max(tile // BLOCK, 1)):
            one = Tile(down, across)
            part = np.empty_like(k[one.blocks])
            quantize_tile(part, image, n[one.blocks], one, _model(), phases)
            k[one.blocks] = part
    return k


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
