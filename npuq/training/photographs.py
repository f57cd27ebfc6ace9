"""Training data: random crops of randomly resized photographs (Sec. 5.2).

n photographs, a batch of B crops of C x C pixels; everything is uint8, RGB, channels last.

A batch is a pure function of (photographs, seed, step). A training that goes on after a stop
therefore sees the same crops as one that never stopped, without any saved state; and batches may
be made ahead of time, in any order, by any number of threads.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from npuq.backend import Array
from npuq.errors import TrainingError
from npuq.io.folders import list_images
from npuq.io.images import read_image
from npuq.training.crops import (
    SMALLER_SIDE,
    Choice,
    cut_crop,
    draw_crops,
    resized_shape,
    resized_window,
)


class Photographs(NamedTuple):
    """Decoded photographs, kept in memory as they are or reduced to the largest useful size."""

    training: tuple[Array, ...]  # each uint8 (H, W, 3), sizes differ
    validation: tuple[Array, ...]  # kept aside, never in a training batch


class BatchSource(Protocol):
    """What makes batches: the same batch for the same seed and step, whoever asks and when."""

    def __call__(self, *, seed: int, step: int) -> Array: ...


def load_photographs(
    folder: str | os.PathLike[str],
    *,
    validation_every: int | None = 20,
    smaller_side_max: int = SMALLER_SIDE[1],
    threads: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Photographs:
    """Decode all photographs of a folder into memory (three bytes a pixel), once.

    Args:
        folder: searched with its subfolders.
        validation_every: every k-th file, by sorted path, is kept aside, and the last one of
            fewer than k files; None keeps none, and a single file is for training.
        smaller_side_max: larger photographs are reduced to this smaller side, in pixels: no crop
            of `training_batch` needs more, and memory falls with the square.
        threads: that decode; Pillow works outside the interpreter's lock.
        progress: called with (files done, files in all) after each file.

    Returns:
        The photographs, in the order of their paths.

    Raises:
        ValueError: `validation_every` below 2, or another argument below 1.
        InvalidImageError: no such folder, no images in it, or one that cannot be read.
    """
    if validation_every is not None and validation_every < 2:
        raise ValueError(f"validation_every must be at least 2, or None, not {validation_every}")
    if smaller_side_max < 1 or threads < 1:
        raise ValueError("smaller_side_max and threads must be at least 1")
    files = list_images(folder)

    def load(path: os.PathLike[str]) -> Array:
        image = read_image(path)
        height, width = resized_shape(image.shape[:2], smaller_side_max)
        return resized_window(image, (height, width), 0, 0, height, width)

    images: list[Array] = []
    with ThreadPoolExecutor(threads) as pool:
        for image in pool.map(load, files):
            images.append(image)
            if progress is not None:
                progress(len(images), len(files))
    every = len(images) + 1
    if validation_every is not None and len(images) > 1:
        every = min(validation_every, len(images))
    return Photographs(
        training=tuple(image for i, image in enumerate(images) if (i + 1) % every != 0),
        validation=tuple(images[every - 1 :: every]),
    )


def describe_photographs(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """What tells one folder of photographs from another, without reading them.

    Returns:
        The folder's name, the number of its image files, and a hash of their names and sizes.

    Raises:
        InvalidImageError: no such folder, or no images in it.
    """
    folder = Path(folder)
    files = list_images(folder)
    listing = [(file.relative_to(folder).as_posix(), file.stat().st_size) for file in files]
    digest = hashlib.sha256(json.dumps(listing).encode()).hexdigest()
    return {"data": folder.resolve().name, "files": len(files), "files_hash": digest[:16]}


def training_batch(
    photographs: Photographs | Sequence[Array],
    *,
    seed: int,
    step: int,
    batch_size: int = 8,
    crop: int = 256,
    smaller_side: tuple[int, int] = SMALLER_SIDE,
    turns: bool = False,
    part: slice = slice(None),
) -> Array:
    """One batch of random crops of randomly resized photographs: Sec. 5.2.

    For each crop a photograph is drawn, then the smaller side that it is resized to (uniform
    over the integers of `smaller_side`), the position of the crop and whether it is mirrored.
    Nothing is enlarged: the range ends at the photograph's own smaller side and begins no lower
    than `crop` where the photograph allows it. One smaller than the crop is continued by
    reflection at its lower and right border.

    The random numbers come from `numpy.random.default_rng([seed, step])`.

    Args:
        photographs: what `load_photographs` returns, or a sequence of uint8 (H, W, 3).
        seed: of the whole training, >= 0.
        step: the training step, >= 0.
        batch_size: B.
        crop: C, in pixels.
        smaller_side: (low, high), in pixels, both possible.
        turns: whether each crop is turned by 0, 90, 180 or 270 degrees, at random.
        part: which crops of the batch to return; the others are drawn, but not cut.

    Returns:
        uint8 (B, C, C, 3), or fewer with `part`.

    Raises:
        TrainingError: there are no photographs.
        ValueError: an argument out of its range.

    Departure: mirroring and turning are ours; the paper's million photographs need neither.
    """
    images = photographs.training if isinstance(photographs, Photographs) else photographs
    if len(images) == 0:
        raise TrainingError("there are no photographs to train on")
    if batch_size < 1 or crop < 1:
        raise ValueError("batch_size and crop must be at least 1")
    if not 1 <= smaller_side[0] <= smaller_side[1]:
        raise ValueError(f"smaller_side must be (low, high), 1 <= low <= high, not {smaller_side}")
    choices = draw_crops(
        [image.shape[:2] for image in images], seed=seed, step=step, batch_size=batch_size,
        crop=crop, smaller_side=smaller_side, turns=turns,
    )[part]  # fmt: skip
    batch = np.empty((len(choices), crop, crop, 3), np.uint8)
    for sample, choice in zip(batch, choices, strict=True):
        sample[:] = cut_crop(images[choice.photograph], choice, crop)
    return batch


def validation_crops(
    photographs: Photographs | Sequence[Array],
    *,
    crop: int = 256,
    smaller_side: tuple[int, int] = SMALLER_SIDE,
) -> Array:
    """The central crop of every validation photograph, resized to the middle of the range.

    Args:
        photographs: what `load_photographs` returns (its validation part is used), or a sequence
            of uint8 (H, W, 3).
        crop: C, in pixels.
        smaller_side: (low, high), in pixels, as for `training_batch`.

    Returns:
        uint8 (n, C, C, 3); n may be 0.
    """
    images = photographs.validation if isinstance(photographs, Photographs) else photographs
    crops = np.empty((len(images), crop, crop, 3), np.uint8)
    for sample, image in zip(crops, images, strict=True):
        side = max((smaller_side[0] + smaller_side[1]) // 2, crop)
        shape = resized_shape(image.shape[:2], side)
        top, left = (max(size - crop, 0) // 2 for size in shape)
        sample[:] = cut_crop(image, Choice(0, *shape, top, left, 0, 0), crop)
    return crops


def batches(
    source: BatchSource,
    *,
    seed: int,
    first_step: int,
    stop_step: int,
    ahead: int = 4,
    threads: int = 2,
) -> Iterator[tuple[int, Array]]:
    """Batches in order of their steps, made ahead of time by threads.

    The batches are those that `source` gives when called; threads change when, not what. The
    threads end when the iterator does, is closed, or is forgotten. An error of `source` is raised
    at its step.

    Args:
        source: called as source(seed=seed, step=step), from several threads at once; for
            instance `functools.partial(training_batch, photographs, batch_size=8)`.
        seed: handed to `source`.
        first_step: the first step.
        stop_step: one past the last step, as in `range`.
        ahead: batches that are ready or in the making while the caller works, >= 1.
        threads: that make them, >= 1.

    Yields:
        (step, batch).
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="npuq-batches")
    pending: deque[tuple[int, Future[Array]]] = deque()
    next_step = first_step
    try:
        for step in range(first_step, stop_step):
            while next_step < min(step + max(ahead, 1), stop_step):
                pending.append((next_step, pool.submit(source, seed=seed, step=next_step)))
                next_step += 1
            yield step, pending.popleft()[1].result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
