"""What a step on a device is told by the host, as bytes: one row for each step (`npuq.nn.rows`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.coding.noise import noise_place
from npuq.kernels.cuda.softness import rows_of
from npuq.nn.flat_adam import NUMBERS
from npuq.training.options import TrainingOptions
from npuq.training.schedules import LearningRates, learning_rates_at, softness_at

ALIGNMENT = 16  # bytes
TENSORS = 2  # of noise, at most
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # as `npuq.nn.adam.adam_step` has them


class Row:
    """Arrays of given types and shapes in one row of bytes."""

    def __init__(self, like: Mapping[str, Array]) -> None:
        """For arrays of the names, types and shapes of `like`."""
        self.places: dict[str, tuple[int, np.dtype[Any], tuple[int, ...]]] = {}
        self.size = 0
        for name, array in like.items():
            self.places[name] = self.size, array.dtype, array.shape
            self.size += -(-array.nbytes // ALIGNMENT) * ALIGNMENT

    def views(self, row: Array) -> dict[str, Array]:
        """The arrays in a row, (size,) uint8, on any device."""
        return {
            name: row[at : at + math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)
            for name, (at, dtype, shape) in self.places.items()
        }

    def written(self, arrays: Mapping[str, Array]) -> Array:
        """A row of the host that holds them."""
        row = np.zeros(self.size, np.uint8)
        for name, view in self.views(row).items():
            view[...] = arrays[name]
        return row


def numbers_of_step(options: TrainingOptions, step: int) -> dict[str, Array]:
    """What the schedules and the noise of a step are on a device.

    "adam" are the numbers of `npuq.nn.flat_adam`, "softness" those of the kernels, "places" those
    of the noise of each tensor.
    """
    clip = math.inf if options.clip_norm is None else options.clip_norm
    ratio = math.inf if options.skip_ratio is None else options.skip_ratio
    share = 1 / min(step + 1, options.average_steps) if options.average_steps else 0.0
    beside = BETA1, BETA2, EPSILON, clip, ratio, share
    assert len(beside) == NUMBERS
    found = {
        "adam": np.array([*beside, *learning_rates_at(options, step)]),
        "softness": rows_of(*softness_at(options, step).alphas()),
    }
    if options.noise == "philox":
        places = [noise_place(options.seed, step, tensor) for tensor in range(TENSORS)]
        found["places"] = np.stack(places)
    return found


RATES = LearningRates._fields
"""The groups of parameters, in the order of their rates in "adam"."""
