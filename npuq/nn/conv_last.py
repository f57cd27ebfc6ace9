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

import math

import numpy as np

from npuq.backend import Array
from npuq.kernels.products import add_product, map_products
from npuq.nn.blocks import Blocks, Part

NARROW = 64  # numbers in a block
SUMS = 8  # of gradients of parameters, at most: a fixed number, so that threads change no result


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
    rows, columns = geometry.output
    y = np.empty((len(x), rows, columns, w.shape[0]), w.dtype)

    def compute(part: Part) -> None:
        blocks, inputs = _inputs(geometry, x, part)
        grid = np.empty((*blocks.shape[:3], w.shape[0]), w.dtype)
        flat = grid.reshape(-1, w.shape[0])
        for i, (input_of_run, taps) in enumerate(inputs):
            add_product(input_of_run, kernel[taps], flat[: len(input_of_run)], overwrite=i == 0)
        outputs = grid[:, : part.rows.stop - part.rows.start, :columns]
        np.add(outputs, b, out=y[part.images, part.rows])

    map_products(compute, geometry.parts(len(x), rows))
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
    none = np.zeros(w.shape[1], w.dtype)
    return _spread(d_y, w, none, size=size, stride=stride, padding=padding)


def _spread(
    d_y: Array, w: Array, b: Array, *, size: tuple[int, ...], stride: int, padding: int
) -> Array:
    """`input_gradient_last`, plus b (C_in,)."""
    geometry = Blocks(size, w.shape[1], w.shape[2:], stride, padding)
    kernel = geometry.kernel_matrix(w)
    up, left = geometry.reach
    d_x = np.empty((len(d_y), *size, w.shape[1]), w.dtype)
    if not geometry.covers_image:
        d_x[:] = b

    def compute(part: Part) -> None:
        # outputs begin at a block, or up to `up` rows and `left` columns before it
        start, stop = part.rows.start, part.rows.stop
        grid = _grid(geometry, d_y, Part(part.images, slice(start - up, stop)), before=left)
        count = part.images.stop - part.images.start
        blocks = np.zeros((count, up + stop - start, geometry.columns, geometry.depth), w.dtype)
        first = up * geometry.columns
        here = blocks.reshape(-1, geometry.depth)[first:]
        unfolded = np.empty((len(grid), len(kernel)), w.dtype) if _is_narrow(geometry) else None
        if unfolded is not None:
            add_product(grid, kernel.T, unfolded, overwrite=True)
        for run in geometry.runs:
            begin = first + left - run.move
            outputs = slice(begin, begin + len(here))
            if unfolded is not None:
                here[:, run.inputs] += unfolded[outputs, run.taps]
            else:
                add_product(grid[outputs], kernel[run.taps].T, here[:, run.inputs])
        geometry.put_together(blocks[:, up:], b, part, d_x)

    map_products(compute, geometry.parts(len(d_y), geometry.rows))
    return d_x


def kernel_gradient_last(
    d_y: Array, x: Array, *, kernel: tuple[int, ...], stride: int, padding: int
) -> Array:
    """The adjoint of w -> conv2d_last(x, w, 0) (Dumoulin & Visin 2016, Sec. 4)."""
    geometry = Blocks(x.shape[1:3], x.shape[3], kernel, stride, padding)
    parts = geometry.parts(len(x), geometry.output[0])

    def compute(some: list[Part]) -> Array:
        matrix = np.zeros((len(geometry.offsets) * x.shape[3], d_y.shape[3]), d_y.dtype)
        for part in some:
            rows = slice(part.rows.start, part.rows.stop + geometry.reach[0])
            grid = _grid(geometry, d_y, Part(part.images, rows))
            for input_of_run, taps in _inputs(geometry, x, part)[1]:
                add_product(input_of_run.T, grid[: len(input_of_run)], matrix[taps])
        return matrix

    sums = map_products(compute, _shares(parts))
    return geometry.from_kernel_matrix(np.sum(sums, axis=0))


def offset_gradient_last(d_y: Array) -> Array:
    """The adjoint of b -> conv2d_last(0, w, b) (Dumoulin & Visin 2016, Sec. 4)."""
    rows = d_y.reshape(-1, d_y.shape[-1])
    sums = map_products(lambda some: some.sum(axis=0), np.array_split(rows, SUMS))
    return np.sum(sums, axis=0)


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
    return _spread(x, w, b, size=size, stride=stride, padding=padding)


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


def _inputs(geometry: Blocks, x: Array, part: Part) -> tuple[Array, list[tuple[Array, slice]]]:
    """The blocks of a part; and what is multiplied with which rows of the kernel matrix."""
    blocks = geometry.blocks(x, part)
    flat = blocks.reshape(-1, geometry.depth)
    span = len(flat) - geometry.runs[-1].move  # up to the last output, and what lies between
    inputs = [(flat[run.move : run.move + span, run.inputs], run.taps) for run in geometry.runs]
    if _is_narrow(geometry):
        beside = np.concatenate([input_of_run for input_of_run, _ in inputs], axis=1)
        inputs = [(beside, slice(0, beside.shape[1]))]
    return blocks, inputs


def _grid(geometry: Blocks, d_y: Array, part: Part, *, before: int = 0) -> Array:
    """What belongs to outputs in some rows, after `before` rows of zeros: (n, C_out).

    Where no output begins, also in rows before the first or after the last, there are zeros.
    """
    (rows, columns), wanted = geometry.output, part.rows
    first, stop = max(wanted.start, 0), min(wanted.stop, rows)
    shape = part.images.stop - part.images.start, wanted.stop - wanted.start, geometry.columns
    grid = np.zeros((before + math.prod(shape), d_y.shape[-1]), d_y.dtype)
    in_rows = grid[before:].reshape(*shape, -1)
    outputs = in_rows[:, first - wanted.start : stop - wanted.start, :columns]
    outputs[:] = d_y[part.images, first:stop]
    return grid


def _is_narrow(geometry: Blocks) -> bool:
    return geometry.depth < NARROW


def _shares(parts: list[Part]) -> list[list[Part]]:
    size = -(-len(parts) // SUMS)
    return [parts[i : i + size] for i in range(0, len(parts), size)]
