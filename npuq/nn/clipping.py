"""Gradients that are too long: shortened, or left out (Pascanu, Mikolov & Bengio 2013).

The length is that of all gradients of a step together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from npuq.backend import Array

REMEMBERED = 200  # lengths of gradients, of which the median is taken
TO_JUDGE = 20  # of them, before any step is judged


def gradient_length(gradients: dict[str, Array]) -> float:
    """The Euclidean length of all gradients together (Pascanu, Mikolov & Bengio 2013)."""
    return math.sqrt(sum(float((d * d).sum()) for d in gradients.values()))


def clipped(
    gradients: dict[str, Array], length: float, clip_norm: float | None
) -> dict[str, Array]:
    """Gradients shortened, all by one factor, to `clip_norm` where they are longer together.

    The clipping of Pascanu, Mikolov & Bengio (2013, Alg. 1).
    """
    if clip_norm is None or length <= clip_norm:
        return gradients
    return {name: d * d.dtype.type(clip_norm / length) for name, d in gradients.items()}


def is_outlier(length: float, before: Sequence[float] | Array, ratio: float) -> bool:
    """Whether a gradient is longer than `ratio` times the median of those before it.

    Clipping (Pascanu, Mikolov & Bengio 2013) would keep its direction. Such a batch holds what the
    model has not learned to expect; one step on it can undo hundreds.
    The lengths of skipped steps count in the median, so that a lasting change is soon no outlier.
    """
    return len(before) >= TO_JUDGE and length > ratio * float(np.median(before))
