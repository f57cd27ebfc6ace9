"""Twin of `npuq.training.crops` on a CUDA device, where photographs are resident."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.launch import contiguous, launch_each, size
from npuq.runtime.twins import takes


@takes((np.uint8, np.int64, np.int32, np.int32))
def cut_crops(photographs: Any, choices: Array, *, crop: int, scale: float) -> Array:
    """Fast twin of `npuq.training.crops.cut_crops`."""
    import cupy

    pixels, starts, shapes, choices = contiguous(*photographs, choices)
    B = len(choices)
    room = 2 * math.ceil(2 * scale) + 1  # pixels that one is made of, along an axis
    height = math.ceil(crop * scale) + 2 * room  # rows of a photograph that a crop needs
    spans = cupy.empty((B, 2, crop, 2), np.int32)
    weights = cupy.empty((B, 2, crop, room), np.int32)
    lines, crops = (cupy.empty((B, n, crop, 3), np.uint8) for n in (height, crop))
    sides = np.int32(crop), np.int32(room), np.int32(height)
    launch_each(
        "crops", "weights_of_crops", B * 2 * crop, choices, shapes, spans, weights, np.int32(B),
        *sides[:2],
    )  # fmt: skip
    launch_each(
        "crops", "resize_rows", lines.size, pixels, starts, shapes, choices, spans, weights, lines,
        *sides, size(lines.shape),
    )  # fmt: skip
    launch_each(
        "crops", "resize_columns", crops.size, lines, choices, spans, weights, crops, *sides,
        size(crops.shape),
    )  # fmt: skip
    return crops
