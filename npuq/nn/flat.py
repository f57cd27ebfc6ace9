"""Named arrays as views of one flat buffer, so that what goes over all parameters is one launch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from npuq.backend import Array, xp_of

ALIGNMENT = 64  # numbers that each array's place is a multiple of


class Flat:
    """Where each of some named arrays lies in a flat one."""

    def __init__(self, like: Mapping[str, Array]) -> None:
        """For arrays of the names and shapes of `like`."""
        self.places: dict[str, tuple[int, tuple[int, ...]]] = {}
        self.size = 0
        for name, array in like.items():
            self.places[name] = self.size, array.shape
            self.size += -(-math.prod(array.shape) // ALIGNMENT) * ALIGNMENT

    def views(self, buffer: Array) -> dict[str, Array]:
        """The arrays in a buffer of `size` numbers."""
        return {
            name: buffer[at : at + math.prod(shape)].reshape(shape)
            for name, (at, shape) in self.places.items()
        }

    def write(self, arrays: Mapping[str, Array], views: Mapping[str, Array]) -> None:
        """Copy arrays to their views."""
        for name, view in views.items():
            view[...] = arrays[name]

    def buffer(self, arrays: Mapping[str, Any], dtype: Any) -> Array:
        """A new buffer that holds arrays; numbers between them are 0.

        Args:
            arrays: by name, where the buffer is to lie.
            dtype: of the buffer.
        """
        made = xp_of(*arrays.values()).zeros(self.size, dtype)
        self.write(arrays, self.views(made))
        return made
