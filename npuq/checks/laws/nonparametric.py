"""Laws of the non-parametric density with given parameters: Ballé et al. 2018, Appendix 6.1.

Four layers of widths 1, 3, 3, 3, 1, one distribution for each of C channels,

    f_k(x) = g_k(softplus(matrix_k) x + bias_k),   g_k(x) = x + tanh(factor_k) tanh(x),

without g in the last; c(z) = sigmoid(f_4(...)). Entries are random, and no two channels are alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.special

from npuq.backend import Array
from npuq.checks.law import DTYPES, Dtypes, Functions, Law, Observation
from npuq.checks.laws.asking import ask, beside
from npuq.checks.laws.densities import DEEPEST, SMALLEST_BITS
from npuq.checks.laws.layers import vjp

NAME = "nonparametric_bits"
WIDTHS = (1, 3, 3, 3, 1)
CHANNELS = 2
EQUATION = "Ballé et al. 2018, Appendix 6.1"


def parameters(dtype: str = "float64") -> list[Array]:
    """matrix1, bias1, factor1, ..., matrix4, bias4, of distributions some two units wide.

    Two digits each, so that a call fits a line.
    """
    rng = np.random.default_rng(35)
    arrays = []
    for number, (before, after) in enumerate(zip(WIDTHS[:-1], WIDTHS[1:], strict=True)):
        arrays.append(rng.uniform(-1.2, 0.3, (CHANNELS, after, before)))
        arrays.append(rng.uniform(-0.5, 0.5, (CHANNELS, after, 1)))
        if number < len(WIDTHS) - 2:
            arrays.append(rng.uniform(-0.8, 0.8, (CHANNELS, after, 1)))
    return [np.round(array, 2).astype(dtype) for array in arrays]


def logits(z: Array, *arrays: Array) -> Array:
    """log(c / (1 - c)), (C, n), real or complex."""
    x = z[:, None]
    for k in range(0, len(arrays), 3):
        x = np.log1p(np.exp(arrays[k])) @ x + arrays[k + 1]
        if k + 2 < len(arrays):
            x = x + np.tanh(arrays[k + 2]) * np.tanh(x)
    return x[:, 0]


def exact_bits(z: Array, *arrays: Array) -> Array:
    """-log2 (c(z + 1/2) - c(z - 1/2)), in the tail that is short."""
    z, *arrays = (np.asarray(a, np.float64) for a in (z, *arrays))  # type: ignore[assignment]
    low, high = (logits(z + half, *arrays) for half in (-0.5, 0.5))
    flipped = low + high > 0
    low, high = np.where(flipped, -high, low), np.where(flipped, -low, high)
    low, high = scipy.special.log_expit(low), scipy.special.log_expit(high)
    return np.asarray(-(high + np.log(-np.expm1(low - high))) / math.log(2))


def _smooth_bits(z: Array, *arrays: Array) -> Array:
    """The same of complex numbers, for derivatives in the body."""
    low, high = (1 / (1 + np.exp(-logits(z + half, *arrays))) for half in (-0.5, 0.5))
    return np.asarray(-np.log(high - low) / math.log(2))


def _body(dtype: str) -> tuple[Array, ...]:
    z = np.stack([np.arange(-4, 5, 0.75), np.arange(-5, 4, 0.75)]).astype(dtype)
    arguments = z, *parameters(dtype)
    keep = (exact_bits(*arguments) < DEEPEST[dtype]).all(0)
    return z[:, keep], *parameters(dtype)


def _values(functions: Functions, *, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    for dtype in dtypes:
        arguments = _body(dtype)
        bits = exact_bits(*arguments)
        yield ask(functions, NAME, arguments, bits, SMALLEST_BITS[dtype] * (1 + bits),
                  pointwise=False)  # fmt: skip


def _tails(functions: Functions) -> Iterator[Observation]:
    z = np.array([[30.0, 60, 200, -30, -60, -200], [25.0, 70, 150, -25, -70, -150]])
    arguments = z, *parameters()
    bits = exact_bits(*arguments)
    yield ask(functions, NAME, arguments, bits, 1e-3 * bits, pointwise=False)


def _gradients(functions: Functions) -> Iterator[Observation]:
    arguments: tuple[Any, ...] = _body("float64")
    d = np.random.default_rng(36).uniform(0.5, 2, arguments[0].shape)
    due = np.concatenate([g.ravel() for g in vjp(_smooth_bits, d, arguments)])
    answer = functions[f"{NAME}_backward"](d, *arguments)
    got = np.concatenate([np.ravel(np.asarray(g, np.float64)) for g in answer])
    yield beside(f"{NAME}_backward", (d, *arguments), got, due, 1e-6 * (1 + abs(due)),
                 pointwise=False, read="np.concatenate([np.ravel(a) for a in {}])")  # fmt: skip


LAWS = (
    Law(
        f"{NAME}.values", EQUATION, (NAME,), "the density of Y + U, in its body, by Eq. 43",
        "1e-6 bit (1e-3 in float32), and as much of every bit",
        "bits of every coefficient: the divergence of the two densities", _values, DTYPES,
    ),
    Law(
        f"{NAME}.tails", EQUATION, (NAME,), "both tails, up to 200 units out",
        "a thousandth of the value",
        "wrong rates of outliers, and no gradient that brings them back", _tails,
        coarse=True,
    ),
    Law(
        f"{NAME}_backward.values", EQUATION, (f"{NAME}_backward",),
        "gradients to z and to all parameters", "1e-6, relative and absolute, in float64",
        "wrong gradients in training", _gradients,
    ),
)  # fmt: skip
