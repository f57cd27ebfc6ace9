"""The two-dimensional convolution of deep learning and its transpose (Dumoulin & Visin 2016).

    y[n, i, j, o] = bias[o] + sum over p, q, c of w[o, c, p, q] x[n, s i + p - P, s j + q - P, c],

a cross-correlation of stride s, in which x is zero outside of the image, as far as `padding` P lets
the kernel reach. For one tap (p, q) of the kernel the sum over c is a matrix product over channels,
on a strided view of the padded image: `conv2d` and its adjoints in x and in w are three loops over
taps. The transposed convolution (Zeiler et al. 2010) is the adjoint in x, used as a layer; it has
no arithmetic of its own.

All that is added up are the products of the equation. So integers are exact, in whatever order a
library adds, as long as the absolute values of the products of an output sum to no more than the
type holds: 2^53 in float64. This also holds of the fast twin for the host, `npuq.kernels.cpu.conv`,
in float64; in float32 it may take other sums and fewer products (`npuq.nn.winograd`), and so may
the one for devices, `npuq.kernels.cuda.conv`, which takes nothing else.

Shapes, channels last, with kernels as in PyTorch; of a transposed convolution what is in brackets:
    x      (N, H, W, C_in)
    w      (C_out, C_in, kh, kw)                       [(C_in, C_out, kh, kw)]
    bias   (C_out,), or None
    y      (N, H', W', C_out),
           H' = floor((H + 2 P - kh) / s) + 1          [(H - 1) s - 2 P + kh + output padding]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from npuq.backend import Array, xp_of
from npuq.runtime.twins import has_twins


def _check(x: Any, w: Any, bias: Any = None, **static: Any) -> None:
    _check_shape("bias", bias, conv2d_shape(x.shape, w.shape, **static)[3:])


def _check_input_gradient(d_y: Any, w: Any, *, size: Any, **static: Any) -> None:
    x = *d_y.shape[:1], *size, *w.shape[1:2]
    _check_shape("d_y", d_y, conv2d_shape(x, w.shape, **static))


def _check_kernel_gradient(d_y: Any, x: Any, *, kernel: Any, **static: Any) -> None:
    w = *d_y.shape[-1:], *x.shape[-1:], *kernel
    _check_shape("d_y", d_y, conv2d_shape(x.shape, w, **static))


def _check_transpose(x: Any, w: Any, bias: Any = None, **static: Any) -> None:
    _check_shape("bias", bias, conv_transpose2d_shape(x.shape, w.shape, **static)[3:])


@has_twins(check=_check)
def conv2d(
    x: Array, w: Array, bias: Array | None = None, *, stride: int = 1, padding: int = 0
) -> Array:
    """Cross-correlate images with kernels (Dumoulin & Visin 2016, Sec. 2). It has fast twins.

    Args:
        x, w, bias: images, kernels and what is added to each channel; shapes at the top.
        stride: from output to output, pixels; at least 1.
        padding: rows and columns of zeros added on each side.

    Returns:
        y.

    Raises:
        ValueError: shapes that do not fit each other, or a kernel larger than the padded image.
    """
    xp = xp_of(x)
    shape = conv2d_shape(x.shape, w.shape, stride=stride, padding=padding)
    padded = xp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    y = xp.zeros(shape, xp.result_type(x, w))
    for p, q, view in _taps(w.shape[2:], shape[1:3], stride):
        y += padded[view] @ w[:, :, p, q].T
    return y if bias is None else y + bias


@has_twins(check=_check_input_gradient)
def conv2d_input_gradient(
    d_y: Array, w: Array, *, size: tuple[int, ...], stride: int = 1, padding: int = 0
) -> Array:
    """The adjoint of x -> conv2d(x, w) (Dumoulin & Visin 2016, Sec. 4). It has fast twins.

    Args:
        d_y: the upstream gradient, of the shape of y.
        w, stride, padding: as in `conv2d`.
        size: (H, W) of x, which those of y do not tell if the stride is above 1.

    Returns:
        d_x.
    """
    xp = xp_of(d_y)
    height, width = size
    shape = len(d_y), height + 2 * padding, width + 2 * padding, w.shape[1]
    padded = xp.zeros(shape, xp.result_type(d_y, w))
    for p, q, view in _taps(w.shape[2:], d_y.shape[1:3], stride):
        padded[view] += d_y @ w[:, :, p, q]
    return padded[:, padding : padding + height, padding : padding + width]


@has_twins(check=_check_kernel_gradient)
def conv2d_kernel_gradient(
    d_y: Array, x: Array, *, kernel: tuple[int, ...], stride: int = 1, padding: int = 0
) -> Array:
    """The adjoint of w -> conv2d(x, w) (Dumoulin & Visin 2016, Sec. 4). It has fast twins.

    Args:
        d_y: the upstream gradient, of the shape of y.
        x, stride, padding: as in `conv2d`.
        kernel: (kh, kw).

    Returns:
        d_w.
    """
    xp = xp_of(x)
    padded = xp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    d_w = xp.empty((d_y.shape[3], x.shape[3], *kernel), xp.result_type(d_y, x))
    for p, q, view in _taps(kernel, d_y.shape[1:3], stride):
        d_w[:, :, p, q] = xp.tensordot(d_y, padded[view], axes=((0, 1, 2), (0, 1, 2)))
    return d_w


@has_twins()
def conv2d_bias_gradient(d_y: Array) -> Array:
    """The adjoint of bias -> conv2d(0, w, bias) (Dumoulin & Visin 2016). It has fast twins."""
    return d_y.sum(axis=(0, 1, 2))


def conv2d_backward(
    d_y: Array, x: Array, w: Array, bias: Array | None = None, *, stride: int = 1, padding: int = 0
) -> tuple[Array, Array, Array | None]:
    """Gradient of `conv2d` (Dumoulin & Visin 2016, Sec. 4): d_x, d_w, and d_bias if there is one.

    Raises:
        ValueError: as in `conv2d`, or `d_y` has another shape than y.
    """
    _check(x, w, bias, stride=stride, padding=padding)
    d_x = conv2d_input_gradient(d_y, w, size=x.shape[1:3], stride=stride, padding=padding)
    d_w = conv2d_kernel_gradient(d_y, x, kernel=w.shape[2:], stride=stride, padding=padding)
    return d_x, d_w, None if bias is None else conv2d_bias_gradient(d_y)


@has_twins(check=_check_transpose)
def conv_transpose2d(
    x: Array, w: Array, bias: Array | None = None, *,
    stride: int = 1, padding: int = 0, output_padding: int = 0,
) -> Array:  # fmt: skip
    """Spread each pixel by its kernel (Dumoulin & Visin 2016, Sec. 4). It has fast twins.

    Args:
        x, w, bias: images, kernels of the convolution from y to x, and what is added to each
            channel; shapes at the top.
        stride: from the output of one pixel to that of the next.
        padding: rows and columns that are cut off on each side of the output.
        output_padding: rows and columns more at the bottom and on the right, less than the stride:
            it picks one of the sizes that the convolution maps to the same H x W.

    Returns:
        y.

    Raises:
        ValueError: shapes that do not fit each other, an output padding that reaches the stride, or
            an output without pixels.
    """
    static = {"stride": stride, "padding": padding}
    shape = conv_transpose2d_shape(x.shape, w.shape, **static, output_padding=output_padding)
    y = conv2d_input_gradient(x, w, size=shape[1:3], **static)
    return y if bias is None else y + bias


def conv_transpose2d_backward(
    d_y: Array, x: Array, w: Array, bias: Array | None = None, *,
    stride: int = 1, padding: int = 0, output_padding: int = 0,
) -> tuple[Array, Array, Array | None]:  # fmt: skip
    """Gradient of `conv_transpose2d` (Dumoulin & Visin 2016): d_x, d_w, and d_bias if there is one.

    Raises:
        ValueError: as in `conv_transpose2d`, or `d_y` has another shape than y.
    """
    static = {"stride": stride, "padding": padding}
    shape = conv_transpose2d_shape(x.shape, w.shape, **static, output_padding=output_padding)
    _check_shape("bias", bias, shape[3:])
    _check_shape("d_y", d_y, shape)
    d_x = conv2d(d_y, w, stride=stride, padding=padding)
    d_w = conv2d_kernel_gradient(x, d_y, kernel=w.shape[2:], **static)
    return d_x, d_w, None if bias is None else conv2d_bias_gradient(d_y)


def conv2d_shape(
    x: tuple[int, ...], w: tuple[int, ...], *, stride: int = 1, padding: int = 0
) -> tuple[int, ...]:
    """The shape of y for those of x and w, checked (Dumoulin & Visin 2016, Relationship 6)."""
    _check_integers(stride=(stride, 1), padding=(padding, 0))
    _check_channels(x, w, 1, "(C_out, C_in, kh, kw)")
    room = [n + 2 * padding - k for n, k in zip(x[1:3], w[2:], strict=True)]
    if min(room) < 0:
        raise ValueError(f"w has kernels {w[2:]}, larger than the padded x of {x}")
    return x[0], room[0] // stride + 1, room[1] // stride + 1, w[0]


def conv_transpose2d_shape(
    x: tuple[int, ...], w: tuple[int, ...], *,
    stride: int = 1, padding: int = 0, output_padding: int = 0,
) -> tuple[int, ...]:  # fmt: skip
    """The shape of y for those of x and w, checked (Dumoulin & Visin 2016, Sec. 4)."""
    integers = {"stride": (stride, 1), "padding": (padding, 0)}
    _check_integers(**integers, output_padding=(output_padding, 0))
    _check_channels(x, w, 0, "(C_in, C_out, kh, kw)")
    if output_padding >= stride:
        raise ValueError(f"output_padding must be less than the stride {stride}")
    more = output_padding - 2 * padding
    height, width = ((n - 1) * stride + k + more for n, k in zip(x[1:3], w[2:], strict=True))
    if min(height, width) < 1:
        raise ValueError(f"padding {padding} leaves no pixel of the output ({height} x {width})")
    return x[0], height, width, w[1]


def _taps(
    kernel: tuple[int, ...], size: tuple[int, ...], stride: int
) -> Iterator[tuple[int, int, tuple[slice, slice, slice]]]:
    """Each tap (p, q) of the kernel, and the pixels of the padded image that it meets."""
    for p in range(kernel[0]):
        for q in range(kernel[1]):
            rows = slice(p, p + stride * (size[0] - 1) + 1, stride)
            columns = slice(q, q + stride * (size[1] - 1) + 1, stride)
            yield p, q, (slice(None), rows, columns)


def _check_integers(**values: tuple[Any, int]) -> None:
    for name, (value, least) in values.items():
        if type(value) is not int or value < least:
            raise ValueError(f"{name} must be an integer >= {least}, not {value!r}")


def _check_shape(name: str, array: Any, shape: tuple[int, ...]) -> None:
    if array is not None and array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, not {array.shape}")


def _check_channels(x: tuple[int, ...], w: tuple[int, ...], axis: int, kernels: str) -> None:
    if len(x) != 4 or len(w) != 4 or x[3] != w[axis] or 0 in (*x[1:], *w):
        raise ValueError(
            f"x must be (N, H, W, C_in) and w {kernels}, of no extent 0 but N, not {x} and {w}"
        )
