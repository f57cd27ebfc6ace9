"""Laws of rounding and of universal quantization: Eqs. 5, 8 and 24; the straight-through line."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from npuq.backend import Array
from npuq.checks import exact
from npuq.checks.law import DTYPES, Dtypes, Functions, Law, Observation
from npuq.checks.laws.asking import ask, hard

EXACTLY = "0: integers"


def apart(y: Array, least: float = 1e-3) -> Array:
    """Where y is no tie, nor close to one."""
    y = y.astype(np.float64)
    return np.asarray(abs(y - np.floor(y) - 0.5) > least)


def coefficients(dtype: str) -> Array:
    """Of both signs, small and large, none of them a tie."""
    y = np.random.default_rng(5).normal(0, 4, 60).astype(dtype)
    y = np.concatenate([y, np.array([0.0, 3.0, -7.0, 0.4, -0.6, 1000.25, -65_536.75], dtype)])
    return y[apart(y)]


def more_coefficients(dtype: str) -> Array:
    """Hard ones, and random ones of any magnitude up to 2^100."""
    rng = np.random.default_rng(48)
    y = rng.choice([-1, 1], 60) * 2.0 ** rng.uniform(-20, 100, 60)
    y = np.concatenate([hard(dtype), y.astype(dtype)])
    return y[apart(y)]


def _round_values(
    functions: Functions, *, name: str = "round_half_up", dtypes: Dtypes = DTYPES
) -> Iterator[Observation]:
    for since, of in ((1, coefficients), (2, more_coefficients)):
        for dtype in dtypes:
            y = of(dtype)
            yield ask(functions, name, (y,), exact.round_half_up(y), 0, since=since)


def _round_ties(functions: Functions, *, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    far = np.array([2**10, -(2**10), 2**20 + 1, -(2**20) - 1, 2**22, -(2**22)])
    for since, n in ((1, np.arange(-6, 7)), (2, far)):
        for dtype in dtypes:
            k = n.astype(dtype)
            yield ask(functions, "round_half_up", (k - k.dtype.type(0.5),), k, 0, since=since)


def _round_twice(functions: Functions, *, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    """For u inside of (-1/2, 1/2), so that no tie rule is asked for; sums k + u are exact."""
    for dtype in dtypes:
        y = np.concatenate([coefficients(dtype), hard(dtype)])
        y = y[abs(y) <= 1001]
        k = np.asarray(functions["round_half_up"](y)).astype(dtype)
        steps = np.random.default_rng(49).integers(-511, 512, (4, len(y)))
        steps[:, ::5] = np.array([[-511], [511], [-510], [510]])  # 255/512, as far as dithers go
        for u in (steps / 1024).astype(dtype):
            yield ask(functions, "round_half_up", (k + u,), k, 0)


def _round_neighbours(functions: Functions, *, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    for dtype in dtypes:
        bits = np.finfo(dtype).nmant + 1
        below_half = np.nextafter(np.array([0.5], dtype), np.array([0.0], dtype))
        odd = np.array([2.0 ** (bits - 1) + 1, -(2.0 ** (bits - 1)) - 1], dtype)
        y = np.concatenate([below_half, odd])
        yield ask(functions, "round_half_up", (y,), exact.round_half_up(y), 0)
    for dtype in dtypes:
        y = hard(dtype)
        y = y[~apart(y, 1e-4) & (y - np.floor(y) != 0.5)]
        yield ask(functions, "round_half_up", (y,), exact.round_half_up(y), 0, since=2)


def _straight_gradient(functions: Functions) -> Iterator[Observation]:
    y = coefficients("float64")
    d = np.linspace(-1, 2, len(y))
    yield ask(functions, "round_straight_through_backward", (d, y), d, 1e-12)


def _quantize_values(functions: Functions, *, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    for dtype in dtypes:
        y = coefficients(dtype)
        u = (np.random.default_rng(6).random(len(y)) - 0.5).astype(dtype)
        difference = y.astype(np.float64) - u
        clear = apart(difference, 0.02)  # float32 at 65,536: 0.004
        y, u, difference = y[clear], u[clear], difference[clear]
        yield ask(functions, "universal_quantize", (y, u), exact.round_half_up(difference), 0)


def _quantize_ties(functions: Functions, *, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    for dtype in dtypes:
        y = np.arange(-6, 7).astype(dtype)
        yield ask(functions, "universal_quantize", (y, np.full_like(y, -0.5)), y + 1, 0)


def _dequantize_values(functions: Functions, *, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    for dtype in dtypes:
        k = np.array([0, 1, -1, 5, -40, 1000], dtype)
        u = np.array([-0.5, 0.25, 0.1, -0.3, 0.49, 0.0], dtype)
        z = k.astype(np.float64) + u
        yield ask(functions, "universal_dequantize", (k, u), z, np.finfo(dtype).eps * abs(z))


def _about(functions: Functions, *, dtypes: Dtypes = DTYPES) -> Iterator[Observation]:
    for dtype in dtypes:
        y = coefficients(dtype)
        loc = np.random.default_rng(8).uniform(-2, 2, len(y)).astype(dtype)
        difference = y.astype(np.float64) - loc
        clear = apart(difference, 0.02)  # float32 at 65,536: 0.004
        y, loc, difference = y[clear], loc[clear], difference[clear]
        z = exact.round_half_up(difference) + loc
        tolerance = 2 * np.finfo(dtype).eps * (abs(z) + abs(loc))
        yield ask(functions, "round_about", (y, loc), z, tolerance)


LAWS = (
    Law(
        "round_half_up.values", "Eq. 8", ("round_half_up",),
        "the nearest integer, away from ties", EXACTLY, "other symbols", _round_values, DTYPES,
    ),
    Law(
        "round_half_up.ties", "Eq. 8", ("round_half_up",),
        "ties go up: round(n - 1/2) = n, or round(round(y) + u) = round(y) fails at u = -1/2",
        EXACTLY, "nothing on a continuum; other symbols wherever y or u lie on a grid", _round_ties,
        DTYPES,
    ),
    Law(
        "round_half_up.twice", "Eq. 8", ("round_half_up",),
        "round(round(y) + u) = round(y) for every u between -1/2 and 1/2", EXACTLY,
        "at hard rounding, another integer at the receiver than was sent", _round_twice,
        DTYPES,
    ),
    Law(
        "round_half_up.neighbours", "Eq. 8", ("round_half_up",),
        "numbers just below n + 1/2 are rounded to n, and large odd integers to themselves",
        EXACTLY, "one coefficient in 2^24 of float32, and those beyond 2^23", _round_neighbours,
        DTYPES,
    ),
    Law(
        "round_straight_through.values", "Sec. 2", ("round_straight_through",),
        "the nearest integer, away from ties", EXACTLY, "training of another quantizer",
        functools.partial(_round_values, name="round_straight_through"), DTYPES,
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
        DTYPES,
    ),
    Law(
        "universal_quantize.ties", "Eqs. 5 and 8", ("universal_quantize",),
        "ties go up: k = y + 1 at u = -1/2 for integers y", EXACTLY,
        "nothing on a continuum; other symbols wherever y and u lie on a grid", _quantize_ties,
        DTYPES,
    ),
    Law(
        "universal_dequantize.values", "Eq. 5", ("universal_dequantize",), "z = k + u",
        "eps, relative", "distortion of every coefficient", _dequantize_values, DTYPES,
    ),
    Law(
        "round_about.values", "Eq. 24", ("round_about",),
        "round(y - loc) + loc, away from ties", "2 eps of z and of loc",
        "symbols that the density, which is about its location, does not expect", _about,
        DTYPES,
    ),
)  # fmt: skip
