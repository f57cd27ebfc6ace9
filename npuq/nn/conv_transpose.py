"""The transposed convolution: the adjoint of `conv2d` (Zeiler et al. 2010; Dumoulin & Visin 2016).

Reading the convolution's x as the output and its y as the input turns the one into the other, so
this file has no arithmetic of its own: each function is one of conv.py, with the roles exchanged.

Shapes:
    x    (N, C_in, H, W)
    w    (C_in, C_out, kh, kw): the layout of the convolution from C_out to C_in channels
    b    (C_out,)
    y    (N, C_out, H', W'),  H' = (H - 1) s - 2 P + kh + output padding, stride s, padding P
"""

from __future__ import annotations

from npuq.backend import Array
from npuq.nn.conv import Pair, conv2d, conv2d_input_gradient, conv2d_kernel_gradient, pair


def conv_transpose2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
) -> Array:
    """Spread each input pixel over the output by its kernel (Dumoulin & Visin 2016, Sec. 4).

    Args:
        x: images.
        w: kernels.
        b: offsets, or None.
        stride: at least 1.
        padding: rows and columns that are cut off on each side of the output.
        output_padding: rows and columns more at the bottom and on the right, less than the stride:
            it picks one of the sizes that the convolution maps to the same H x W.

    Returns:
        y; shapes at the top of this file.

    Raises:
        ValueError: shapes that do not fit each other, an output padding that reaches the stride, or
            an output without pixels.
    """
    size = conv_transpose2d_size(x, w, stride, padding, output_padding)
    if b is not None and b.shape != w.shape[1:2]:
        raise ValueError(f"b must have shape {w.shape[1:2]}, not {b.shape}")
    y = conv2d_input_gradient(x, w, size=size, stride=stride, padding=padding)
    return y if b is None else y + b[:, None, None]


def conv_transpose2d_backward(
    d_y: Array,
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
) -> tuple[Array, Array, Array | None]:
    """Gradient of `conv_transpose2d` (Dumoulin & Visin 2016, Sec. 4).

    Args:
        d_y: the upstream gradient, of the shape of y.
        x: as in `conv_transpose2d`, and so are the other arguments.

    Returns:
        d_x, d_w, and d_b or None as `b` is.

    Raises:
        ValueError: as in `conv_transpose2d`, or `d_y` has another shape than y.
    """
    shape = (len(x), w.shape[1], *conv_transpose2d_size(x, w, stride, padding, output_padding))
    if d_y.shape != shape:
        raise ValueError(f"d_y must have shape {shape}, not {d_y.shape}")
    d_x = conv2d(d_y, w, stride=stride, padding=padding)
    d_w = conv2d_kernel_gradient(x, d_y, kernel=w.shape[2:], stride=stride, padding=padding)
    return d_x, d_w, None if b is None else d_y.sum(axis=(0, 2, 3))


def conv_transpose2d_size(
    x: Array, w: Array, stride: Pair, padding: Pair, output_padding: Pair
) -> tuple[int, int]:
    """(H', W') of the output (Dumoulin & Visin 2016, Sec. 4), after a check of the arguments.

    Raises:
        ValueError: as in `conv_transpose2d`.
    """
    if x.ndim != 4 or w.ndim != 4 or x.shape[1] != w.shape[0]:
        raise ValueError(
            f"x must be (N, C_in, H, W) and w (C_in, C_out, kh, kw), not {x.shape} and {w.shape}"
        )
    s, p = pair("stride", stride, least=1), pair("padding", padding, least=0)
    extra = pair("output_padding", output_padding, least=0)
    if extra[0] >= s[0] or extra[1] >= s[1]:
        raise ValueError(f"output_padding must be less than the stride {s}, not {extra}")
    height, width = (
        (x.shape[2 + i] - 1) * s[i] - 2 * p[i] + w.shape[2 + i] + extra[i] for i in (0, 1)
    )
    if height < 1 or width < 1:
        raise ValueError(f"padding {p} leaves no pixel of the output ({height} x {width})")
    return height, width
