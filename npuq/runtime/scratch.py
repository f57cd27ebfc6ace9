"""Memory to compute in, kept by each thread: fresh memory costs more than most sums made in it.

A thread keeps at most KEPT bytes for each name; for images of usual width it is a tenth of that.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from npuq.backend import Array

KEPT = 1 << 24
_thread = threading.local()


def scratch(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array that holds anything, valid until this thread asks for the same name again."""
    kept: dict[str, Array] = _thread.__dict__
    size = math.prod(shape) * dtype.itemsize
    if size > KEPT:
        return np.empty(shape, dtype)
    if name not in kept or kept[name].size < size:
        kept[name] = np.empty(size, np.uint8)
    return kept[name][:size].view(dtype).reshape(shape)
