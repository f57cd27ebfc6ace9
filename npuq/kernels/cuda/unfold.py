"""Convolutions on a CUDA device by the definition: one product of all that outputs are made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.launch import contiguous, launch_each
from npuq.kernels.cuda.products import multiply


class Unfolded:
    """A convolution as one product (Dumoulin & Visin 2016, Sec. 4.1).

    Its matrix of kernels is (kh kw C_in, C_out).
    """

    def __init__(self, shape: tuple[int, ...], stride: int, padding: int) -> None:
        """For kernels of `shape`, (C_out, C_in, kh, kw)."""
        self.shape, self.stride, self.padding = shape, stride, padding
        self.depth = math.prod(shape[1:])

    def correlate(self, x: Array, w: Array, bias: Array, y: Array) -> None:
        """Write the convolution of x to y."""
        unfolded = self._unfolded(x, y.shape)
        multiply(unfolded[None], self._matrix(w)[None], y.reshape(1, -1, y.shape[3]))
        y += bias

    def spread(self, d_y: Array, w: Array, bias: Array, d_x: Array) -> None:
        """Write the transpose of `correlate` in x to d_x, plus bias (C_in,)."""
        import cupy

        unfolded = cupy.empty((math.prod(d_y.shape[:3]), self.depth), np.float32)
        flat = d_y.reshape(1, -1, d_y.shape[3])
        multiply(flat, self._matrix(w)[None], unfolded[None], b_t=True)
        sizes = self._sizes(d_x.shape, d_y.shape), np.int64(d_x.size)
        launch_each("unfold", "fold", d_x.size, unfolded, bias, d_x, *sizes[0], sizes[1])

    def kernel_gradient(self, d_y: Array, x: Array) -> Array:
        """The transpose of `correlate` in w."""
        import cupy

        d_matrix = cupy.empty((1, self.depth, self.shape[0]), np.float32)
        unfolded = self._unfolded(x, d_y.shape)
        multiply(unfolded[None], d_y.reshape(1, -1, d_y.shape[3]), d_matrix, a_t=True)
        C_out, C_in, kh, kw = self.shape
        d_w = d_matrix.reshape(kh, kw, C_in, C_out).transpose(3, 2, 0, 1)
        return contiguous(d_w)[0]

    def _matrix(self, w: Array) -> Array:
        (by_taps,) = contiguous(w.transpose(2, 3, 1, 0))
        return by_taps.reshape(self.depth, -1)

    def _unfolded(self, x: Array, outputs: tuple[int, ...]) -> Array:
        import cupy

        unfolded = cupy.empty((math.prod(outputs[:3]), self.depth), np.float32)
        sizes = self._sizes(x.shape, outputs)
        count = np.int64(unfolded.size)
        launch_each("unfold", "unfold", unfolded.size, x, unfolded, *sizes, count)
        return unfolded

    def _sizes(self, x: tuple[int, ...], y: tuple[int, ...]) -> tuple[Any, ...]:
        return tuple(map(np.int32, (*x[1:], *y[1:3], *self.shape[2:], self.stride, self.padding)))
