"""Winograd's convolutions, for one window at a time: the method of `npuq.nn.winograd`.

What is written there for all tiles at once, by matrices, is done here at one of the 4 x 4 points
after the other (`npuq.kernels.cpu.winograd_loops`). At point (i, j) the products of all tiles,
phases and channels are one matrix product (Lavin & Gray 2016, Eq. 12): its left side has a row for
each tile, of the numbers (B' d B)_ij of all phases and channels, its right side those of
(G g G')_ij. Phases whose kernels vanish at a point are left out. The error of rounding is 0.8 to
1.8 times that of the definition (root mean square, random images and kernels).

Shapes: window and outputs of `npuq.kernels.cpu.windows`, of tiles of SIDE x SIDE outputs.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.kernels.cpu import winograd_loops
from npuq.kernels.cpu.winograd_loops import POINTS, SIDE
from npuq.nn.winograd import B, G
from npuq.runtime.blas import add_product, map_products
from npuq.runtime.scratch import scratch
from npuq.runtime.threads import divided

TRANSFORMED = 16  # channels of kernels at a time, so few that their taps stay in the cache


class Axis(NamedTuple):
    """B' along one axis: at point i its entries from starts[i] on, one for each phase.

    Attributes:
        starts: (5,).
        first, second, sign: an entry is a tile's pixel `first` plus sign times its `second`.
        step: from tile to tile, pixels.
    """

    starts: Array
    first: Array
    second: Array
    sign: Array
    step: int


class Plan(NamedTuple):
    """What to add up of a window, and where the matrix of point (i, j) begins: at starts[4 i + j].

    Attributes:
        starts: (17,).
        rows, columns: along each axis.
    """

    starts: Array
    rows: Axis
    columns: Axis


class Room(NamedTuple):
    """Memory to work in.

    Attributes:
        combined: (phases, n, rows of tiles, columns C), B' d at one row of points.
        points: B' d B at one point, any shape.
        products: (T, C_out), what the kernels make of them.
    """

    combined: Array
    points: Array
    products: Array


class Winograd:
    """A convolution as sixteen products, one at each point (Lavin & Gray 2016, Eq. 12).

    Attributes:
        taps: height and width of the kernel.
        stride: of the convolution.
        side: of a tile of outputs.
        factors: (entries, kh kw), which multiples of the taps are added up: G for both axes.
        plan: where the matrix of each point begins, and what is added up of the window.
        matrix_shape: of the kernels at the points, one below the other, (sum of K, C_out).
    """

    side = SIDE

    def __init__(self, shape: tuple[int, ...], stride: int) -> None:
        """For kernels of `shape`, (C_out, C_in, kh, kw)."""
        self.channels, self.taps, self.stride = shape[:2], shape[2:], stride
        self.factors, starts, rows, columns = both_axes(self.taps, stride)
        self.plan = Plan(starts * shape[1], rows, columns)
        self.matrix_shape = int(self.plan.starts[-1]), shape[0]

    @staticmethod
    def applies(taps: Sequence[int], stride: int) -> bool:
        """Whether each phase has two or three taps: with one, a window would be too narrow."""
        return all(2 * stride <= k <= 3 * stride for k in taps)

    def as_matrix(self, w: Array) -> Array:
        """Kernels (C_out, C_in, kh, kw) at the points, G g G'."""
        C_out, C_in = self.channels
        points = np.empty(self.matrix_shape, w.dtype)
        at_points = points.reshape(len(self.factors), C_in, C_out)
        factors = self.factors.astype(w.dtype)

        def compute(some: slice) -> None:
            taps = np.ascontiguousarray(w[:, some].transpose(2, 3, 1, 0))
            to = at_points[:, some].reshape(len(factors), -1)
            add_product(factors, taps.reshape(factors.shape[1], -1), to, overwrite=True)

        map_products(compute, divided(C_in, TRANSFORMED))
        return points

    def gradient_from_matrix(self, d_matrix: Array) -> Array:
        """The transpose of `as_matrix`: gradients of the kernels."""
        C_out, C_in = self.channels
        d_w = np.empty((C_out, C_in, *self.taps), d_matrix.dtype)
        at_points = d_matrix.reshape(len(self.factors), C_in, C_out)
        transposed = self.factors.T.astype(d_matrix.dtype)

        def compute(some: slice) -> None:
            d_taps = np.empty((*self.taps, some.stop - some.start, C_out), d_w.dtype)
            to = d_taps.reshape(len(transposed), -1)
            d_points = at_points[:, some].reshape(len(self.factors), -1)
            add_product(transposed, d_points, to, overwrite=True)
            d_w[:, some] = d_taps.transpose(3, 2, 0, 1)

        map_products(compute, divided(C_in, TRANSFORMED))
        return d_w

    def correlate(self, window: Array, matrix: Array, bias: Array, outputs: Array) -> None:
        """Write the outputs of a window, plus bias (C_out,)."""
        room = self._room(window, outputs)
        sums = scratch("sums", (SIDE, POINTS, *room.products.shape), window.dtype)
        winograd_loops.correlate(window, matrix, self.plan, bias, outputs, room, sums)

    def spread(self, d_outputs: Array, matrix: Array, d_window: Array) -> None:
        """The transpose of `correlate` in the window, added to d_window."""
        room = self._room(d_window, d_outputs)
        winograd_loops.spread(d_outputs, matrix, self.plan, d_window, room)

    def add_products(
        self, window: Array, d_outputs: Array, d_matrix: Array, *, overwrite: bool
    ) -> None:
        """The transpose of `correlate` in the matrix, added to d_matrix or written to it."""
        room = self._room(window, d_outputs)
        most = int(np.diff(self.plan.starts).max())
        product = scratch("product", (most * d_outputs.shape[3],), window.dtype)
        winograd_loops.add_products(
            window, d_outputs, self.plan, d_matrix, overwrite, room, product
        )

    def _room(self, window: Array, outputs: Array) -> Room:
        """Memory for the tiles of a window, kept by each thread."""
        n, _, width, C = window.shape
        tiles = outputs.size // SIDE**2 // outputs.shape[3]
        most = [int(np.diff(axis.starts).max()) for axis in self.plan[1:]]  # phases at a point
        rows = most[0], n, outputs.shape[1] // SIDE, width * C
        return Room(
            scratch("combined", rows, window.dtype),
            scratch("points", (tiles * math.prod(most) * C,), window.dtype),
            scratch("products", (tiles, outputs.shape[3]), window.dtype),
        )


class Factors(NamedTuple):
    """Along one axis, for each entry: multiples of the taps (entries, taps), and of pixels."""

    kernel: Array
    window: Axis


@functools.cache
def one_axis(taps: int, stride: int) -> Factors:
    """What is added up along one axis at each point, for each phase that does not vanish there."""
    starts, kernel, window = [0], [], []
    for point in range(POINTS):
        for phase in range(stride):
            g = G[point, : len(range(phase, taps, stride))]
            if g.any():
                row = np.zeros(taps)
                row[phase::stride] = g
                kernel.append(row)
                # a row of B' has a 1, and one more entry that is not 0
                first = int(np.argmax(B[:, point]))
                second = next(n for n in range(4) if n != first and B[n, point])
                pixels = phase + stride * first, phase + stride * second
                window.append((*pixels, int(B[second, point])))
        starts.append(len(kernel))
    first_pixels, second_pixels, signs = np.array(window).T
    axis = Axis(np.array(starts), first_pixels, second_pixels, signs, SIDE * stride)
    return Factors(np.array(kernel), axis)


@functools.cache
def both_axes(taps: tuple[int, ...], stride: int) -> tuple[Array, Array, Axis, Axis]:
    """G for both axes of a kernel together, where the entries of each point start, and the axes.

    Returns:
        (entries, kh kw); (17,); and what is added up of rows and of columns of the window.
    """
    rows, columns = (one_axis(k, stride) for k in taps)
    at_rows = np.split(rows.kernel, rows.window.starts[1:-1])
    at_columns = np.split(columns.kernel, columns.window.starts[1:-1])
    blocks = [np.kron(i, j) for i in at_rows for j in at_columns]
    starts = np.cumsum([0, *map(len, blocks)])
    return np.concatenate(blocks), starts, rows.window, columns.window
