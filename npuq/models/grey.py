"""Grey pictures come back grey: their files say so, and a decoder then makes one colour of three.

The models code red, green and blue, each with an error of its own, so that grey pixels come back
with a tint. The mean of the three is as near to the grey that was sent as they are in the mean, or
nearer: (mean x - t)^2 <= mean (x - t)^2.
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array

PIXELS = 1 << 18  # looked at at once: most pictures show their colours there


def is_grey(image: Array) -> bool:
    """Whether red, green and blue are equal everywhere in (H, W, 3)."""
    rows = max(1, PIXELS // image.shape[1])
    for top in range(0, len(image), rows):
        red, green, blue = image[top : top + rows].transpose(2, 0, 1)
        if not (np.array_equal(red, green) and np.array_equal(green, blue)):
            return False
    return True


def made_grey(pixels: Array, axis: int, white: float) -> Array:
    """The mean of the three colours along an axis, in the place of each; clipped to 0 .. white."""
    mean = pixels.clip(0, white).mean(axis=axis, keepdims=True)
    return np.broadcast_to(mean, pixels.shape)
