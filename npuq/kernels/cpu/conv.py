"""Fast twins of `npuq.nn.conv`: an image in parts, each of them a few matrix products.

A part is some rows of an image, or some small images. What its outputs are made of is cut out of
the image (`windows`) and multiplied by one of two methods: by the products of the definition
(`unfold`), or by about half as many (`winograd`), where there are channels enough and numbers are
of single precision. In double precision the definition is kept to, so that integers stay exact.

Shapes as in `npuq.nn.conv`. However many threads there are, sums are of the same numbers in the
same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.kernels.cpu.unfold import Unfolded
from npuq.kernels.cpu.windows import Part, Windows
from npuq.kernels.cpu.winograd import Winograd
from npuq.nn.conv import conv_transpose2d_shape
from npuq.runtime.blas import SHARES, map_products, shares
from npuq.runtime.twins import takes

NARROW = 16  # channels: with fewer, the products at each point would be narrow


@takes(np.float32, np.float64)
def conv2d(
    x: Array, w: Array, bias: Array | None = None, *, stride: int = 1, padding: int = 0
) -> Array:
    """Fast twin of `npuq.nn.conv.conv2d`."""
    method = method_for(w.shape, stride, w.dtype)
    windows = Windows(x.shape[1:3], method, padding)
    matrix = method.as_matrix(w)
    x, bias = np.ascontiguousarray(x), _or_zeros(bias, len(w), w.dtype)
    y = np.empty((len(x), *windows.output, len(w)), w.dtype)

    def compute(part: Part) -> None:
        outputs = windows.outputs(y, part)
        method.correlate(windows.cut(x, part), matrix, bias, outputs)
        windows.put_outputs(outputs, part, y)

    map_products(compute, windows.parts(len(x)))
    return y


@takes(np.float32, np.float64)
def conv2d_input_gradient(
    d_y: Array, w: Array, *, size: tuple[int, ...], stride: int = 1, padding: int = 0
) -> Array:
    """Fast twin of `npuq.nn.conv.conv2d_input_gradient`."""
    return _spread(d_y, w, None, size, stride, padding)


@takes(np.float32, np.float64)
def conv_transpose2d(
    x: Array, w: Array, bias: Array | None = None, *,
    stride: int = 1, padding: int = 0, output_padding: int = 0,
) -> Array:  # fmt: skip
    """Fast twin of `npuq.nn.conv.conv_transpose2d`."""
    static = {"stride": stride, "padding": padding, "output_padding": output_padding}
    size = conv_transpose2d_shape(x.shape, w.shape, **static)[1:3]
    return _spread(x, w, bias, size, stride, padding)


def _spread(
    d_y: Array, w: Array, bias: Array | None, size: tuple[int, ...], stride: int, padding: int
) -> Array:
    """The input gradient for images of `size`, plus bias (C_in,)."""
    method = method_for(w.shape, stride, w.dtype)
    windows = Windows(size, method, padding)
    matrix = method.as_matrix(w)
    d_y, bias = np.ascontiguousarray(d_y), _or_zeros(bias, w.shape[1], w.dtype)
    d_x = np.empty((len(d_y), *size, w.shape[1]), w.dtype)
    parts = windows.parts(len(d_y))
    if not windows.cover_image:
        d_x[:] = bias

    def compute(part: Part) -> Array:
        window = windows.zeros(part, w.shape[1], w.dtype)
        method.spread(windows.outputs(d_y, part), matrix, window)
        return windows.put(window, bias, part, d_x)

    for part, shared in zip(parts, map_products(compute, parts), strict=True):
        windows.add_shared(shared, part, d_x)
    return d_x


@takes(np.float32, np.float64)
def conv2d_kernel_gradient(
    d_y: Array, x: Array, *, kernel: tuple[int, ...], stride: int = 1, padding: int = 0
) -> Array:
    """Fast twin of `npuq.nn.conv.conv2d_kernel_gradient`."""
    method = method_for((d_y.shape[3], x.shape[3], *kernel), stride, x.dtype)
    windows = Windows(x.shape[1:3], method, padding)
    d_y, x = np.ascontiguousarray(d_y), np.ascontiguousarray(x)

    def compute(some: Sequence[Part]) -> Array:
        d_matrix = np.empty(method.matrix_shape, d_y.dtype)
        for i, part in enumerate(some):
            window, outputs = windows.cut(x, part), windows.outputs(d_y, part)
            method.add_products(window, outputs, d_matrix, overwrite=i == 0)
        return d_matrix

    total = np.zeros(method.matrix_shape, d_y.dtype)
    for some in map_products(compute, shares(windows.parts(len(x)))):
        total += some
    return method.gradient_from_matrix(total)


@takes(np.float32, np.float64)
def conv2d_bias_gradient(d_y: Array) -> Array:
    """Fast twin of `npuq.nn.conv.conv2d_bias_gradient`."""
    N, rows, columns, C = d_y.shape
    lines = d_y.reshape(N * rows, columns * C)  # longer than pixels, and quicker to add
    sums = map_products(lambda some: some.sum(axis=0), np.array_split(lines, SHARES))
    return np.sum(sums, axis=0).reshape(d_y.shape[2:]).sum(axis=0)


def method_for(shape: tuple[int, ...], stride: int, dtype: np.dtype[Any]) -> Unfolded | Winograd:
    """How to multiply by kernels of `shape`, (C_out, C_in, kh, kw)."""
    C_out, C_in, *taps = shape
    if dtype == np.float32 and min(C_out, C_in) >= NARROW and Winograd.applies(taps, stride):
        return Winograd(shape, stride)
    return Unfolded(shape, stride)


def _or_zeros(bias: Array | None, channels: int, dtype: np.dtype[Any]) -> Array:
    return np.zeros(channels, dtype) if bias is None else np.ascontiguousarray(bias)
