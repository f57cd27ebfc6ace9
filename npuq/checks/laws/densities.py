"""Laws of the rate: Eqs. 22 and 43 for logistic and normal coefficients, and Eqs. 17 and 20."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.special

from npuq.backend import Array
from npuq.checks import exact
from npuq.checks.law import DTYPES, Functions, Law, Observation
from npuq.checks.laws.asking import ask, beside
from npuq.checks.names import DISTRIBUTIONS, KINDS

PLACES = ((0.3, 0.4), (-1.2, 2.5), (0.0, 0.15))
"""Location and scale, of no symmetry that would hide a sign or a square."""
ALPHAS = (1.0, 4.0, 8.0)
SMALLEST_BITS = {"float32": 1e-3, "float64": 1e-6}
DEEPEST = {"float32": 6.0, "float64": 13.0}
"""Bits up to which a difference of two CDFs has the digits that are asked for."""


def cases(
    distribution: str, soft: bool, dtype: str, alphas: tuple[float, ...] = ALPHAS
) -> Iterator[tuple[tuple[Array, Array, Array, float], Array]]:
    """Arguments (z, loc, scale, alpha) in the body of the distribution, and the bits there."""
    distances = np.array([0.0, 0.1, -0.2, 0.35, 0.5, -0.5, 0.8, -1.4, 2.0, -2.6, 3.3, -5.0])
    for loc, scale in PLACES:
        for alpha in alphas if soft else (0.0,):
            z = (loc + distances * max(scale, 0.3)).astype(dtype)
            at = z, np.full_like(z, loc), np.full_like(z, scale), alpha
            bits = exact.bits(distribution, *at)
            keep = bits < DEEPEST[dtype]
            yield (z[keep], at[1][keep], at[2][keep], alpha), bits[keep]


def _put(at: tuple[Array, Array, Array, float], soft: bool) -> tuple[object, ...]:
    return at if soft else at[:3]


def in_units_of(kind: str, tolerance: Array, bits: Array) -> Array:
    """A tolerance in bits as one of nats or of densities."""
    if kind == "bits":
        return tolerance
    return tolerance * math.log(2) * (1 if kind == "log_density" else np.exp2(-bits))


def _values(
    functions: Functions, *, name: str, distribution: str, soft: bool, kind: str, dtype: str
) -> Iterator[Observation]:
    for at, bits in cases(distribution, soft, dtype):
        tolerance = SMALLEST_BITS[dtype] * (1 + bits)
        yield ask(functions, name, _put(at, soft), exact.of_kind(kind, bits),
                  in_units_of(kind, tolerance, bits))  # fmt: skip


def _entries(
    functions: Functions, *, name: str, distribution: str, soft: bool, kind: str
) -> Iterator[Observation]:
    """A location and a scale of its own for each entry, in two dimensions."""
    at, bits = zip(*cases(distribution, soft, "float64", (4.0,)), strict=True)
    z, loc, scale = (np.concatenate(part) for part in list(zip(*at, strict=True))[:3])
    order = np.random.default_rng(31).permutation(len(z))[: len(z) // 3 * 3].reshape(3, -1)
    due = np.concatenate(bits)[order]
    tolerance = in_units_of(kind, SMALLEST_BITS["float64"] * (1 + due), due)
    yield ask(functions, name, _put((z[order], loc[order], scale[order], 4.0), soft),
              exact.of_kind(kind, due), tolerance)  # fmt: skip


def _tails(
    functions: Functions, *, name: str, distribution: str, soft: bool, kind: str
) -> Iterator[Observation]:
    """Integers and half-integers, where r is the identity and only the tail matters."""
    for loc, scale in PLACES:
        steps = np.round(scale * np.array([6.0, 10, 20, 35, 100]))
        z = np.concatenate([loc + steps, loc - steps])
        z = np.round(z * 2) / 2
        at = z, np.full_like(z, loc), np.full_like(z, scale), 4.0
        bits = exact.bits(distribution, *at)
        expected = exact.of_kind(kind, bits)
        yield ask(functions, name, _put(at, soft), expected, 1e-3 * abs(expected))


def slopes(distribution: str, z: Array, loc: Array, scale: Array, alpha: float) -> list[Array]:
    """d bits / d z, d loc and d scale, from the density at both ends of the interval.

    Both are divided by the interval's probability as logarithms, which do not underflow in tails.
    """
    m = exact.soft_round_conditional_mean(z, alpha)
    log_p = -exact.bits(distribution, z, loc, scale, alpha) * math.log(2)
    ends = [(m + half - loc) / scale for half in (-0.5, 0.5)]
    low, high = (np.exp(_log_density(distribution, x) - np.log(scale) - log_p) for x in ends)
    d_m, d_scale = (low - high) / math.log(2), (high * ends[1] - low * ends[0]) / math.log(2)
    return [d_m * exact.soft_round_conditional_mean_slope(z, alpha), -d_m, d_scale]


def _log_density(distribution: str, x: Array) -> Array:
    """Of Y itself, at scale 1."""
    if distribution == "logistic":
        return np.asarray(scipy.special.log_expit(x) + scipy.special.log_expit(-x))
    return -x * x / 2 - math.log(2 * math.pi) / 2


def _gradients(
    functions: Functions, *, name: str, distribution: str, soft: bool
) -> Iterator[Observation]:
    for at, _ in cases(distribution, soft, "float64"):
        d = np.linspace(0.5, 2, len(at[0]))
        due = np.stack(slopes(distribution, *at)) * d
        arguments = d, *_put(at, soft)
        got = np.stack([np.asarray(gradient) for gradient in functions[name](*arguments)])
        yield beside(name, arguments, got, due, 1e-6 * (1 + abs(due)), read="np.stack({})")


def _expected(functions: Functions, *, name: str, distribution: str) -> Iterator[Observation]:
    for at, _ in cases(distribution, True, "float64"):
        y, loc, scale, alpha = at
        d = np.linspace(0.5, 2, len(y))
        before = exact.soft_round_inverse(y, alpha)
        high, low = (exact.bits(distribution, before + half, loc, scale) for half in (0.5, -0.5))
        yield ask(functions, name, (d, *at), d * (high - low), 1e-6 * (1 + abs(high) + abs(low)))


def _expected_mean(functions: Functions) -> Iterator[Observation]:
    z = np.array([0.0, 0.2, 0.5, -0.7, 3.45])
    d = np.linspace(0.5, 2, len(z))
    for alpha in (1.0, 7.0, 16.0):
        name = "soft_round_conditional_mean_backward_expected"
        yield ask(functions, name, (d, z, alpha), d, 1e-12)


def _laws() -> Iterator[Law]:
    for distribution in DISTRIBUTIONS:
        for soft in (False, True):
            stem = f"{distribution}{'_soft_rounded' * soft}"
            equation = "Eqs. 22, 44" if soft else "Eq. 43"
            for kind in KINDS:
                name = f"{stem}_{kind}"
                same: Any = {"name": name, "distribution": distribution, "soft": soft, "kind": kind}
                for dtype in DTYPES:
                    least = SMALLEST_BITS[dtype]
                    yield Law(
                        f"{name}.values.{dtype}", equation, (name,),
                        f"the density of {'s(Y)' if soft else 'Y'} + U, in its body, in {dtype}",
                        f"{least:g} bit, and as much of every bit: what a file cannot tell",
                        "bits of every coefficient: the divergence of the two densities",
                        functools.partial(_values, **same, dtype=dtype), (dtype,),
                    )  # fmt: skip
                yield Law(
                    f"{name}.entries", equation, (name,),
                    "a location and a scale of its own for each entry of an array (3, n)",
                    "1e-06 bit, and as much of every bit",
                    "the rate of other coefficients: those of the entry's neighbours",
                    functools.partial(_entries, **same),
                )  # fmt: skip
                if kind != "density":
                    yield Law(
                        f"{name}.tails", equation, (name,),
                        "both tails, up to 100 scales out", "a thousandth of the value",
                        "wrong rates of outliers, and no gradient that brings them back",
                        functools.partial(_tails, **same), coarse=True,
                    )  # fmt: skip
            backward = f"{stem}_bits_backward"
            yield Law(
                f"{backward}.values", equation, (backward,),
                "gradients to z, location and scale, along the sampled path",
                "1e-6, relative and absolute", "wrong gradients in training",
                functools.partial(_gradients, name=backward, distribution=distribution, soft=soft),
            )  # fmt: skip
        name = f"{distribution}_soft_rounded_bits_backward_expected"
        yield Law(
            f"{name}.values", "Eq. 17", (name,),
            "h(y + 1/2) - h(y - 1/2), h being the bits", "1e-6 of the bits",
            "a biased gradient of the rate",
            functools.partial(_expected, name=name, distribution=distribution),
        )  # fmt: skip
    name = "soft_round_conditional_mean_backward_expected"
    yield Law(
        f"{name}.values", "Eq. 20", (name,), "an expected derivative of 1", "1e-12",
        "a gradient of large variance", _expected_mean,
    )  # fmt: skip


LAWS = tuple(_laws())
