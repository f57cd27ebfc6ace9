"""Images of few channels, unfolded: all that an output is made of is laid side by side.

A convolution is then one product of rows of k k C numbers with a matrix (Dumoulin & Visin 2016).
What `npuq.nn.conv_last` does for many channels would here be products of a few columns each.

Shapes (channels last; H', W', parts and rows of blocks as in `npuq.nn.blocks`):
    x         (N, H, W, C)
    unfolded  (n rows W', k k C), of the outputs of a part
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from npuq.backend import Array
from npuq.nn.blocks import Blocks, Part


def unfold(geometry: Blocks, x: Array, part: Part) -> Array:
    """The inputs of each output of a part (Dumoulin & Visin 2016, Sec. 4.1)."""
    s, padding = geometry.stride, geometry.padding
    rows, columns = part.rows.stop - part.rows.start, geometry.columns * s
    height = (rows - 1) * s + geometry.kernel[0]
    images = x[part.images]
    padded = np.zeros((len(images), height, columns, geometry.channels), x.dtype)
    to_rows, from_rows = _overlap(part.rows.start * s - padding, height, geometry.size[0])
    to_columns, from_columns = _overlap(-padding, columns, geometry.size[1])
    padded[:, to_rows, to_columns] = images[:, from_rows, from_columns]
    windows = sliding_window_view(padded, geometry.kernel, axis=(1, 2))
    outputs = windows[:, ::s, : (geometry.output[1] - 1) * s + 1 : s].transpose(0, 1, 2, 4, 5, 3)
    return outputs.reshape(-1, outputs[0, 0, 0].size)


def outputs_of(geometry: Blocks, part: Part) -> Part:
    """Which outputs depend on rows of blocks of a part (Dumoulin & Visin 2016, Sec. 4.1)."""
    first = max(0, part.rows.start - geometry.reach[0])
    return Part(part.images, slice(first, min(part.rows.stop, geometry.output[0])))


def fold(geometry: Blocks, unfolded: Array, b: Array, part: Part, x: Array) -> None:
    """The adjoint of `unfold`, plus b (Dumoulin & Visin 2016, Sec. 4.1).

    Args:
        geometry: of x.
        unfolded: of the outputs of `outputs_of` the part.
        b: (C,).
        part: which rows of blocks to write, of which images.
        x: written there only.
    """
    (s, C), (height, width) = (geometry.stride, geometry.channels), geometry.kernel
    outputs = outputs_of(geometry, part).rows
    images, count = x[part.images], outputs.stop - outputs.start
    windows = unfolded.reshape(len(images), count, geometry.output[1], height, -1)
    rows = max((count - 1) * s + height, (part.rows.stop - outputs.start) * s)
    padded = np.zeros((len(images), rows, geometry.columns, s * C), x.dtype)
    for p in range(height):
        for q in range(0, width, s):  # as many columns at once as do not overlap
            size, to_columns = min(s, width - q) * C, slice(q // s, q // s + geometry.output[1])
            target = padded[:, p : p + (count - 1) * s + 1 : s, to_columns, :size]
            target += windows[:, :, :, p, q * C : q * C + size]
    first, wanted = part.rows.start * s, (part.rows.stop - part.rows.start) * s
    from_rows, to_rows = _overlap(first - geometry.padding, wanted, geometry.size[0])
    from_columns, to_columns = _overlap(-geometry.padding, geometry.columns * s, geometry.size[1])
    here = padded.reshape(len(images), rows, -1, C)[:, first - outputs.start * s :]
    np.add(here[:, from_rows, from_columns], b, out=images[:, to_rows, to_columns])


def _overlap(first: int, length: int, size: int) -> tuple[slice, slice]:
    """Of `length` pixels from `first` on, those of an image of `size`: counted here, and there."""
    start = max(0, first)
    stop = max(start, min(size, first + length))
    return slice(start - first, stop - first), slice(start, stop)
