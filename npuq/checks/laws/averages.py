"""Gradients against the noise average: what Sec. 4.2 says that an expected gradient is.

Both gradients are the target's. The noise is the middle of each of NOISE parts of [-1/2, 1/2).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from npuq.checks.law import Functions, Law, Observation
from npuq.checks.laws.asking import beside
from npuq.checks.names import DISTRIBUTIONS

NOISE = 4096
PLACES = (0.0, 0.25, -0.75, 1.5)
ALPHAS = (1.0, 4.0)
LOC, SCALE = 0.3, 0.4


def _average(
    functions: Functions, name: str, sampled: str, y: float, alpha: float, *rest: float
) -> Observation:
    """The mean of a sampled gradient over y + u, less the expected gradient at y."""
    z = y + (np.arange(NOISE) + 0.5) / NOISE - 0.5
    ones = np.ones(NOISE)
    over = ones, z, *[np.full(NOISE, r) for r in rest], alpha
    at = np.ones(1), np.array([y]), *[np.array([r]) for r in rest], alpha
    gradient = functions[sampled](*over)
    mean = np.asarray(gradient[0] if isinstance(gradient, tuple) else gradient).mean()
    expected = np.asarray(functions[name](*at), np.float64)
    others = "".join(f", {{w}}(np.full({NOISE}, {r}))" for r in rest)
    first = "[0]" if rest else ""
    read = (
        f"{{}} - np.asarray({{of[{sampled}]}}({{w}}(np.ones({NOISE})), {{w}}({y} + (np.arange("
        f"{NOISE}) + 0.5) / {NOISE} - 0.5){others}, {alpha}){first}).mean()"
    )
    return beside(name, at, expected - mean, np.zeros(1), 1e-3 * (1 + abs(mean)), pointwise=False,
                  read=read)  # fmt: skip


def _mean(functions: Functions, *, name: str, sampled: str) -> Iterator[Observation]:
    for alpha in ALPHAS:
        for y in PLACES:
            yield _average(functions, name, sampled, y, alpha)


def _bits(functions: Functions, *, name: str, sampled: str) -> Iterator[Observation]:
    for alpha in ALPHAS:
        for y in PLACES:
            yield _average(functions, name, sampled, y, alpha, LOC, SCALE)


def _laws() -> Iterator[Law]:
    for function in ("soft_round_conditional_mean", *(f"{d}_soft_rounded_bits"
                                                      for d in DISTRIBUTIONS)):  # fmt: skip
        of_mean = function.endswith("mean")
        sampled, name = f"{function}_backward", f"{function}_backward_expected"
        yield Law(
            f"{name}.average", "Eq. 20" if of_mean else "Eq. 17", (name, sampled),
            "the average over the noise of your own sampled gradient",
            f"a thousandth: {NOISE} values of the noise, across spikes",
            "training follows another slope than that of the loss it reports",
            functools.partial(_mean if of_mean else _bits, name=name, sampled=sampled),
            coarse=True,
        )  # fmt: skip


LAWS = tuple(_laws())
