"""Leaky ReLU on a CUDA device, in one pass; the plain twins are in `npuq.nn.activations`."""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.launch import contiguous, launch_each, size
from npuq.runtime.twins import takes


@takes(np.float32)
def leaky_relu(x: Array, slope: float = 0.01) -> Array:
    """Fast twin of `npuq.nn.activations.leaky_relu`."""
    import cupy

    (x,) = contiguous(x)
    y = cupy.empty_like(x)
    launch_each("activations", "leaky_relu", x.size, x, y, np.float32(slope), size(x.shape))
    return y


@takes(np.float32)
def leaky_relu_backward(d_y: Array, x: Array, slope: float = 0.01) -> Array:
    """Fast twin of `npuq.nn.activations.leaky_relu_backward`."""
    import cupy

    d_y, x = contiguous(d_y, x)
    d_x = cupy.empty_like(x)
    numbers = np.float32(slope), size(x.shape)
    launch_each("activations", "leaky_relu_backward", x.size, d_y, x, d_x, *numbers)
    return d_x
