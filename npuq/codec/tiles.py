"""The transforms of the convolutional models for whole images, in tiles that bound the memory.

A tile is computed with what its neighbours overlap it by, the receptive field of the transform, and
cut out of the result; so every value is what it would be in the whole image, but for the order in
which a matrix product adds up, and no seam shows. At the edges of the image a tile ends where the
image does, and zeros lie beyond as in training.

    transform         a value at the outer grid sees, on either side         overlap
    analysis          2 + 4 + 8 + 16 = 30 pixels                             2 latents
    hyper-analysis    1 + 2 + 4 = 7 latents                                  2 hyper-latents
    hyper-synthesis   (1/2 + 1)/2 + 1 = 1.75 hyper-latents                   2 hyper-latents
    synthesis         1 + 1/2 + 1/4 + 1/8 = 1.875 latents                    2 latents

Images lie on the host; everything else lies where the parameters do, and is computed there.

Shapes, of one image, channels first as the coder has them:
    image           (H, W, 3) uint8
    y, mu, y_hat    (M, h, w) float32, h = H/16 and w = W/16 after padding H and W to 64s, or to
                    16s where there is no hyperprior
    v, w            (N, h/4, w/4) float32
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from npuq.backend import Array, to_host, xp_of
from npuq.codec.codec import Progress
from npuq.models import hyperprior
from npuq.models.factorized import FactorizedParams
from npuq.models.grey import made_grey
from npuq.models.hyperprior import ANALYSIS, PEAK, SYNTHESIS, HyperpriorParams, hyper_synthesise
from npuq.models.layers import stack_forward

LATENT, HYPER = 16, 4  # pixels of a latent, latents of a hyper-latent, each way
OVERLAP = 2
ALL = slice(None)
TILE_SIZE = (32, 48)
"""Rows and columns of latents, or of hyper-latents, in work at a time: 512 x 768 pixels. Multiples
of 4: less than one hyper-latent is padding, so that every tile holds a pixel of the image."""


class Tile(NamedTuple):
    """A part of a grid that is computed at once, by rows and columns.

    Attributes:
        core: its place.
        outer: what is computed for it: the same with its overlap.
        inner: where in that it lies.
    """

    core: tuple[slice, slice]
    outer: tuple[slice, slice]
    inner: tuple[slice, slice]


def tiles_of(size: tuple[int, int], tile_size: tuple[int, int] = TILE_SIZE) -> list[Tile]:
    """Tiles that cover a grid of `size` rows and columns, each with its overlap."""
    found = []
    for top in range(0, size[0], tile_size[0]):
        for left in range(0, size[1], tile_size[1]):
            ends = [
                (start, min(start + n, most), most)
                for start, n, most in zip((top, left), tile_size, size, strict=True)
            ]
            outer = [(max(a - OVERLAP, 0), min(b + OVERLAP, most)) for a, b, most in ends]
            inner = [(a - c, b - c) for (a, b, _), (c, _) in zip(ends, outer, strict=True)]
            found.append(Tile(*((slice(*r[:2]), slice(*c[:2])) for r, c in (ends, outer, inner))))
    return found


def latent_size(height: int, width: int, *, step: int = HYPER) -> tuple[int, int]:
    """Rows and columns of latents of an image, in whole steps: by default, hyper-latents."""
    return step * -(-height // (LATENT * step)), step * -(-width // (LATENT * step))


def analyse(
    image: Array,
    params: HyperpriorParams | FactorizedParams,
    *,
    step: int = HYPER,
    tile_size: tuple[int, int] = TILE_SIZE,
    progress: Progress | None = None,
) -> Array:
    """y = f(x) (Sec. 5.1); the last rows and columns of pixels are repeated up to whole steps."""
    size = latent_size(*image.shape[:2], step=step)
    xp = xp_of(params.analysis[-1].w)
    y = xp.empty((params.analysis[-1].w.shape[0], *size), np.float32)
    for core, outer, inner in _reported(tiles_of(size, tile_size), progress):
        pixels = xp.asarray(_pixels(image, scaled(outer, LATENT)))
        x = pixels.astype(np.float32)[None] / np.float32(PEAK)
        part = stack_forward(x, params.analysis, ANALYSIS, params.analysis_gdn)[0][0]
        y[(ALL, *core)] = part[inner].transpose(2, 0, 1)
    return y


def hyper_analyse(
    y: Array, params: HyperpriorParams, *, tile_size: tuple[int, int] = TILE_SIZE
) -> Array:
    """v = h(y) (Sec. 5.1)."""
    size = y.shape[1] // HYPER, y.shape[2] // HYPER
    v = xp_of(y).empty((params.hyper_analysis[-1].w.shape[0], *size), np.float32)
    for core, outer, inner in tiles_of(size, tile_size):
        part = _last(y[(ALL, *scaled(outer, HYPER))])
        part = hyperprior.hyper_analyse(part, params)[0]
        v[(ALL, *core)] = _first(part)[(ALL, *inner)]
    return v


def hyper_synthesise_tile(w: Array, tile: Tile, params: HyperpriorParams) -> tuple[Array, Array]:
    """sigma and mu of a tile of hyper-latents, (M, rows, columns) of latents each (Eq. 23)."""
    sigma, mu, _ = hyper_synthesise(_last(w[(ALL, *tile.outer)]), params)
    inner = scaled(tile.inner, HYPER)
    return _first(sigma)[(ALL, *inner)], _first(mu)[(ALL, *inner)]


def means_tile(w: Array, tile: Tile, params: HyperpriorParams) -> Array:
    """mu alone of `hyper_synthesise_tile`."""
    mu = hyperprior.hyper_means(_last(w[(ALL, *tile.outer)]), params)
    return _first(mu)[(ALL, *scaled(tile.inner, HYPER))]


def synthesise(
    y_hat: Array,
    params: HyperpriorParams | FactorizedParams,
    shape: tuple[int, int],
    *,
    grey: bool = False,
    tile_size: tuple[int, int] = TILE_SIZE,
    progress: Progress | None = None,
) -> Array:
    """x_hat = g(y_hat), rounded and clipped to uint8 (Sec. 5.1); `shape` is that of the image.

    Of a `grey` picture the three colours are made one (`npuq.models.grey`).
    """
    image = np.empty((*shape, 3), np.uint8)
    for core, outer, inner in _reported(tiles_of(y_hat.shape[1:], tile_size), progress):
        x, gdn = _last(y_hat[(ALL, *outer)]), params.synthesis_gdn
        part = stack_forward(x, params.synthesis, SYNTHESIS, gdn, inverse=True)[0][0]
        levels = part[scaled(inner, LATENT)] * np.float32(PEAK)
        pixels = np.rint(made_grey(levels, 2, PEAK) if grey else levels).clip(0, PEAK)
        target = image[scaled(core, LATENT)]  # the padding is beyond its end
        target[:] = to_host(pixels[: target.shape[0], : target.shape[1]].astype(np.uint8))
    return image


def scaled(place: tuple[slice, slice], factor: int) -> tuple[slice, slice]:
    """The same rows and columns on a grid that is finer by a factor."""
    rows, columns = place
    return (
        slice(rows.start * factor, rows.stop * factor),
        slice(columns.start * factor, columns.stop * factor),
    )


def _reported(tiles: list[Tile], progress: Progress | None) -> Iterator[Tile]:
    """The tiles one by one; `progress` is called after each."""
    for done, tile in enumerate(tiles, start=1):
        yield tile
        if progress is not None:
            progress(done, len(tiles))


def _pixels(image: Array, place: tuple[slice, slice]) -> Array:
    """Rows and columns of the image, whose last row and column go on beyond its end."""
    part = image[place]
    beyond = [(0, s.stop - s.start - n) for s, n in zip(place, part.shape[:2], strict=True)]
    return np.pad(part, [*beyond, (0, 0)], mode="edge")


def _last(a: Array) -> Array:
    """(C, rows, columns) -> (1, rows, columns, C)."""
    return xp_of(a).ascontiguousarray(a.transpose(1, 2, 0))[None]


def _first(a: Array) -> Array:
    """(1, rows, columns, C) -> (C, rows, columns)."""
    return a[0].transpose(2, 0, 1)
