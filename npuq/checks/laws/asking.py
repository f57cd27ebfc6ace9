"""What laws share: hard points, and a function asked at them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from npuq.backend import Array
from npuq.checks.law import Functions, Observation


class WrongResultError(ValueError):
    """A function of the target returned something of another shape, or no numbers."""


def points(dtype: npt.DTypeLike) -> Array:
    """Integers, half-integers, their neighbours on both sides, and places in between."""
    special = np.array([0.0, 0.5, -0.5, 1.0, -1.0, 2.5, -3.0, 6.0], dtype)
    near = [np.nextafter(special, np.array(side, dtype)) for side in (-np.inf, np.inf)]
    far = [1e-3, -1e-3, 0.05, 0.1, 0.2, 0.25, 0.4, 0.49, 0.51, 0.75, 0.9, -0.3, -1.7, 7.3, -12.6]
    tiny = np.finfo(dtype).tiny  # neighbours of 0 are denormal, which processors may flush
    near = [p[abs(p) >= tiny] for p in near]
    return np.concatenate([special, *near, np.array(far, dtype)])


def hard(dtype: npt.DTypeLike, largest: float = 1e5) -> Array:
    """About 130 numbers at which floors, ties and differences change, up to a magnitude.

    Integers, half-integers and their neighbours, numbers near 0, large ones with a fraction.
    """
    ties = np.arange(-6, 7, dtype=dtype) / 2
    large = np.array([1e5 + 0.25, -1e5 - 0.25, 1e5, 1e5 + 0.5], dtype)
    powers = np.array([1e-300, 1e-30, 1e-20, 1e-10, 1e-7, 1e-5, 1e-3, 1e-2, 0.1, 0.2], np.float64)
    small = powers[powers > (1e-36 if np.dtype(dtype) == np.float32 else 0)].astype(dtype)
    fractions = np.array([0.25, 0.3, 0.4, 0.45, 0.49, 0.499, 0.4999, 0.49999, 0.75, 0.9], dtype)
    numbers = np.concatenate([ties, large, small, -small, fractions, -fractions, 1 - small])
    infinity = np.array(np.inf, dtype)
    numbers = np.concatenate([numbers, *(np.nextafter(ties, end) for end in (infinity, -infinity))])
    is_normal = abs(numbers) > np.finfo(dtype).tiny  # processors may flush the others to 0
    return numbers[(is_normal | (numbers == 0)) & (abs(numbers) <= largest)]


def anywhere(dtype: npt.DTypeLike, seed: int, largest: float = 1e5) -> Array:
    """The hard numbers, and 80 random ones, half of them close to an integer or a half-integer."""
    rng = np.random.default_rng(seed)
    near = rng.integers(-6, 7, 40) / 2 + 10.0 ** rng.uniform(-9, -1, 40) * rng.choice([-1, 1], 40)
    random = np.concatenate([rng.uniform(-4, 4, 40), near]).astype(dtype)
    return np.concatenate([hard(dtype, largest), random])


def random_alphas(seed: int, least: float, most: float, count: int = 4) -> tuple[float, ...]:
    """Softness between two bounds, of any magnitude, in three digits."""
    exponents = np.random.default_rng(seed).uniform(np.log10(least), np.log10(most), count)
    return tuple(float(f"{alpha:.3g}") for alpha in 10**exponents)


def ask(
    functions: Functions,
    name: str,
    arguments: tuple[Any, ...],
    expected: Any,
    tolerance: Any,
    *,
    pointwise: bool = True,
    since: int = 1,
) -> Observation:
    """Call a function and put its answer beside the one that is right.

    Raises:
        WrongResultError: the answer has another shape.
    """
    observed = functions[name](*arguments)
    seen = beside(name, arguments, observed, expected, tolerance, pointwise=pointwise)
    return seen._replace(since=since)


def beside(
    name: str,
    arguments: tuple[Any, ...],
    observed: Any,
    expected: Any,
    tolerance: Any,
    *,
    pointwise: bool = True,
    read: str = "{}",
) -> Observation:
    """An answer that is there already, beside the right one.

    Raises:
        WrongResultError: it has another shape.
    """
    expected = np.asarray(expected, np.float64)
    try:
        observed = np.asarray(observed, np.float64)
    except (TypeError, ValueError) as error:
        raise WrongResultError(f"{name} returned no array of numbers: {error}") from error
    if observed.shape != expected.shape:
        raise WrongResultError(
            f"{name} returned the shape {observed.shape} where {expected.shape} was due"
        )
    return Observation(
        name, arguments, observed, expected, np.asarray(tolerance, np.float64), pointwise, read
    )
