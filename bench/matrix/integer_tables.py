"""Probabilities as counts of 65,536, for coders that leave this to their users."""

from __future__ import annotations

import numpy as np

BITS = 16


def counts_of(probabilities: np.ndarray) -> np.ndarray:
    """Rows (n, m) of counts, each at least 1, that sum to 65,536.

    What rounding leaves over goes to the largest.
    """
    n, m = probabilities.shape
    counts = 1 + np.floor(probabilities * (2**BITS - m)).astype(np.int64)
    if n:
        counts[np.arange(n), counts.argmax(1)] += 2**BITS - counts.sum(1)
    return counts


def cumulative(counts: np.ndarray) -> np.ndarray:
    """Rows (n, m + 1), from 0 to 65,536."""
    return np.pad(counts.cumsum(1), ((0, 0), (1, 0)))
