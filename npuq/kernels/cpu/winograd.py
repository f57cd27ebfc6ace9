"""Winograd's convolutions of one window, in one call, so that no thread waits for another.

The algebra is that of `npuq.nn.winograd`, the plain twin the definition, `npuq.nn.conv`. Between
steps numbers stay in the cache: those at one point are made, multiplied and added up before those
at the next. Working arrays come from the caller, who keeps them.

Shapes (n images, T tiles of them all, C_in = C):
    window       (n, rows, columns, C)
    outputs      (n, 2 rows, 2 columns, C_out), rows and columns of tiles
    kernel       (K, C_out), rows of point (i, j) from at[4 i + j] on
    upright, across   see `npuq.nn.winograd.Axis`
"""

from __future__ import annotations

import numpy as np

from npuq.runtime.compile import jit

POINTS = 4
# With which signs a tile's two rows, or columns, of outputs have the value at each point.
_OUTPUT = np.array([[1, 0], [1, 1], [1, -1], [0, 1]], np.int8)


@jit()
def _combine_rows(window, axis, i, rows, combined):  # type: ignore[no-untyped-def]
    """Rows of the window at point i of the upright axis: combined (phases, n, rows, columns C)."""
    starts, first, second, sign, step = axis
    for p in range(starts[i], starts[i + 1]):
        factor = window.dtype.type(sign[p])
        for image in range(len(window)):
            for row in range(rows):
                to = combined[p - starts[i], image, row]
                a = window[image, row * step + first[p]].reshape(-1)
                b = window[image, row * step + second[p]].reshape(-1)
                for c in range(np.uintp(to.size)):
                    to[c] = a[c] + factor * b[c]


@jit()
def _combine_columns(combined, axis, j, points):  # type: ignore[no-untyped-def]
    """Tiles at point j of the other axis: points (n, rows, columns, phases, phases, C)."""
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
def _spread_columns(points, axis, j, combined):  # type: ignore[no-untyped-def]
    """The transpose of `_combine_columns`, added."""
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
                        if sign[q] != 0:
                            at = (column * step + second[q]) * C
                            b = pixels[at : at + C]
                            factor = points.dtype.type(sign[q])
                            for c in range(np.uintp(C)):
                                b[c] += factor * d[c]


@jit()
def _spread_rows(combined, axis, i, rows, window):  # type: ignore[no-untyped-def]
    """The transpose of `_combine_rows`, added."""
    starts, first, second, sign, step = axis
    for p in range(starts[i], starts[i + 1]):
        factor = window.dtype.type(sign[p])
        for image in range(len(window)):
            for row in range(rows):
                d = combined[p - starts[i], image, row]
                a = window[image, row * step + first[p]].reshape(-1)
                for c in range(np.uintp(d.size)):
                    a[c] += d[c]
                if sign[p] != 0:
                    b = window[image, row * step + second[p]].reshape(-1)
                    for c in range(np.uintp(d.size)):
                        b[c] += factor * d[c]


@jit()
def _outputs_at_point(d_outputs, i, j, d_products):  # type: ignore[no-untyped-def]
    """Tiles of d_outputs at point (i, j): d_products (n, rows, columns, C_out)."""
    n, rows, columns, C = d_products.shape
    kind = d_products.dtype.type
    f00, f01 = kind(_OUTPUT[i, 0] * _OUTPUT[j, 0]), kind(_OUTPUT[i, 0] * _OUTPUT[j, 1])
    f10, f11 = kind(_OUTPUT[i, 1] * _OUTPUT[j, 0]), kind(_OUTPUT[i, 1] * _OUTPUT[j, 1])
    for image in range(n):
        for row in range(rows):
            for column in range(columns):
                to = d_products[image, row, column]
                a = d_outputs[image, 2 * row, 2 * column]
                b = d_outputs[image, 2 * row, 2 * column + 1]
                c = d_outputs[image, 2 * row + 1, 2 * column]
                d = d_outputs[image, 2 * row + 1, 2 * column + 1]
                for k in range(np.uintp(C)):
                    to[k] = f00 * a[k] + f01 * b[k] + f10 * c[k] + f11 * d[k]


@jit()
def _add(products, factor, sums):  # type: ignore[no-untyped-def]
    for t in range(len(sums)):
        a, to = products[t], sums[t]
        for c in range(np.uintp(to.size)):
            to[c] += factor * a[c]


@jit()
def correlate(window, kernel, at, upright, across, b, outputs, combined, points, sums):  # type: ignore[no-untyped-def]
    """Write the outputs of a window, plus b (C_out,) (Lavin & Gray 2016, Eq. 12).

    Working arrays: combined (phases, n, rows, columns C), points (any), sums (3, 4, T, C_out).
    """
    n, rows, columns, C_out = len(outputs), outputs.shape[1] // 2, outputs.shape[2] // 2, len(b)
    C, tiles = window.shape[3], n * rows * columns
    one = window.dtype.type(1)
    for i in range(POINTS):
        phases = upright[0][i + 1] - upright[0][i]
        _combine_rows(window, upright, i, rows, combined)
        for j in range(POINTS):
            others = across[0][j + 1] - across[0][j]
            K = phases * others * C
            inputs = points[: tiles * K]
            _combine_columns(
                combined, across, j, inputs.reshape((n, rows, columns, phases, others, C))
            )
            matrix = kernel[at[POINTS * i + j] : at[POINTS * i + j + 1]]
            products = sums[min(i, 2), j]
            np.dot(inputs.reshape((tiles, K)), matrix, products)
            if i == 1 or i == 2:
                _add(products, one, sums[0, j])
            if i == 2:
                _add(products, -one, sums[1, j])
            if i == 3:
                _add(products, one, sums[1, j])
    for a in range(2):
        for t in range(tiles):
            row, column = t // columns, t % columns
            image, row = row // rows, row % rows
            m_0, m_1, m_2, m_3 = sums[a, 0, t], sums[a, 1, t], sums[a, 2, t], sums[a, 3, t]
            left = outputs[image, 2 * row + a, 2 * column]
            for c in range(np.uintp(C_out)):
                left[c] = m_0[c] + m_1[c] + m_2[c] + b[c]
            right = outputs[image, 2 * row + a, 2 * column + 1]
            for c in range(np.uintp(C_out)):
                right[c] = m_1[c] - m_2[c] + m_3[c] + b[c]


@jit()
def spread(d_outputs, kernel, at, upright, across, d_window, combined, points, d_products):  # type: ignore[no-untyped-def]
    """The transpose of `correlate` in the window, added to d_window.

    Working arrays: combined and points as there, d_products (T, C_out).
    """
    n, rows, columns = len(d_outputs), d_outputs.shape[1] // 2, d_outputs.shape[2] // 2
    C, C_out, tiles = d_window.shape[3], d_outputs.shape[3], n * rows * columns
    for i in range(POINTS):
        phases = upright[0][i + 1] - upright[0][i]
        combined[:] = 0
        for j in range(POINTS):
            others = across[0][j + 1] - across[0][j]
            K = phases * others * C
            _outputs_at_point(d_outputs, i, j, d_products.reshape((n, rows, columns, C_out)))
            d_inputs = points[: tiles * K]
            matrix = kernel[at[POINTS * i + j] : at[POINTS * i + j + 1]]
            np.dot(d_products, matrix.T, d_inputs.reshape((tiles, K)))
            _spread_columns(
                d_inputs.reshape((n, rows, columns, phases, others, C)), across, j, combined
            )
        _spread_rows(combined, upright, i, rows, d_window)


@jit()
def add_products(  # type: ignore[no-untyped-def]
    window,
    d_outputs,
    at,
    upright,
    across,
    d_kernel,
    overwrite,
    combined,
    points,
    d_products,
    d_point,
):
    """The transpose of `correlate` in the kernel, added to d_kernel.

    Working arrays: combined, points and d_products as there, d_point (any).
    """
    n, rows, columns = len(d_outputs), d_outputs.shape[1] // 2, d_outputs.shape[2] // 2
    C, C_out, tiles = window.shape[3], d_outputs.shape[3], n * rows * columns
    one = window.dtype.type(1)
    for i in range(POINTS):
        phases = upright[0][i + 1] - upright[0][i]
        _combine_rows(window, upright, i, rows, combined)
        for j in range(POINTS):
            others = across[0][j + 1] - across[0][j]
            K = phases * others * C
            _outputs_at_point(d_outputs, i, j, d_products.reshape((n, rows, columns, C_out)))
            inputs = points[: tiles * K]
            _combine_columns(
                combined, across, j, inputs.reshape((n, rows, columns, phases, others, C))
            )
            matrix = d_kernel[at[POINTS * i + j] : at[POINTS * i + j + 1]]
            if overwrite:
                np.dot(inputs.reshape((tiles, K)).T, d_products, matrix)
            else:
                product = d_point[: K * C_out].reshape((K, C_out))
                np.dot(inputs.reshape((tiles, K)).T, d_products, product)
                _add(product, one, matrix)
