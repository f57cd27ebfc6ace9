"""Batches of random crops as the loop of training takes them, on the host or on a device."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.training.crops import draw_crops
from npuq.training.photographs import Photographs, training_batch


class RandomCrops(NamedTuple):
    """A `BatchSource` of `training_batch`; a device can cut the same crops by itself.

    Attributes: as the arguments of `training_batch`.
    """

    photographs: Photographs
    batch_size: int
    crop: int
    smaller_side: tuple[int, int]
    turns: bool
    part: slice = slice(None)

    def __call__(self, *, seed: int, step: int) -> Array:
        """The batch of a step."""
        return training_batch(self.photographs, seed=seed, step=step, **self._settings())

    def choices(self, *, seed: int, step: int) -> Array:
        """The crops of that batch, int32 (B, 7), as `npuq.training.crops.cut_crops` takes them."""
        shapes = [image.shape[:2] for image in self.photographs.training]
        settings = self._settings()
        part = settings.pop("part")
        return np.array(draw_crops(shapes, seed=seed, step=step, **settings)[part], np.int32)

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._fields[1:]}
