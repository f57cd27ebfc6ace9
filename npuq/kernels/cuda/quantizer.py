"""Twins of the look-ups of `npuq.codec.quantizer` on a CUDA device: the same integers."""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.launch import contiguous, launch_each, size
from npuq.runtime.twins import takes


@takes(
    (np.float32, np.uint8, np.float32, np.int32),
    when=lambda y, n, v, k: k.flags.c_contiguous,
)
def look_up_symbols(y: Array, n: Array, v: Array, k: Array) -> None:
    """Fast twin of `npuq.codec.quantizer.look_up_symbols`."""
    y, n, v = contiguous(y, n, v)
    launch_each("quantizer", "look_up_symbols", k.size, y, n, v, k, size(k.shape))


@takes((np.int32, np.uint8, np.float32))
def look_up_values(k: Array, n: Array, r: Array) -> Array:
    """Fast twin of `npuq.codec.quantizer.look_up_values`."""
    import cupy

    k, n, r = contiguous(k, n, r)
    values = cupy.empty(k.shape, np.float32)
    launch_each("quantizer", "look_up_values", k.size, k, n, r, values, size(k.shape))
    return values
