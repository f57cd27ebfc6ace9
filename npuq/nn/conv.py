"""The two-dimensional convolution of deep learning: a cross-correlation (Dumoulin & Visin 2016).

    y[n, o, i, j] = b[o] + sum over c, p, q of w[o, c, p, q] x[n, c, s i + p - P, s j + q - P],

with stride s, and x zero outside of the image, which `padding` P lets the kernel reach.

Every function here is a sum over the kernel's offsets (p, q): one offset is a matrix product over
the channels on a strided view of the padded image, so that nothing is unfolded in memory.

Shapes:
    x    (N, C_in, H, W)
    w    (C_out, C_in, kh, kw)
    b    (C_out,)
    y    (N, C_out, H', W'),  H' = floor((H + 2 P - kh) / s) + 1
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from types import EllipsisType
from typing import SupportsIndex, TypeAlias

import numpy as np

from npuq.backend import Array, xp_of

Pair: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
"""One integer for both axes, or one for rows and one for columns."""

_View: TypeAlias = tuple[EllipsisType, slice, slice]


def conv2d(
    x: Array, w: Array, b: Array | None = None, *, stride: Pair = 1, padding: Pair = 0
) -> Array:
    """Cross-correlate images with kernels (Dumoulin & Visin 2016, Sec. 2.4).

    Args:
        x: images.
        w: kernels.
        b: offsets, or None.
        stride: at least 1.
        padding: rows and columns of zeros added on each side.

    Returns:
        y; shapes at the top of this file.

    Raises:
        ValueError: shapes that do not fit each other, or a kernel larger than the padded image.
    """
    xp = xp_of(x)
    size = conv2d_size(x, w, stride, padding)
    rows, columns = pair("padding", padding, least=0)
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(f"b must have shape {w.shape[:1]}, not {b.shape}")
    padded = xp.pad(x, ((0, 0), (0, 0), (rows, rows), (columns, columns)))
    pixels = size[0] * size[1]
    y = xp.zeros((len(x), len(w), pixels), xp.result_type(x, w))
    for p, q, view in _offsets(w.shape[2:], size, stride):
        y += w[:, :, p, q] @ padded[view].reshape(*x.shape[:2], pixels)
    if b is not None:
        y += b[:, None]
    return y.reshape(len(x), len(w), *size)


def conv2d_backward(
    d_y: Array,
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
) -> tuple[Array, Array, Array | None]:
    """Gradient of `conv2d` (Dumoulin & Visin 2016, Sec. 4).

    Args:
        d_y: the upstream gradient, of the shape of y.
        x: as in `conv2d`, and so are the other arguments.

    Returns:
        d_x, d_w, and d_b or None as `b` is.

    Raises:
        ValueError: as in `conv2d`, or `d_y` has another shape than y.
    """
    shape = (len(x), len(w), *conv2d_size(x, w, stride, padding))
    if d_y.shape != shape:
        raise ValueError(f"d_y must have shape {shape}, not {d_y.shape}")
    d_x = conv2d_input_gradient(d_y, w, size=x.shape[2:], stride=stride, padding=padding)
    d_w = conv2d_kernel_gradient(d_y, x, kernel=w.shape[2:], stride=stride, padding=padding)
    return d_x, d_w, None if b is None else d_y.sum(axis=(0, 2, 3))


def conv2d_input_gradient(
    d_y: Array, w: Array, *, size: tuple[int, ...], stride: Pair, padding: Pair
) -> Array:
    """The adjoint of x -> conv2d(x, w), for images of `size` (H, W) (Dumoulin & Visin, Sec. 4)."""
    xp = xp_of(d_y)
    rows, columns = pair("padding", padding, least=0)
    height, width = size
    shape = (len(d_y), w.shape[1], height + 2 * rows, width + 2 * columns)
    padded = xp.zeros(shape, xp.result_type(d_y, w))
    d_y_flat = d_y.reshape(*d_y.shape[:2], d_y.shape[2] * d_y.shape[3])
    for p, q, view in _offsets(w.shape[2:], d_y.shape[2:], stride):
        d_view = w[:, :, p, q].T @ d_y_flat
        padded[view] += d_view.reshape(*shape[:2], *d_y.shape[2:])
    return padded[:, :, rows : rows + height, columns : columns + width]


def conv2d_kernel_gradient(
    d_y: Array, x: Array, *, kernel: tuple[int, ...], stride: Pair, padding: Pair
) -> Array:
    """The adjoint of w -> conv2d(x, w), for kernels of size (kh, kw) (Dumoulin & Visin, Sec. 4)."""
    xp = xp_of(d_y)
    rows, columns = pair("padding", padding, least=0)
    padded = xp.pad(x, ((0, 0), (0, 0), (rows, rows), (columns, columns)))
    d_w = xp.empty((d_y.shape[1], x.shape[1], *kernel), xp.result_type(d_y, x))
    for p, q, view in _offsets(kernel, d_y.shape[2:], stride):
        d_w[:, :, p, q] = xp.tensordot(d_y, padded[view], axes=([0, 2, 3], [0, 2, 3]))
    return d_w


def conv2d_size(x: Array, w: Array, stride: Pair, padding: Pair) -> tuple[int, int]:
    """(H', W') of `conv2d`, after a check of the shapes (Dumoulin & Visin 2016, Relationship 6).

    Raises:
        ValueError: as in `conv2d`.
    """
    if x.ndim != 4 or w.ndim != 4 or x.shape[1] != w.shape[1]:
        raise ValueError(
            f"x must be (N, C_in, H, W) and w (C_out, C_in, kh, kw), not {x.shape} and {w.shape}"
        )
    strides, paddings = pair("stride", stride, least=1), pair("padding", padding, least=0)
    room = [n + 2 * p - k for n, p, k in zip(x.shape[2:], paddings, w.shape[2:], strict=True)]
    if min(room) < 0:
        raise ValueError(f"w has kernels {w.shape[2:]}, larger than the padded x of {x.shape}")
    return room[0] // strides[0] + 1, room[1] // strides[1] + 1


def pair(name: str, value: Pair, *, least: int) -> tuple[int, int]:
    """(rows, columns) of a stride or a padding, one integer or two (Dumoulin & Visin 2016, Sec. 2).

    Raises:
        ValueError: not an integer or a pair of them, or one below `least`; says the `name`.
    """
    both = value if isinstance(value, Sequence) else (value, value)
    message = f"{name} must be one or two integers >= {least}, not {value!r}"
    if any(isinstance(v, bool | np.bool_) for v in both):  # they would pass as indices
        raise ValueError(message)
    try:
        rows, columns = (operator.index(v) for v in both)
    except (TypeError, ValueError) as error:  # no integers, or not two
        raise ValueError(message) from error
    if min(rows, columns) < least:
        raise ValueError(message)
    return rows, columns


def _offsets(
    kernel: tuple[int, ...], size: tuple[int, ...], stride: Pair
) -> Iterator[tuple[int, int, _View]]:
    """Each offset (p, q) of the kernel, and the pixels of the padded image that it meets."""
    s, t = pair("stride", stride, least=1)
    for p in range(kernel[0]):
        for q in range(kernel[1]):
            rows = slice(p, p + s * (size[0] - 1) + 1, s)
            columns = slice(q, q + t * (size[1] - 1) + 1, t)
            yield p, q, (..., rows, columns)
