"""Twins of `npuq.nn.non_negative` on a CUDA device."""

from __future__ import annotations

import math

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.launch import contiguous, launch_each, size
from npuq.nn.non_negative import PEDESTAL
from npuq.runtime.twins import takes


@takes(np.float32)
def non_negative(theta: Array, minimum: float = 0.0) -> Array:
    """Fast twin of `npuq.nn.non_negative.non_negative`."""
    import cupy

    (theta,) = contiguous(theta)
    value = cupy.empty_like(theta)
    numbers = _root(minimum), np.float32(PEDESTAL), size(theta.shape)
    launch_each("non_negative", "non_negative", theta.size, theta, value, *numbers)
    return value


@takes(np.float32)
def non_negative_backward_straight_through(d_y: Array, theta: Array, minimum: float = 0.0) -> Array:
    """Fast twin of `npuq.nn.non_negative.non_negative_backward_straight_through`.

    The gradient to train with (Ballé 2018, Sec. 2).
    """
    import cupy

    d_y, theta = contiguous(d_y, theta)
    d_theta = cupy.empty_like(theta)
    launch_each(
        "non_negative", "non_negative_backward_straight_through", theta.size, d_y, theta, d_theta,
        _root(minimum), size(theta.shape),
    )  # fmt: skip
    return d_theta


def _root(minimum: float) -> np.float32:
    return np.float32(math.sqrt(minimum + PEDESTAL))
