"""How the linear model divides an image of 8x8 blocks: into bands, strips of bands, and tiles.

Bands are part of the file format (`npuq.codec.bands`). Strips and tiles change speed and memory
only, not the result.
"""

from __future__ import annotations

from typing import NamedTuple

from npuq.codec.bands import BAND_ROWS, bands_of
from npuq.models.linear import BLOCK
from npuq.runtime.threads import divided

STRIP_BLOCKS = 1 << 16
"""Blocks in work at a time: their coefficients and dither take 63 MB."""
TILE_BLOCKS = 1 << 10
WIDEST_TILE = 1 << 13
"""Columns of blocks: those of a picture of 65536 pixels are not divided."""


class Tile(NamedTuple):
    """A part of an image that is multiplied at once: its rows and columns of blocks."""

    rows: slice
    columns: slice

    @property
    def pixels(self) -> tuple[slice, slice]:
        """Its rows and columns of pixels, which may end beyond the image."""
        return pixel_rows(self.rows), pixel_rows(self.columns)

    @property
    def blocks(self) -> tuple[slice, slice, slice]:
        """Its part of (C, rows, columns)."""
        return slice(None), self.rows, self.columns

    def below(self, row: int) -> Tile:
        """The same further down, for what begins in another row of the image."""
        return Tile(slice(self.rows.start + row, self.rows.stop + row), self.columns)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


def blocks_across(pixels: int) -> int:
    """How many blocks cover a side of an image."""
    return -(-pixels // BLOCK)


def pixel_rows(rows: slice) -> slice:
    """The pixels of rows of blocks, or of columns; they may end beyond the image."""
    return slice(BLOCK * rows.start, BLOCK * rows.stop)


def is_long(height: int, width: int) -> bool:
    """Whether a band of an image is more than is in work at a time (256 x 16384 pixels)."""
    return min(BAND_ROWS, blocks_across(height)) * blocks_across(width) > STRIP_BLOCKS


def strips_of(height: int, width: int) -> list[list[slice]]:
    """The bands of an image, as rows of blocks, in strips that are in work and memory at a time.

    A strip is two or more neighbouring bands, while they have some STRIP_BLOCKS blocks together; or
    one band, where it is long. The matrix products of a whole strip come before or after the coding
    of its bands: at the same time, the threads of the one would wait for those of the other.
    """
    bands = bands_of(blocks_across(height))
    if is_long(height, width):
        return [[band] for band in bands]
    size = max(2, STRIP_BLOCKS // ((bands[0].stop - bands[0].start) * blocks_across(width)))
    return [bands[first : first + size] for first in range(0, len(bands), size)]


def tiles_of(rows: int, columns: int, blocks: int = 0) -> list[Tile]:
    """Tiles of some TILE_BLOCKS blocks, whose coefficients fit the cache of a core.

    A device is given more at a time, `blocks`.

    The number of their rows is a power of two that divides BAND_ROWS, so that a band is multiplied
    in the same tiles, and to the same last bits, alone and in its image. One that is narrower than
    the image is of one row: one after the other, all hold a band in the order of its stream.
    """
    size = min(BAND_ROWS, 1 << max(0, ((blocks or TILE_BLOCKS) // columns).bit_length() - 1))
    return [
        Tile(part, across)
        for part in divided(rows, size)
        for across in divided(columns, WIDEST_TILE)
    ]
