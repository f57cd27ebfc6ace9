"""Which pixels the outputs of a convolution are made of, in parts that stay in the cache.

Outputs are taken in tiles of side x side, side 1 or 2. A part is some rows of tiles of one image,
or several small images. All that its outputs are made of is its window: some rows of the padded
image. Windows overlap: gradients that reach the last rows of one belong in part to the next.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.kernels.cpu.unfold import Unfolded
from npuq.kernels.cpu.winograd import Winograd
from npuq.runtime.scratch import scratch
from npuq.runtime.threads import divided

AT_ONCE = 1 << 10  # outputs in a part, about: enough for good products, few enough for the cache
FEWEST_PARTS = 4  # if there is as much to do, so that each core gets something


class Part(NamedTuple):
    """Some images, and some rows of tiles of each."""

    images: slice
    rows: slice


class Windows:
    """Tiles and windows for one size of image and one method to multiply by kernels.

    Attributes:
        size: height and width of the image.
        padding: rows and columns of zeros on each side of it.
        side: of a tile of outputs.
        output: height and width of the output.
        tiles: rows and columns of tiles; the last may reach over the edge of the output.
        step: from tile to tile, pixels.
        overlap: of the windows of neighbouring tiles, pixels.
        cover_image: whether each pixel lies in a window.
    """

    def __init__(self, size: tuple[int, ...], method: Unfolded | Winograd, padding: int) -> None:
        kernel, stride, side = method.taps, method.stride, method.side
        self.size, self.padding, self.side = size, padding, side
        self.output = tuple(
            (n + 2 * padding - k) // stride + 1 for n, k in zip(size, kernel, strict=True)
        )
        self.tiles = tuple(-(-n // side) for n in self.output)
        self.step = side * stride
        self.overlap = tuple(max(0, k - stride) for k in kernel)
        self.cover_image = all(
            n * self.step + overlap - padding >= pixels
            for n, overlap, pixels in zip(self.tiles, self.overlap, size, strict=True)
        )

    def parts(self, count: int) -> list[Part]:
        """`count` images, divided."""
        rows, columns = self.tiles
        fewest = count * rows * columns // FEWEST_PARTS
        at_once = max(1, min(AT_ONCE // self.side**2, fewest))
        if rows * columns <= at_once:
            some = divided(count, at_once // (rows * columns))
            return [Part(images, slice(0, rows)) for images in some]
        some = divided(rows, -(-at_once // columns))
        return [Part(slice(n, n + 1), part) for n in range(count) for part in some]

    def zeros(self, part: Part, channels: int, dtype: np.dtype[Any]) -> Array:
        """A window, (n, rows, columns, C)."""
        rows = (part.rows.stop - part.rows.start) * self.step + self.overlap[0]
        columns = self.tiles[1] * self.step + self.overlap[1]
        images = part.images.stop - part.images.start
        window = scratch("window", (images, rows, columns, channels), dtype)
        window.fill(0)
        return window

    def cut(self, x: Array, part: Part) -> Array:
        """The window of a part of x (N, H, W, C); zeros where it reaches over the edge."""
        window = self.zeros(part, x.shape[3], x.dtype)
        (to_rows, from_rows), (to_columns, from_columns) = self._inside(part, window)
        window[:, to_rows, to_columns] = x[part.images, from_rows, from_columns]
        return window

    def put(self, window: Array, bias: Array, part: Part, x: Array) -> Array:
        """Write a window, plus bias (C,), to x, but for the rows that it shares with the next part.

        Returns:
            The rows that it shares, (n, overlap, columns, C), for `add_shared`.
        """
        is_last = part.rows.stop == self.tiles[0]
        own = window.shape[1] - (0 if is_last else self.overlap[0])
        (from_rows, to_rows), (from_columns, to_columns) = self._inside(part, window[:, :own])
        to = x[part.images, to_rows, to_columns]
        np.add(window[:, from_rows, from_columns], bias, out=to)
        return window[:, own:].copy()

    def add_shared(self, shared: Array, part: Part, x: Array) -> None:
        """Add what `put` returned, once all parts have been put."""
        after = Part(part.images, slice(part.rows.stop, part.rows.stop))
        (from_rows, to_rows), (from_columns, to_columns) = self._inside(after, shared)
        x[part.images, to_rows, to_columns] += shared[:, from_rows, from_columns]

    def outputs(self, y: Array, part: Part) -> Array:
        """Of y (N, H', W', C), the outputs of a part, or a copy with zeros where there are none."""
        rows = (part.rows.stop - part.rows.start) * self.side
        columns = self.tiles[1] * self.side
        some = self._in_output(y, part)
        if some.shape[1:3] == (rows, columns):
            return some
        outputs = np.zeros((len(some), rows, columns, y.shape[3]), y.dtype)
        outputs[:, : some.shape[1], : some.shape[2]] = some
        return outputs

    def put_outputs(self, outputs: Array, part: Part, y: Array) -> None:
        """Write what `outputs` returned to its place in y."""
        some = self._in_output(y, part)
        if not np.may_share_memory(outputs, some):
            some[:] = outputs[:, : some.shape[1], : some.shape[2]]

    def _in_output(self, y: Array, part: Part) -> Array:
        return y[part.images, part.rows.start * self.side : part.rows.stop * self.side]

    def _inside(self, part: Part, window: Array) -> tuple[tuple[slice, slice], ...]:
        """Rows and columns that lie in the image: counted in the window, and in the image."""
        first = part.rows.start * self.step - self.padding
        return (
            _common(first, window.shape[1], self.size[0]),
            _common(-self.padding, window.shape[2], self.size[1]),
        )


def _common(first: int, length: int, size: int) -> tuple[slice, slice]:
    """Of `length` pixels from `first` on, those of an image of `size`: counted here, and there."""
    start = max(0, first)
    stop = max(start, min(size, first + length))
    return slice(start - first, stop - first), slice(start, stop)
