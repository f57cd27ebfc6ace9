"""Convolutions by the definition: all that an output is made of is laid side by side.

A convolution is then one product of rows of k k C numbers with a matrix (Dumoulin & Visin 2016,
Sec. 4.1). Each output is a sum of products of an input and a tap, so that integers stay exact.

Shapes: window and outputs of `npuq.nn.windows`, of tiles of one output.
"""

from __future__ import annotations

import math

import numpy as np

from npuq.backend import Array
from npuq.runtime.scratch import scratch


class Unfolded:
    """A convolution as one product (Dumoulin & Visin 2016, Sec. 4.1).

    Attributes:
        taps: height and width of the kernel.
        stride: of the convolution.
        side: of a tile of outputs.
        matrix_shape: of the kernels as a matrix, (k k C_in, C_out).
    """

    side = 1

    def __init__(self, shape: tuple[int, ...], stride: int) -> None:
        """For kernels of `shape`, (C_out, C_in, k, k)."""
        self.channels, self.taps, self.stride = shape[:2], shape[2:], stride
        self.matrix_shape = math.prod(shape[1:]), shape[0]

    def as_matrix(self, w: Array) -> Array:
        """Kernels (C_out, C_in, k, k) as a matrix (Dumoulin & Visin 2016, Sec. 4.1)."""
        return np.ascontiguousarray(w.transpose(2, 3, 1, 0)).reshape(self.matrix_shape)

    def gradient_from_matrix(self, d_matrix: Array) -> Array:
        """The transpose of `as_matrix`: gradients of the kernels."""
        d_w = d_matrix.reshape(*self.taps, *self.channels[::-1])
        return np.ascontiguousarray(d_w.transpose(3, 2, 0, 1))

    def correlate(self, window: Array, kernel: Array, b: Array, outputs: Array) -> None:
        """Write the outputs of a window, plus b (C_out,) (Dumoulin & Visin 2016, Sec. 4.1)."""
        from npuq.kernels.cpu import unfold

        unfold.correlate(
            window, kernel, self.taps, self.stride, b, outputs, self._unfolded(outputs)
        )

    def spread(self, d_outputs: Array, kernel: Array, d_window: Array) -> None:
        """The transpose of `correlate` in the window, added to d_window."""
        from npuq.kernels.cpu import unfold

        working = self._unfolded(d_outputs)
        unfold.spread(d_outputs, kernel, self.taps, self.stride, d_window, working)

    def add_products(
        self, window: Array, d_outputs: Array, d_kernel: Array, *, overwrite: bool
    ) -> None:
        """The transpose of `correlate` in the kernel, added to d_kernel or written to it."""
        from npuq.kernels.cpu import unfold

        products = scratch("sums", d_kernel.shape, d_kernel.dtype)
        working = self._unfolded(d_outputs), products
        unfold.add_products(
            window, d_outputs, self.taps, self.stride, d_kernel, overwrite, *working
        )

    def _unfolded(self, outputs: Array) -> Array:
        shape = math.prod(outputs.shape[:3]), self.matrix_shape[0]
        return scratch("points", shape, outputs.dtype)
