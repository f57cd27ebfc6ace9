"""The noise of training on a CUDA device, bit for bit that of `npuq.coding.noise`."""

from __future__ import annotations

import math

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.launch import contiguous, launch_each, size
from npuq.runtime.twins import takes


@takes(np.uint32)
def uniform_noise(place: Array, shape: tuple[int, ...]) -> Array:
    """Fast twin of `npuq.coding.noise.uniform_noise`; the noise lies where `place` does."""
    import cupy

    u = cupy.empty(shape, np.float32)
    (place,) = contiguous(place)
    launch_each("noise", "uniform_noise", -(-math.prod(shape) // 4), place, u, size(shape))
    return u
