"""Convolutions by the products of the definition: all that an output is made of, side by side.

A convolution is then one product of rows of kh kw C numbers with a matrix (Dumoulin & Visin 2016,
Sec. 4.1), for one window at a time, in one compiled call, so that no thread waits for another.

Shapes of n images or parts of them:
    window     (n, rows, columns, C), see `npuq.kernels.cpu.windows`
    outputs    (n, H', W', C_out)
    matrix     (kh kw C, C_out): the kernels
    unfolded   (n H' W', kh kw C), memory to work in
"""

from __future__ import annotations

import math

import numpy as np

from npuq.backend import Array
from npuq.runtime.compile import jit
from npuq.runtime.scratch import scratch


class Unfolded:
    """A convolution of `npuq.nn.conv` as one product (Dumoulin & Visin 2016, Sec. 4.1).

    Attributes:
        taps: height and width of the kernel.
        stride: of the convolution.
        side: of a tile of outputs.
        matrix_shape: of the kernels as a matrix.
    """

    side = 1

    def __init__(self, shape: tuple[int, ...], stride: int) -> None:
        """For kernels of `shape`, (C_out, C_in, kh, kw)."""
        self.channels, self.taps, self.stride = shape[:2], shape[2:], stride
        self.matrix_shape = math.prod(shape[1:]), shape[0]

    def as_matrix(self, w: Array) -> Array:
        """Kernels as a matrix."""
        return np.ascontiguousarray(w.transpose(2, 3, 1, 0)).reshape(self.matrix_shape)

    def gradient_from_matrix(self, d_matrix: Array) -> Array:
        """The transpose of `as_matrix`: gradients of the kernels."""
        d_w = d_matrix.reshape(*self.taps, *self.channels[::-1])
        return np.ascontiguousarray(d_w.transpose(3, 2, 0, 1))

    def correlate(self, window: Array, matrix: Array, bias: Array, outputs: Array) -> None:
        """Write the outputs of a window, plus bias (C_out,)."""
        unfolded = self._unfolded(outputs)
        _correlate(window, matrix, self.taps, self.stride, bias, outputs, unfolded)

    def spread(self, d_outputs: Array, matrix: Array, d_window: Array) -> None:
        """The transpose of `correlate` in the window, added to d_window."""
        unfolded = self._unfolded(d_outputs)
        _spread(d_outputs, matrix, self.taps, self.stride, d_window, unfolded)

    def add_products(
        self, window: Array, d_outputs: Array, d_matrix: Array, *, overwrite: bool
    ) -> None:
        """The transpose of `correlate` in the matrix, added to d_matrix or written to it."""
        unfolded = self._unfolded(d_outputs)
        products = d_matrix if overwrite else scratch("sums", d_matrix.shape, d_matrix.dtype)
        _multiply(window, d_outputs, self.taps, self.stride, products, unfolded)
        if not overwrite:
            d_matrix += products

    def _unfolded(self, outputs: Array) -> Array:
        shape = math.prod(outputs.shape[:3]), self.matrix_shape[0]
        return scratch("points", shape, outputs.dtype)


@jit()
def _unfold(window, taps, stride, shape, unfolded):
    """Lay all that an output is made of side by side."""
    n, rows, columns = shape
    C = window.shape[3]
    across = taps[1] * C  # pixels that are neighbours in memory as well
    for image in range(n):
        for row in range(rows):
            for p in range(taps[0]):
                pixels = window[image, row * stride + p].reshape(-1)
                for column in range(columns):
                    output = unfolded[(image * rows + row) * columns + column]
                    first, to = column * stride * C, p * across
                    for c in range(np.uintp(across)):
                        output[np.uintp(to) + c] = pixels[np.uintp(first) + c]


@jit()
def _fold(unfolded, taps, stride, shape, d_window):
    """The transpose of `_unfold`, added to d_window."""
    n, rows, columns = shape
    C = d_window.shape[3]
    across = taps[1] * C
    for image in range(n):
        for row in range(rows):
            for p in range(taps[0]):
                pixels = d_window[image, row * stride + p].reshape(-1)
                for column in range(columns):
                    output = unfolded[(image * rows + row) * columns + column]
                    to, first = column * stride * C, p * across
                    for c in range(np.uintp(across)):
                        pixels[np.uintp(to) + c] += output[np.uintp(first) + c]


@jit()
def _correlate(window, matrix, taps, stride, bias, outputs, unfolded):
    flat = outputs.reshape((len(unfolded), len(bias)))
    _unfold(window, taps, stride, outputs.shape[:3], unfolded)
    np.dot(unfolded, matrix, flat)
    for t in range(len(flat)):
        output = flat[t]
        for c in range(np.uintp(len(bias))):
            output[c] += bias[c]


@jit()
def _spread(d_outputs, matrix, taps, stride, d_window, unfolded):
    np.dot(d_outputs.reshape((len(unfolded), d_outputs.shape[3])), matrix.T, unfolded)
    _fold(unfolded, taps, stride, d_outputs.shape[:3], d_window)


@jit()
def _multiply(window, d_outputs, taps, stride, products, unfolded):
    _unfold(window, taps, stride, d_outputs.shape[:3], unfolded)
    flat = d_outputs.reshape((len(unfolded), d_outputs.shape[3]))
    np.dot(unfolded.T, flat, products)
