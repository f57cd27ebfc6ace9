"""Adam, one parameter at a time and all in one buffer: CUDA C in the emulator."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from gpu.conftest import device_only, on_device
from hypothesis import given, settings
from hypothesis import strategies as st

from npuq.nn.adam import AdamState, adam_step, adam_update
from npuq.nn.clipping import REMEMBERED, TO_JUDGE, clipped, gradient_length, is_outlier
from npuq.nn.flat_adam import NUMBERS, flat_adam
from npuq.training.step import averaged

pytestmark = pytest.mark.usefixtures("device")

f = np.float32


@given(n=st.integers(0, 600), seed=st.integers(0, 99), rate=st.sampled_from([0.0, 3e-3]))
@settings(max_examples=6)
def test_one_parameter(n: int, seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    p, g, m = rng.standard_normal((3, n)).astype(f)
    arrays = p, g, m, rng.random(n).astype(f)
    numbers = {"beta1": 0.9, "beta2": 0.99, "rate": rate, "correction1": 0.3, "correction2": 0.1}
    exact = adam_update(*(a.astype(np.float64) for a in arrays), **numbers, epsilon=1e-3)
    args = on_device(*arrays)
    with device_only(launches=int(n > 0)):
        got = adam_update(*args, **numbers, epsilon=1e-3)
    for ours, want in zip(got, exact, strict=True):
        np.testing.assert_allclose(ours.get(), want, rtol=1e-6, atol=3e-7)
    if rate == 0:
        np.testing.assert_array_equal(got[0].get(), p)


def start(rng: np.random.Generator, n: int, groups: int) -> list[Any]:
    """p, m, v, group: the same for every run."""
    p, m = rng.standard_normal((2, n)).astype(f)
    return [p, m, rng.random(n).astype(f), rng.integers(0, groups, n).astype(np.uint8)]


def numbers_of(clip: float, ratio: float, rates: list[float]) -> Any:
    return np.array([0.9, 0.99, 1e-3, clip, ratio, 0.25, *rates])


@pytest.mark.parametrize(("clip", "ratio"), [(math.inf, math.inf), (20.0, math.inf), (20.0, 1.5)])
def test_a_run_of_steps_is_that_of_the_training_loop(clip: float, ratio: float) -> None:
    """60 steps: more than TO_JUDGE, with gradients of wild lengths, of which some are skipped."""
    rng, n, rates = np.random.default_rng(5), 700, [1e-2, 0.0, 3e-2]
    p, m, v, group = start(rng, n, len(rates))
    numbers = numbers_of(clip, ratio, rates)
    lengths, steps = np.full(REMEMBERED, np.nan), np.zeros(3, np.int64)
    flat = [a.copy() for a in (p, m, v, p + f(1))]
    on = on_device(*flat, group, numbers, lengths, steps)
    # the loop's own way: arrays by name, in float64
    names = [str(k) for k in range(len(rates))]
    split = lambda a: {k: a[group == int(k)].astype(np.float64) for k in names}  # noqa: E731
    params, state, seen, skips = split(p), AdamState(0, split(m), split(v)), [], 0
    average = split(p + f(1))
    for _ in range(60):
        g = (10.0 ** rng.uniform(-1, 1) * rng.standard_normal(n)).astype(f)
        flat_adam(flat[0], g, *flat[1:], group, numbers, lengths, steps)
        on_g = on_device(g)[0]
        with device_only(launches=3):
            flat_adam(on[0], on_g, *on[1:])
        length = gradient_length(split(g))
        if math.isfinite(ratio) and is_outlier(length, seen[-REMEMBERED:], ratio):
            skips += 1
        else:
            by_name = clipped(split(g), length, clip if math.isfinite(clip) else None)
            static = {"beta1": 0.9, "beta2": 0.99, "epsilon": 1e-3}
            rate_of = dict(zip(names, rates, strict=True))
            params, state = adam_step(params, by_name, state, rate_of, **static)
            average = averaged(average, params, 4)
        seen.append(length)
    assert (skips > 3) == math.isfinite(ratio)
    assert list(steps) == list(on[7].get()) == [60 - skips, 60, skips]
    for plain, ours, exact in zip(flat, on, (params, state.m, state.v, average), strict=False):
        for k in names:
            for got in (plain, ours.get()):
                np.testing.assert_allclose(got[group == int(k)], exact[k], rtol=1e-5, atol=2e-5)
    np.testing.assert_array_equal(flat[0][group == 1], p[group == 1])
    np.testing.assert_array_equal(on[0].get()[group == 1], p[group == 1])
    np.testing.assert_allclose(on[6].get(), lengths, rtol=1e-6)


@pytest.mark.parametrize("done", [0, 1, TO_JUDGE - 1, TO_JUDGE, 33, REMEMBERED, 3 * REMEMBERED + 7])
@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_gradient_is_judged_by_the_median_of_those_before(done: int, factor: float) -> None:
    """On both sides of the limit, with ties, an even and an odd number of lengths, a full ring."""
    rng = np.random.default_rng(done)
    lengths = np.round(rng.uniform(1, 9, REMEMBERED))
    lengths[min(done, REMEMBERED) :] = 1e9  # not there yet
    before = lengths[: min(done, REMEMBERED)]
    median = np.median(before) if done else 1.0
    g = np.zeros(300, f)
    g[-1] = 2.0 * median * factor
    p, m, v, group = start(rng, g.size, 1)
    numbers, none = numbers_of(math.inf, 2.0, [0.1]), np.zeros(0, f)
    args = on_device(p, g, m, v, none, group, numbers, lengths, [7, done, 3])
    flat_adam(*args)
    is_skipped = done >= TO_JUDGE and factor > 1
    assert list(args[8].get()) == [7 + (not is_skipped), done + 1, 3 + is_skipped]
    assert (args[0].get() == p).all() == (args[2].get() == m).all() == is_skipped
    np.testing.assert_allclose(args[7].get()[done % REMEMBERED], g[-1], rtol=1e-6)


def test_lengths_that_are_no_numbers_skip_nothing() -> None:
    rng = np.random.default_rng(0)
    lengths = np.ones(REMEMBERED)
    lengths[7] = np.nan
    p, m, v, group = start(rng, 10, 1)
    g = np.full(10, 1e6, f)
    numbers = numbers_of(math.inf, 2.0, [0.1])
    args = on_device(p, g, m, v, p, group, numbers, lengths, [9, 100, 0])
    flat_adam(*args)
    assert list(args[8].get()) == [10, 101, 0]
    steps = np.array([9, 100, 0])
    flat_adam(p, g, m, v, p.copy(), group, numbers, lengths.copy(), steps)
    assert list(steps) == [10, 101, 0]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_no_number_changes_nothing(wrong: float) -> None:
    p, m, v, group = start(np.random.default_rng(0), 600, 1)
    g = np.ones(600, f)
    g[300] = wrong
    numbers, lengths = numbers_of(1.0, 2.0, [0.1]), np.arange(float(REMEMBERED))
    before = [p, g, m, v, p, group, numbers, lengths, np.array([9, 100, 4])]
    args, host = on_device(*before), [a.copy() for a in before]
    flat_adam(*args)
    flat_adam(*host)
    for was, there, here in zip(before, args, host, strict=True):
        np.testing.assert_array_equal(there.get(), was)
        np.testing.assert_array_equal(here, was)


def test_shapes_are_checked() -> None:
    arrays = [np.zeros(3, f) for _ in range(5)]
    rest = [
        np.zeros(3, np.uint8),
        numbers_of(1.0, 1.0, [0.1]),
        np.ones(REMEMBERED),
        np.zeros(3, np.int64),
    ]
    wrong = {
        0: np.zeros(4, f), 4: np.zeros(2, f), 5: np.zeros(2, np.uint8), 6: np.ones(NUMBERS),
        7: np.ones(3), 8: np.zeros(2, np.int64),
    }  # fmt: skip
    flat_adam(*arrays, *rest)
    for at, value in wrong.items():
        args: list[Any] = [*arrays, *rest]
        args[at] = value
        with pytest.raises(ValueError, match="must be"):
            flat_adam(*args)
