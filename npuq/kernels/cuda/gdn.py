"""Twins of `npuq.nn.gdn` on a CUDA device, each product with all that goes before and after it."""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.launch import MULTIPROCESSORS, contiguous, launch, launch_each, size
from npuq.kernels.cuda.precision import is_precise
from npuq.runtime.twins import takes

TILE, DEPTH, THREADS = 64, 16, 128  # of `product.cuh`


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
    import cupy

    x, beta, gamma = contiguous(x, beta, gamma)
    y = cupy.empty_like(x)
    if x.size:
        sizes, grid = _sizes(x), _grid(x)
        flags = np.int32(inverse), np.int32(is_precise())
        launch("gdn", "normalize", grid, (THREADS,), x, beta, gamma, y, *sizes, *flags)
    return y


def _backward(
    d_y: Array, x: Array, beta: Array, gamma: Array, *, inverse: bool
) -> tuple[Array, Array, Array]:
    import cupy

    d_y, x, beta, gamma = contiguous(d_y, x, beta, gamma)
    d_x, d_n, d_beta, d_gamma = (cupy.empty_like(a) for a in (x, x, beta, gamma))
    if not x.size:
        d_beta.fill(0)
        d_gamma.fill(0)
        return d_x, d_beta, d_gamma
    (P, C), grid, precise = _sizes(x), _grid(x), np.int32(is_precise())
    sides = *grid[1:], -(-(int(C) + 1) // TILE)  # of d_gamma, with d_beta as one column more
    share = _share(int(P), sides[0] * sides[1])
    shares = -(-int(P) // share)
    parts = cupy.empty((shares, int(C), int(C) + 1), np.float32)
    held = d_y, x, beta, gamma, d_n, d_x, P, C, np.int32(inverse), precise
    launch("gdn", "normalize_backward", grid, (THREADS,), *held)
    launch("gdn", "add_through_pool", grid, (THREADS,), d_n, x, gamma, d_x, P, C, precise)
    weights = d_n, x, parts, P, C, np.int32(share), precise
    launch("gdn", "weight_gradients", (*sides, shares), (THREADS,), *weights)
    sums = parts, d_beta, d_gamma, np.int32(shares), C
    launch_each("gdn", "add_parts", parts[0].size, *sums)
    return d_x, d_beta, d_gamma


def _sizes(x: Array) -> tuple[np.int32, np.int32]:
    """Pixels and channels."""
    size(x.shape)
    return np.int32(x.size // x.shape[-1]), np.int32(x.shape[-1])


def _grid(x: Array) -> tuple[int, int]:
    P, C = _sizes(x)
    return -(-int(P) // TILE), -(-int(C) // TILE)


def _share(pixels: int, tiles: int) -> int:
    """How many pixels a block adds up: so many that all multiprocessors have two blocks or so."""
    shares = max(1, 2 * MULTIPROCESSORS // tiles)
    return max(8 * DEPTH, -(-pixels // (shares * DEPTH)) * DEPTH)
