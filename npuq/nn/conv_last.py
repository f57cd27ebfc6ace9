"""Convolutions on channels-last images, in the layout and by the products that CPUs are fast at.

What `npuq.nn.conv` computes (Dumoulin & Visin 2016). Work is divided into parts, and what a part
is made of is cut out of the image (`npuq.nn.windows`) and turned into matrix products by one of two
methods: `npuq.nn.winograd` where there are channels enough, or `npuq.nn.unfold`. The plain twin is
`npuq.nn.conv` itself, which also computes on other devices than the host.

Shapes (channels last; kernels as in `npuq.nn.conv`):
    x    (N, H, W, C_in)
    w    (C_out, C_in, k, k)
    b    (C_out,)
    y    (N, H', W', C_out)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npuq.backend import Array, xp_of
from npuq.nn.conv import conv2d, conv2d_input_gradient, conv2d_kernel_gradient, conv2d_size
from npuq.nn.conv_transpose import conv_transpose2d_size
from npuq.nn.unfold import Unfolded
from npuq.nn.windows import Part, Windows
from npuq.nn.winograd import Winograd
from npuq.runtime.blas import SHARES, map_products, shares
from npuq.runtime.compile import use_reference

FAST_TYPES = (np.float32, np.float64)  # of the compiled loops
NARROW = 16  # channels: with fewer, the products at each point would be narrow


def conv2d_last(x: Array, w: Array, b: Array, *, stride: int = 1, padding: int = 0) -> Array:
    """Cross-correlate images with kernels (Dumoulin & Visin 2016, Sec. 2.4).

    Args:
        x, w, b: float32 or float64, of one type and device; shapes at the top of this file.
        stride: at least 1.
        padding: rows and columns of zeros added on each side.

    Returns:
        y.

    Raises:
        ValueError: shapes that do not fit each other, a kernel larger than the padded image, or
            arrays of several types.
    """
    _check(x, w, b, stride=stride, padding=padding)
    return _correlate(x, w, b, _method(w.shape, stride), padding)


def conv2d_exact(x: Array, w: Array, b: Array, *, stride: int = 1, padding: int = 0) -> Array:
    """`conv2d_last` by the products of the definition and no others (Dumoulin & Visin 2016).

    Integers stay exact as long as no sum of such products passes what the type holds.
    """
    _check(x, w, b, stride=stride, padding=padding)
    return _correlate(x, w, b, Unfolded(w.shape, stride), padding)


def _correlate(x: Array, w: Array, b: Array, method: Unfolded | Winograd, padding: int) -> Array:
    if _is_plain(x, w, b):
        return _last(conv2d(_first(x), w, b, stride=method.stride, padding=padding))
    windows = _windows(method, x.shape[1:3], padding)
    matrix = method.as_matrix(w)
    x, b = np.ascontiguousarray(x), np.ascontiguousarray(b)
    y = np.empty((len(x), *windows.output, len(b)), w.dtype)

    def compute(part: Part) -> None:
        outputs = windows.outputs(y, part)
        method.correlate(windows.cut(x, part), matrix, b, outputs)
        windows.put_outputs(outputs, part, y)

    map_products(compute, windows.parts(len(x)))
    return y


def conv2d_last_backward(
    d_y: Array, x: Array, w: Array, b: Array, *, stride: int = 1, padding: int = 0
) -> tuple[Array, Array, Array]:
    """Gradient of `conv2d_last` (Dumoulin & Visin 2016, Sec. 4): d_x, d_w, d_b.

    Raises:
        ValueError: as there, or `d_y` has another shape than y.
    """
    _check(x, w, b, stride=stride, padding=padding, d_y=d_y)
    d_x = input_gradient_last(d_y, w, size=x.shape[1:3], stride=stride, padding=padding)
    d_w = kernel_gradient_last(d_y, x, kernel=w.shape[2:], stride=stride, padding=padding)
    return d_x, d_w, offset_gradient_last(d_y)


def input_gradient_last(
    d_y: Array, w: Array, *, size: tuple[int, ...], stride: int, padding: int
) -> Array:
    """The adjoint of x -> conv2d_last(x, w, 0), for images of `size` (Dumoulin & Visin 2016).

    Raises:
        ValueError: `d_y` is not of the shape of y for such images, or not of the type of w.
    """
    no_images = np.empty((0, *size, w.shape[1]))
    _check(no_images, w, w[:, 0, 0, 0], stride=stride, padding=padding, d_y=d_y[:0])
    none = xp_of(w).zeros(w.shape[1], w.dtype)
    return _spread(d_y, w, none, _method(w.shape, stride), size, padding)


def _spread(
    d_y: Array, w: Array, b: Array, method: Unfolded | Winograd, size: tuple[int, ...], padding: int
) -> Array:
    """`input_gradient_last`, plus b (C_in,)."""
    if _is_plain(d_y, w, b):
        static = {"stride": method.stride, "padding": padding}
        return _last(conv2d_input_gradient(_first(d_y), w, size=size, **static)) + b
    windows = _windows(method, size, padding)
    matrix = method.as_matrix(w)
    d_y, b = np.ascontiguousarray(d_y), np.ascontiguousarray(b)
    d_x = np.empty((len(d_y), *size, w.shape[1]), w.dtype)
    parts = windows.parts(len(d_y))
    if not windows.cover_image:
        d_x[:] = b

    def compute(part: Part) -> Array:
        window = windows.zeros(part, w.shape[1], w.dtype)
        method.spread(windows.outputs(d_y, part), matrix, window)
        return windows.put(window, b, part, d_x)

    for part, shared in zip(parts, map_products(compute, parts), strict=True):
        windows.add_shared(shared, part, d_x)
    return d_x


def kernel_gradient_last(
    d_y: Array, x: Array, *, kernel: tuple[int, ...], stride: int, padding: int
) -> Array:
    """The adjoint of w -> conv2d_last(x, w, 0) (Dumoulin & Visin 2016, Sec. 4).

    Raises:
        ValueError: `d_y` is not of the shape of y for a kernel of this size, or not of x's type.
    """
    w = np.broadcast_to(0.0, (d_y.shape[-1], x.shape[-1], *kernel))
    _check(x, w, w[:, 0, 0, 0], stride=stride, padding=padding, d_y=d_y)
    if _is_plain(d_y, x):
        static = {"stride": stride, "padding": padding}
        return conv2d_kernel_gradient(_first(d_y), _first(x), kernel=kernel, **static)
    method = _method((d_y.shape[3], x.shape[3], *kernel), stride)
    windows = _windows(method, x.shape[1:3], padding)
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


def offset_gradient_last(d_y: Array) -> Array:
    """The adjoint of b -> conv2d_last(0, w, b) (Dumoulin & Visin 2016, Sec. 4)."""
    if _is_plain(d_y):
        return d_y.sum(axis=(0, 1, 2))
    N, rows, columns, C = d_y.shape
    lines = d_y.reshape(N * rows, columns * C)  # longer than pixels, and quicker to add
    sums = map_products(lambda some: some.sum(axis=0), np.array_split(lines, SHARES))
    return np.sum(sums, axis=0).reshape(d_y.shape[2:]).sum(axis=0)  # type: ignore[no-any-return]


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

    Raises:
        ValueError: shapes that do not fit each other, an output padding that reaches the stride, an
            output without pixels, or arrays of several types.
    """
    size = _transposed_size(x, w, b, stride, padding, output_padding)
    return _spread(x, w, b, _method(w.shape, stride), size, padding)


def conv_transpose2d_exact(
    x: Array, w: Array, b: Array, *, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Array:
    """`conv_transpose2d_last` by the products of the definition (Dumoulin & Visin 2016).

    As exact as `conv2d_exact`.
    """
    size = _transposed_size(x, w, b, stride, padding, output_padding)
    return _spread(x, w, b, Unfolded(w.shape, stride), size, padding)


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
    """Gradient of `conv_transpose2d_last` (Dumoulin & Visin 2016, Sec. 4): d_x, d_w, d_b.

    Raises:
        ValueError: as there, or `d_y` has another shape than y.
    """
    size = _transposed_size(x, w, b, stride, padding, output_padding)
    _check_shape("d_y", d_y, (len(x), *size, w.shape[1]))
    none = xp_of(w).zeros(len(w), w.dtype)
    d_x = conv2d_last(d_y, w, none, stride=stride, padding=padding)
    d_w = kernel_gradient_last(x, d_y, kernel=w.shape[2:], stride=stride, padding=padding)
    return d_x, d_w, offset_gradient_last(d_y)


def _check(
    x: Array, w: Array, b: Array, *, stride: int, padding: int, d_y: Array | None = None
) -> None:
    """Check the arguments of a convolution: compiled loops look at no bounds."""
    _check_images(x, w, w.shape[1:2], b, w.shape[:1])
    first = x.transpose(0, 3, 1, 2)
    size = conv2d_size(first, w, stride, padding)
    if d_y is not None:
        _check_shape("d_y", d_y, (len(x), *size, len(w)))


def _transposed_size(
    x: Array, w: Array, b: Array, stride: int, padding: int, output_padding: int
) -> tuple[int, int]:
    """(H', W') of a transposed convolution, after a check of its arguments."""
    _check_images(x, w, w.shape[:1], b, w.shape[1:2])
    first = x.transpose(0, 3, 1, 2)
    return conv_transpose2d_size(first, w, stride, padding, output_padding)


def _check_images(
    x: Array, w: Array, c_in: tuple[int, ...], b: Array, c_out: tuple[int, ...]
) -> None:
    if x.ndim != 4 or w.ndim != 4 or x.shape[3:] != c_in or not min(*w.shape[:2], *x.shape[1:3]):
        raise ValueError(
            f"x must be (N, H, W, C_in) and w have four axes, with C_in channels, not {x.shape} "
            f"and {w.shape}"
        )
    _check_shape("b", b, c_out)


def _check_shape(name: str, array: Array, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, not {array.shape}")


def _is_plain(*arrays: Array) -> bool:
    """Whether the plain twin computes. Raises ValueError if the arrays differ in type."""
    types = {a.dtype for a in arrays}
    if len(types) > 1:
        raise ValueError(f"arrays must be of one type, not {[str(a.dtype) for a in arrays]}")
    on_host = all(isinstance(a, np.ndarray) for a in arrays)
    return use_reference() or not on_host or types.pop() not in FAST_TYPES


def _first(x: Array) -> Array:
    """(N, H, W, C) -> (N, C, H, W), contiguous."""
    return xp_of(x).ascontiguousarray(x.transpose(0, 3, 1, 2))


def _last(x: Array) -> Array:
    """(N, C, H, W) -> (N, H, W, C), contiguous."""
    return xp_of(x).ascontiguousarray(x.transpose(0, 2, 3, 1))


def _method(shape: tuple[int, ...], stride: int) -> Unfolded | Winograd:
    C_out, C_in, *taps = shape
    if min(C_out, C_in) >= NARROW and Winograd.applies(taps, stride):
        return Winograd(shape, stride)
    return Unfolded(shape, stride)


def _windows(method: Unfolded | Winograd, size: tuple[int, ...], padding: int) -> Windows:
    return Windows(size, method.taps, stride=method.stride, padding=padding, side=method.side)
