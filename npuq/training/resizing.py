"""Parts of resized pictures, without the rest: what random crops are cut from (Sec. 5.2)."""

from __future__ import annotations

import numpy as np

from npuq.backend import Array


def resized_shape(image: Array, smaller_side: int) -> tuple[int, int]:
    """Height and width with the given smaller side and the old proportions; never enlarged."""
    height, width = image.shape[:2]
    scale = min(smaller_side / min(height, width), 1.0)
    return max(round(height * scale), 1), max(round(width * scale), 1)


def resized_crop(image: Array, shape: tuple[int, int], top: int, left: int, crop: int) -> Array:
    """A square piece of the resized image, continued by reflection where the image ends."""
    height, width = min(crop, shape[0]), min(crop, shape[1])
    piece = resized_window(image, shape, top, left, height, width)
    # "symmetric" repeats the border pixel, so that it is defined for a single pixel as well
    return np.pad(piece, ((0, crop - height), (0, crop - width), (0, 0)), mode="symmetric")


def resized_window(
    image: Array, shape: tuple[int, int], top: int, left: int, height: int, width: int
) -> Array:
    """resize(image, shape)[top : top + height, left : left + width], without the rest.

    The same filter weights are applied to the same pixels as if the whole image were resized
    (bicubic, widened by the factor of reduction against aliasing): the part of the source that
    the window covers is cut out with a margin as wide as the filter reaches.
    """
    if shape == image.shape[:2]:
        return image[top : top + height, left : left + width]
    from PIL import Image

    spans = []
    for start, count, old, new in (
        (top, height, image.shape[0], shape[0]),
        (left, width, image.shape[1], shape[1]),
    ):
        scale = old / new
        begin, end = start * scale, min((start + count) * scale, float(old))
        margin = 2 * scale + 1  # the bicubic kernel reaches two output pixels to either side
        first, stop = max(int(begin - margin), 0), min(int(end + margin) + 1, old)
        spans.append((first, stop, begin - first, min(end - first, float(stop - first))))
    (y0, y1, box_top, box_bottom), (x0, x1, box_left, box_right) = spans
    source = Image.fromarray(np.ascontiguousarray(image[y0:y1, x0:x1]))
    resized = source.resize(
        (width, height),
        resample=Image.Resampling.BICUBIC,
        box=(box_left, box_top, box_right, box_bottom),
    )
    return np.asarray(resized)
