"""Convolutions of one window by the definition, in one call, so that no thread waits for another.

The plain twin is `npuq.nn.conv`; see `npuq.nn.unfold`. `unfolded` is working memory of the caller.

Shapes:
    window     (n, rows, columns, C)
    outputs    (n, H', W', C_out)
    kernel     (k k C, C_out)
    unfolded   (n H' W', k k C)
"""

from __future__ import annotations

import numpy as np

from npuq.runtime.compile import jit


@jit()
def _unfold(window, taps, stride, shape, unfolded):  # type: ignore[no-untyped-def]
    """Lay all that an output is made of side by side (Dumoulin & Visin 2016, Sec. 4.1)."""
    n, rows, columns = shape
    C = window.shape[3]
    across = taps[1] * C  # pixels that are neighbours in memory as well
    for image in range(n):
        for row in range(rows):
            for p in range(taps[0]):
                pixels = window[image, row * stride + p].reshape(-1)
                for column in range(columns):
                    output = unfolded[(image * rows + row) * columns + column]
                    first, to = column * stride * C, p * across
                    for c in range(np.uintp(across)):
                        output[np.uintp(to) + c] = pixels[np.uintp(first) + c]


@jit()
def _fold(unfolded, taps, stride, shape, d_window):  # type: ignore[no-untyped-def]
    """The transpose of `_unfold`, added to d_window."""
    n, rows, columns = shape
    C = d_window.shape[3]
    across = taps[1] * C
    for image in range(n):
        for row in range(rows):
            for p in range(taps[0]):
                pixels = d_window[image, row * stride + p].reshape(-1)
                for column in range(columns):
                    output = unfolded[(image * rows + row) * columns + column]
                    to, first = column * stride * C, p * across
                    for c in range(np.uintp(across)):
                        pixels[np.uintp(to) + c] += output[np.uintp(first) + c]


@jit()
def correlate(window, kernel, taps, stride, b, outputs, unfolded):  # type: ignore[no-untyped-def]
    """Write the outputs of a window, plus b (C_out,) (Dumoulin & Visin 2016, Sec. 4.1)."""
    flat = outputs.reshape((len(unfolded), len(b)))
    _unfold(window, taps, stride, outputs.shape[:3], unfolded)
    np.dot(unfolded, kernel, flat)
    for t in range(len(flat)):
        output = flat[t]
        for c in range(np.uintp(len(b))):
            output[c] += b[c]


@jit()
def spread(d_outputs, kernel, taps, stride, d_window, unfolded):  # type: ignore[no-untyped-def]
    """The transpose of `correlate` in the window, added to d_window."""
    np.dot(d_outputs.reshape((len(unfolded), d_outputs.shape[3])), kernel.T, unfolded)
    _fold(unfolded, taps, stride, d_outputs.shape[:3], d_window)


@jit()
def add_products(  # type: ignore[no-untyped-def]
    window, d_outputs, taps, stride, d_kernel, overwrite, unfolded, products
):
    """The transpose of `correlate` in the kernel, added to d_kernel; `products` is of its shape."""
    _unfold(window, taps, stride, d_outputs.shape[:3], unfolded)
    flat = d_outputs.reshape((len(unfolded), d_outputs.shape[3]))
    if overwrite:
        np.dot(unfolded.T, flat, d_kernel)
        return
    np.dot(unfolded.T, flat, products)
    for t in range(len(d_kernel)):
        to, product = d_kernel[t], products[t]
        for c in range(np.uintp(len(to))):
            to[c] += product[c]
