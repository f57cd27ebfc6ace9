"""Winograd's convolution, to read: 2 x 2 outputs at a time, with about half the products.

Along one axis, two neighbouring outputs of a kernel of three taps,

    y_0 = d_0 g_0 + d_1 g_1 + d_2 g_2,    y_1 = d_1 g_0 + d_2 g_1 + d_3 g_2,

take six products as they stand, and four as y = A' ((G g) * (B' d)) (Winograd 1980), that is

    m_0 = (d_0 - d_2) g_0                          y_0 = m_0 + m_1 + m_2
    m_1 = (d_1 + d_2) (g_0 + g_1 + g_2) / 2        y_1 = m_1 - m_2 - m_3
    m_2 = (d_2 - d_1) (g_0 - g_1 + g_2) / 2
    m_3 = (d_1 - d_3) g_2

The four m are values, at the points 0, 1, -1 and infinity, of a product of polynomials (Toom 1963).
Where a kernel has no third tap, the value at infinity is 0. Over both axes a tile has 4 x 4 points.

With stride s each s-th tap meets each s-th pixel: the convolution is a sum of s x s convolutions of
stride 1, one for each phase, and the sum can be taken at the points. For 5 x 5 taps at stride 2, of
(3 + 2) x (3 + 2), a tile takes (4 + 3)^2 = 49 products in place of 100, as those at infinity that
are 0 need not be computed; for 3 x 3 at stride 1, 16 in place of 36.

All of it is linear in d and in g, so that the gradients are the same three steps transposed. It is
`npuq.nn.conv` that computes; where a fast twin of it does so by this method
(`npuq.kernels.cpu.winograd`), it does what is written here, a few tiles at a time.
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.nn.conv import conv2d_shape

B = np.array([[1, 0, 0, 0], [0, 1, -1, 1], [-1, 1, 1, 0], [0, 0, 0, -1]])
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
A = np.array([[1, 0], [1, 1], [1, -1], [0, -1]])
"""Of F(2 x 2, 3 x 3) in Lavin & Gray (2016), Sec. 4.1."""


def conv2d_winograd(x: Array, w: Array, *, stride: int = 1, padding: int = 0) -> Array:
    """`npuq.nn.conv.conv2d` by Y = A' [(G g G') * (B' d B)] A (Lavin & Gray 2016, Sec. 4.1).

    Args:
        x, w, stride, padding: as there; each phase of w has three taps at most along each axis.

    Returns:
        y, in float64.
    """
    N, *size, C_out = conv2d_shape(x.shape, w.shape, stride=stride, padding=padding)
    rows, columns = (-(-n // 2) for n in size)  # of tiles; the last may reach over the edge
    more = padding + 4 * stride  # than enough
    padded = np.pad(x, ((0, 0), (padding, more), (padding, more), (0, 0)))
    m: Array = np.zeros((N, rows, columns, C_out, 4, 4))
    for a in range(stride):
        for b in range(stride):
            taps = w[:, :, a::stride, b::stride]
            g = np.pad(taps, [(0, 0), (0, 0), *((0, 3 - n) for n in taps.shape[2:])])
            pixels = padded[:, a::stride, b::stride]
            d = np.lib.stride_tricks.sliding_window_view(pixels, (4, 4), axis=(1, 2))
            d = d[:, : 2 * rows : 2, : 2 * columns : 2]  # (N, rows, columns, C_in, 4, 4)
            m += np.einsum("ocij, ntucij -> ntuoij", G @ g @ G.T, B.T @ d @ B)
    tiles = A.T @ m @ A  # (N, rows, columns, C_out, 2, 2)
    y = tiles.transpose(0, 1, 4, 2, 5, 3).reshape(N, 2 * rows, 2 * columns, C_out)
    return y[:, : size[0], : size[1]]
