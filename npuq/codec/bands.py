"""How an image is divided: into bands that are streams, strips in work at a time, and windows.

A band is part of the file format: its stream can be decoded alone. Strips and windows change speed
and memory only, not the result.
"""

from __future__ import annotations

from typing import NamedTuple

from npuq.models.linear import BLOCK
from npuq.runtime.threads import divided

BAND_ROWS = 32
"""Rows of blocks in one stream: the number of streams depends on the image only."""
STRIP_BLOCKS = 1 << 16
"""Blocks in work at a time: their coefficients and dither take 63 MB."""
WINDOW_BLOCKS = 1 << 10
WIDEST_WINDOW = 1 << 13
"""Columns of blocks: those of a picture of 65536 pixels are not divided."""


class Band(NamedTuple):
    """A part of an image that is one stream: its rows of blocks, and its rows of pixels."""

    rows: slice
    pixels: slice


class Window(NamedTuple):
    """A part of a band that is multiplied at once: its rows and columns of blocks."""

    rows: slice
    columns: slice

    @property
    def pixels(self) -> tuple[slice, slice]:
        """Its rows and columns of pixels, which may end beyond the image."""
        return (
            slice(BLOCK * self.rows.start, BLOCK * self.rows.stop),
            slice(BLOCK * self.columns.start, BLOCK * self.columns.stop),
        )

    @property
    def blocks(self) -> tuple[slice, slice, slice]:
        """Its part of (C, rows, columns)."""
        return slice(None), self.rows, self.columns

    def below(self, row: int) -> Window:
        """The same further down, for what begins in another row of the image."""
        return Window(slice(self.rows.start + row, self.rows.stop + row), self.columns)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


def blocks_across(pixels: int) -> int:
    """How many blocks cover a side of an image."""
    return -(-pixels // BLOCK)


def band_count(height: int) -> int:
    """How many bands an image has that is `height` pixels high."""
    return -(-height // (BLOCK * BAND_ROWS))


def bands_of(height: int) -> list[Band]:
    """The bands of an image that is `height` pixels high, from the top."""
    rows = blocks_across(height)
    return [
        Band(part, slice(BLOCK * part.start, min(BLOCK * part.stop, height)))
        for part in divided(rows, BAND_ROWS)
    ]


def is_long(height: int, width: int) -> bool:
    """Whether a band of an image is more than is in work at a time (256 x 16384 pixels)."""
    return min(BAND_ROWS, blocks_across(height)) * blocks_across(width) > STRIP_BLOCKS


def strips_of(bands: list[Band], width: int) -> list[list[Band]]:
    """Neighbouring bands, two or more while they have some STRIP_BLOCKS blocks together.

    A strip is in memory at a time. The matrix products of a whole strip come before or after the
    coding of its bands: at the same time, the threads of the one would wait for those of the other.
    """
    rows = bands[0].rows.stop - bands[0].rows.start
    size = max(2, STRIP_BLOCKS // (rows * blocks_across(width)))
    return [bands[first : first + size] for first in range(0, len(bands), size)]


def windows_of(rows: int, columns: int) -> list[Window]:
    """Windows of some WINDOW_BLOCKS blocks, whose coefficients fit the cache of a core.

    The number of their rows is a power of two that divides BAND_ROWS, so that a band is multiplied
    in the same windows, and to the same last bits, alone and in its image. One that is narrower
    than the image is of one row: one after the other, all hold a band in the order of its stream.
    """
    size = min(BAND_ROWS, 1 << max(0, (WINDOW_BLOCKS // columns).bit_length() - 1))
    return [
        Window(part, across)
        for part in divided(rows, size)
        for across in divided(columns, WIDEST_WINDOW)
    ]
