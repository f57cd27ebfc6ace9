"""Laws of universal quantization as a channel: for fixed y, k + u - y is uniform noise (Eq. 6)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.special

from npuq.backend import Array
from npuq.checks.law import Functions, Law, Observation
from npuq.checks.laws.asking import beside
from npuq.checks.laws.noise import DEVIATIONS, DISTANCE, KOLMOGOROV, distance_to_uniform

BINS = 32
DRAWS = 20_000
FIXED = (0.0, 0.3, -1.7, 2.5, 40.2)
HARD = (1.0, -3.0, 0.5, -2.5, -1e-4, 0.49999999999999994, 1e-300, 100_000.25)
COUNTS = (1, 2, 37, 256)
"""Of values of u on a regular grid, as those of a coder's dither."""
CELLS = 8


def _circle(functions: Functions) -> Iterator[Observation]:
    """u -> k + u - y turns the circle R/Z, for every y: noise on a regular grid has errors on one.

    That is Eq. 6 without any chance. Distances of errors in their order, the last from the first
    one turn on; and by how much the largest error exceeds 1/2.
    """
    places = [*FIXED, *HARD, *np.random.default_rng(50).normal(0, 5, 6).round(2).tolist()]
    y = np.array(places)
    rounding = 4 * np.spacing(1 + abs(y))  # of y - u and of k + u
    for count in COUNTS:
        grid = ((np.arange(count) + 0.5) / count - 0.5)[:, None]
        u, wide = (a.copy() for a in np.broadcast_arrays(grid, y))
        k = functions["universal_quantize"](wide, u)
        z = functions["universal_dequantize"](k, u)
        error = np.sort(beside("universal_dequantize", (), z, u, 0).observed - y, axis=0)
        gaps = np.diff(error, axis=0, append=error[:1] + 1)
        excess = np.maximum(abs(error).max(0, keepdims=True) - 0.5, 0)
        due = np.append(np.full((count, len(y)), 1 / count), np.zeros((1, len(y))), 0)
        read = (
            "(lambda e: np.append(np.diff(e, axis=0, append=e[:1] + 1), np.maximum(abs(e).max(0, "
            "keepdims=True) - 0.5, 0), 0))((lambda y, u: np.sort(np.asarray("
            "{of[universal_dequantize]}({f}({w}(y), {w}(u)), {w}(u))) - y, 0))"
            f"(*(a.copy() for a in np.broadcast_arrays({places}, "
            f"(np.arange({count})[:, None] + 0.5) / {count} - 0.5))))"
        )
        yield beside("universal_quantize", (), np.append(gaps, excess, 0), due, 2 * rounding,
                     pointwise=False, read=read)  # fmt: skip


def _independence(functions: Functions) -> Iterator[Observation]:
    """Chi-square of 8 x 8 tables: errors of two coefficients as dependent as can be, and y.

    y is narrow, so that most of it lies in one interval of rounding; `at` is its quantile.
    """
    rng = np.random.default_rng(51)
    first = rng.laplace(0, 0.15, DRAWS)
    u = rng.random((2, DRAWS)) - 0.5
    y = np.stack([first, first + 0.25])
    k = functions["universal_quantize"](y, u)
    error = np.asarray(functions["universal_dequantize"](k, u), np.float64) - y
    at = np.sign(first) * (1 - np.exp(-abs(first) / 0.15)) / 2
    parts = np.clip([*error, at], -0.5, 0.5)
    bound = 2 * scipy.special.gammaincinv((CELLS**2 - 1) / 2, 1 - 1e-10)  # of chi-square
    bins = f"{CELLS}, [[-0.5, 0.5]] * 2"
    for a, b in ((0, 1), (0, 2), (1, 2)):
        table = np.histogram2d(parts[a], parts[b], CELLS, [[-0.5, 0.5]] * 2)[0]
        cell = DRAWS / CELLS**2
        read = (
            f"(lambda y, u: (lambda e: ((np.histogram2d(e[{a}], e[{b}], {bins})[0] - {cell}) ** 2)"
            f".sum() / {cell})(np.clip([*np.asarray({{of[universal_dequantize]}}({{f}}({{w}}(y), "
            "{w}(u)), {w}(u))) - y, np.sign(y[0]) * (1 - np.exp(-abs(y[0]) / 0.15)) / 2], -0.5, "
            f"0.5)))(*(r := np.random.default_rng(51), f := r.laplace(0, 0.15, {DRAWS}), "
            f"np.stack([f, f + 0.25]), r.random((2, {DRAWS})) - 0.5)[2:])"
        )
        yield beside("universal_quantize", (), ((table - cell) ** 2).sum() / cell, CELLS**2 - 1,
                     bound - CELLS**2 + 1, pointwise=False, read=read)  # fmt: skip


def _errors(functions: Functions, seed: int) -> Iterator[tuple[float, Array, str]]:
    """y, the errors k + u - y of DRAWS draws of u at it, and the code that computes them."""
    u = np.random.default_rng(seed).random(DRAWS) - 0.5
    noise = f"(u := np.random.default_rng({seed}).random({DRAWS}) - 0.5)"
    for at in (*FIXED, *HARD):
        k = functions["universal_quantize"](np.full_like(u, at), u)
        error = np.asarray(functions["universal_dequantize"](k, u), np.float64) - at
        shown = (
            f"np.asarray({{of[universal_dequantize]}}({{f}}({{w}}(np.full({DRAWS}, {at})), {{w}}("
            f"{noise})), {{w}}(u))) - {at}"
        )
        yield at, error, shown


def _variance(functions: Functions) -> Iterator[Observation]:
    """Mean square of the error at fixed y; that of U^2 has the variance 1/180."""
    for _, error, shown in _errors(functions, 9):
        yield beside("universal_quantize", (), (error**2).mean(), 1 / 12,
                     DEVIATIONS * np.sqrt(1 / 180 / DRAWS), pointwise=False,
                     read=f"np.mean(({shown}) ** 2)")  # fmt: skip


def _channel(functions: Functions) -> Iterator[Observation]:
    """Shares of the errors in each 1/32 of [-1/2, 1/2), and outside; Kolmogorov's distance."""
    for at, error, shown in _errors(functions, 7):
        yield beside("universal_quantize", (), distance_to_uniform(error), 0.0,
                     KOLMOGOROV / np.sqrt(DRAWS), pointwise=False,
                     read=DISTANCE.format(shown))  # fmt: skip
        if at in HARD:
            continue  # where 1/2 is no edge, as k + u is rounded
        inside = np.histogram(error, BINS, (-0.5 - 1e-12, 0.5 + 1e-12))[0] / DRAWS
        shares = np.append(inside, (abs(error) > 0.5 + 1e-12).mean())
        expected = np.append(np.full(BINS, 1 / BINS), 0.0)
        tolerance = DEVIATIONS * np.sqrt(expected * (1 - expected) / DRAWS)
        read = (
            f"np.append(np.histogram(e := {shown}, {BINS}, (-0.5 - 1e-12, 0.5 + 1e-12))[0], "
            f"(abs(e) > 0.5 + 1e-12).sum()) / {DRAWS}"
        )
        yield beside("universal_quantize", (), shares, expected, tolerance, pointwise=False,
                     read=read)  # fmt: skip


LAWS = (
    Law(
        "universal_quantize.circle", "Eq. 6", ("universal_quantize", "universal_dequantize"),
        "for fixed y a regular grid of u has errors on a regular grid, all within 1/2",
        "8 ulps of 1 + |y|: y - u and k + u are rounded",
        "not the channel of training: both rate and distortion are others", _circle,
    ),
    Law(
        "universal_quantize.independence", "Eq. 6", ("universal_quantize", "universal_dequantize"),
        "errors of two coefficients are independent of each other and of y, however those depend",
        "chi-square of 64 cells at 1e-10: a false alarm in 1e7 runs; the draws are seeded",
        "not the channel of training: errors tell of coefficients", _independence, coarse=True,
        of_digits=False,
    ),
    Law(
        "universal_quantize.variance", "Eq. 6", ("universal_quantize", "universal_dequantize"),
        "for fixed y the error k + u - y has the mean square 1/12",
        f"{DEVIATIONS} standard deviations: a false alarm in 1e7 runs; the draws are seeded",
        "a distortion that is not that of training", _variance, coarse=True, of_digits=False,
    ),
    Law(
        "universal_quantize.channel", "Eq. 6", ("universal_quantize", "universal_dequantize"),
        "for fixed y the error k + u - y is uniform on [-1/2, 1/2]",
        f"{DEVIATIONS} standard deviations: a false alarm in 1e7 runs; the draws are seeded",
        "not the channel of training: both rate and distortion are others", _channel,
        of_digits=False,
    ),
)  # fmt: skip
