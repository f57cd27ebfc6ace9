"""Convolutions on channels-last images as accumulating matrix products on shifted views.

What `npuq.nn.conv` computes (Dumoulin & Visin 2016), in the layout that is fastest on CPUs. Images
are first cut into blocks of s x s pixels, s the stride (see `npuq.nn.blocks`). Offsets of the
kernel that meet pixels of one block are one matrix product, for all outputs m at once, added to
what is there:

    y[m] += blocks[m + move] K,

so that nothing is unfolded or copied. Images of few channels are the exception, as their products
would be narrow: see `npuq.nn.unfold`. The plain twin is `npuq.nn.conv` itself, which also computes
on other devices than the host.

Shapes (channels last; kernels as in `npuq.nn.conv`):
    x    (N, H, W, C_in)
    w    (C_out, C_in, k, k)
    b    (C_out,)
    y    (N, H', W', C_out)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from npuq.backend import Array, xp_of
from npuq.kernels.compile import use_reference
from npuq.kernels.products import SHARES, add_product, map_products, shares
from npuq.nn.blocks import Blocks, Part
from npuq.nn.conv import conv2d, conv2d_input_gradient, conv2d_kernel_gradient
from npuq.nn.unfold import fold, outputs_of, unfold

NARROW = 64  # numbers in a block


def conv2d_last(x: Array, w: Array, b: Array, *, stride: int = 1, padding: int = 0) -> Array:
    """Cross-correlate images with kernels (Dumoulin & Visin 2016, Sec. 2.4).

    Args:
        x, w, b: float32 or float64, of one type and device; shapes at the top of this file.
        stride: at least 1.
        padding: rows and columns of zeros added on each side.

    Returns:
        y.
    """
    if _is_plain(x):
        return _last(conv2d(_first(x), w, b, stride=stride, padding=padding))
    geometry = Blocks(x.shape[1:3], x.shape[3], w.shape[2:], stride, padding)
    rows, columns = geometry.output
    kernel = _kernel_matrix(geometry, w)
    y = np.empty((len(x), rows, columns, w.shape[0]), w.dtype)

    def compute(part: Part) -> None:
        outputs = y[part.images, part.rows]
        if _is_narrow(geometry):
            add_product(
                unfold(geometry, x, part), kernel, outputs.reshape(-1, len(b)), overwrite=True
            )
            outputs += b
            return
        blocks = geometry.blocks(x, part)
        grid = np.empty((*blocks.shape[:3], len(b)), w.dtype)
        flat = grid.reshape(-1, len(b))
        for i, (inputs, taps) in enumerate(_inputs(geometry, blocks)):
            add_product(inputs, kernel[taps], flat[: len(inputs)], overwrite=i == 0)
        np.add(grid[:, : outputs.shape[1], :columns], b, out=outputs)

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
    none = xp_of(w).zeros(w.shape[1], w.dtype)
    return _spread(d_y, w, none, size=size, stride=stride, padding=padding)


def _spread(
    d_y: Array, w: Array, b: Array, *, size: tuple[int, ...], stride: int, padding: int
) -> Array:
    """`input_gradient_last`, plus b (C_in,)."""
    if _is_plain(d_y):
        d_x = conv2d_input_gradient(_first(d_y), w, size=size, stride=stride, padding=padding)
        return _last(d_x) + b
    geometry = Blocks(size, w.shape[1], w.shape[2:], stride, padding)
    kernel = _kernel_matrix(geometry, w)
    up, left = geometry.reach
    d_x = np.empty((len(d_y), *size, w.shape[1]), w.dtype)
    if not geometry.covers_image:
        d_x[:] = b

    def compute(part: Part) -> None:
        if _is_narrow(geometry):
            outputs = d_y[outputs_of(geometry, part)].reshape(-1, len(w))
            unfolded = np.empty((len(outputs), len(kernel)), w.dtype)
            add_product(outputs, kernel.T, unfolded, overwrite=True)
            fold(geometry, unfolded, b, part, d_x)
            return
        # outputs begin at a block, or up to `up` rows and `left` columns before it
        start, stop = part.rows.start, part.rows.stop
        grid = _grid(geometry, d_y, Part(part.images, slice(start - up, stop)), before=left)
        count = part.images.stop - part.images.start
        blocks = np.empty((count, up + stop - start, geometry.columns, geometry.depth), w.dtype)
        first = up * geometry.columns
        here = blocks.reshape(-1, geometry.depth)[first:]
        is_whole = geometry.runs[0].inputs == slice(0, geometry.depth)
        if not is_whole:  # a kernel smaller than the blocks
            here[:] = 0
        for i, run in enumerate(geometry.runs):
            begin = first + left - run.move
            outputs, inputs = grid[begin : begin + len(here)], here[:, run.inputs]
            add_product(outputs, kernel[run.taps].T, inputs, overwrite=is_whole and i == 0)
        geometry.put_together(blocks[:, up:], b, part, d_x)

    map_products(compute, geometry.parts(len(d_y), geometry.rows))
    return d_x


def kernel_gradient_last(
    d_y: Array, x: Array, *, kernel: tuple[int, ...], stride: int, padding: int
) -> Array:
    """The adjoint of w -> conv2d_last(x, w, 0) (Dumoulin & Visin 2016, Sec. 4)."""
    if _is_plain(d_y):
        static = {"stride": stride, "padding": padding}
        return conv2d_kernel_gradient(_first(d_y), _first(x), kernel=kernel, **static)
    geometry = Blocks(x.shape[1:3], x.shape[3], kernel, stride, padding)
    parts = geometry.parts(len(x), geometry.output[0])

    def compute(some: Sequence[Part]) -> Array:
        matrix = np.zeros((len(geometry.offsets) * x.shape[3], d_y.shape[3]), d_y.dtype)
        for part in some:
            if _is_narrow(geometry):
                outputs = d_y[part].reshape(-1, d_y.shape[3])
                add_product(unfold(geometry, x, part).T, outputs, matrix)
                continue
            rows = slice(part.rows.start, part.rows.stop + geometry.reach[0])
            grid = _grid(geometry, d_y, Part(part.images, rows))
            for inputs, taps in _inputs(geometry, geometry.blocks(x, part)):
                add_product(inputs.T, grid[: len(inputs)], matrix[taps])
        return matrix

    matrix = np.sum(map_products(compute, shares(parts)), axis=0)
    return _from_kernel_matrix(geometry, matrix)


def offset_gradient_last(d_y: Array) -> Array:
    """The adjoint of b -> conv2d_last(0, w, b) (Dumoulin & Visin 2016, Sec. 4)."""
    rows = d_y.reshape(-1, d_y.shape[-1])
    if _is_plain(d_y):
        return rows.sum(axis=0)
    sums = map_products(lambda some: some.sum(axis=0), np.array_split(rows, SHARES))
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
    none = xp_of(w).zeros(len(w), w.dtype)
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


def _is_plain(x: Array) -> bool:
    """Whether the plain twin is to compute."""
    return not isinstance(x, np.ndarray) or use_reference()


def _first(x: Array) -> Array:
    """(N, H, W, C) -> (N, C, H, W), contiguous."""
    return xp_of(x).ascontiguousarray(x.transpose(0, 3, 1, 2))


def _last(x: Array) -> Array:
    """(N, C, H, W) -> (N, H, W, C), contiguous."""
    return xp_of(x).ascontiguousarray(x.transpose(0, 2, 3, 1))


def _is_narrow(geometry: Blocks) -> bool:
    return geometry.depth < NARROW


def _kernel_matrix(geometry: Blocks, w: Array) -> Array:
    """(C_out, C_in, k, k) -> (k k C_in, C_out), in the order of `unfold` or of the runs."""
    offsets = w.transpose(2, 3, 1, 0)
    if not _is_narrow(geometry):
        offsets = offsets[_order(geometry)]
    return np.ascontiguousarray(offsets).reshape(-1, len(w))


def _from_kernel_matrix(geometry: Blocks, matrix: Array) -> Array:
    """The inverse of `_kernel_matrix`."""
    w = matrix.reshape(*geometry.kernel, geometry.channels, -1)
    if not _is_narrow(geometry):
        w = np.empty_like(w)
        w[_order(geometry)] = matrix.reshape(-1, *w.shape[2:])
    return np.ascontiguousarray(w.transpose(3, 2, 0, 1))


def _order(geometry: Blocks) -> tuple[Array, Array]:
    p, q = np.array(geometry.offsets).T
    return p, q


def _inputs(geometry: Blocks, blocks: Array) -> list[tuple[Array, slice]]:
    """What is multiplied with which rows of the kernel matrix.

    There are also products at the ends of rows of blocks, which belong to no output.
    """
    flat = blocks.reshape(-1, geometry.depth)
    span = len(flat) - geometry.runs[-1].move  # up to the last output
    return [(flat[run.move : run.move + span, run.inputs], run.taps) for run in geometry.runs]


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
