"""Hypothesis strategies that aim at the places where rounding goes wrong.

Sixty drawn examples may miss a hard value, or meet it beside harmless ones only. So `each` adds all
combinations of the hard ones as explicit examples, in every profile (see `conftest.py`).

Coefficients: integers, half-integers and the floating-point neighbours of both, numbers near 0,
and large ones with a fraction. Softness: 0, numbers around every threshold of the implementation
(where alpha^2 < eps, where e^alpha or e^(alpha/2) overflows in either dtype), and infinity.
Noise: both ends of [-1/2, 1/2), 0 and its neighbours, the outermost dithers of files.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
from hypothesis import example
from hypothesis import strategies as st

from npuq.backend import Array
from npuq.checks.laws.asking import hard

DTYPES = (np.float32, np.float64)
FINITE_ALPHAS = (
    *(0.0, 1e-12, 1e-4, 0.5, 1.0, 7.0, 16.0, 18.0, 64.0),
    *(88.7, 100.0, 700.0, 1420.0, 1e6),
)
ALPHAS = (*FINITE_ALPHAS, float("inf"))
SHAPES = ((), (0,), (2, 3))
NOISES = (-0.5, -255 / 512, -1 / 512, 0.0, 2.0**-24, 0.25, 255 / 512, 0.5 - 2.0**-20)
SMALLEST = {np.float32: 1e-36, np.float64: 1e-290}
"""Below these the results, or what they are made of, are denormal and have fewer digits."""
NASTY_SEEDS = (0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1)
Test = TypeVar("Test", bound=Callable[..., Any])


def each(**values: Iterable[Any]) -> Callable[[Test], Test]:
    """Decorator of a property: every combination of these arguments is an example of its own."""

    def decorate(test: Test) -> Test:
        for combination in itertools.product(*values.values()):
            test = example(**dict(zip(values, combination, strict=True)))(test)
        return test

    return decorate


def nasty_arrays(largest: float = 1e5, dtypes: Iterable[Any] = DTYPES) -> list[Array]:
    """The hard numbers of laws (`npuq.checks.laws.asking`) in one array, for each dtype."""
    return [hard(dtype, largest) for dtype in dtypes]


def coefficients(dtype: Any, largest: float = 1e5) -> st.SearchStrategy[Array]:
    """Arrays of one of SHAPES; nasty numbers and arbitrary ones of magnitude up to `largest`."""
    width = 32 if dtype == np.float32 else 64
    nasty = st.sampled_from([float(x) for x in hard(dtype, largest)])
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


def noises() -> st.SearchStrategy[float]:
    """Noise in [-1/2, 1/2), multiples of 2^-24: exact in float32, and k + u in float64."""
    return st.sampled_from(NOISES) | st.integers(-(2**23), 2**23 - 1).map(lambda n: n / 2**24)


def seeds() -> st.SearchStrategy[int]:
    """Seeds of 64 bits."""
    return st.sampled_from(NASTY_SEEDS) | st.integers(0, 2**64 - 1)
