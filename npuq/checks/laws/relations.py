"""Laws that hold between densities: Eq. 44 at r, Eq. 1 at integers; and what no rate may be.

They need no other answers than the target's own, or hardly any, and so ask at hundreds of places.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.checks import exact
from npuq.checks.law import DTYPES, Dtypes, Functions, Law, Observation
from npuq.checks.laws.asking import anywhere, ask, beside, hard, random_alphas
from npuq.checks.laws.densities import (
    ALPHAS,
    DEEPEST,
    PLACES,
    SMALLEST_BITS,
    in_units_of,
    slopes,
)
from npuq.checks.laws.soft_rounding import ALPHAS as ALPHAS_OF_SCHEDULES
from npuq.checks.names import DISTRIBUTIONS, KINDS

SCALES = (1e-3, 0.05, 0.3, 1.0, 20.0, 1e3)
EXTREMES = (1e-3, 1.0, 1e3)
LOC = 0.25
LEAST = SMALLEST_BITS["float64"]


def _at(z: Array, loc: float, scale: float) -> tuple[Array, Array, Array]:
    return z, np.full_like(z, loc), np.full_like(z, scale)


def _moved(
    functions: Functions, *, name: str, plain: str, distribution: str, kind: str
) -> Iterator[Observation]:
    for loc, scale in PLACES:
        z = anywhere("float64", 52, 8)
        for alpha in (*ALPHAS, *random_alphas(53, 0.01, ALPHAS[-1])):
            bits = exact.bits(distribution, *_at(z, loc, scale), alpha)
            kept = bits < DEEPEST["float64"]
            at, bits = _at(z[kept], loc, scale), bits[kept]
            r = np.asarray(functions["soft_round_conditional_mean"](at[0], alpha), np.float64)
            due = beside(plain, (r,), functions[plain](r, *at[1:]), r, 0).observed
            tolerance = in_units_of(kind, LEAST * (1 + bits), bits)
            yield ask(functions, name, (*at, alpha), due, tolerance)


def _integers(
    functions: Functions, *, name: str, distribution: str, kind: str
) -> Iterator[Observation]:
    k = np.arange(-30.0, 31)
    for scale in SCALES:
        bits = exact.bits(distribution, *_at(k, LOC, scale))
        kept = bits < DEEPEST["float64"]
        at, bits = _at(k[kept], LOC, scale), bits[kept]
        tolerance = in_units_of(kind, LEAST * (1 + bits), bits)
        for alpha in (*ALPHAS_OF_SCHEDULES, *random_alphas(54, 0.01, 16)):
            yield ask(functions, name, (*at, alpha), exact.of_kind(kind, bits), tolerance)


def _extremes(soft: bool, dtypes: Dtypes) -> Iterator[tuple[Any, ...]]:
    """Arguments up to a million units, and a thousand million scales, away from the location."""
    for dtype in dtypes:
        z = np.concatenate([hard(dtype), np.array([1e6, -1e6], dtype)])
        for scale in EXTREMES:
            for alpha in (1.0, 4.0, 16.0) if soft else (0.0,):
                yield *_at(z, LOC, scale), alpha


def _finite(
    functions: Functions, *, name: str, distribution: str, soft: bool, dtypes: Dtypes = DTYPES
) -> Iterator[Observation]:
    """What is due of a value that is finite, and not negative, is that value."""
    for z, loc, scale, alpha in _extremes(soft, dtypes):
        at = z, loc, scale, *[alpha] * soft
        value = beside(name, at, functions[name](*at), z, 0).observed
        right = exact.bits(distribution, z, loc, scale, alpha)
        due = np.where(np.isfinite(value), np.maximum(value, 0), right)
        yield beside(name, at, value, due, SMALLEST_BITS[z.dtype.name])


def _finite_gradients(
    functions: Functions, *, name: str, distribution: str, soft: bool, dtypes: Dtypes = DTYPES
) -> Iterator[Observation]:
    for z, loc, scale, alpha in _extremes(soft, dtypes):
        at = np.ones_like(z), z, loc, scale, *[alpha] * soft
        got = np.stack([np.asarray(gradient, np.float64) for gradient in functions[name](*at)])
        z64, loc64, scale64 = (a.astype(np.float64) for a in (z, loc, scale))
        right = np.nan_to_num(np.stack(slopes(distribution, z64, loc64, scale64, alpha)))
        due = np.where(np.isfinite(got), got, right)
        yield beside(name, at, got, due, 0, read="np.stack({})")


def _laws() -> Iterator[Law]:
    for distribution in DISTRIBUTIONS:
        soft = f"{distribution}_soft_rounded"
        same: dict[str, Any] = {"distribution": distribution}
        for kind in KINDS:
            name, plain = f"{soft}_{kind}", f"{distribution}_{kind}"
            yield Law(
                f"{name}.moved", "Eq. 44", (name, plain, "soft_round_conditional_mean"),
                "soft rounding only moves the place of evaluation: p of s(Y) + U at z is p of "
                "Y + U at r(z), by your own functions",
                f"{LEAST:g} bit, and as much of every bit: what a file cannot tell",
                "bits of every coefficient: rate and reconstruction belong to different channels",
                functools.partial(_moved, name=name, plain=plain, kind=kind, **same),
            )  # fmt: skip
            yield Law(
                f"{name}.integers", "Eq. 1", (name,),
                "an integer costs what rounding to it costs, whatever alpha",
                f"{LEAST:g} bit, and as much of every bit",
                "bits of the most frequent values, those of hard rounding",
                functools.partial(_integers, name=name, kind=kind, **same),
            )  # fmt: skip
        for is_soft in (False, True):
            name = f"{soft if is_soft else distribution}_bits"
            same["soft"] = is_soft
            equation = "Eqs. 22, 44" if is_soft else "Eq. 43"
            yield Law(
                f"{name}.finite", equation, (name,),
                "finite bits, and none below 0, for |z| up to 1e6 and scales from 0.001 to 1000",
                "1e-6 bit (1e-3 in float32) below 0",
                "an infinite loss: one outlier ends a training",
                functools.partial(_finite, name=name, **same), DTYPES,
            )  # fmt: skip
            yield Law(
                f"{name}_backward.finite", equation, (f"{name}_backward",),
                "finite gradients, for |z| up to 1e6 and scales from 0.001 to 1000", "0",
                "NaN in all parameters after one outlier",
                functools.partial(_finite_gradients, name=f"{name}_backward", **same), DTYPES,
            )  # fmt: skip


LAWS = tuple(_laws())
