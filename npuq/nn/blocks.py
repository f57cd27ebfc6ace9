"""Images in blocks of s x s pixels, in which a convolution of stride s is one of stride 1.

A padded image becomes rows of blocks, one after another in memory, each of them s s C numbers: the
field's space-to-depth. Offset (p, q) of the kernel meets pixel (p mod s, q mod s) of the block that
lies (p div s, q div s) blocks ahead: in memory, one number ahead for all outputs. Offsets whose
pixels stand side by side in one block are taken together, as a `Run`.

A batch is one long row of blocks. At the ends of its rows and images lie a few blocks at which no
output begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.kernels.threads import for_each_range


class Run(NamedTuple):
    """Offsets of the kernel whose inputs stand side by side.

    Attributes:
        move: how many blocks they lie ahead of the output's own.
        inputs: where they stand in the block, s s C numbers.
        taps: which rows of the `kernel_matrix` meet them.
    """

    move: int
    inputs: slice
    taps: slice


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
        reach = tuple((k - 1) // stride for k in kernel)  # of the kernel, in blocks
        self.rows, self.columns = (n + r for n, r in zip(self.output, reach, strict=True))
        self.per_image = self.rows * self.columns
        self.depth = stride * stride * channels
        self.offsets: list[tuple[int, int]] = []  # of the kernel, in the order of the runs
        self.runs: list[Run] = []
        for i in range(reach[0] + 1):
            for j in range(reach[1] + 1):
                self._add_runs(i, j)

    def _add_runs(self, i: int, j: int) -> None:
        """Those of the blocks i rows and j columns ahead."""
        s, C = self.stride, self.channels
        p, q = s * i, s * j
        height, width = min(s, self.kernel[0] - p), min(s, self.kernel[1] - q)
        # rows of a block stand side by side if they are used as a whole
        parts = [(0, height)] if width == s else [(a, a + 1) for a in range(height)]
        for top, bottom in parts:
            size, at = (bottom - top) * width * C, len(self.offsets) * C
            first = top * s * C
            self.runs.append(
                Run(i * self.columns + j, slice(first, first + size), slice(at, at + size))
            )
            self.offsets += [(p + a, q + b) for a in range(top, bottom) for b in range(width)]

    def span(self, count: int) -> int:
        """From the first output of `count` images to the last, what lies between included."""
        return (count - 1) * self.per_image + (self.output[0] - 1) * self.columns + self.output[1]

    def kernel_matrix(self, w: Array) -> Array:
        """(C_out, C, k, k) -> (k k C, C_out), in the order of the runs."""
        p, q = np.array(self.offsets).T
        return np.ascontiguousarray(w.transpose(2, 3, 1, 0)[p, q]).reshape(-1, w.shape[0])

    def from_kernel_matrix(self, matrix: Array) -> Array:
        """The inverse of `kernel_matrix`."""
        p, q = np.array(self.offsets).T
        w = np.empty((*self.kernel, self.channels, matrix.shape[1]), matrix.dtype)
        w[p, q] = matrix.reshape(len(p), self.channels, -1)
        return np.ascontiguousarray(w.transpose(3, 2, 0, 1))

    def take_apart(self, x: Array, blocks: Array) -> None:
        """Fill `blocks` (N rows columns, s s C) with those of the images, zeros around them."""
        s = self.stride
        parts = blocks.reshape(len(x), self.rows, self.columns, s, s, self.channels)

        def run(start: int, stop: int) -> None:
            parts[start:stop] = 0
            for a, b, target, source in self._parts():
                parts[start:stop, target[0], target[1], a, b] = x[start:stop, source[0], source[1]]

        for_each_range(run, len(x))

    def put_together(self, blocks: Array, x: Array) -> None:
        """The inverse of `take_apart`, without what was padded."""
        s = self.stride
        parts = blocks.reshape(len(x), self.rows, self.columns, s, s, self.channels)

        def run(start: int, stop: int) -> None:
            for a, b, target, source in self._parts():
                x[start:stop, source[0], source[1]] = parts[start:stop, target[0], target[1], a, b]

        for_each_range(run, len(x))

    def _parts(self) -> Iterator[tuple[int, int, tuple[slice, slice], tuple[slice, slice]]]:
        """For each pixel of a block: the blocks where it lies in the image, and where there."""
        for a in range(self.stride):
            for b in range(self.stride):
                (rows, image_rows), (columns, image_columns) = (
                    self._part(start, n, m)
                    for start, n, m in zip(
                        (a, b), self.size, (self.rows, self.columns), strict=True
                    )
                )
                yield a, b, (rows, columns), (image_rows, image_columns)

    def _part(self, start: int, length: int, most: int) -> tuple[slice, slice]:
        s, padding = self.stride, self.padding
        first = max(0, -(-(padding - start) // s))  # of the blocks, in the image
        begin = start + s * first - padding
        count = max(0, min(most - first, -(-(length - begin) // s)))
        return slice(first, first + count), slice(begin, begin + s * count, s)

    def outputs(self, grid: Array) -> Array:
        """(N rows columns, C_out) -> its view (N, H', W', C_out) at which outputs begin."""
        rows, columns = self.output
        return grid.reshape(-1, self.rows, self.columns, grid.shape[-1])[:, :rows, :columns]
