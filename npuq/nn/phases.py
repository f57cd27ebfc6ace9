"""The phases of an image under a stride s, which turn a strided convolution into plain ones.

Phase (a, b), 0 <= a, b < s, holds the pixels of rows a, a + s, ... and columns b, b + s, ... of the
padded image, one after another as (rows columns, C).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from npuq.backend import Array


class Phases:
    """Where the pixels of an image stand in its phases, for one size of image and of kernel."""

    def __init__(
        self, size: tuple[int, ...], kernel: tuple[int, ...], stride: int, padding: int
    ) -> None:
        height, width = size
        self.size, self.kernel, self.stride, self.padding = (height, width), kernel, stride, padding
        self.output = tuple(
            (n + 2 * padding - k) // stride + 1 for n, k in zip(size, kernel, strict=True)
        )
        reach = tuple((k - 1) // stride for k in kernel)  # the farthest move
        self.rows, self.columns = (n + r for n, r in zip(self.output, reach, strict=True))
        # from the first output to the last, ends of rows between included
        self.span = (self.output[0] - 1) * self.columns + self.output[1]
        self.phases_shape = (stride * stride, self.rows * self.columns)

    def offsets(self) -> Iterator[tuple[int, int, int, int]]:
        """Each offset (p, q) of the kernel with its phase and its move."""
        s = self.stride
        for p in range(self.kernel[0]):
            for q in range(self.kernel[1]):
                yield p, q, p % s * s + q % s, p // s * self.columns + q // s

    def take_apart(self, x: Array) -> Array:
        """The phases of padded images, (N, s s, rows columns, C)."""
        s = self.stride
        count, channels = len(x), x.shape[-1]
        phases = np.zeros((count, s, s, self.rows, self.columns, channels), x.dtype)
        for a, b, target, source in self._parts():
            phases[:, a, b, target[0], target[1]] = x[:, source[0], source[1]]
        return phases.reshape(count, *self.phases_shape, channels)

    def put_together(self, phases: Array) -> Array:
        """The images of phases, without what was padded: the inverse of `take_apart`."""
        s = self.stride
        count, channels = len(phases), phases.shape[-1]
        parts = phases.reshape(count, s, s, self.rows, self.columns, channels)
        x = np.zeros((count, *self.size, channels), phases.dtype)
        for a, b, target, source in self._parts():
            x[:, source[0], source[1]] = parts[:, a, b, target[0], target[1]]
        return x

    def _parts(self) -> Iterator[tuple[int, int, tuple[slice, slice], tuple[slice, slice]]]:
        """For each phase: its rows and columns that lie in the image, and which those are."""
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
        first = max(0, -(-(padding - start) // s))  # of the phase, in the image
        begin = start + s * first - padding
        count = max(0, min(most - first, -(-(length - begin) // s)))
        return slice(first, first + count), slice(begin, begin + s * count, s)

    def trimmed(self, grid: Array) -> Array:
        """(span, C) -> (H', W', C), without the ends of rows."""
        rows, columns = self.output
        padded = np.empty((rows * self.columns, grid.shape[1]), grid.dtype)
        padded[: self.span] = grid
        return padded.reshape(rows, self.columns, -1)[:, :columns]

    def spread(self, d_y: Array) -> Array:
        """(H', W', C) -> (span, C), with zeros at the ends of rows."""
        rows, columns = self.output
        grid = np.zeros((rows, self.columns, d_y.shape[-1]), d_y.dtype)
        grid[:, :columns] = d_y
        return grid.reshape(rows * self.columns, -1)[: self.span]
