"""Hypothesis strategies that aim at the places where rounding goes wrong.

Coefficients: integers, half-integers and the floating-point neighbours of both, numbers near 0,
and large ones with a fraction. Softness: 0, numbers around every threshold of the implementation
(where alpha^2 < eps, where e^alpha or e^(alpha/2) overflows in either dtype), and infinity.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from npuq.backend import Array

DTYPES = (np.float32, np.float64)
FINITE_ALPHAS = (
    *(0.0, 1e-12, 1e-4, 0.5, 1.0, 7.0, 16.0, 18.0, 64.0),
    *(88.7, 100.0, 700.0, 1420.0, 1e6),
)
ALPHAS = (*FINITE_ALPHAS, float("inf"))
SHAPES = ((), (0,), (2, 3))


def nasty_coefficients(dtype: Any) -> Array:
    """About 130 numbers at which floors, ties and differences change."""
    ties = np.arange(-6, 7, dtype=dtype) / 2
    large = np.array([1e5 + 0.25, -1e5 - 0.25, 1e5, 1e5 + 0.5], dtype)
    powers = np.array([1e-300, 1e-30, 1e-20, 1e-10, 1e-7, 1e-5, 1e-3, 1e-2, 0.1, 0.2], np.float64)
    small = powers[powers > 1e-290 if dtype == np.float64 else powers > 1e-36].astype(dtype)
    fractions = np.array([0.25, 0.3, 0.4, 0.45, 0.49, 0.499, 0.4999, 0.49999, 0.75, 0.9], dtype)
    points = np.concatenate([ties, large, small, -small, fractions, -fractions, 1 - small])
    infinity = np.array(np.inf, dtype)
    neighbours = [np.nextafter(ties, infinity), np.nextafter(ties, -infinity)]
    is_normal = abs(points) > np.finfo(dtype).tiny
    return np.concatenate([points[is_normal | (points == 0)], *neighbours])


def coefficients(dtype: Any, largest: float = 1e5) -> st.SearchStrategy[Array]:
    """Arrays of one of SHAPES; nasty numbers and arbitrary ones of magnitude up to `largest`."""
    width = 32 if dtype == np.float32 else 64
    some = nasty_coefficients(dtype)
    nasty = st.sampled_from([float(x) for x in some[abs(some) <= largest]])
    number = nasty | st.floats(-8, 8, width=width) | st.floats(-largest, largest, width=width)

    def array(shape: tuple[int, ...]) -> st.SearchStrategy[Array]:
        size = int(np.prod(shape))
        numbers = st.lists(number, min_size=size, max_size=size)
        return numbers.map(lambda values: np.array(values, dtype).reshape(shape))

    return st.sampled_from(SHAPES).flatmap(array)


def alphas(largest: float = float("inf")) -> st.SearchStrategy[float]:
    """Softness from 0 to `largest`."""
    nasty = st.sampled_from([alpha for alpha in ALPHAS if alpha <= largest])
    return nasty | st.floats(0, min(largest, 100))


def dtypes() -> st.SearchStrategy[Any]:
    """float32 or float64."""
    return st.sampled_from(DTYPES)
