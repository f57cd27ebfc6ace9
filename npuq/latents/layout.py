"""An array of any shape as channels, rows and columns, and its blocks, one stream each.

The last axis is the columns, all others the rows; but where each channel has a table, its axis
comes out first. The dither of a coefficient is that of its (channel, row, column), for (C, H, W)
the same as in an image file.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.runtime.threads import divided

BLOCK = 1 << 20
"""Coefficients of a block, at most; part of the format."""


class Block(NamedTuple):
    """A part of all channels."""

    rows: slice
    columns: slice


def grid_of(shape: tuple[int, ...], axis: int | None) -> tuple[int, int, int]:
    """Channels, rows and columns of an array of a shape, whose channels are along an axis or 1."""
    rest = [n for i, n in enumerate(shape) if i != axis]
    channels = 1 if axis is None else shape[axis]
    return channels, math.prod(rest[:-1]), rest[-1] if rest else 1


def by_channel(array: Array, axis: int | None) -> Array:
    """A view (C, ..., columns) of three axes or more, those between being the rows."""
    view = array[np.newaxis] if axis is None else np.moveaxis(array, axis, 0)
    while view.ndim < 3:
        view = view[:, np.newaxis]
    return view


def place_of(block: Block, view: Array) -> tuple[Any, ...]:
    """Where a block is in such a view: the index of its (C, rows, columns)."""
    between = view.shape[1:-1]
    if len(between) == 1:
        return slice(None), block.rows, block.columns
    # rows of several axes may not be joined in place, and a copy of all could be too large
    rows = np.unravel_index(np.arange(block.rows.start, block.rows.stop), between)
    return slice(None), *rows, block.columns


def block_size(grid: tuple[int, int, int]) -> tuple[int, int]:
    """Rows and columns of a block: whole rows that are BLOCK together, or parts of a longer one."""
    channels, _, columns = grid
    return max(1, BLOCK // (channels * columns)), min(columns, max(1, BLOCK // channels))


def block_count(grid: tuple[int, int, int]) -> int:
    """How many blocks there are, found without making them."""
    if 0 in grid:
        return 0
    down, across = block_size(grid)
    return -(-grid[1] // down) * -(-grid[2] // across)


def blocks_of(grid: tuple[int, int, int]) -> list[Block]:
    """The blocks, in the order of their streams."""
    if 0 in grid:
        return []
    down, across = block_size(grid)
    return [Block(r, c) for r in divided(grid[1], down) for c in divided(grid[2], across)]
