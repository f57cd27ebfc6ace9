"""Images in blocks of s x s pixels, in which a convolution of stride s is one of stride 1.

A padded image becomes rows of blocks, one after another in memory, each of them s s C numbers: the
field's space-to-depth. Offset (p, q) of the kernel meets pixel (p mod s, q mod s) of the block that
lies (p div s, q div s) blocks ahead: in memory, one number ahead for all outputs. Offsets whose
pixels stand side by side in one block are taken together, as a `Run`.

Work is divided into parts: some rows of one image, or several small images, whose blocks stay in
the cache. At the ends of rows and images lie a few blocks at which no output begins.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npuq.backend import Array

AT_ONCE = 1 << 10  # blocks in a part, about: enough for good products, few enough for the cache
FEWEST_PARTS = 4  # if there are as many images, so that each core gets something to do


class Run(NamedTuple):
    """Offsets of the kernel whose inputs stand side by side.

    Attributes:
        move: how many blocks they lie ahead of the output's own.
        inputs: where they stand in the block, s s C numbers.
        taps: which rows of the kernel matrix meet them.
    """

    move: int
    inputs: slice
    taps: slice


class Part(NamedTuple):
    """Some images, and some rows of each."""

    images: slice
    rows: slice


class Blocks:
    """Where the pixels of images stand in blocks, for one size of image and of kernel."""

    def __init__(
        self,
        size: tuple[int, ...],
        channels: int,
        kernel: tuple[int, ...],
        stride: int,
        padding: int,
    ) -> None:
        self.size, self.channels, self.kernel = size, channels, kernel
        self.stride, self.padding = stride, padding
        self.output = tuple(
            (n + 2 * padding - k) // stride + 1 for n, k in zip(size, kernel, strict=True)
        )
        self.reach = tuple((k - 1) // stride for k in kernel)  # of the kernel, in blocks
        self.rows, self.columns = (n + r for n, r in zip(self.output, self.reach, strict=True))
        self.covers_image = all(
            n * stride - padding >= pixels
            for n, pixels in zip((self.rows, self.columns), size, strict=True)
        )
        self.depth = stride * stride * channels
        self.offsets: list[tuple[int, int]] = []  # of the kernel, in the order of the runs
        self.runs: list[Run] = []
        for i in range(self.reach[0] + 1):
            for j in range(self.reach[1] + 1):
                height = min(stride, kernel[0] - stride * i)
                if stride * (j + 1) <= kernel[1]:  # rows of a block that are used as a whole
                    self._add_run(i, j, 0, height)
                else:
                    for row in range(height):
                        self._add_run(i, j, row, row + 1)

    def _add_run(self, i: int, j: int, top: int, bottom: int) -> None:
        """Some rows of the block that lies i rows and j columns ahead."""
        s, C = self.stride, self.channels
        width = min(s, self.kernel[1] - s * j)
        size, at, first = (bottom - top) * width * C, len(self.offsets) * C, top * s * C
        inputs, taps = slice(first, first + size), slice(at, at + size)
        self.runs.append(Run(i * self.columns + j, inputs, taps))
        rows, columns = range(s * i + top, s * i + bottom), range(s * j, s * j + width)
        self.offsets += [(p, q) for p in rows for q in columns]

    def parts(self, count: int, rows: int) -> list[Part]:
        """`count` images of so many rows of blocks, divided."""
        if rows * self.columns < AT_ONCE:
            most = max(1, min(AT_ONCE // (rows * self.columns), count // FEWEST_PARTS))
            return [Part(images, slice(0, rows)) for images in _divided(count, most)]
        at_once = _divided(rows, -(-AT_ONCE // self.columns))
        return [Part(slice(n, n + 1), some) for n in range(count) for some in at_once]

    def blocks(self, x: Array, part: Part) -> Array:
        """What the outputs of a part are made of: (n, rows + reach, columns, s s C).

        Where a block reaches over the edge of the image, it holds zeros.
        """
        s, images = self.stride, x[part.images]
        rows = slice(part.rows.start, part.rows.stop + self.reach[0])
        shape = len(images), rows.stop - rows.start, self.columns
        blocks = np.zeros((*shape, s, s, self.channels), x.dtype)
        for i in range(s):
            to_row, from_row = self._inside(rows, i, 0)
            for j in range(s):
                to_column, from_column = self._inside(slice(0, self.columns), j, 1)
                blocks[:, to_row, to_column, i, j] = images[:, from_row, from_column]
        return blocks.reshape(*shape, self.depth)

    def put_together(self, blocks: Array, b: Array, part: Part, x: Array) -> None:
        """Write rows of blocks, (n, rows, columns, s s C), plus b (C,), to their place in x."""
        s, images = self.stride, x[part.images]
        pixels = blocks.reshape(*blocks.shape[:3], s, s, self.channels)
        for i in range(s):
            from_row, to_row = self._inside(part.rows, i, 0)
            for j in range(s):
                from_column, to_column = self._inside(slice(0, self.columns), j, 1)
                np.add(pixels[:, from_row, from_column, i, j], b, out=images[:, to_row, to_column])

    def _inside(self, blocks: slice, pixel: int, axis: int) -> tuple[slice, slice]:
        """Of some rows of blocks, those whose pixel lies in the image, and which row that is."""
        s, edge = self.stride, self.padding - pixel
        first = max(blocks.start, -(-edge // s))
        stop = max(first, min(blocks.stop, -(-(self.size[axis] + edge) // s)))
        in_image = slice(first * s - edge, stop * s - edge, s)
        return slice(first - blocks.start, stop - blocks.start), in_image


def _divided(length: int, most: int) -> list[slice]:
    return [slice(start, min(start + most, length)) for start in range(0, length, most)]
