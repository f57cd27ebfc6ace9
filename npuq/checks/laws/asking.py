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


def ask(
    functions: Functions,
    name: str,
    arguments: tuple[Any, ...],
    expected: Any,
    tolerance: Any,
    *,
    pointwise: bool = True,
) -> Observation:
    """Call a function and put its answer beside the one that is right.

    Raises:
        WrongResultError: the answer has another shape.
    """
    observed = functions[name](*arguments)
    return beside(name, arguments, observed, expected, tolerance, pointwise=pointwise)


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
