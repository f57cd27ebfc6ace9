"""Winograd's convolutions of one window, each in one compiled call, so that no thread waits.

What is computed is `npuq.nn.winograd.conv2d_winograd`. Between steps numbers stay in the cache:
those at one point are made, multiplied and added up before those at the next.

Shapes (n images, T tiles of them all):
    window       (n, rows, columns, C)
    outputs      (n, 2 rows, 2 columns, C_out), rows and columns of tiles
    matrix       (sum of K, C_out): kernels at the points, (G g G')
    plan, room   see `Plan` and `Room` in `npuq.kernels.cpu.winograd`
"""

from __future__ import annotations

import numpy as np

from npuq.nn.winograd import A
from npuq.runtime.compile import jit

SIDE = 2  # outputs of a tile along one axis
POINTS = 4
_A = A.astype(np.int8)


@jit()
def correlate(window, matrix, plan, bias, outputs, room, sums):
    """Write the outputs of a window, A' [(G g G') * (B' d B)] A, plus bias (C_out,).

    `sums` (2, 4, T, C_out) is memory for A' [...], the two rows of tiles at columns of points.
    """
    tiles, C_out = room.products.shape
    one = window.dtype.type(1)
    upper, lower = sums[0], sums[1]  # m_0 + m_1 + m_2, and m_1 - m_2 - m_3
    for i in range(POINTS):
        _rows_at(window, i, plan.rows, room.combined)
        for j in range(POINTS):
            inputs = _points_at(room.points, i, j, plan, outputs, window)
            _columns_at(room.combined, j, plan.columns, inputs)
            m = room.products
            if i == 0:
                m = upper[j]  # a sum begins with what comes first
            elif i == 1:
                m = lower[j]
            np.dot(inputs.reshape((tiles, -1)), _matrix_at(matrix, i, j, plan), m)
            if i == 1 or i == 2:
                _add(one, m, upper[j])
            if i == 2 or i == 3:
                _add(-one, m, lower[j])
    _write(upper, bias, outputs, 0)
    _write(lower, bias, outputs, 1)


@jit()
def spread(d_outputs, matrix, plan, d_window, room):
    """The transpose of `correlate` in the window, added to d_window."""
    tiles = len(room.products)
    for i in range(POINTS):
        room.combined[:] = 0
        for j in range(POINTS):
            _outputs_at(d_outputs, i, j, room.products)
            d_inputs = _points_at(room.points, i, j, plan, d_outputs, d_window)
            matrix_at = _matrix_at(matrix, i, j, plan)
            np.dot(room.products, matrix_at.T, d_inputs.reshape((tiles, -1)))
            _add_columns_at(d_inputs, j, plan.columns, room.combined)
        _add_rows_at(room.combined, i, plan.rows, d_window)


@jit()
def add_products(window, d_outputs, plan, d_matrix, overwrite, room, product):
    """The transpose of `correlate` in the matrix, added to d_matrix or written to it.

    `product` is memory for the largest product at a point, of any shape.
    """
    tiles = len(room.products)
    for i in range(POINTS):
        _rows_at(window, i, plan.rows, room.combined)
        for j in range(POINTS):
            _outputs_at(d_outputs, i, j, room.products)
            inputs = _points_at(room.points, i, j, plan, d_outputs, window)
            _columns_at(room.combined, j, plan.columns, inputs)
            d_at = _matrix_at(d_matrix, i, j, plan)
            left = inputs.reshape((tiles, -1)).T
            if overwrite:
                np.dot(left, room.products, d_at)
            else:
                more = product[: d_at.size].reshape(d_at.shape)
                np.dot(left, room.products, more)
                _add(window.dtype.type(1), more, d_at)


@jit()
def _matrix_at(matrix, i, j, plan):
    """Kernels at point (i, j): (K, C_out)."""
    point = POINTS * i + j
    return matrix[plan.starts[point] : plan.starts[point + 1]]


@jit()
def _points_at(points, i, j, plan, outputs, window):
    """The memory for tiles at point (i, j), (n, rows, columns, phases, phases, C): K are the last
    three."""
    shape = (
        len(outputs),
        outputs.shape[1] // SIDE,
        outputs.shape[2] // SIDE,
        plan.rows.starts[i + 1] - plan.rows.starts[i],
        plan.columns.starts[j + 1] - plan.columns.starts[j],
        window.shape[3],
    )
    size = 1
    for n in shape:
        size *= n
    return points[:size].reshape(shape)


@jit()
def _rows_at(window, i, axis, combined):
    """Rows at point i, B' d, of all tiles: combined (phases, n, rows, columns C)."""
    starts, first, second, sign, step = axis
    for p in range(starts[i], starts[i + 1]):
        factor = window.dtype.type(sign[p])
        for image in range(combined.shape[1]):
            for row in range(combined.shape[2]):
                to = combined[p - starts[i], image, row]
                a = window[image, row * step + first[p]].reshape(-1)
                b = window[image, row * step + second[p]].reshape(-1)
                for c in range(np.uintp(to.size)):
                    to[c] = a[c] + factor * b[c]


@jit()
def _add_rows_at(combined, i, axis, window):
    """The transpose of `_rows_at`, added to the window."""
    starts, first, second, sign, step = axis
    for p in range(starts[i], starts[i + 1]):
        factor = window.dtype.type(sign[p])
        for image in range(combined.shape[1]):
            for row in range(combined.shape[2]):
                d = combined[p - starts[i], image, row]
                a = window[image, row * step + first[p]].reshape(-1)
                b = window[image, row * step + second[p]].reshape(-1)
                for c in range(np.uintp(d.size)):
                    a[c] += d[c]
                for c in range(np.uintp(d.size)):
                    b[c] += factor * d[c]


@jit()
def _columns_at(combined, j, axis, points):
    """Tiles at point j of their columns, (B' d) B: points (n, rows, columns, phases, phases, C)."""
    starts, first, second, sign, step = axis
    n, rows, columns, phases, _, C = points.shape
    for image in range(n):
        for row in range(rows):
            for column in range(columns):
                for p in range(phases):
                    pixels = combined[p, image, row]
                    for q in range(starts[j], starts[j + 1]):
                        to = points[image, row, column, p, q - starts[j]]
                        at = (column * step + first[q]) * C
                        a = pixels[at : at + C]
                        at = (column * step + second[q]) * C
                        b = pixels[at : at + C]
                        factor = points.dtype.type(sign[q])
                        for c in range(np.uintp(C)):
                            to[c] = a[c] + factor * b[c]


@jit()
def _add_columns_at(points, j, axis, combined):
    """The transpose of `_columns_at`, added to the rows."""
    starts, first, second, sign, step = axis
    n, rows, columns, phases, _, C = points.shape
    for image in range(n):
        for row in range(rows):
            for column in range(columns):
                for p in range(phases):
                    pixels = combined[p, image, row]
                    for q in range(starts[j], starts[j + 1]):
                        d = points[image, row, column, p, q - starts[j]]
                        at = (column * step + first[q]) * C
                        a = pixels[at : at + C]
                        for c in range(np.uintp(C)):
                            a[c] += d[c]
                        at = (column * step + second[q]) * C
                        b = pixels[at : at + C]
                        factor = points.dtype.type(sign[q])
                        for c in range(np.uintp(C)):
                            b[c] += factor * d[c]


@jit()
def _write(sums, bias, outputs, a):
    """Row a of each tile of outputs: its `sums` (4, T, C_out) times A, plus bias."""
    rows, columns = outputs.shape[1] // SIDE, outputs.shape[2] // SIDE
    for t in range(sums.shape[1]):
        row, column = t // columns, t % columns
        image, row = row // rows, row % rows
        m_0, m_1, m_2, m_3 = sums[0, t], sums[1, t], sums[2, t], sums[3, t]
        left = outputs[image, SIDE * row + a, SIDE * column]
        for c in range(np.uintp(len(bias))):
            left[c] = m_0[c] + m_1[c] + m_2[c] + bias[c]
        right = outputs[image, SIDE * row + a, SIDE * column + 1]
        for c in range(np.uintp(len(bias))):
            right[c] = m_1[c] - m_2[c] - m_3[c] + bias[c]


@jit()
def _outputs_at(d_outputs, i, j, d_products):
    """The transpose of A' [...] A at point (i, j): d_products (T, C_out)."""
    rows, columns = d_outputs.shape[1] // SIDE, d_outputs.shape[2] // SIDE
    kind = d_products.dtype.type
    f00, f01 = kind(_A[i, 0] * _A[j, 0]), kind(_A[i, 0] * _A[j, 1])
    f10, f11 = kind(_A[i, 1] * _A[j, 0]), kind(_A[i, 1] * _A[j, 1])
    for t in range(len(d_products)):
        row, column = t // columns, t % columns
        image, row = row // rows, row % rows
        to = d_products[t]
        a = d_outputs[image, SIDE * row, SIDE * column]
        b = d_outputs[image, SIDE * row, SIDE * column + 1]
        c = d_outputs[image, SIDE * row + 1, SIDE * column]
        d = d_outputs[image, SIDE * row + 1, SIDE * column + 1]
        for k in range(np.uintp(to.size)):
            to[k] = f00 * a[k] + f01 * b[k] + f10 * c[k] + f11 * d[k]


@jit()
def _add(factor, products, sums):
    for t in range(len(sums)):
        a, to = products[t], sums[t]
        for c in range(np.uintp(to.size)):
            to[c] += factor * a[c]
