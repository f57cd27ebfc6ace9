"""Random crops of randomly resized photographs: what is drawn, and how it is cut (Sec. 5.2).

What is drawn for a crop is a `Choice`, integers alone, so that another device cuts the same pixels:
`cut_crops` has a twin that reads photographs from the device's memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.runtime.twins import has_twins

SMALLER_SIDE = (533, 1200)
"""Range of the smaller side after random resizing, in pixels (Sec. 5.2)."""


class Choice(NamedTuple):
    """One crop.

    Attributes:
        photograph: its number.
        height, width: that it is resized to.
        top, left: where the crop begins in the resized photograph.
        mirrored: 1 if left and right change places.
        turns: by 90 degrees, counterclockwise, afterwards.
    """

    photograph: int
    height: int
    width: int
    top: int
    left: int
    mirrored: int
    turns: int


class Resident(NamedTuple):
    """Photographs in one piece of memory, one after the other.

    Attributes:
        pixels: uint8 (all bytes,), each photograph (H, W, 3).
        starts: int64 (n,), where each begins.
        shapes: int32 (n, 2), height and width of each.
    """

    pixels: Array
    starts: Array
    shapes: Array


def resident(images: Sequence[Array]) -> Resident:
    """Photographs, each uint8 (H, W, 3), in one piece of memory (Sec. 5.2)."""
    sizes = np.cumsum([0, *(image.size for image in images)])
    shapes = np.array([image.shape[:2] for image in images], np.int32).reshape(-1, 2)
    pixels = np.concatenate([np.empty(0, np.uint8), *(image.reshape(-1) for image in images)])
    return Resident(pixels, sizes[:-1].astype(np.int64), shapes)


def largest_reduction(shapes: Sequence[tuple[int, ...]], crop: int, smallest: int) -> float:
    """The largest factor that a side is reduced by, where smaller sides begin at `smallest`."""
    factors = [1.0]
    for shape in shapes:
        side = min(max(smallest, crop), *shape[:2])
        resized = resized_shape(shape[:2], side)
        factors += [old / new for old, new in zip(shape[:2], resized, strict=True)]
    return max(factors)


def draw_crops(
    shapes: Sequence[tuple[int, ...]], *, seed: int, step: int, batch_size: int, crop: int,
    smaller_side: tuple[int, int], turns: bool,
) -> list[Choice]:  # fmt: skip
    """The crops of a batch: the arguments are those of `npuq.training.photographs.training_batch`.

    Args:
        shapes: height and width of each photograph.
    """
    rng = np.random.default_rng([seed, step])
    choices = []
    for _ in range(batch_size):
        number = int(rng.integers(len(shapes)))
        high = min(max(smaller_side[1], crop), *shapes[number])
        low = min(max(smaller_side[0], crop), high)
        height, width = resized_shape(shapes[number], int(rng.integers(low, high + 1)))
        top = int(rng.integers(max(height - crop, 0) + 1))
        left = int(rng.integers(max(width - crop, 0) + 1))
        mirrored = int(rng.random() < 0.5)
        turned = int(rng.integers(4)) if turns else 0
        choices.append(Choice(number, height, width, top, left, mirrored, turned))
    return choices


def _check(photographs: Resident, choices: Array, *, crop: int, scale: float) -> None:
    if choices.ndim != 2 or choices.shape[1] != len(Choice._fields) or crop < 1 or not scale >= 1:
        raise ValueError(
            f"choices must be (B, {len(Choice._fields)}), crop and scale at least 1, not "
            f"{choices.shape}, {crop} and {scale}"
        )


@has_twins(check=_check)
def cut_crops(photographs: Resident, choices: Array, *, crop: int, scale: float) -> Array:
    """The crops of a batch, uint8 (B, crop, crop, 3). Sec. 5.2. It has a fast twin.

    Args:
        photographs: where their pixels are.
        choices: int32 (B, 7), a `Choice` in each row.
        crop: side of the crops, in pixels.
        scale: the largest factor that a side of a chosen photograph is reduced by, at least.

    Numerics: pixel for pixel the same on every device where photographs keep their proportions, as
        in training. Which axis is resized first where they do not depends on Pillow's version.

    Raises:
        ValueError: `choices` of another shape, or `crop` or `scale` below 1.
    """
    batch = np.empty((len(choices), crop, crop, 3), np.uint8)
    for sample, row in zip(batch, choices.tolist(), strict=True):
        choice = Choice(*row)
        (height, width), start = photographs.shapes[row[0]], photographs.starts[row[0]]
        image = photographs.pixels[start : start + 3 * height * width].reshape(height, width, 3)
        sample[:] = cut_crop(image, choice, crop)
    return batch


def cut_crop(image: Array, choice: Choice, crop: int) -> Array:
    """A square piece of the resized image, continued by reflection where the image ends (Sec. 5.2).

    Args:
        image: uint8 (H, W, 3).
        choice: of this image.
        crop: side, in pixels.
    """
    _, *shape, top, left, mirrored, turns = choice
    height, width = min(crop, shape[0]), min(crop, shape[1])
    piece = resized_window(image, (shape[0], shape[1]), top, left, height, width)
    # "symmetric" repeats the border pixel, so that it is defined for a single pixel as well
    piece = np.pad(piece, ((0, crop - height), (0, crop - width), (0, 0)), mode="symmetric")
    piece = piece[:, ::-1] if mirrored else piece
    return np.rot90(piece, turns)


def resized_shape(shape: tuple[int, ...], smaller_side: int) -> tuple[int, int]:
    """Height and width with the given smaller side and the old proportions; never enlarged."""
    height, width = shape
    scale = min(smaller_side / min(height, width), 1.0)
    return max(round(height * scale), 1), max(round(width * scale), 1)


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
