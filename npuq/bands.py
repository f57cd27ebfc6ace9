"""How an image is divided: into bands that are streams, strips in work at a time, and slabs.

A band is part of the file format: its stream can be decoded alone. Strips and slabs change speed
and memory only, not the result.
"""

from __future__ import annotations

from typing import NamedTuple

from npuq.kernels.threads import divided
from npuq.models.linear import BLOCK

BAND_ROWS = 32
"""Rows of blocks in one stream: the number of streams depends on the image only."""
STRIP_PIXELS = 1 << 22
"""Pixels in work at a time."""
SLAB_BLOCKS = 1 << 10


class Band(NamedTuple):
    """A part of an image that is one stream: its rows of blocks, and its rows of pixels."""

    rows: slice
    pixels: slice


def bands_of(height: int, rows_per_band: int) -> list[Band]:
    """The bands of an image that is `height` pixels high, from the top."""
    rows = -(-height // BLOCK)
    bands = []
    for top in range(0, rows, rows_per_band):
        bottom = min(top + rows_per_band, rows)
        pixels = slice(BLOCK * top, min(BLOCK * bottom, height))
        bands.append(Band(slice(top, bottom), pixels))
    return bands


def strips_of(bands: list[Band], width: int) -> list[list[Band]]:
    """Neighbouring bands, two or more while they have some STRIP_PIXELS pixels together.

    A strip is in memory at a time. The matrix products of a whole strip come before or after the
    coding of its bands: at the same time, the threads of the one would wait for those of the other.
    """
    rows = bands[0].pixels.stop - bands[0].pixels.start
    size = max(2, STRIP_PIXELS // (rows * width))
    return [bands[first : first + size] for first in range(0, len(bands), size)]


def slabs_of(rows: int, columns: int) -> list[slice]:
    """Rows of some SLAB_BLOCKS blocks, whose coefficients fit the cache of a core.

    Their number is a power of two that divides BAND_ROWS, so that a band is multiplied in the same
    slabs, and to the same last bits, alone and in its image.
    """
    size = min(BAND_ROWS, 1 << max(0, (SLAB_BLOCKS // columns).bit_length() - 1))
    return divided(rows, size)
