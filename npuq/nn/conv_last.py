"""Convolutions on channels-last images as accumulating matrix products on shifted views.

What `npuq.nn.conv` computes (Dumoulin & Visin 2016), in the layout that is fastest on CPUs. Images
are first cut into blocks of s x s pixels, s the stride (see `npuq.nn.blocks`). Offsets of the
kernel that meet pixels of one block are one matrix product, for all outputs m at once, added to
what is there:

    y[m] += blocks[m + move] K,

so that nothing is unfolded or copied. Images of few channels are the exception: their products
would be so narrow that it is quicker to lay all inputs of an output side by side, and take one.

Shapes (channels last; kernels as in `npuq.nn.conv`):
    x    (N, H, W, C_in)
    w    (C_out, C_in, k, k)
    b    (C_out,)
    y    (N, H', W', C_out)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from npuq.backend import Array
from npuq.kernels.products import add_product
from npuq.nn.blocks import Blocks

AT_ONCE = 1 << 12  # outputs: enough for good products, and few enough to stay in the cache
NARROW = 64  # numbers in a block


def conv2d_last(x: Array, w: Array, b: Array, *, stride: int = 1, padding: int = 0) -> Array:
    """Cross-correlate images with kernels (Dumoulin & Visin 2016, Sec. 2.4).

    Args:
        x, w, b: float32 or float64 on the host; shapes at the top of this file.
        stride: at least 1.
        padding: rows and columns of zeros added on each side.

    Returns:
        y.
    """
    geometry = Blocks(x.shape[1:3], x.shape[3], w.shape[2:], stride, padding)
    kernel = geometry.kernel_matrix(w)
    y = np.empty((len(x), *geometry.output, w.shape[0]), w.dtype)
    grid = np.empty((_most(geometry, len(x)) * geometry.per_image, w.shape[0]), w.dtype)
    for part, inputs in _inputs(geometry, x):
        span = geometry.span(part.stop - part.start)
        for i, (input_of_run, taps) in enumerate(inputs):
            add_product(input_of_run, kernel[taps], grid[:span], overwrite=i == 0)
        here = grid[: (part.stop - part.start) * geometry.per_image]
        np.add(geometry.outputs(here), b, out=y[part])
    return y


def conv2d_last_backward(
    d_y: Array, x: Array, w: Array, b: Array, *, stride: int = 1, padding: int = 0
) -> tuple[Array, Array, Array]:
    """Gradient of `conv2d_last` (Dumoulin & Visin 2016, Sec. 4): d_x, d_w, d_b."""
    d_x = input_gradient_last(d_y, w, size=x.shape[1:3], stride=stride, padding=padding)
    d_w = kernel_gradient_last(d_y, x, kernel=w.shape[2:], stride=stride, padding=padding)
    return d_x, d_w, offset_gradient_last(d_y)


def input_gradient_last(
    d_y: Array, w: Array, *, size: tuple[int, ...], stride: int, padding: int
) -> Array:
    """The adjoint of x -> conv2d_last(x, w, 0), for images of `size` (Dumoulin & Visin 2016)."""
    geometry = Blocks(size, w.shape[1], w.shape[2:], stride, padding)
    kernel = geometry.kernel_matrix(w)
    d_x = np.empty((len(d_y), *size, w.shape[1]), w.dtype)
    blocks = np.empty((_most(geometry, len(d_y)) * geometry.per_image, geometry.depth), w.dtype)
    unfolded = np.empty((len(blocks), len(kernel)), w.dtype) if _is_narrow(geometry) else None
    for part, grid in _grids(geometry, d_y):
        here = blocks[: (part.stop - part.start) * geometry.per_image]
        here[:] = 0
        if unfolded is not None:
            np.matmul(grid, kernel.T, out=unfolded[: len(grid)])
        for run in geometry.runs:
            target = here[run.move : run.move + len(grid), run.inputs]
            if unfolded is not None:
                target += unfolded[: len(grid), run.taps]
            else:
                add_product(grid, kernel[run.taps].T, target)
        geometry.put_together(here, d_x[part])
    return d_x


def kernel_gradient_last(
    d_y: Array, x: Array, *, kernel: tuple[int, ...], stride: int, padding: int
) -> Array:
    """The adjoint of w -> conv2d_last(x, w, 0) (Dumoulin & Visin 2016, Sec. 4)."""
    geometry = Blocks(x.shape[1:3], x.shape[3], kernel, stride, padding)
    matrix = np.zeros((len(geometry.offsets) * x.shape[3], d_y.shape[3]), d_y.dtype)
    for (_, grid), (_, inputs) in zip(_grids(geometry, d_y), _inputs(geometry, x), strict=True):
        for input_of_run, taps in inputs:
            add_product(input_of_run.T, grid, matrix[taps])
    return geometry.from_kernel_matrix(matrix)


def offset_gradient_last(d_y: Array) -> Array:
    """The adjoint of b -> conv2d_last(0, w, b) (Dumoulin & Visin 2016, Sec. 4)."""
    rows = d_y.reshape(-1, d_y.shape[-1])
    return np.ones(len(rows), rows.dtype) @ rows


def conv_transpose2d_last(
    x: Array, w: Array, b: Array, *, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Array:
    """Spread each input pixel over the output by its kernel (Dumoulin & Visin 2016, Sec. 4).

    Args:
        x: (N, H, W, C_in); w: (C_in, C_out, k, k), the layout of the convolution from C_out to
            C_in channels; b: (C_out,).
        stride, padding, output_padding: as in `npuq.nn.conv_transpose`.

    Returns:
        y (N, H', W', C_out),  H' = (H - 1) stride - 2 padding + k + output_padding.
    """
    size = _transposed_size(x, w, stride, padding, output_padding)
    return input_gradient_last(x, w, size=size, stride=stride, padding=padding) + b


def conv_transpose2d_last_backward(
    d_y: Array,
    x: Array,
    w: Array,
    b: Array,
    *,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
) -> tuple[Array, Array, Array]:
    """Gradient of `conv_transpose2d_last` (Dumoulin & Visin 2016, Sec. 4): d_x, d_w, d_b."""
    none = np.zeros(len(w), w.dtype)
    d_x = conv2d_last(d_y, w, none, stride=stride, padding=padding)
    d_w = kernel_gradient_last(x, d_y, kernel=w.shape[2:], stride=stride, padding=padding)
    return d_x, d_w, offset_gradient_last(d_y)


def _transposed_size(
    x: Array, w: Array, stride: int, padding: int, output_padding: int
) -> tuple[int, int]:
    rows, columns = (
        (n - 1) * stride - 2 * padding + k + output_padding
        for n, k in zip(x.shape[1:3], w.shape[2:], strict=True)
    )
    return rows, columns


def _is_narrow(geometry: Blocks) -> bool:
    return geometry.depth < NARROW


def _most(geometry: Blocks, count: int) -> int:
    """How many images are taken at once."""
    return min(count, max(1, AT_ONCE // geometry.per_image))


def _parts(geometry: Blocks, count: int) -> Iterator[slice]:
    most = _most(geometry, count)
    for start in range(0, count, most):
        yield slice(start, min(start + most, count))


def _inputs(geometry: Blocks, x: Array) -> Iterator[tuple[slice, list[tuple[Array, slice]]]]:
    """For each part of a batch: what is multiplied with which rows of the kernel matrix."""
    room = _most(geometry, len(x)) * geometry.per_image
    blocks = np.empty((room, geometry.depth), x.dtype)
    size = len(geometry.offsets) * geometry.channels
    unfolded = np.empty((room, size), x.dtype) if _is_narrow(geometry) else None
    for part in _parts(geometry, len(x)):
        count = part.stop - part.start
        geometry.take_apart(x[part], blocks[: count * geometry.per_image])
        span = geometry.span(count)
        inputs = [
            (blocks[run.move : run.move + span, run.inputs], run.taps) for run in geometry.runs
        ]
        if unfolded is not None:
            for input_of_run, taps in inputs:
                unfolded[:span, taps] = input_of_run
            inputs = [(unfolded[:span], slice(0, size))]
        yield part, inputs


def _grids(geometry: Blocks, d_y: Array) -> Iterator[tuple[slice, Array]]:
    """For each part of a batch: what belongs to its outputs, with zeros in between."""
    grid = np.zeros((_most(geometry, len(d_y)) * geometry.per_image, d_y.shape[-1]), d_y.dtype)
    for part in _parts(geometry, len(d_y)):
        count = part.stop - part.start
        geometry.outputs(grid[: count * geometry.per_image])[:] = d_y[part]
        yield part, grid[: geometry.span(count)]
