"""Laws of densities at their ends: alpha to 0 and infinity, the scale to 0, gradients in tails."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import numpy as np

from npuq.backend import Array
from npuq.checks import exact
from npuq.checks.law import Functions, Law, Observation
from npuq.checks.laws.asking import ask, beside
from npuq.checks.laws.densities import PLACES, in_units_of, slopes
from npuq.checks.names import DISTRIBUTIONS, KINDS

SMALL_SCALES = (1e-2, 1e-4, 1e-6)


def _at(z: Array, loc: float, scale: float) -> tuple[Array, Array, Array]:
    return z, np.full_like(z, loc), np.full_like(z, scale)


def _alpha_limit(
    functions: Functions, *, name: str, distribution: str, kind: str, alpha: float
) -> Iterator[Observation]:
    """The density of Y + U for alpha near 0; that of round(Y) + U at infinity."""
    z = np.array([0.1, -0.2, 0.3, 0.45, -0.4, 0.8, -1.2, 2.1, 3.3])
    for loc, scale in PLACES:
        bits = exact.bits(distribution, *_at(z, loc, scale), alpha if math.isinf(alpha) else 0.0)
        tolerance = in_units_of(kind, (1e-6 + (0 if math.isinf(alpha) else alpha)) * (1 + bits),
                                bits)  # fmt: skip
        arguments = *_at(z, loc, scale), alpha
        yield ask(functions, name, arguments, exact.of_kind(kind, bits), tolerance)


def _near_zero(
    functions: Functions, *, name: str, distribution: str, kind: str
) -> Iterator[Observation]:
    for alpha in (0.0, 1e-6, 1e-3):
        yield from _alpha_limit(
            functions, name=name, distribution=distribution, kind=kind, alpha=alpha
        )


def _small_scale(
    functions: Functions, *, name: str, distribution: str, kind: str
) -> Iterator[Observation]:
    for loc, _ in PLACES:
        for scale in SMALL_SCALES:
            at = _at(loc + np.array([0.0, 0.3, -0.3, 0.4, -0.4]), loc, scale)
            bits = exact.bits(distribution, *at)
            tolerance = in_units_of(kind, 1e-6 * (1 + bits), bits)
            yield ask(functions, name, at, exact.of_kind(kind, bits), tolerance)


def _tail_gradients(
    functions: Functions, *, name: str, distribution: str, soft: bool
) -> Iterator[Observation]:
    for loc, scale in PLACES:
        steps = np.round(scale * np.array([10.0, 20, 35, 100]))
        at = _at(np.round(np.concatenate([loc + steps, loc - steps])), loc, scale)
        d = np.linspace(0.5, 2, len(at[0]))
        due = np.stack(slopes(distribution, *at, 4.0 if soft else 0.0)) * d
        arguments = d, *at, *[4.0] * soft
        got = np.stack([np.asarray(gradient) for gradient in functions[name](*arguments)])
        yield beside(name, arguments, got, due, 1e-3 * abs(due) + 1e-9, read="np.stack({})")


def _laws() -> Iterator[Law]:
    for distribution in DISTRIBUTIONS:
        for kind in KINDS:
            name = f"{distribution}_{kind}"
            soft = f"{distribution}_soft_rounded_{kind}"
            yield Law(
                f"{name}.small_scale", "Eq. 43", (name,),
                f"a coefficient that is known costs nothing: scales of {SMALL_SCALES[0]:g} to "
                f"{SMALL_SCALES[-1]:g}, within 0.4 of the location",
                "1e-6 bit", "bits for what everybody knows: a floor under the rate of every zero",
                functools.partial(_small_scale, name=name, distribution=distribution, kind=kind),
                coarse=True,
            )  # fmt: skip
            yield Law(
                f"{soft}.small_alpha", "Eqs. 11, 22", (soft,),
                "the density of plain noise at alpha = 0, and near it for 1e-6 and 1e-3",
                "1e-6 bit and alpha, and as much of every bit: the difference is of order alpha^2",
                "NaN, or noise, where a schedule of alpha begins",
                functools.partial(_near_zero, name=soft, distribution=distribution, kind=kind),
            )  # fmt: skip
            yield Law(
                f"{soft}.infinite_alpha", "Eqs. 11, 22", (soft,),
                "at alpha = infinity, P(round(Y) = round(z)), away from half-integers",
                "1e-6 bit, and as much of every bit", "nothing below infinity",
                functools.partial(
                    _alpha_limit, name=soft, distribution=distribution, kind=kind, alpha=math.inf
                ),
            )  # fmt: skip
        for is_soft in (False, True):
            name = f"{distribution}{'_soft_rounded' * is_soft}_bits_backward"
            yield Law(
                f"{name}.tails", "Eqs. 22, 43", (name,),
                "gradients in both tails, up to 100 scales out", "a thousandth of the value",
                "no gradient that brings outliers back",
                functools.partial(
                    _tail_gradients, name=name, distribution=distribution, soft=is_soft
                ),
                coarse=True,
            )  # fmt: skip


LAWS = tuple(_laws())
