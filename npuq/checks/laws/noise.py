"""Laws of the noise of training and of the dither: Eq. 4 and Sec. 3.2.

They are statistical. Each bound is 6.5 standard deviations, which a normal variable exceeds once in
1e10; with some 300 bounds in a run, a source without fault is accused in fewer than one of 1e7.
A dither on a grid is no fault: all laws here allow 256 levels.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator

import numpy as np

from npuq.backend import Array
from npuq.checks.law import NO_FLOATS, Functions, Law, Observation
from npuq.checks.laws.asking import beside

SHAPE = (6, 64, 96)
BINS = 64
DEVIATIONS = 6.5
COARSEST = 1 / 255
OTHER_SEEDS = (15, 16, 14 + 2**8, 14 + 2**16)
"""Beside 14: the next, and those that a seed of few bits would make the same."""
KOLMOGOROV = math.sqrt(math.log(2 / 1e-10) / 2)
"""Kolmogorov's distance exceeds this over the root of n once in 1e10: 2 exp(-2 n d^2) at most."""
DISTANCE = (
    "(lambda e: np.maximum((i := np.arange(1, e.size + 1) / e.size) - e, e - i + 1 / e.size).max())"
    "(np.sort(np.ravel({})) + 0.5)"
)
BOUND = f"{DEVIATIONS} standard deviations: a false alarm in 1e7 runs"


def distance_to_uniform(u: Array) -> float:
    """Kolmogorov's, of a sample to the uniform distribution on [-1/2, 1/2)."""
    ordered = np.sort(np.ravel(u)) + 0.5
    steps = np.arange(1, ordered.size + 1) / ordered.size
    return float(np.maximum(steps - ordered, ordered - steps + 1 / ordered.size).max())


def draw(functions: Functions, name: str, seed: int) -> Array:
    """One array of noise, checked for its shape."""
    u = functions[name](SHAPE, seed)
    return beside(name, (SHAPE, seed), u, np.zeros(SHAPE), 0).observed


def _histogram(functions: Functions, *, name: str) -> Iterator[Observation]:
    u = draw(functions, name, 11)
    inside = np.histogram(u, BINS, (-0.5, 0.5))[0] / u.size
    expected = np.append(np.full(BINS, 1 / BINS), 0.0)
    tolerance = DEVIATIONS * np.sqrt(expected * (1 - expected) / u.size)
    shares = np.append(inside, (abs(u) > 0.5).mean())
    read = (
        f"np.append(np.histogram(a := np.asarray({{}}), {BINS}, (-0.5, 0.5))[0], "
        f"(abs(a) > 0.5).sum()) / {u.size}"
    )
    yield beside(name, (SHAPE, 11), shares, expected, tolerance, pointwise=False,
                 read=read)  # fmt: skip
    yield beside(name, (SHAPE, 11), distance_to_uniform(u), 0.0,
                 KOLMOGOROV / math.sqrt(u.size) + 1 / 256, pointwise=False,
                 read=DISTANCE.format("{}"))  # fmt: skip


def _moments(functions: Functions, *, name: str) -> Iterator[Observation]:
    u = draw(functions, name, 12)
    deviation = DEVIATIONS * np.sqrt(np.array([1 / 12, 1 / 180]) / u.size)
    grid = np.array([1 / 512, 1 / 12 / 256**2])  # a grid of 256 levels that begins at -1/2
    read = "[(a := np.asarray({})).mean(), (a ** 2).mean()]"
    yield beside(name, (SHAPE, 12), [u.mean(), (u**2).mean()], [0, 1 / 12], deviation + grid,
                 pointwise=False, read=read)  # fmt: skip


def _correlations(functions: Functions, *, name: str) -> Iterator[Observation]:
    """With the neighbour in each direction, the next but one, and the other half.

    Also of distances |u| with each other and with u: what has no correlation may still tell.
    """
    u = draw(functions, name, 13)
    u = u - u.mean() if u.std() > 0 else u
    far = 3**0.5 * (4 * abs(u) - 1)
    values = {"12**0.5 * {}": 12**0.5 * u, "3**0.5 * (4 * abs({}) - 1)": far}  # of variance 1
    for axis in range(3):
        for lag in (1, 2, SHAPE[axis] // 2):
            count = u.size * (SHAPE[axis] - lag) // SHAPE[axis]
            places = f"range({SHAPE[axis] - lag})", f"range({lag}, {SHAPE[axis]})"
            here, there = (f"np.take(a, {ends}, {axis})" for ends in places)
            for (f, of_u), (g, of_other) in itertools.product(values.items(), repeat=2):
                first = np.take(of_u, np.arange(SHAPE[axis] - lag), axis)
                second = np.take(of_other, np.arange(lag, SHAPE[axis]), axis)
                read = (
                    f"(lambda a: np.mean({f.format(here)} * {g.format(there)}))"
                    f"((a := np.asarray({{}})) - a.mean() * (a.std() > 0))"
                )
                yield beside(name, (SHAPE, 13), (first * second).mean(), 0.0,
                             DEVIATIONS / np.sqrt(count), pointwise=False, read=read)  # fmt: skip


def _seeds(functions: Functions, *, name: str) -> Iterator[Observation]:
    u = draw(functions, name, 14)
    for seed in OTHER_SEEDS:
        other = draw(functions, name, seed)
        read = (
            f"np.mean(((a := np.asarray({{}})) - a.mean()) * ((b := np.asarray({{f}}({SHAPE}, "
            f"{seed}))) - b.mean())) * 12"
        )
        centred = (u - u.mean()) * (other - other.mean())
        yield beside(name, (SHAPE, 14), 12 * centred.mean(), 0.0, DEVIATIONS / np.sqrt(u.size),
                     pointwise=False, read=read)  # fmt: skip


def _resolution(functions: Functions, *, name: str) -> Iterator[Observation]:
    levels = np.unique(draw(functions, name, 16))
    gaps = np.diff(np.concatenate([[-0.5], levels, [0.5]]))
    yield beside(name, (SHAPE, 16), gaps.max(), 0.0, COARSEST, pointwise=False,
                 read="np.diff([-0.5, *np.unique({}), 0.5]).max()")  # fmt: skip


def _repeats(functions: Functions, *, name: str) -> Iterator[Observation]:
    first, again = draw(functions, name, 17), draw(functions, name, 17)
    yield beside(name, (SHAPE, 17), abs(first - again).max(), 0.0, 0.0, pointwise=False,
                 read=f"abs({{}} - {{f}}({SHAPE}, 17)).max()")  # fmt: skip


def _laws() -> Iterator[Law]:
    for name, equation in (("uniform_noise", "Eq. 4"), ("dither", "Sec. 3.2")):
        for what, statement, reason, cost, observe in (
            ("histogram", f"each {BINS}th of [-1/2, 1/2) as often, and nothing outside", BOUND,
             "another channel than the one whose density is coded with", _histogram),
            ("moments", "mean 0, mean square 1/12", f"{BOUND}, and a grid of 256 levels",
             "a shift of all that is decoded, or another distortion", _moments),
            ("independence", "no correlation between places of a tensor, nor of their |u|", BOUND,
             "no bottleneck: a known coefficient tells the noise of others (Sec. 3.2)",
             _correlations),
            ("seeds", "no correlation between two seeds", BOUND,
             "tensors, images or steps that share their noise", _seeds),
            ("resolution", "at least 256 levels: no gap above 1/256", "a level less",
             "an error that is uniform on a grid only", _resolution),
        ):  # fmt: skip
            yield Law(f"{name}.{what}", equation, (name,), statement, reason, cost,
                      functools.partial(observe, name=name), NO_FLOATS,
                      of_digits=False)  # fmt: skip
    yield Law(
        "dither.repeats", "Sec. 3.2", ("dither",), "the same seed gives the same dither", "0",
        "the receiver adds another u than was subtracted: twice the noise",
        functools.partial(_repeats, name="dither"), NO_FLOATS,
    )  # fmt: skip


LAWS = tuple(_laws())
