"""Laws of a density as a whole: it sums to 1, its entropy is that of the channel, s(Y) + U has it.

Eqs. 6, 22 and 43 and Sec. 3.1: P(K = k | U = u) = p(k + u), hence the sum over k is 1 for every u,
and H[K | U] = h[Y + U].
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.checks.law import Functions, Law, Observation
from npuq.checks.laws.asking import beside
from npuq.checks.laws.noise import DEVIATIONS
from npuq.checks.names import DISTRIBUTIONS, KINDS

LOC, SCALE, ALPHA = 0.3, 0.4, 4.0
REACH, PHASES = 16, 32
"""Symbols on each side, and values of u: what is beyond has less than 1e-16 of the probability."""

WIDTHS = ((-3.0, 1e-3), (0.5, 0.3), (0.25, 4.0))
"""Locations and scales of other sums."""
PLACES_OF_U = (-0.5, -255 / 512, -1 / 512, 0.0, 563 / 4096, 255 / 512, 0.5)
"""Both ends and beside them; of few digits, so that k + u is exact in float32: r may be steep."""
SOFTNESS = (1.0, 7.0, 16.0)
OFF = 1e-6
"""How much a sum may be."""

ENTROPY_BITS = {
    ("logistic", False): 1.678185606927,
    ("logistic", True): 1.679215953734,
    ("normal", False): 1.026886101729,
    ("normal", True): 1.036777846955,
}
"""h[Y + U] and h[s(Y) + U] at LOC, SCALE and ALPHA, by Gauss's quadrature with 24 nodes an 1/16."""

DRAWS, BIN, NODES = 40_000, 4, 32
"""Of the histogram: draws, bins a unit, points a bin at which the density is asked."""

DENSITY = {"bits": "np.exp2(-{})", "log_density": "np.exp({})", "density": "{}"}
BITS = {"bits": "{}", "log_density": "{} / -np.log(2)", "density": "-np.log2({})"}
"""The density, and its bits, of what a function of each kind returns."""


def grid(steps_a_unit: int, reach: int, begin: float = 0.0) -> Array:
    """From -reach to reach."""
    return (np.arange(-reach * steps_a_unit, reach * steps_a_unit) + begin) / steps_a_unit


def _asked(functions: Functions, name: str, z: Array, soft: bool) -> tuple[tuple[Any, ...], Array]:
    arguments = z, np.full_like(z, LOC), np.full_like(z, SCALE), *[ALPHA] * soft
    answer = functions[name](*arguments)
    return arguments, beside(name, arguments, answer, z, 0).observed


def _both(kind: str, values: Array) -> tuple[Array, Array]:
    """p and -log2 p."""
    if kind == "density":
        return values, -np.log2(values)
    bits = values if kind == "bits" else values / -math.log(2)
    return np.exp2(-bits), bits


def _sums(functions: Functions, *, name: str, soft: bool, kind: str) -> Iterator[Observation]:
    """Of one distribution for many u; and of wide and narrow ones for few, at the ends as well."""
    read = DENSITY[kind].format("np.asarray({})")
    arguments, values = _asked(functions, name, grid(PHASES, REACH), soft)
    sums = _both(kind, values)[0].reshape(-1, PHASES).sum(0)
    yield beside(name, arguments, sums, np.ones(PHASES), OFF, pointwise=False,
                 read=f"({read}).reshape(-1, {PHASES}).sum(0)")  # fmt: skip
    for loc, scale in WIDTHS:
        reach = round(40 * scale) + 6
        z = np.add.outer(np.arange(-reach, reach + 1.0), PLACES_OF_U).ravel()
        for alpha in SOFTNESS if soft else (0.0,):
            at = z, np.full_like(z, loc), np.full_like(z, scale), *[alpha] * soft
            values = beside(name, at, functions[name](*at), z, 0).observed
            sums = _both(kind, values)[0].reshape(-1, len(PLACES_OF_U)).sum(0)
            yield beside(name, at, sums, np.ones(len(PLACES_OF_U)), OFF, pointwise=False,
                         read=f"({read}).reshape(-1, {len(PLACES_OF_U)}).sum(0)")  # fmt: skip


def _entropy(
    functions: Functions, *, name: str, distribution: str, soft: bool, kind: str
) -> Iterator[Observation]:
    arguments, values = _asked(functions, name, grid(PHASES, REACH), soft)
    p, bits = _both(kind, values)
    entropy = np.where(p == 0, 0, p * bits).sum() / PHASES
    density, code_length = (part[kind].format("a") for part in (DENSITY, BITS))
    read = f"(lambda a: np.nansum({density} * {code_length}) / {PHASES})(np.asarray({{}}))"
    yield beside(name, arguments, entropy, ENTROPY_BITS[distribution, soft], 2e-5, pointwise=False,
                 read=read)  # fmt: skip


def _histogram(
    functions: Functions, *, name: str, distribution: str, kind: str
) -> Iterator[Observation]:
    rng = np.random.default_rng(33)
    y = getattr(rng, distribution)(LOC, SCALE, DRAWS)
    u = np.random.default_rng(34).random(DRAWS) - 0.5
    z = np.asarray(functions["soft_round"](y, ALPHA), np.float64) + u
    reach = 4
    bins = 2 * reach * BIN
    shares = np.histogram(z, bins, (-reach, reach))[0] / DRAWS
    arguments, values = _asked(functions, name, grid(BIN * NODES, reach, 0.5), True)
    p = _both(kind, values)[0].reshape(bins, NODES).mean(1) / BIN
    tolerance = (DEVIATIONS * np.sqrt(DRAWS * np.clip(p, 0, 1)) + 12) / DRAWS
    density = DENSITY[kind].format("np.asarray({})")
    draw = f"np.random.default_rng(33).{distribution}({LOC}, {SCALE}, {DRAWS})"
    read = (
        f"({density}).reshape({bins}, {NODES}).mean(1) / {BIN} - np.histogram(np.asarray("
        f"{{of[soft_round]}}({{w}}({draw}), {ALPHA})) + np.random.default_rng(34).random({DRAWS}) "
        f"- 0.5, {bins}, (-{reach}, {reach}))[0] / {DRAWS}"
    )
    yield beside(name, arguments, p - shares, np.zeros(bins), tolerance, pointwise=False, read=read)


def _laws() -> Iterator[Law]:
    for distribution in DISTRIBUTIONS:
        for soft in (False, True):
            for kind in KINDS:
                name = f"{distribution}{'_soft_rounded' * soft}_{kind}"
                same: Any = {"name": name, "kind": kind, "soft": soft}
                yield Law(
                    f"{name}.sums", "Eq. 6", (name,),
                    "the sum over k of P(k | u) = p(k + u) is 1 for every u",
                    "1e-6: terms with six digits each",
                    "rates that no code reaches, or that a better code undercuts",
                    functools.partial(_sums, **same), coarse=True,
                )  # fmt: skip
                yield Law(
                    f"{name}.entropy", "Sec. 3.1", (name,),
                    f"H[K | U] = h[{'s(Y)' if soft else 'Y'} + U]",
                    f"2e-5 bit: u has {PHASES} values, where the density has spikes",
                    "a rate in training that is not that of files",
                    functools.partial(_entropy, distribution=distribution, **same),
                    coarse=True,
                )  # fmt: skip
                if soft:
                    yield Law(
                        f"{name}.histogram", "Eq. 22", (name, "soft_round"),
                        f"s(Y) + U, drawn {DRAWS:,} times with your s, has your density",
                        f"{DEVIATIONS} standard deviations, and 12 draws for rare values: a false "
                        "alarm in 1e7 runs; the draws are seeded",
                        "a density of another variable than the one that is coded",
                        functools.partial(
                            _histogram, name=name, distribution=distribution, kind=kind
                        ),
                        coarse=True, of_digits=False,
                    )  # fmt: skip


LAWS = tuple(_laws())
