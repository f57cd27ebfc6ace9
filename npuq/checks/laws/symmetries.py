"""Laws that hold between values of soft rounding, its inverse and r: Eq. 10, Eq. 14, Appendix D.

They ask the target of itself, at hundreds of places, where the laws of values ask a few dozens.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from npuq.backend import Array
from npuq.checks import exact
from npuq.checks.law import DTYPES, Dtypes, Functions, Law, Observation
from npuq.checks.laws.asking import anywhere, ask, beside, random_alphas
from npuq.checks.laws.soft_rounding import (
    ALPHAS,
    COSTS,
    EDGES,
    EQUATIONS,
    EXACT,
    HALF_THE_DIGITS,
    LARGE_ALPHAS,
    allowed,
    tolerance_of,
)

Alphas: TypeAlias = Callable[[], tuple[float, ...]]

SHIFTS = (1, -2, 5, 300, -40_000)
"""Also far out, where what clips or keeps its floor in 8 or 16 bits is wrong."""
PLACES = 240
ENDS = (1e-38, 1e-41, 1e-45, 1e-300, 1e-308, 1e-313, 1e-323, 2.0**20, -(2.0**20) - 0.5)
"""Next to 0, some of them denormal, of which processors may make 0; and far from it."""


def every_alpha() -> tuple[float, ...]:
    """Those of the laws of values, and random ones in between."""
    return tuple(sorted([*ALPHAS, *random_alphas(44, ALPHAS[0], ALPHAS[-1])]))


def large_alphas() -> tuple[float, ...]:
    """What no schedule of the paper has."""
    return *EDGES, LARGE_ALPHAS[-1]


def places(dtype: str) -> Array:
    """Multiples of 1/64 with few digits, so that y + n and -y are exact; ties are left out."""
    steps = np.random.default_rng(30).integers(-128, 128, PLACES)
    return (steps[steps % 32 != 0] / 64).astype(dtype)


def all_over(dtype: str) -> Array:
    """Hard and random numbers, and those of ENDS."""
    return np.concatenate([anywhere(dtype, 45), np.array(ENDS).astype(dtype)])


def _periodic(functions: Functions, *, name: str, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    for dtype in dtypes:
        for alpha in every_alpha():
            y = places(dtype)
            slope = EXACT[name][1](y, alpha)  # that of y + n as well
            for shift in SHIFTS:
                expected = np.asarray(functions[name](y, alpha), np.float64) + shift
                there = y + y.dtype.type(shift)
                tolerance = 2 * tolerance_of(name, there, slope)
                yield ask(functions, name, (there, alpha), expected, tolerance)


def _odd(
    functions: Functions, alphas: Alphas, *, name: str, dtypes: Dtypes = DTYPES
) -> Iterator[Observation]:
    for dtype in dtypes:
        for alpha in alphas():
            y = all_over(dtype)
            mirrored = -np.asarray(functions[name](-y, alpha))
            yield ask(functions, name, (y, alpha), mirrored, 2 * allowed(name, y, alpha))


def _between(
    functions: Functions, alphas: Alphas, *, name: str, dtypes: Dtypes = DTYPES
) -> Iterator[Observation]:
    """What is expected of a value that goes too far is the multiple of 1/2 that it has crossed."""
    for dtype in dtypes:
        y = all_over(dtype)
        below, above = (end(2 * y.astype(np.float64)) / 2 for end in (np.floor, np.ceil))
        for alpha in alphas():
            value = beside(name, (y, alpha), functions[name](y, alpha), y, 0).observed
            due = np.where(np.isnan(value), y, np.clip(value, below, above))
            yield beside(name, (y, alpha), value, due, allowed(name, y, alpha))


def _monotone(
    functions: Functions, alphas: Alphas, *, name: str, dtypes: Dtypes = DTYPES
) -> Iterator[Observation]:
    """How far values fall where arguments rise: 0, but for what the last digits do.

    On a grid, and at hard numbers with those next to them.
    """
    for dtype in dtypes:
        grid = np.arange(-96, 160).astype(dtype) / 64
        some = all_over(dtype)
        some = some[abs(some) <= 2.5]
        next_to = [np.nextafter(some, np.array(end, dtype)) for end in (-4, 4)]
        for alpha, z in itertools.product(alphas(), (grid, np.unique([some, *next_to]))):
            values = np.asarray(functions[name](z, alpha), np.float64)
            beside(name, (z, alpha), values, z, 0)  # one for each
            fall = np.maximum(-np.diff(values), 0)
            read = "np.maximum(-np.diff(np.asarray({})), 0)"
            yield beside(name, (z, alpha), fall, np.zeros(len(z) - 1), _falls(name, dtype),
                         pointwise=False, read=read)  # fmt: skip


def _shape_at_large_alpha(
    functions: Functions, *, name: str, dtypes: Dtypes = DTYPES
) -> Iterator[Observation]:
    for law in (_odd, _between, _monotone):
        yield from law(functions, large_alphas, name=name, dtypes=dtypes)


def _sharpens(functions: Functions, *, name: str, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    """Each value beside that of the softer alpha before, which is farther from the integer."""
    for dtype in dtypes:
        y = all_over(dtype)
        nearest = exact.round_half_up(y)
        far = np.full(y.shape, np.inf)
        for alpha in every_alpha():
            value = beside(name, (y, alpha), functions[name](y, alpha), y, 0).observed
            due = np.where(np.isnan(value), y, np.clip(value, nearest - far, nearest + far))
            tolerance = 2 * allowed(name, y, alpha)
            yield beside(name, (y, alpha), value, due, tolerance)
            far = abs(value - nearest)


def _falls(name: str, dtype: str) -> float:
    eps = float(np.finfo(dtype).eps)
    return 16 * eps if name == "soft_round" else float(np.sqrt(eps))


def _inverts(functions: Functions, *, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    name = "soft_round_inverse"
    for dtype in dtypes:
        for alpha, y in itertools.product(every_alpha(), (places(dtype), anywhere(dtype, 46, 8))):
            z = np.asarray(functions["soft_round"](y, alpha)).astype(dtype)
            slope = EXACT[name][1](z, alpha)
            off = np.minimum(tolerance_of("soft_round", z, np.zeros(len(z))) * slope, 0.5)
            tolerance = tolerance_of(name, z, slope) + off
            yield ask(functions, name, (z, alpha), y, tolerance)


def _undone(functions: Functions, *, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    """s is allowed its own digits, and what it changes by where the inverse uses its tolerance."""
    name = "soft_round"
    read = "np.asarray({{of[soft_round]}}({{w}}(np.asarray({{}}, {0!r})), {1}))"
    for dtype in dtypes:
        for alpha in every_alpha()[::2]:
            z = anywhere(dtype, 47, 8)
            y = np.asarray(functions["soft_round_inverse"](z, alpha)).astype(dtype)
            back = functions[name](y, alpha)
            right = exact.soft_round_inverse(z, alpha)
            off = allowed("soft_round_inverse", z, alpha)
            low, high = (exact.soft_round(right + by, alpha) for by in (-off, off))
            wide = z.astype(np.float64)
            tolerance = np.maximum(high - wide, wide - low)
            tolerance += tolerance_of(name, z, np.zeros(len(z)))
            yield beside("soft_round_inverse", (z, alpha), back, z, tolerance, pointwise=False,
                         read=read.format(dtype, alpha))  # fmt: skip


def _laws() -> Iterator[Law]:
    for name, equation in EQUATIONS.items():
        cost = COSTS[name]
        yield Law(
            f"{name}.periodic", equation, (name,), "f(y + n) = f(y) + n for integers n",
            "twice those of values", cost, functools.partial(_periodic, name=name),
            DTYPES,
        )  # fmt: skip
        yield Law(
            f"{name}.odd", equation, (name,), "f(-y) = -f(y)",
            "twice those of values", cost,
            functools.partial(_odd, alphas=every_alpha, name=name), DTYPES,
        )  # fmt: skip
        yield Law(
            f"{name}.between", equation, (name,),
            "integers and half-integers are fixed, and what lies between two of them stays there",
            "that of values", cost,
            functools.partial(_between, alphas=every_alpha, name=name), DTYPES,
        )  # fmt: skip
        yield Law(
            f"{name}.monotone", equation, (name,),
            "f never falls, for alpha from 0.01 to 16, in both precisions",
            "16 eps" if name == "soft_round" else "sqrt(eps), half of the digits",
            "two coefficients change places",
            functools.partial(_monotone, alphas=every_alpha, name=name), DTYPES,
        )  # fmt: skip
        yield Law(
            f"{name}.shape.large_alpha", "Eq. 11", (name,),
            f"f is odd, between multiples of 1/2, and never falls, for alpha from {EDGES[0]:g} to "
            f"{LARGE_ALPHAS[-1]:g}", "those of the three laws",
            "nothing up to where it fails: a schedule must stop there",
            functools.partial(_shape_at_large_alpha, name=name), DTYPES,
        )  # fmt: skip
        if not name.endswith("inverse"):
            yield Law(
                f"{name}.sharpens", "Eqs. 11 and 15", (name,),
                "a larger alpha is closer to rounding", "twice those of values",
                "a schedule that does not end in the quantizer of files",
                functools.partial(_sharpens, name=name), DTYPES,
            )  # fmt: skip
    yield Law(
        "soft_round_inverse.inverts", "Eq. 10, inverted", ("soft_round_inverse", "soft_round"),
        "s^-1(s(y)) = y", f"{HALF_THE_DIGITS}; and the last digits of s(y), times the slope",
        "a density of other coefficients than those sent", _inverts, DTYPES,
    )  # fmt: skip
    yield Law(
        "soft_round_inverse.undone", "Eq. 10, inverted", ("soft_round_inverse", "soft_round"),
        "s(s^-1(z)) = z", f"8 eps (1 + |z|), and what s makes of {HALF_THE_DIGITS}",
        "a density of other coefficients than those sent", _undone, DTYPES,
    )  # fmt: skip


LAWS = tuple(_laws())
