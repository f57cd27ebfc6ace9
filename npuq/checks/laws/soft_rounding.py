"""Laws of soft rounding, its inverse and the conditional mean: Eqs. 10, 11 and 14, Appendix D."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.checks import exact
from npuq.checks.law import DTYPES, Dtypes, Functions, Law, Observation
from npuq.checks.laws.asking import anywhere, ask, points, random_alphas

ALPHAS = (0.01, 0.5, 1.0, 4.0, 7.0, 13.0, 16.0)
"""Up to the last of the paper's schedules (Sec. 5.2)."""
LARGE_ALPHAS = (40.0, 100.0, 1e3, 1e6)
EDGES = (18.0, 64.0, 88.7, 700.0, 1420.0)
"""Where e^alpha, or its root, leaves float32 or float64, and what artanh takes rounds to 1."""

TINY_ALPHAS = (1e-12, 1e-6, 1e-4, 1e-3)

EQUATIONS = {
    "soft_round": "Eq. 10",
    "soft_round_inverse": "Eq. 10, inverted",
    "soft_round_conditional_mean": "Eq. 14",
}
COSTS = {
    "soft_round": "other symbols than those the density is about, and other gradients",
    "soft_round_inverse": "wrong densities (Eq. 22), so bits, and wrong reconstructions (Eq. 14)",
    "soft_round_conditional_mean": "distortion at the receiver, and bits where densities use r",
}
EXACT: dict[str, tuple[Callable[..., Array], Callable[..., Array]]] = {
    "soft_round": (exact.soft_round, exact.soft_round_slope),
    "soft_round_inverse": (exact.soft_round_inverse, exact.soft_round_inverse_slope),
    "soft_round_conditional_mean": (
        exact.soft_round_conditional_mean,
        exact.soft_round_conditional_mean_slope,
    ),
}


def arguments_of(name: str, dtype: Any, alpha: float) -> Array:
    """Points, and for the other two what s makes of them, as that is what they are applied to."""
    y = points(dtype)
    if name == "soft_round":
        return y
    s = exact.soft_round(y, alpha).astype(dtype)
    s = s[(s == 0) | (abs(s) > np.finfo(dtype).tiny)]
    return np.concatenate([y, s + y.dtype.type(0.5) if name.endswith("mean") else s])


def more_alphas(alphas: tuple[float, ...]) -> tuple[float, ...]:
    """Random ones of the same range, and for large ones the edges."""
    if alphas == LARGE_ALPHAS:
        return *EDGES, *random_alphas(38, 16, 1e6, 2)
    return random_alphas(37, ALPHAS[0], ALPHAS[-1])


def tolerance_of(name: str, z: Array, slope: Array) -> Array:
    """What a function may be off at z in its own format; `slope` is that of the exact one there.

    Two roundings of what is rounded, z, z - floor(z) or z - 1/2 (Eqs. 10 and 14), move the value by
    the slope times that, at most half a step of the staircase. Beside it s is allowed 8 eps, and
    its inverse and r half of the digits, sqrt(eps), and far out 8 eps as well.
    """
    eps = float(np.finfo(z.dtype).eps)
    size = abs(np.asarray(z, np.float64))
    shift = {"soft_round": 1.0, "soft_round_inverse": 0.0, "soft_round_conditional_mean": 0.5}
    with np.errstate(invalid="ignore"):  # at 0, which nothing moves, the slope may be infinite
        moved = 2 * eps * (size + shift[name]) * slope
    few = 8 * eps * (1 + size)
    least = few if name == "soft_round" else np.maximum(np.sqrt(eps), few)
    return least + np.minimum(np.nan_to_num(moved, nan=0.0), 0.5)


def _values(
    functions: Functions, *, name: str, alphas: tuple[float, ...], dtypes: Dtypes
) -> Iterator[Observation]:
    function = EXACT[name][0]
    for dtype in dtypes:
        for alpha in alphas:
            z = arguments_of(name, dtype, alpha)
            yield ask(functions, name, (z, alpha), function(z, alpha), allowed(name, z, alpha))
    for dtype in dtypes:
        for alpha in more_alphas(alphas):
            z = anywhere(dtype, 39)
            yield ask(functions, name, (z, alpha), function(z, alpha), allowed(name, z, alpha),
                      since=2)  # fmt: skip


def allowed(name: str, z: Array, alpha: float) -> Array:
    """The tolerance of a value at z."""
    tolerance = tolerance_of(name, z, EXACT[name][1](z, alpha))
    return np.maximum(tolerance, _shifted(z, alpha)) if name.endswith("mean") else tolerance


def _shifted(z: Array, alpha: float) -> Array:
    """Half of the digits, and what r changes by where z moves by a rounding of z - 1/2 (Eq. 14).

    Beside its steepest places r bends so fast that its slope does not tell.
    """
    eps, wide = float(np.finfo(z.dtype).eps), z.astype(np.float64)
    moved = eps * (abs(wide) + 0.5)
    below, there, above = (
        exact.soft_round_conditional_mean(wide + by, alpha) for by in (-moved, 0.0, moved)
    )
    return np.sqrt(eps) + np.maximum(above - there, there - below)


def _vanishing(
    functions: Functions, *, name: str, dtypes: Dtypes = DTYPES
) -> Iterator[Observation]:
    """Who takes these alphas for 0 is off by 0.0161 alpha^2 at most (Eq. 11)."""
    for dtype in dtypes:
        for alpha in TINY_ALPHAS:
            z = anywhere(dtype, 43)
            tolerance = allowed(name, z, alpha) + alpha**2 / 50
            yield ask(functions, name, (z, alpha), EXACT[name][0](z, alpha), tolerance)


def _slopes(
    functions: Functions, *, name: str, alphas: tuple[float, ...], dtype: str
) -> Iterator[Observation]:
    asked = [(alpha, points(dtype), 1) for alpha in alphas]
    asked += [(alpha, anywhere(dtype, 40, 8), 2) for alpha in more_alphas(alphas)]
    for alpha, z, since in asked:
        slope = EXACT[name][1](z, alpha)
        eps = float(np.finfo(dtype).eps)
        d = np.linspace(0.5, 2, len(z)).astype(dtype)
        tolerance = np.sqrt(eps) * slope + 8 * eps * (1 + alpha)
        if dtype == "float32":
            tolerance += _bend(name, z, slope, alpha)
        yield ask(functions, f"{name}_backward", (d, z, alpha), d * slope, d * tolerance,
                  since=since)  # fmt: skip


def _bend(name: str, z: Array, slope: Array, alpha: float) -> Array:
    """How much the slope changes where z is moved by two roundings, at most the slope itself.

    That of s by alpha for each unit. Those of s^-1 and r go as 1 / (e^-alpha + f), where f is the
    distance from the steepest place.
    """
    moved = 4 * float(np.finfo(z.dtype).eps) * (abs(z.astype(np.float64)) + 1)
    if name == "soft_round":
        return np.asarray(2 * alpha * moved * slope)
    steepest = np.floor(z) + 0.5 if name.endswith("mean") else np.rint(z)
    distance = abs(z.astype(np.float64) - steepest) + math.exp(-alpha)
    return np.asarray(slope * np.minimum(moved / distance, 1))


def _large_slopes(functions: Functions, *, name: str) -> Iterator[Observation]:
    """Those of s; those of its inverse leave the range of floats, whose ends are a choice."""
    yield from _slopes(functions, name=name, alphas=LARGE_ALPHAS, dtype="float64")


def _infinite(functions: Functions, *, name: str, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    """Between the places where rounding, its inverse and r jump."""
    for since, of in ((1, points), (2, lambda dtype: anywhere(dtype, 41))):
        for dtype in dtypes:
            y = of(dtype).astype(np.float64)
            y = y[abs(2 * y - np.rint(2 * y)) > 1e-3].astype(dtype)
            floor, nearest = np.floor(y), exact.round_half_up(y)
            expected = floor + 0.5 if name.endswith("inverse") else nearest
            eps = float(np.finfo(dtype).eps)
            yield ask(functions, name, (y, math.inf), expected, 4 * eps * abs(y), since=since)


def _identity(functions: Functions, *, name: str, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    """r is allowed what z - 1/2, of which Eq. 14 makes it, has lost."""
    half = 0.5 if name.endswith("mean") else 0.0
    for since, of in ((1, points), (2, lambda dtype: anywhere(dtype, 42))):
        for dtype in dtypes:
            y = of(dtype)
            tolerance = 4 * float(np.finfo(dtype).eps) * (abs(y) + half)
            yield ask(functions, name, (y, 0.0), y, tolerance, since=since)


FEW_EPS = "8 eps (1 + |y|), and what rounding y - floor(y) makes where the slope is steep"
HALF_THE_DIGITS = (
    "sqrt(eps), half of the digits, and what two roundings of z make where the slope is steep"
)


def _laws() -> Iterator[Law]:
    for name, equation in EQUATIONS.items():
        cost, reason = COSTS[name], FEW_EPS if name == "soft_round" else HALF_THE_DIGITS
        backward = f"{name}_backward"
        for dtype in DTYPES:
            yield Law(
                f"{name}.values.{dtype}", equation, (name,),
                f"values for alpha from {ALPHAS[0]:g} to {ALPHAS[-1]:g}, in {dtype}", reason, cost,
                functools.partial(_values, name=name, alphas=ALPHAS, dtypes=(dtype,)),
                (dtype,),
            )  # fmt: skip
        yield Law(
            f"{name}.large_alpha", "Eq. 11", (name,),
            f"values, and no NaN, for alpha from {EDGES[0]:g} to {LARGE_ALPHAS[-1]:g}",
            reason, "nothing up to where it fails: a schedule must stop there",
            functools.partial(_values, name=name, alphas=LARGE_ALPHAS, dtypes=DTYPES),
            DTYPES,
        )  # fmt: skip
        yield Law(
            f"{name}.identity", "Eq. 11", (name,), "the identity at alpha = 0",
            "4 eps, relative; r is s^-1 of z - 1/2" if name.endswith("mean") else "4 eps, relative",
            "nothing in training that starts above 0; plain noise needs it",
            functools.partial(_identity, name=name), DTYPES,
        )  # fmt: skip
        yield Law(
            f"{name}.vanishing_alpha", "Eq. 11", (name,),
            f"nearly the identity for alpha from {TINY_ALPHAS[0]:g} to {TINY_ALPHAS[-1]:g}",
            f"alpha^2 / 50, for who takes alpha for 0; {reason}",
            "NaN, or noise, where a schedule of alpha begins",
            functools.partial(_vanishing, name=name), DTYPES,
        )  # fmt: skip
        yield Law(
            f"{backward}.values", "Appendix D", (backward,),
            f"the derivative for alpha from {ALPHAS[0]:g} to {ALPHAS[-1]:g}, in float64",
            "sqrt(eps), relative, and what 1 - tanh^2 loses", "wrong gradients in training",
            functools.partial(_slopes, name=name, alphas=ALPHAS, dtype="float64"),
        )  # fmt: skip
        yield Law(
            f"{backward}.values.float32", "Appendix D", (backward,),
            f"the derivative for alpha from {ALPHAS[0]:g} to {ALPHAS[-1]:g}, in float32",
            "sqrt(eps), relative, what 1 - tanh^2 loses, and what rounding z makes where it bends",
            "wrong gradients in training",
            functools.partial(_slopes, name=name, alphas=ALPHAS, dtype="float32"),
            ("float32",),
        )  # fmt: skip
        yield Law(
            f"{name}.infinite", "Eq. 11", (name,),
            "the limit at alpha = infinity, between its jumps", "4 eps, relative",
            "nothing in training; rounding is asked for by another function",
            functools.partial(_infinite, name=name), DTYPES,
        )  # fmt: skip
    yield Law(
        "soft_round_backward.large_alpha", "Appendix D", ("soft_round_backward",),
        "the derivative, and no NaN, for alpha up to 1e6",
        "sqrt(eps), relative, and what 1 - tanh^2 loses", "NaN in training, from one step on",
        functools.partial(_large_slopes, name="soft_round"),
    )  # fmt: skip


LAWS = tuple(_laws())
