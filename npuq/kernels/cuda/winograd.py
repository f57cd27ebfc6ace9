"""Winograd's convolutions on a CUDA device: kernels around sixteen products by cuBLAS.

`npuq.nn.winograd` writes the method down, `winograd.cu` says how its numbers lie in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.launch import launch_each
from npuq.kernels.cuda.products import multiply

SIDE = 2  # outputs of a tile
GROUPS = {
    5: ((0, 9, 4), (9, 6, 2), (15, 1, 1)),
    3: ((0, 16, 1),),
}
"""By taps: points of one size, as (first, how many, columns for each channel)."""
STRIDES = {5: 2, 3: 1}


class Winograd:
    """A convolution as sixteen products, one at each point (Lavin & Gray 2016, Eq. 12)."""

    def __init__(self, shape: tuple[int, ...], padding: int) -> None:
        """For kernels of `shape`, (C_out, C_in, k, k)."""
        self.C_out, self.C_in, self.taps = shape[0], shape[1], shape[2]
        self.padding = padding
        self.entries = sum(count * columns for _, count, columns in GROUPS[self.taps])

    @staticmethod
    def applies(taps: tuple[int, ...], stride: int) -> bool:
        """Whether kernels are 5 x 5 at stride 2 or 3 x 3 at stride 1."""
        return taps[0] == taps[1] and STRIDES.get(taps[0]) == stride

    def correlate(self, x: Array, w: Array, bias: Array, y: Array) -> None:
        """Write the convolution of x to y."""
        points, products = self._points_of(x, y.shape), self._products(y.shape)
        for a, b, m in self._groups(points, self._matrix_of(w), products):
            multiply(a, b, m)
        tiles = self._tiles(y.shape)
        launch_each(
            "winograd", "outputs_of_products", products[0].size, products, bias, y,
            *_ints(*y.shape[1:], *tiles[1:]), np.int64(math.prod(tiles)),
        )  # fmt: skip

    def spread(self, d_y: Array, w: Array, bias: Array, d_x: Array) -> None:
        """Write the transpose of `correlate` in x to d_x, plus bias (C_in,)."""
        products, matrix = self._products_of(d_y), self._matrix_of(w)
        d_points = self._points(d_y.shape)
        for d_a, b, d_m in self._groups(d_points, matrix, products):
            multiply(d_m, b, d_a, b_t=True)
        sizes = self._sizes(d_x.shape, d_y.shape)
        launch_each(
            "winograd", f"input_of_points_{self.taps}", d_x.size, d_points, bias, d_x, *sizes
        )

    def kernel_gradient(self, d_y: Array, x: Array) -> Array:
        """The transpose of `correlate` in w."""
        import cupy

        points, products = self._points_of(x, d_y.shape), self._products_of(d_y)
        d_matrix = self._matrix()
        for a, d_b, d_m in self._groups(points, d_matrix, products):
            multiply(a, d_m, d_b, a_t=True)
        d_w = cupy.empty((self.C_out, self.C_in, self.taps, self.taps), np.float32)
        self._launch_pairs(f"kernels_of_matrix_{self.taps}", d_matrix, d_w)
        return d_w

    def _groups(
        self, points: Array, matrix: Array, products: Array
    ) -> Iterator[tuple[Array, Array, Array]]:
        """Of points of one size: what they have of the input, of the kernels, and their product."""
        T, C = products.shape[1], self.C_in
        entry = 0
        for first, count, columns in GROUPS[self.taps]:
            part = slice(entry, entry + count * columns)
            yield (
                points[part.start * T * C : part.stop * T * C].reshape(count, T, columns * C),
                matrix[part.start * C : part.stop * C].reshape(count, columns * C, self.C_out),
                products[first : first + count],
            )
            entry = part.stop

    def _points_of(self, x: Array, outputs: tuple[int, ...]) -> Array:
        points = self._points(outputs)
        threads = math.prod(self._tiles(outputs)) * self.C_in
        sizes = self._sizes(x.shape, outputs)
        launch_each("winograd", f"points_of_input_{self.taps}", threads, x, points, *sizes)
        return points

    def _products_of(self, d_y: Array) -> Array:
        products, tiles = self._products(d_y.shape), self._tiles(d_y.shape)
        launch_each(
            "winograd", "products_of_outputs", products[0].size, d_y, products,
            *_ints(*d_y.shape[1:], *tiles[1:]), np.int64(math.prod(tiles)),
        )  # fmt: skip
        return products

    def _matrix_of(self, w: Array) -> Array:
        matrix = self._matrix()
        self._launch_pairs(f"matrix_of_kernels_{self.taps}", w, matrix)
        return matrix

    def _launch_pairs(self, kernel: str, a: Array, b: Array) -> None:
        pairs = self.C_out * self.C_in
        launch_each("winograd", kernel, pairs, a, b, *_ints(self.C_out, self.C_in))

    def _sizes(self, x: tuple[int, ...], outputs: tuple[int, ...]) -> tuple[Any, ...]:
        tiles = self._tiles(outputs)
        return *_ints(*x[1:], *tiles[1:], self.padding), np.int64(math.prod(tiles))

    def _points(self, outputs: tuple[int, ...]) -> Array:
        import cupy

        return cupy.empty(self.entries * math.prod(self._tiles(outputs)) * self.C_in, np.float32)

    def _products(self, outputs: tuple[int, ...]) -> Array:
        import cupy

        shape = 16, math.prod(self._tiles(outputs)), self.C_out
        return cupy.empty(shape, np.float32)

    def _matrix(self) -> Array:
        import cupy

        shape = self.entries * self.C_in, self.C_out
        return cupy.empty(shape, np.float32)

    def _tiles(self, outputs: tuple[int, ...]) -> tuple[int, int, int]:
        """Images, and rows and columns of tiles of each."""
        return outputs[0], -(-outputs[1] // SIDE), -(-outputs[2] // SIDE)


def _ints(*numbers: int) -> tuple[Any, ...]:
    return tuple(map(np.int32, numbers))
