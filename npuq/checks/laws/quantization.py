"""Laws of rounding and of universal quantization: Eqs. 5, 6 and 8; the straight-through line."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from npuq.backend import Array
from npuq.checks import exact
from npuq.checks.law import Functions, Law, Observation
from npuq.checks.laws.asking import DTYPES, ask, beside
from npuq.checks.laws.noise import DEVIATIONS

EXACTLY = "0: integers"
BINS = 32
DRAWS = 20_000


def coefficients(dtype: str) -> Array:
    """Of both signs, small and large, none of them a tie."""
    y = np.random.default_rng(5).normal(0, 4, 60).astype(dtype)
    y = np.concatenate([y, np.array([0.0, 3.0, -7.0, 0.4, -0.6, 1000.25, -65_536.75], dtype)])
    return y[abs(y - np.floor(y) - 0.5) > 1e-3]


def _round_values(functions: Functions, name: str = "round_half_up") -> Iterator[Observation]:
    for dtype in DTYPES:
        y = coefficients(dtype)
        yield ask(functions, name, (y,), exact.round_half_up(y), 0)


def _round_ties(functions: Functions) -> Iterator[Observation]:
    for dtype in DTYPES:
        n = np.arange(-6, 7).astype(dtype)
        yield ask(functions, "round_half_up", (n - n.dtype.type(0.5),), n, 0)


def _round_neighbours(functions: Functions) -> Iterator[Observation]:
    for dtype, bits in (("float32", 24), ("float64", 53)):
        below_half = np.nextafter(np.array([0.5], dtype), np.array([0.0], dtype))
        odd = np.array([2.0 ** (bits - 1) + 1, -(2.0 ** (bits - 1)) - 1], dtype)
        y = np.concatenate([below_half, odd])
        yield ask(functions, "round_half_up", (y,), exact.round_half_up(y), 0)


def _straight_values(functions: Functions) -> Iterator[Observation]:
    yield from _round_values(functions, "round_straight_through")


def _straight_gradient(functions: Functions) -> Iterator[Observation]:
    y = coefficients("float64")
    d = np.linspace(-1, 2, len(y))
    yield ask(functions, "round_straight_through_backward", (d, y), d, 1e-12)


def _quantize_values(functions: Functions) -> Iterator[Observation]:
    for dtype in DTYPES:
        y = coefficients(dtype)
        u = (np.random.default_rng(6).random(len(y)) - 0.5).astype(dtype)
        difference = y.astype(np.float64) - u
        clear = abs(difference - np.floor(difference) - 0.5) > 0.02  # float32 at 65,536: 0.004
        y, u, difference = y[clear], u[clear], difference[clear]
        yield ask(functions, "universal_quantize", (y, u), exact.round_half_up(difference), 0)


def _quantize_ties(functions: Functions) -> Iterator[Observation]:
    for dtype in DTYPES:
        y = np.arange(-6, 7).astype(dtype)
        yield ask(functions, "universal_quantize", (y, np.full_like(y, -0.5)), y + 1, 0)


def _dequantize_values(functions: Functions) -> Iterator[Observation]:
    for dtype in DTYPES:
        k = np.array([0, 1, -1, 5, -40, 1000], dtype)
        u = np.array([-0.5, 0.25, 0.1, -0.3, 0.49, 0.0], dtype)
        z = k.astype(np.float64) + u
        yield ask(functions, "universal_dequantize", (k, u), z, np.finfo(dtype).eps * abs(z))


def _about(functions: Functions) -> Iterator[Observation]:
    for dtype in DTYPES:
        y = coefficients(dtype)
        loc = np.random.default_rng(8).uniform(-2, 2, len(y)).astype(dtype)
        difference = y.astype(np.float64) - loc
        clear = abs(difference - np.floor(difference) - 0.5) > 0.02  # float32 at 65,536: 0.004
        y, loc, difference = y[clear], loc[clear], difference[clear]
        z = exact.round_half_up(difference) + loc
        tolerance = 2 * np.finfo(dtype).eps * (abs(z) + abs(loc))
        yield ask(functions, "round_about", (y, loc), z, tolerance)


def _variance(functions: Functions) -> Iterator[Observation]:
    """Mean square of the error at fixed y; that of U^2 has the variance 1/180."""
    u = np.random.default_rng(9).random(DRAWS) - 0.5
    for at in (0.0, 0.3, -1.7, 2.5, 40.2):
        k = functions["universal_quantize"](np.full_like(u, at), u)
        error = np.asarray(functions["universal_dequantize"](k, u), np.float64) - at
        noise = f"(u := np.random.default_rng(9).random({DRAWS}) - 0.5)"
        read = (
            f"np.mean((np.asarray({{of[universal_dequantize]}}({{f}}({{w}}(np.full({DRAWS}, {at})),"
            f" {{w}}({noise})), {{w}}(u))) - {at}) ** 2)"
        )
        yield beside("universal_quantize", (), (error**2).mean(), 1 / 12,
                     DEVIATIONS * np.sqrt(1 / 180 / DRAWS), pointwise=False, read=read)  # fmt: skip


def _channel(functions: Functions) -> Iterator[Observation]:
    """Shares of the errors in each 1/32 of [-1/2, 1/2), and outside."""
    u = np.random.default_rng(7).random(DRAWS) - 0.5
    for at in (0.0, 0.3, -1.7, 2.5, 40.2):
        y = np.full_like(u, at)
        k = functions["universal_quantize"](y, u)
        z = np.asarray(functions["universal_dequantize"](k, u), np.float64)
        error = z - at
        inside = np.histogram(error, BINS, (-0.5 - 1e-12, 0.5 + 1e-12))[0] / DRAWS
        shares = np.append(inside, (abs(error) > 0.5 + 1e-12).mean())
        expected = np.append(np.full(BINS, 1 / BINS), 0.0)
        tolerance = DEVIATIONS * np.sqrt(expected * (1 - expected) / DRAWS)
        noise = f"(u := np.random.default_rng(7).random({DRAWS}) - 0.5)"
        shown = (
            f"np.asarray({{of[universal_dequantize]}}({{f}}({{w}}(np.full({DRAWS}, {at})), {{w}}("
            f"{noise})), {{w}}(u))) - {at}"
        )
        read = (
            f"np.append(np.histogram(e := {shown}, {BINS}, (-0.5 - 1e-12, 0.5 + 1e-12))[0], "
            f"(abs(e) > 0.5 + 1e-12).sum()) / {DRAWS}"
        )
        yield beside("universal_quantize", (), shares, expected, tolerance, pointwise=False,
                     read=read)  # fmt: skip


LAWS = (
    Law(
        "round_half_up.values", "Eq. 8", ("round_half_up",),
        "the nearest integer, away from ties", EXACTLY, "other symbols", _round_values,
    ),
    Law(
        "round_half_up.ties", "Eq. 8", ("round_half_up",),
        "ties go up: round(n - 1/2) = n, or round(round(y) + u) = round(y) fails at u = -1/2",
        EXACTLY, "nothing on a continuum; other symbols wherever y or u lie on a grid", _round_ties,
    ),
    Law(
        "round_half_up.neighbours", "Eq. 8", ("round_half_up",),
        "the number just below 1/2 is rounded to 0, and large odd integers to themselves",
        EXACTLY, "one coefficient in 2^24 of float32, and those beyond 2^23", _round_neighbours,
    ),
    Law(
        "round_straight_through.values", "Sec. 2", ("round_straight_through",),
        "the nearest integer, away from ties", EXACTLY, "training of another quantizer",
        _straight_values,
    ),
    Law(
        "round_straight_through_backward.values", "Sec. 2", ("round_straight_through_backward",),
        "the gradient passes unchanged", "1e-12", "an encoder that does not learn",
        _straight_gradient,
    ),
    Law(
        "universal_quantize.values", "Eq. 5", ("universal_quantize",),
        "k = round(y - u), away from ties", EXACTLY,
        "an error that is not uniform, and other symbols than the density's", _quantize_values,
    ),
    Law(
        "universal_quantize.ties", "Eqs. 5 and 8", ("universal_quantize",),
        "ties go up: k = y + 1 at u = -1/2 for integers y", EXACTLY,
        "nothing on a continuum; other symbols wherever y and u lie on a grid", _quantize_ties,
    ),
    Law(
        "universal_dequantize.values", "Eq. 5", ("universal_dequantize",), "z = k + u",
        "eps, relative", "distortion of every coefficient", _dequantize_values,
    ),
    Law(
        "round_about.values", "Eq. 24", ("round_about",),
        "round(y - loc) + loc, away from ties", "2 eps of z and of loc",
        "symbols that the density, which is about its location, does not expect", _about,
    ),
    Law(
        "universal_quantize.variance", "Eq. 6", ("universal_quantize", "universal_dequantize"),
        "for fixed y the error k + u - y has the mean square 1/12",
        f"{DEVIATIONS} standard deviations: a false alarm in 1e7 runs; the draws are seeded",
        "a distortion that is not that of training", _variance, of_digits=False,
    ),
    Law(
        "universal_quantize.channel", "Eq. 6", ("universal_quantize", "universal_dequantize"),
        "for fixed y the error k + u - y is uniform on [-1/2, 1/2]",
        f"{DEVIATIONS} standard deviations: a false alarm in 1e7 runs; the draws are seeded",
        "not the channel of training: both rate and distortion are others", _channel,
        of_digits=False,
    ),
)  # fmt: skip
