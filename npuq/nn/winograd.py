"""Convolutions with about half the products, of tiles of 2 x 2 outputs (Winograd 1980).

Along one axis, two neighbouring outputs of a kernel of three taps,

    y_0 = d_0 g_0 + d_1 g_1 + d_2 g_2,    y_1 = d_1 g_0 + d_2 g_1 + d_3 g_2,

take six products as they stand, and four as

    m_0 = (d_0 - d_2) g_0                          y_0 = m_0 + m_1 + m_2
    m_1 = (d_1 + d_2) (g_0 + g_1 + g_2) / 2        y_1 = m_1 - m_2 + m_3
    m_2 = (d_2 - d_1) (g_0 - g_1 + g_2) / 2
    m_3 = (d_3 - d_1) g_2

The four m are values, at the points 0, 1, -1 and infinity, of a product of polynomials (Toom 1963);
kernels of two taps need three points, 0, 1 and infinity, of one tap two. Over both axes a tile has
4 x 4 points, at each of which the products for all tiles and channels are one matrix product
(Lavin & Gray 2016, Eq. 12).

With stride s each s-th tap meets each s-th pixel: the convolution is the sum of s x s convolutions,
one for each phase, and the sum can be taken at the points, of which phases with fewer taps have
fewer. For 5 x 5 taps at stride 2, of (3 + 2) x (3 + 2), a tile takes (4 + 3)^2 = 49 products in
place of 100; for 3 x 3 at stride 1, 16 in place of 36.

All of it is linear in d and in g, so that the gradients are the same three steps transposed.
Divisions are by 2 only, but sums are of other numbers in another order: the error of rounding is
0.7 to 1.9 times that of the definition (root mean square, random images and kernels).

Shapes: window and outputs of `npuq.nn.windows`, of tiles of SIDE x SIDE outputs.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.runtime.blas import add_product, map_products
from npuq.runtime.scratch import scratch
from npuq.runtime.threads import divided

SIDE = 2  # outputs of a tile along one axis
MOST_TAPS = 3
TRANSFORMED = 16  # channels of kernels at a time, so few that their taps stay in the cache

# With which factors taps are added at each point, for kernels of 1, 2 and 3 taps.
KERNEL: dict[int, dict[int, tuple[float, ...]]] = {
    1: {0: (1.0,), 3: (1.0,)},
    2: {0: (1.0, 0.0), 1: (1.0, 1.0), 3: (0.0, 1.0)},
    3: {0: (1.0, 0.0, 0.0), 1: (0.5, 0.5, 0.5), 2: (0.5, -0.5, 0.5), 3: (0.0, 0.0, 1.0)},
}
# Which pixel is added to which other, times which factor, at each point.
INPUT: dict[int, dict[int, tuple[int, int, int]]] = {
    1: {0: (0, 0, 0), 3: (1, 1, 0)},
    2: {0: (0, 1, -1), 1: (1, 1, 0), 3: (2, 1, -1)},
    3: {0: (0, 2, -1), 1: (1, 2, 1), 2: (2, 1, -1), 3: (3, 1, -1)},
}
POINTS = 4


class Axis(NamedTuple):
    """What is added along one axis: at point i the entries from starts[i] on, one for each phase.

    Attributes:
        starts: (5,).
        first, second, sign: a tile's pixel `first` plus sign times its pixel `second`.
        step: from tile to tile, pixels.
    """

    starts: Array
    first: Array
    second: Array
    sign: Array
    step: int


@functools.cache
def axis(taps: int, stride: int) -> tuple[Axis, Array]:
    """One axis of a kernel (Winograd 1980), and (entries, taps) with which factors to add taps."""
    starts = [0]
    entries: list[tuple[int, int, int]] = []
    factors: list[Array] = []
    for point in range(POINTS):
        for phase in range(min(stride, taps)):
            of_phase = range(phase, taps, stride)
            if point in INPUT[len(of_phase)]:
                first, second, sign = INPUT[len(of_phase)][point]
                entries.append((phase + stride * first, phase + stride * second, sign))
                row = np.zeros(taps)
                row[list(of_phase)] = KERNEL[len(of_phase)][point]
                factors.append(row)
        starts.append(len(entries))
    first, second, sign = np.array(entries).T
    return Axis(np.array(starts), first, second, sign, SIDE * stride), np.array(factors)


@functools.cache
def forms(taps: tuple[int, ...], stride: int) -> tuple[Array, Array, Axis, Axis]:
    """Both axes of a kernel together (Lavin & Gray 2016, Eq. 12).

    Returns:
        The factors of its taps, (entries, k k); where the entries of each of the 16 points start,
        and of one more; and the axes.
    """
    (upright, a), (across, b) = (axis(k, stride) for k in taps)
    a_at, b_at = np.split(a, upright.starts[1:-1]), np.split(b, across.starts[1:-1])
    blocks = [np.kron(a_i, b_j) for a_i in a_at for b_j in b_at]
    return np.concatenate(blocks), np.cumsum([0, *map(len, blocks)]), upright, across


class Winograd:
    """A convolution as sixteen products, one at each point (Lavin & Gray 2016, Eq. 12).

    Attributes:
        taps: height and width of the kernel.
        stride: of the convolution.
        side: of a tile of outputs.
        matrix_shape: of the kernels at the points, one below the other, (sum of K, C_out).
        factors: (entries, k k), with which factors taps are added.
        form: where the kernels of each point begin in that matrix, and the axes.
    """

    side = SIDE

    def __init__(self, shape: tuple[int, ...], stride: int) -> None:
        """For kernels of `shape`, (C_out, C_in, k, k)."""
        self.channels, self.taps, self.stride = shape[:2], shape[2:], stride
        self.factors, starts, upright, across = forms(self.taps, stride)
        at = starts * shape[1]
        self.form = at, upright, across
        self.matrix_shape = int(at[-1]), shape[0]

    @staticmethod
    def applies(taps: Sequence[int], stride: int) -> bool:
        """Whether each phase has three taps at most (Winograd 1980)."""
        return max(taps) <= MOST_TAPS * stride

    def as_matrix(self, w: Array) -> Array:
        """Kernels (C_out, C_in, k, k) at the points, G g G' (Lavin & Gray 2016, Eq. 12)."""
        C_out, C_in = self.channels
        points = np.empty(self.matrix_shape, w.dtype)
        at_points = points.reshape(len(self.factors), C_in, C_out)
        matrix = self.factors.astype(w.dtype)

        def compute(some: slice) -> None:
            taps = np.ascontiguousarray(w[:, some].transpose(2, 3, 1, 0))
            to = at_points[:, some].reshape(len(matrix), -1)
            add_product(matrix, taps.reshape(matrix.shape[1], -1), to, overwrite=True)

        map_products(compute, divided(C_in, TRANSFORMED))
        return points

    def gradient_from_matrix(self, d_matrix: Array) -> Array:
        """The transpose of `as_matrix` (Lavin & Gray 2016): gradients of the kernels."""
        C_out, C_in = self.channels
        d_w = np.empty((C_out, C_in, *self.taps), d_matrix.dtype)
        at_points = d_matrix.reshape(len(self.factors), C_in, C_out)
        transposed = self.factors.T.astype(d_matrix.dtype)

        def compute(some: slice) -> None:
            d_taps = np.empty((*self.taps, some.stop - some.start, C_out), d_w.dtype)
            to = d_taps.reshape(len(transposed), -1)
            add_product(
                transposed, at_points[:, some].reshape(len(self.factors), -1), to, overwrite=True
            )
            d_w[:, some] = d_taps.transpose(3, 2, 0, 1)

        map_products(compute, divided(C_in, TRANSFORMED))
        return d_w

    def correlate(self, window: Array, kernel: Array, b: Array, outputs: Array) -> None:
        """Write the outputs of a window, plus b (C_out,) (Lavin & Gray 2016, Eq. 12)."""
        from npuq.kernels.cpu import winograd

        tiles, combined, points = self._working(window, outputs)
        sums = scratch("sums", (3, POINTS, tiles, len(b)), window.dtype)
        winograd.correlate(window, kernel, *self.form, b, outputs, combined, points, sums)

    def spread(self, d_outputs: Array, kernel: Array, d_window: Array) -> None:
        """The transpose of `correlate` in the window, added to d_window."""
        from npuq.kernels.cpu import winograd

        tiles, combined, points = self._working(d_window, d_outputs)
        d_products = scratch("sums", (tiles, d_outputs.shape[3]), d_window.dtype)
        winograd.spread(d_outputs, kernel, *self.form, d_window, combined, points, d_products)

    def add_products(
        self, window: Array, d_outputs: Array, d_kernel: Array, *, overwrite: bool
    ) -> None:
        """The transpose of `correlate` in the kernel, added to d_kernel or written to it."""
        from npuq.kernels.cpu import winograd

        tiles, combined, points = self._working(window, d_outputs)
        C_out, most = d_outputs.shape[3], int(np.diff(self.form[0]).max())
        d_products = scratch("sums", (tiles, C_out), window.dtype)
        d_point = scratch("point", (most * C_out,), window.dtype)
        winograd.add_products(
            window,
            d_outputs,
            *self.form,
            d_kernel,
            overwrite,
            combined,
            points,
            d_products,
            d_point,
        )

    def _working(self, window: Array, outputs: Array) -> tuple[int, Array, Array]:
        """How many tiles there are, and memory for them."""
        tiles = outputs.size // SIDE**2 // outputs.shape[3]
        n, _, width, C = window.shape
        phases = [int(np.diff(axis.starts).max()) for axis in self.form[1:]]  # at most, at a point
        combined = scratch(
            "combined", (phases[0], n, outputs.shape[1] // SIDE, width * C), window.dtype
        )
        points = scratch("points", (tiles * math.prod(phases) * C,), window.dtype)
        return tiles, combined, points
