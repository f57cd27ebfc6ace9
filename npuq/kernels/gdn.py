"""What GDN does to each number once the pooled norms are there, in as few passes as can be.

The plain twins are the lines of `npuq.nn.gdn`. Arrays are float32 and contiguous, (P, C): pixels,
channels; beta (C,).
"""

from __future__ import annotations

import numpy as np

from npuq.kernels.compile import jit

_TWO, _HALF = np.float32(2), np.float32(0.5)
# An inverse square root and products in any order; infinities and NaN keep their meaning.
_FAST = {"contract", "arcp", "nsz"}


@jit(fastmath=_FAST, error_model="numpy")
def normalize(start, stop, x, pooled, beta, inverse, y):  # type: ignore[no-untyped-def]
    """y = x / sqrt(n) or x sqrt(n), n = pooled + beta."""
    for i in range(start, stop):
        x_i, pooled_i, y_i = x[i], pooled[i], y[i]
        if inverse:
            for c in range(np.uintp(x_i.size)):
                y_i[c] = x_i[c] * np.sqrt(pooled_i[c] + beta[c])
        else:
            for c in range(np.uintp(x_i.size)):
                y_i[c] = x_i[c] / np.sqrt(pooled_i[c] + beta[c])


@jit(fastmath=_FAST, error_model="numpy")
def normalize_backward(  # type: ignore[no-untyped-def]
    start, stop, d_y, x, pooled, beta, inverse, d_norm, d_x
):
    """Gradients with respect to n, and to x where n is held."""
    for i in range(start, stop):
        d_y_i, x_i, pooled_i, d_norm_i, d_x_i = d_y[i], x[i], pooled[i], d_norm[i], d_x[i]
        if inverse:
            for c in range(np.uintp(x_i.size)):
                root = np.sqrt(pooled_i[c] + beta[c])
                d_norm_i[c] = _HALF * d_y_i[c] * x_i[c] / root
                d_x_i[c] = d_y_i[c] * root
        else:
            for c in range(np.uintp(x_i.size)):
                norm = pooled_i[c] + beta[c]
                scaled = d_y_i[c] / np.sqrt(norm)
                d_norm_i[c] = -_HALF * scaled * x_i[c] / norm
                d_x_i[c] = scaled


@jit(fastmath=_FAST, error_model="numpy")
def add_through(start, stop, x, through, d_x):  # type: ignore[no-untyped-def]
    """d_x += 2 x through."""
    for i in range(start, stop):
        x_i, through_i, d_x_i = x[i], through[i], d_x[i]
        for c in range(np.uintp(x_i.size)):
            d_x_i[c] += _TWO * x_i[c] * through_i[c]
