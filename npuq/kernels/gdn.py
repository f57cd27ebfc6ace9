"""GDN and its gradient in tiles of pixels, so that all that lies between stays in the cache.

The plain twins are the lines of `npuq.nn.gdn`. Arrays are float32 and contiguous, (P, C): pixels,
channels; beta (C,), gamma (C, C).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npuq.backend import Array
from npuq.kernels.compile import jit
from npuq.kernels.products import add_product, map_products, shares

TILE = 1 << 16  # numbers
_TWO, _HALF = np.float32(2), np.float32(0.5)
# An inverse square root and products in any order; infinities and NaN keep their meaning.
_FAST = {"contract", "arcp", "nsz"}


@jit(fastmath=_FAST, error_model="numpy")
def _normalize(x, pooled, beta, inverse, y):  # type: ignore[no-untyped-def]
    """y = x / sqrt(n) or x sqrt(n), n = pooled + beta."""
    for i in range(np.uintp(len(x))):
        x_i, pooled_i, y_i = x[i], pooled[i], y[i]
        if inverse:
            for c in range(np.uintp(x_i.size)):
                y_i[c] = x_i[c] * np.sqrt(pooled_i[c] + beta[c])
        else:
            for c in range(np.uintp(x_i.size)):
                y_i[c] = x_i[c] / np.sqrt(pooled_i[c] + beta[c])


@jit(fastmath=_FAST, error_model="numpy")
def _normalize_backward(d_y, x, pooled, beta, inverse, d_norm, d_x):  # type: ignore[no-untyped-def]
    """Gradients with respect to n, and to x where n is held; `pooled` is overwritten.

    Each loop writes to one array only, or LLVM would have too many to compare before it dares to
    use vectors.
    """
    for i in range(np.uintp(len(x))):
        d_y_i, x_i, root, d_norm_i, d_x_i = d_y[i], x[i], pooled[i], d_norm[i], d_x[i]
        for c in range(np.uintp(x_i.size)):
            root[c] = np.sqrt(root[c] + beta[c])
        if inverse:
            for c in range(np.uintp(x_i.size)):
                d_x_i[c] = d_y_i[c] * root[c]
            for c in range(np.uintp(x_i.size)):
                d_norm_i[c] = _HALF * d_y_i[c] * x_i[c] / root[c]
        else:
            for c in range(np.uintp(x_i.size)):
                d_x_i[c] = d_y_i[c] / root[c]
            for c in range(np.uintp(x_i.size)):
                d_norm_i[c] = -_HALF * d_x_i[c] * x_i[c] / (root[c] * root[c])


@jit(fastmath=_FAST, error_model="numpy")
def _add_through(x, through, d_x):  # type: ignore[no-untyped-def]
    """d_x += 2 x through."""
    for i in range(np.uintp(len(x))):
        x_i, through_i, d_x_i = x[i], through[i], d_x[i]
        for c in range(np.uintp(x_i.size)):
            d_x_i[c] += _TWO * x_i[c] * through_i[c]


def normalize(x: Array, beta: Array, gamma: Array, *, inverse: bool) -> Array:
    """y of GDN, or of its inverse (Ballé et al. 2016)."""
    y = np.empty_like(x)
    transposed = np.ascontiguousarray(gamma.T)

    def compute(part: slice) -> None:
        squares = x[part] * x[part]
        pooled = np.empty_like(squares)
        add_product(squares, transposed, pooled, overwrite=True)
        _normalize(x[part], pooled, beta, inverse, y[part])

    map_products(compute, _tiles(x))
    return y


def normalize_backward(
    d_y: Array, x: Array, beta: Array, gamma: Array, *, inverse: bool
) -> tuple[Array, Array, Array]:
    """Gradients of `normalize`: d_x, d_beta, d_gamma."""
    d_x = np.empty_like(x)
    transposed = np.ascontiguousarray(gamma.T)

    def compute(parts: Sequence[slice]) -> tuple[Array, Array]:
        d_beta, d_gamma = np.zeros_like(beta), np.zeros_like(gamma)
        for part in parts:
            squares = x[part] * x[part]
            pooled, d_norm = np.empty_like(squares), np.empty_like(squares)
            add_product(squares, transposed, pooled, overwrite=True)
            _normalize_backward(d_y[part], x[part], pooled, beta, inverse, d_norm, d_x[part])
            d_beta += d_norm.sum(axis=0)
            add_product(d_norm.T, squares, d_gamma)
            # n depends on x as well: beside what has reached x by itself, 2 x gamma' d_norm
            through = pooled
            add_product(d_norm, gamma, through, overwrite=True)
            _add_through(x[part], through, d_x[part])
        return d_beta, d_gamma

    sums = map_products(compute, shares(_tiles(x)))
    d_beta, d_gamma = (np.sum(parts, axis=0) for parts in zip(*sums, strict=True))
    return d_x, d_beta, d_gamma


def _tiles(x: Array) -> list[slice]:
    size = max(1, TILE // x.shape[1])
    return [slice(start, start + size) for start in range(0, max(1, len(x)), size)]
