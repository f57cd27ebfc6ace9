"""Winograd's convolutions of large images, some rows of outputs at a time, which bounds the memory.

What lies between pixels and outputs is some fifty numbers for four pixels and channel. So images
are taken in bands of rows of outputs, each with the rows of the input that it is made of.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.launch import contiguous
from npuq.kernels.cuda.winograd import SIDE, STRIDES, Winograd

MOST = 1 << 28  # numbers between pixels and outputs: a gibibyte


class Banded:
    """A convolution as `Winograd` computes it, band after band."""

    def __init__(self, shape: tuple[int, ...], padding: int) -> None:
        """For kernels of `shape`, (C_out, C_in, k, k)."""
        self.whole, self.padding = Winograd(shape, padding), padding
        self.part = Winograd(shape, 0)  # of what is padded already
        self.taps, self.stride = shape[2], STRIDES[shape[2]]

    def correlate(self, x: Array, w: Array, bias: Array, y: Array) -> None:
        """Write the convolution of x to y."""
        import cupy

        if self._is_small(y.shape):
            self.whole.correlate(x, w, bias, y)
            return
        for rows in self._bands(y.shape):
            band = cupy.empty((len(y), rows.stop - rows.start, *y.shape[2:]), np.float32)
            self.part.correlate(self._padded(x, rows), w, bias, band)
            y[:, rows] = band

    def spread(self, d_y: Array, w: Array, bias: Array, d_x: Array) -> None:
        """Write the transpose of `correlate` in x to d_x, plus bias (C_in,)."""
        import cupy

        if self._is_small(d_y.shape):
            self.whole.spread(d_y, w, bias, d_x)
            return
        d_x[...] = bias
        none = cupy.zeros_like(bias)
        for rows in self._bands(d_y.shape):
            part = cupy.empty(self._padded_shape(d_x.shape, rows), np.float32)
            self.part.spread(contiguous(d_y[:, rows])[0], w, none, part)
            there, here = self._places(d_x.shape, rows)
            d_x[:, there] += part[:, here, self.padding : self.padding + d_x.shape[2]]

    def kernel_gradient(self, d_y: Array, x: Array) -> Array:
        """The transpose of `correlate` in w."""
        if self._is_small(d_y.shape):
            return self.whole.kernel_gradient(d_y, x)
        total = None
        for rows in self._bands(d_y.shape):
            part = self.part.kernel_gradient(contiguous(d_y[:, rows])[0], self._padded(x, rows))
            total = part if total is None else total + part
        assert total is not None
        return total

    def _is_small(self, outputs: tuple[int, ...]) -> bool:
        return self._of_tiles(outputs) * -(-outputs[1] // SIDE) <= MOST

    def _of_tiles(self, outputs: tuple[int, ...]) -> int:
        """Numbers between pixels and outputs for a row of tiles."""
        each = self.whole.entries * self.whole.C_in + 16 * self.whole.C_out
        return outputs[0] * -(-outputs[2] // SIDE) * each

    def _bands(self, outputs: tuple[int, ...]) -> Iterator[slice]:
        """Rows of outputs."""
        rows = SIDE * max(1, MOST // self._of_tiles(outputs))
        for first in range(0, outputs[1], rows):
            yield slice(first, min(first + rows, outputs[1]))

    def _places(self, x: tuple[int, ...], rows: slice) -> tuple[slice, slice]:
        """The rows of x that outputs are made of, and where they lie in what `_padded` returns."""
        begin = rows.start * self.stride - self.padding
        end = (rows.stop - 1) * self.stride - self.padding + self.taps
        there = slice(max(begin, 0), min(end, x[1]))
        return there, slice(there.start - begin, there.stop - begin)

    def _padded_shape(self, x: tuple[int, ...], rows: slice) -> tuple[int, ...]:
        height = (rows.stop - 1 - rows.start) * self.stride + self.taps
        return x[0], height, x[2] + 2 * self.padding, x[3]

    def _padded(self, x: Array, rows: slice) -> Array:
        """What rows of outputs are made of, with zeros where x ends."""
        import cupy

        padded = cupy.zeros(self._padded_shape(x.shape, rows), np.float32)
        there, here = self._places(x.shape, rows)
        padded[:, here, self.padding : self.padding + x.shape[2]] = x[:, there]
        return padded
