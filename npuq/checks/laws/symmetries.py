"""Laws that hold between values of soft rounding, its inverse and r: Eq. 10, Eq. 14, Appendix D.

They ask the target of itself, at hundreds of places, where the laws of values ask a few dozens.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from npuq.backend import Array
from npuq.checks.law import DTYPES, Dtypes, Functions, Law, Observation
from npuq.checks.laws.asking import ask, beside
from npuq.checks.laws.soft_rounding import (
    ALPHAS,
    COSTS,
    EQUATIONS,
    EXACT,
    HALF_THE_DIGITS,
    tolerance_of,
)

FEW_ALPHAS = (1.0, 7.0)
"""At which the inverse is not steep: what rounding does to a sum is far below a fault."""
SHIFTS = (1, -2, 5, 300, -40_000)
"""Also far out, where what clips or keeps its floor in 8 or 16 bits is wrong."""
PLACES = 240


def places(dtype: str) -> Array:
    """Multiples of 1/64 with few digits, so that y + n and -y are exact; ties are left out."""
    steps = np.random.default_rng(30).integers(-128, 128, PLACES)
    return (steps[steps % 32 != 0] / 64).astype(dtype)


def _periodic(functions: Functions, *, name: str, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    for dtype in dtypes:
        for alpha in FEW_ALPHAS:
            for shift in SHIFTS:
                y = places(dtype)
                expected = np.asarray(functions[name](y, alpha), np.float64) + shift
                yield _as_well(functions, name, y + y.dtype.type(shift), alpha, expected)


def _odd(functions: Functions, *, name: str, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    for dtype in dtypes:
        for alpha in FEW_ALPHAS:
            y = places(dtype)
            yield _as_well(functions, name, y, alpha, -np.asarray(functions[name](-y, alpha)))


def _as_well(functions: Functions, name: str, y: Array, alpha: float, due: Array) -> Observation:
    """f(y) beside what the target itself says elsewhere: both may be off."""
    tolerance = 2 * tolerance_of(name, y, EXACT[name][1](y, alpha))
    return ask(functions, name, (y, alpha), due, tolerance)


def _monotone(functions: Functions, *, name: str, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    """How far values fall where arguments rise: 0, but for what the last digits do."""
    for dtype in dtypes:
        for alpha in ALPHAS:
            z = np.arange(-96, 160).astype(dtype) / 64
            values = np.asarray(functions[name](z, alpha), np.float64)
            beside(name, (z, alpha), values, z, 0)  # one for each
            fall = np.maximum(-np.diff(values), 0)
            read = "np.maximum(-np.diff(np.asarray({})), 0)"
            yield beside(name, (z, alpha), fall, np.zeros(len(z) - 1), _falls(name, dtype),
                         pointwise=False, read=read)  # fmt: skip


def _falls(name: str, dtype: str) -> float:
    eps = float(np.finfo(dtype).eps)
    return 16 * eps if name == "soft_round" else float(np.sqrt(eps))


def _inverts(functions: Functions, *, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    name = "soft_round_inverse"
    for dtype in dtypes:
        for alpha in ALPHAS:
            y = places(dtype)
            z = np.asarray(functions["soft_round"](y, alpha)).astype(dtype)
            slope = EXACT[name][1](z, alpha)
            off = np.minimum(tolerance_of("soft_round", z, np.zeros(len(z))) * slope, 0.5)
            tolerance = tolerance_of(name, z, slope) + off
            yield ask(functions, name, (z, alpha), y, tolerance)


def _laws() -> Iterator[Law]:
    for name, equation in EQUATIONS.items():
        cost = COSTS[name]
        yield Law(
            f"{name}.periodic", equation, (name,), "f(y + n) = f(y) + n for integers n",
            "twice those of values", cost, functools.partial(_periodic, name=name),
            DTYPES,
        )  # fmt: skip
        yield Law(
            f"{name}.odd", equation, (name,), "f(-y) = -f(y), away from ties",
            "twice those of values", cost, functools.partial(_odd, name=name), DTYPES,
        )  # fmt: skip
        yield Law(
            f"{name}.monotone", equation, (name,),
            "f never falls, for alpha from 0.01 to 16, in both precisions",
            "16 eps" if name == "soft_round" else "sqrt(eps), half of the digits",
            "two coefficients change places", functools.partial(_monotone, name=name),
            DTYPES,
        )  # fmt: skip
    yield Law(
        "soft_round_inverse.inverts", "Eq. 10, inverted", ("soft_round_inverse", "soft_round"),
        "s^-1(s(y)) = y", f"{HALF_THE_DIGITS}; and the last digits of s(y), times the slope",
        "a density of other coefficients than those sent", _inverts, DTYPES,
    )  # fmt: skip


LAWS = tuple(_laws())
