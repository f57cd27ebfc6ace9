"""Convolutions on channels-last images as accumulating matrix products on shifted views.

What `npuq.nn.conv` computes (Dumoulin & Visin 2016), in the layout that is fastest on CPUs. An
image is first taken apart into its s x s phases, s the stride (see `npuq.nn.phases`). Then offset
(p, q) of the kernel meets phase (p mod s, q mod s), moved by (p div s, q div s). Phases are rows of
pixels of one width, so that a move by rows and columns is a move by one number in memory,

    y[m] += phase[m + move] w[p, q],       m = i width + j,

one matrix product of contiguous rows for each offset, added to what is there: nothing is unfolded
or copied. At the end of each row stand a few pixels that belong to no output; they are left out.

Shapes (channels last; kernels as in `npuq.nn.conv`):
    x    (N, H, W, C_in)
    w    (C_out, C_in, k, k)
    b    (C_out,)
    y    (N, H', W', C_out)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.nn.phases import Phases

TILE = 1 << 10  # outputs


def conv2d_last(x: Array, w: Array, b: Array, *, stride: int = 1, padding: int = 0) -> Array:
    """Cross-correlate images with kernels (Dumoulin & Visin 2016, Sec. 2.4).

    Args:
        x, w, b: float32 or float64 on the host; shapes at the top of this file.
        stride: at least 1.
        padding: rows and columns of zeros added on each side.

    Returns:
        y.
    """
    geometry = Phases(x.shape[1:3], w.shape[2:], stride, padding)
    phases = geometry.take_apart(x)
    taps = _taps(w)
    y = np.empty((len(x), *geometry.output, w.shape[0]), np.result_type(x, w))
    grid = np.empty((geometry.span, w.shape[0]), y.dtype)
    for n in range(len(x)):
        grid[:] = b
        for p, q, phase, move in geometry.offsets():
            _add_product(phases[n, phase, move : move + geometry.span], taps[p, q].T, grid)
        y[n] = geometry.trimmed(grid)
    return y


def conv2d_last_backward(
    d_y: Array, x: Array, w: Array, b: Array, *, stride: int = 1, padding: int = 0
) -> tuple[Array, Array, Array]:
    """Gradient of `conv2d_last` (Dumoulin & Visin 2016, Sec. 4): d_x, d_w, d_b."""
    d_x = input_gradient_last(d_y, w, size=x.shape[1:3], stride=stride, padding=padding)
    d_w = kernel_gradient_last(d_y, x, kernel=w.shape[2:], stride=stride, padding=padding)
    return d_x, d_w, d_y.sum(axis=(0, 1, 2))


def input_gradient_last(
    d_y: Array, w: Array, *, size: tuple[int, ...], stride: int, padding: int
) -> Array:
    """The adjoint of x -> conv2d_last(x, w, 0), for images of `size` (Dumoulin & Visin 2016)."""
    geometry = Phases(size, w.shape[2:], stride, padding)
    taps = _taps(w)
    d_x = np.empty((len(d_y), *size, w.shape[1]), np.result_type(d_y, w))
    phases = np.empty((1, *geometry.phases_shape, w.shape[1]), d_x.dtype)
    for n in range(len(d_y)):
        grid = geometry.spread(d_y[n])
        phases[:] = 0
        for p, q, phase, move in geometry.offsets():
            _add_product(grid, taps[p, q], phases[0, phase, move : move + geometry.span])
        d_x[n] = geometry.put_together(phases)[0]
    return d_x


def kernel_gradient_last(
    d_y: Array, x: Array, *, kernel: tuple[int, ...], stride: int, padding: int
) -> Array:
    """The adjoint of w -> conv2d_last(x, w, 0) (Dumoulin & Visin 2016, Sec. 4)."""
    geometry = Phases(x.shape[1:3], kernel, stride, padding)
    phases, channels = geometry.take_apart(x), x.shape[-1]
    taps: dict[int, list[tuple[int, int, int]]] = {}
    for p, q, phase, move in geometry.offsets():
        taps.setdefault(phase, []).append((p, q, move))
    dtype = np.result_type(d_y, x)
    # All offsets of a phase at once, TILE outputs at a time: one wide product is quicker than many
    # of narrow ones, and their inputs, laid side by side, stay in the cache.
    sums = {phase: np.zeros((d_y.shape[-1], len(t) * channels), dtype) for phase, t in taps.items()}
    for n in range(len(x)):
        grid = geometry.spread(d_y[n])
        for phase, offsets in taps.items():
            for start in range(0, geometry.span, TILE):
                stop = min(start + TILE, geometry.span)
                beside = np.concatenate(
                    [phases[n, phase, move + start : move + stop] for _, _, move in offsets], axis=1
                )
                _add_product(grid[start:stop].T, beside, sums[phase])
    d_w = np.empty((d_y.shape[-1], channels, *kernel), dtype)
    for phase, offsets in taps.items():
        for i, (p, q, _) in enumerate(offsets):
            d_w[:, :, p, q] = sums[phase][:, i * channels : (i + 1) * channels]
    return d_w


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
    return d_x, d_w, d_y.sum(axis=(0, 1, 2))


def _transposed_size(
    x: Array, w: Array, stride: int, padding: int, output_padding: int
) -> tuple[int, int]:
    rows, columns = (
        (n - 1) * stride - 2 * padding + k + output_padding
        for n, k in zip(x.shape[1:3], w.shape[2:], strict=True)
    )
    return rows, columns


def _taps(w: Array) -> Array:
    """(k, k, C_out, C_in): the matrix of each offset, contiguous."""
    return np.ascontiguousarray(w.transpose(2, 3, 0, 1))


def _add_product(a: Array, b: Array, c: Array) -> None:
    """c += a b, for C-contiguous c and a, b that are contiguous in either order, in place.

    NumPy has no product that adds; BLAS has. It counts in columns, so it is given the transposes,
    c' += b' a', which are views.
    """
    from scipy.linalg.blas import dgemm, sgemm

    gemm: Any = sgemm if c.dtype == np.float32 else dgemm
    left, left_transposed = (b.T, 0) if b.flags.c_contiguous else (b, 1)
    right, right_transposed = (a.T, 0) if a.flags.c_contiguous else (a, 1)
    gemm(
        1.0, left, right, beta=1.0, c=c.T, overwrite_c=1,
        trans_a=left_transposed, trans_b=right_transposed,
    )  # fmt: skip
