"""Fast twins of the look-ups in `npuq.codec.quantizer`, one loop over the coefficients each."""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.runtime.compile import jit
from npuq.runtime.twins import takes


@takes((np.float32, np.uint8, np.float32, np.int32), (np.float64, np.uint8, np.float64, np.int32))
def look_up_symbols(y: Array, n: Array, v: Array, k: Array) -> None:
    """Fast twin of `npuq.codec.quantizer.look_up_symbols`."""
    _floor_less(_by_channel(y), _by_channel(n), v, _by_channel(k))


@takes((np.int32, np.uint8, np.float32))
def look_up_values(k: Array, n: Array, r: Array) -> Array:
    """Fast twin of `npuq.codec.quantizer.look_up_values`."""
    values = np.empty(k.shape, np.float32)
    _plus(_by_channel(k), _by_channel(n), r, _by_channel(values))
    return values


def _by_channel(array: Array) -> Array:
    """(C, rows, columns) as (C, rows * columns), without a copy of neighbouring rows."""
    return array.reshape(len(array), -1)


@jit(error_model="numpy")
def _floor_less(y, n, table, k):
    """k = floor(y - table[n]) + 1, of arrays (C, m)."""
    for c in range(np.uintp(len(y))):
        y_c, n_c, k_c = y[c], n[c], k[c]
        for i in range(np.uintp(y_c.size)):
            k_c[i] = np.int32(np.floor(y_c[i] - table[n_c[i]])) + np.int32(1)


@jit(error_model="numpy")
def _plus(k, n, table, r):
    """r = k + table[n], of arrays (C, m)."""
    for c in range(np.uintp(len(k))):
        k_c, n_c, r_c = k[c], n[c], r[c]
        for i in range(np.uintp(k_c.size)):
            r_c[i] = np.float32(k_c[i]) + table[n_c[i]]
