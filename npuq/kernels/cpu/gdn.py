"""Fast twins of `npuq.nn.gdn`, in tiles of pixels: all that lies between stays in the cache.

Within, arrays are float32 and contiguous, (P, C): pixels, channels; beta (C,), gamma (C, C).
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.runtime.blas import map_products
from npuq.runtime.compile import jit
from npuq.runtime.scratch import scratch
from npuq.runtime.threads import divided
from npuq.runtime.twins import takes

TILE = 1 << 15  # numbers
NAMES = "points", "sums", "combined"  # of memory that convolutions use as well
PARTS = 16  # however many threads there are, sums are then of the same numbers
_TWO, _HALF = np.float32(2), np.float32(0.5)
# Reciprocals for quotients, and fused products. Where the pool overflows, the result is NaN.
_FAST = {"contract", "arcp", "nsz"}


@jit(fastmath=_FAST)
def _square(x, squares):
    for i in range(np.uintp(len(x))):
        x_i, square = x[i], squares[i]
        for c in range(np.uintp(x_i.size)):
            square[c] = x_i[c] * x_i[c]


@jit(fastmath=_FAST, error_model="numpy")
def _normalize(x, pooled, beta, inverse, y):
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
def _normalize_backward(d_y, x, pooled, beta, inverse, d_norm, d_x):
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
def _add_through(x, through, d_x):
    """d_x += 2 x through."""
    for i in range(np.uintp(len(x))):
        x_i, through_i, d_x_i = x[i], through[i], d_x[i]
        for c in range(np.uintp(x_i.size)):
            d_x_i[c] += _TWO * x_i[c] * through_i[c]


@jit(fastmath=_FAST, error_model="numpy")
def _normalize_part(x, beta, transposed, inverse, squares, pooled, y):
    """y of some pixels, tile by tile; `squares` and `pooled` are one tile."""
    for start in range(0, len(x), len(squares)):
        size = min(len(squares), len(x) - start)
        x_t, squares_t, pooled_t = x[start : start + size], squares[:size], pooled[:size]
        _square(x_t, squares_t)
        np.dot(squares_t, transposed, pooled_t)
        _normalize(x_t, pooled_t, beta, inverse, y[start : start + size])


@jit(fastmath=_FAST, error_model="numpy")
def _normalize_backward_part(
    d_y, x, beta, gamma, transposed, inverse, squares, pooled, d_norm, d_x, d_beta, d_gamma
):
    """d_x of some pixels, tile by tile; d_beta and d_gamma are added to."""
    product = np.empty_like(d_gamma)
    for start in range(0, len(x), len(squares)):
        stop = min(start + len(squares), len(x))
        x_t, d_x_t = x[start:stop], d_x[start:stop]
        squares_t, pooled_t = squares[: stop - start], pooled[: stop - start]
        d_norm_t = d_norm[: stop - start]
        _square(x_t, squares_t)
        np.dot(squares_t, transposed, pooled_t)
        _normalize_backward(d_y[start:stop], x_t, pooled_t, beta, inverse, d_norm_t, d_x_t)
        for i in range(np.uintp(len(d_norm_t))):
            d_norm_i = d_norm_t[i]
            for c in range(np.uintp(d_beta.size)):
                d_beta[c] += d_norm_i[c]
        np.dot(d_norm_t.T, squares_t, product)
        for i in range(np.uintp(len(product))):
            from_i, to_i = product[i], d_gamma[i]
            for c in range(np.uintp(to_i.size)):
                to_i[c] += from_i[c]
        # n depends on x as well: beside what has reached x by itself, 2 x gamma' d_norm
        np.dot(d_norm_t, gamma, pooled_t)
        _add_through(x_t, pooled_t, d_x_t)


@takes(np.float32)
def gdn(x: Array, beta: Array, gamma: Array) -> Array:
    """Fast twin of `npuq.nn.gdn.gdn`."""
    return _forward(x, beta, gamma, inverse=False)


@takes(np.float32)
def gdn_backward(d_y: Array, x: Array, beta: Array, gamma: Array) -> tuple[Array, Array, Array]:
    """Fast twin of `npuq.nn.gdn.gdn_backward`."""
    return _backward(d_y, x, beta, gamma, inverse=False)


@takes(np.float32)
def inverse_gdn(x: Array, beta: Array, gamma: Array) -> Array:
    """Fast twin of `npuq.nn.gdn.inverse_gdn`."""
    return _forward(x, beta, gamma, inverse=True)


@takes(np.float32)
def inverse_gdn_backward(
    d_y: Array, x: Array, beta: Array, gamma: Array
) -> tuple[Array, Array, Array]:
    """Fast twin of `npuq.nn.gdn.inverse_gdn_backward`."""
    return _backward(d_y, x, beta, gamma, inverse=True)


def _forward(x: Array, beta: Array, gamma: Array, *, inverse: bool) -> Array:
    rows, beta = _rows(x), np.ascontiguousarray(beta)
    transposed = np.ascontiguousarray(gamma.T)
    y = np.empty_like(rows)

    def compute(part: slice) -> None:
        squares, pooled = (scratch(name, _tile(rows), rows.dtype) for name in NAMES[:2])
        _normalize_part(rows[part], beta, transposed, inverse, squares, pooled, y[part])

    map_products(compute, _parts(rows))
    return y.reshape(x.shape)


def _backward(
    d_y: Array, x: Array, beta: Array, gamma: Array, *, inverse: bool
) -> tuple[Array, Array, Array]:
    d_rows, rows, beta = _rows(d_y), _rows(x), np.ascontiguousarray(beta)
    gamma, transposed = np.ascontiguousarray(gamma), np.ascontiguousarray(gamma.T)
    d_x = np.empty_like(rows)

    def compute(part: slice) -> tuple[Array, Array]:
        d_beta, d_gamma = np.zeros_like(beta), np.zeros_like(gamma)
        squares, pooled, d_norm = (scratch(name, _tile(rows), rows.dtype) for name in NAMES)
        _normalize_backward_part(
            d_rows[part], rows[part], beta, gamma, transposed, inverse, squares, pooled, d_norm,
            d_x[part], d_beta, d_gamma,
        )  # fmt: skip
        return d_beta, d_gamma

    sums = map_products(compute, _parts(rows))
    d_beta, d_gamma = (np.sum(parts, axis=0) for parts in zip(*sums, strict=True))
    return d_x.reshape(x.shape), d_beta, d_gamma


def _rows(x: Array) -> Array:
    """Pixels by channels, contiguous."""
    return np.ascontiguousarray(x.reshape(-1, x.shape[-1]))


def _tile(x: Array) -> tuple[int, int]:
    return max(1, TILE // x.shape[1]), x.shape[1]


def _parts(x: Array) -> list[slice]:
    return divided(max(1, len(x)), max(1, -(-len(x) // PARTS)))
