"""Twins of `npuq.nn.conv` on a CUDA device, by Winograd's products or by those of the definition.

Shapes as in `npuq.nn.conv`. Single precision only: float64 goes to the plain functions, whose sums
of integers are exact.
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.bands import Banded
from npuq.kernels.cuda.launch import MULTIPROCESSORS, contiguous, launch, launch_each
from npuq.kernels.cuda.unfold import Unfolded
from npuq.kernels.cuda.winograd import Winograd
from npuq.nn.conv import conv2d_shape, conv_transpose2d_shape
from npuq.runtime.twins import takes

NARROW = 16  # channels: with fewer, the products at each point would be narrow


@takes(np.float32)
def conv2d(
    x: Array, w: Array, bias: Array | None = None, *, stride: int = 1, padding: int = 0
) -> Array:
    """Twin of `npuq.nn.conv.conv2d`."""
    import cupy

    shape = conv2d_shape(x.shape, w.shape, stride=stride, padding=padding)
    if 0 in (*x.shape, *shape):
        return _all(shape, bias)
    x, w, bias = contiguous(x, w, _or_zeros(bias, len(w)))
    y = cupy.empty(shape, np.float32)
    method_for(w.shape, stride, padding).correlate(x, w, bias, y)
    return y


@takes(np.float32)
def conv2d_input_gradient(
    d_y: Array, w: Array, *, size: tuple[int, ...], stride: int = 1, padding: int = 0
) -> Array:
    """Twin of `npuq.nn.conv.conv2d_input_gradient`."""
    return _spread(d_y, w, None, size, stride, padding)


@takes(np.float32)
def conv_transpose2d(
    x: Array, w: Array, bias: Array | None = None, *,
    stride: int = 1, padding: int = 0, output_padding: int = 0,
) -> Array:  # fmt: skip
    """Twin of `npuq.nn.conv.conv_transpose2d`."""
    static = {"stride": stride, "padding": padding, "output_padding": output_padding}
    size = conv_transpose2d_shape(x.shape, w.shape, **static)[1:3]
    return _spread(x, w, bias, size, stride, padding)


def _spread(
    d_y: Array, w: Array, bias: Array | None, size: tuple[int, ...], stride: int, padding: int
) -> Array:
    """The input gradient for images of `size`, plus bias (C_in,)."""
    import cupy

    shape = (len(d_y), *size, w.shape[1])
    if 0 in (*d_y.shape, *shape):
        return _all(shape, bias)
    d_y, w, bias = contiguous(d_y, w, _or_zeros(bias, w.shape[1]))
    d_x = cupy.empty(shape, np.float32)
    method_for(w.shape, stride, padding).spread(d_y, w, bias, d_x)
    return d_x


@takes(np.float32)
def conv2d_kernel_gradient(
    d_y: Array, x: Array, *, kernel: tuple[int, ...], stride: int = 1, padding: int = 0
) -> Array:
    """Twin of `npuq.nn.conv.conv2d_kernel_gradient`."""
    import cupy

    shape = (d_y.shape[3], x.shape[3], *kernel)
    if not d_y.size or not x.size:
        return cupy.zeros(shape, np.float32)
    d_y, x = contiguous(d_y, x)
    return method_for(shape, stride, padding).kernel_gradient(d_y, x)


@takes(np.float32)
def conv2d_bias_gradient(d_y: Array) -> Array:
    """Twin of `npuq.nn.conv.conv2d_bias_gradient`."""
    import cupy

    (d_y,) = contiguous(d_y)
    C = d_y.shape[-1]
    sums = cupy.empty(C, np.float32)
    if not d_y.size:
        sums.fill(0)
        return sums
    pixels, across = d_y.size // C, -(-C // 32)
    share = max(64, -(-pixels * across // (8 * MULTIPROCESSORS)))
    shares = -(-pixels // share)
    parts = cupy.empty((shares, C), np.float32)
    sizes = np.int64(pixels), np.int32(C), np.int32(share)
    launch("unfold", "add_pixels", (shares, across), (32, 8), d_y, parts, *sizes)
    launch_each("unfold", "add_shares", C, parts, sums, np.int32(shares), np.int32(C))
    return sums


def method_for(shape: tuple[int, ...], stride: int, padding: int) -> Banded | Unfolded:
    """How to multiply by kernels of `shape`, (C_out, C_in, kh, kw)."""
    if min(shape[:2]) >= NARROW and Winograd.applies(shape[2:], stride):
        return Banded(shape, padding)
    return Unfolded(shape, stride, padding)


def _or_zeros(bias: Array | None, channels: int) -> Array:
    import cupy

    return cupy.zeros(channels, np.float32) if bias is None else bias


def _all(shape: tuple[int, ...], bias: Array | None) -> Array:
    """An image of nothing but bias."""
    import cupy

    y = cupy.zeros(shape, np.float32)
    return y if bias is None else y + bias
