"""Kernels whose threads have one number each: CUDA C in the emulator against the plain twins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gpu.conftest import device_only, on_device
from hypothesis import example, given, settings
from hypothesis import strategies as st

from npuq.codec.quantizer import look_up_symbols, look_up_values
from npuq.coding.dither import dither_values, dither_words
from npuq.coding.noise import noise_place, uniform_noise
from npuq.nn.activations import leaky_relu, leaky_relu_backward
from npuq.nn.non_negative import (
    PEDESTAL,
    non_negative,
    non_negative_backward_straight_through,
)

pytestmark = pytest.mark.usefixtures("device")

f = np.float32
SEEDS = st.integers(0, 2**64 - 1)
WORD = st.integers(0, 2**32 - 1)


@given(
    window=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 30)),
    first=st.tuples(*[st.integers(0, 2**32 - 40)] * 3),
    tensor=WORD,
    seed=SEEDS,
)
@example(window=(2, 3, 5), first=(7, 2**32 - 40, 2), tensor=2**32 - 1, seed=2**64 - 1)
@settings(max_examples=8)
def test_dither_words_bit_for_bit(window: Any, first: Any, tensor: int, seed: int) -> None:
    key = np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32)
    begins = (first[0], first[1], tensor)
    want = dither_words.plain(*window, *begins, key, first[2])  # type: ignore[attr-defined]
    got = dither_words(*window, *begins, on_device(key)[0], first[2])
    np.testing.assert_array_equal(got.get(), want)
    assert got.dtype == np.uint32


@given(shape=st.lists(st.integers(0, 9), max_size=3), seed=SEEDS, step=WORD, tensor=WORD)
@example(shape=[3, 7, 5], seed=2**64 - 1, step=2**32 - 1, tensor=1)
@settings(max_examples=8)
def test_noise_bit_for_bit(shape: list[int], seed: int, step: int, tensor: int) -> None:
    place = noise_place(seed, step, tensor)
    want = uniform_noise(place, tuple(shape))
    got = uniform_noise(on_device(place)[0], tuple(shape))
    np.testing.assert_array_equal(got.get(), want)
    assert got.dtype == want.dtype == f and got.shape == want.shape == tuple(shape)
    assert not want.size or -0.5 <= want.min() <= want.max() < 0.5


def test_noise_is_uniform_and_none_is_like_another() -> None:
    places = [(1, 0, 0), (2, 0, 0), (1 << 32, 0, 0), (1, 1, 0), (1, 0, 1)]
    noises = [uniform_noise(noise_place(*place), (100, 100)) for place in places]
    for u in noises:
        assert abs(u.mean()) < 5 * np.sqrt(1 / 12 / u.size)
        assert abs(u.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / u.size)
        assert len(np.unique(u)) > 9900  # of 2^24 levels
    correlations = np.corrcoef([u.ravel() for u in noises]) - np.eye(len(places))
    assert np.abs(correlations).max() < 0.05
    np.testing.assert_array_equal(
        uniform_noise(noise_place(1, 0), (2, 8)).ravel(), noises[0][0, :16]
    )


@pytest.mark.parametrize("place", [(-1, 0, 0), (1 << 64, 0, 0), (0, 1 << 32, 0), (0, 0, -1)])
def test_places_of_noise_beyond_their_range_are_refused(place: Any) -> None:
    with pytest.raises(ValueError, match="seed must be"):
        noise_place(*place)
    for wrong in (np.zeros(3, np.uint32), np.zeros(4, np.int32)):
        with pytest.raises(ValueError, match="place must be of"):
            uniform_noise(wrong, (2,))


@given(n=st.integers(1, 600), seed=st.integers(0, 99))
@settings(max_examples=8)
def test_look_ups_are_those_of_the_host(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    v = (rng.integers(1, 1 << 15, 256) / (1 << 15)).astype(f)
    dither = rng.integers(0, 256, n).astype(np.uint8)
    y = (10.0 ** rng.uniform(-3, 8.5, n) * rng.choice([-1, 1], n)).astype(f)
    y[: n // 3] = v[dither[: n // 3]] + rng.integers(-9, 9, n // 3).astype(f)  # ties
    k = np.empty(n, np.int32)
    look_up_symbols(y, dither, v, k)
    on = on_device(y, dither, v, np.full(n, 7, np.int32))
    with device_only(launches=1):
        look_up_symbols(*on)
    np.testing.assert_array_equal(on[3].get(), k)
    r = dither_values(np.arange(256))
    on = on_device(k, dither, r)
    with device_only(launches=1):
        values = look_up_values(*on)
    np.testing.assert_array_equal(values.get(), look_up_values(k, dither, r))
    assert values.dtype == f


@given(n=st.integers(0, 600), slope=st.sampled_from([0.0, 0.01, 1.0]), seed=st.integers(0, 99))
@settings(max_examples=6)
def test_leaky_relu_there_and_back(n: int, slope: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, d_y = rng.standard_normal((2, n)).astype(f)
    x[: n // 4] = rng.choice(np.array([0.0, -0.0, np.nan, 1e30, 1e-30, -1e-30], f), n // 4)
    on_x, on_d_y = on_device(x, d_y)
    got = leaky_relu(on_x, slope), leaky_relu_backward(on_d_y, on_x, slope)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(got[0].get(), leaky_relu(x, slope))
        np.testing.assert_array_equal(got[1].get(), leaky_relu_backward(d_y, x, slope))


@given(n=st.integers(1, 600), minimum=st.sampled_from([0.0, 1e-6, 0.3]), seed=st.integers(0, 99))
@settings(max_examples=6)
def test_bounded_parameters_bit_for_bit(n: int, minimum: float, seed: int) -> None:
    """On both sides of the bound and at it, with gradients of both signs."""
    rng = np.random.default_rng(seed)
    theta, d_y = (0.5 * rng.standard_normal((2, n))).astype(f)
    theta[: n // 4] = f(np.sqrt(minimum + PEDESTAL))
    theta[n // 4 : n // 3] = np.nan
    on_theta, on_d_y = on_device(theta, d_y)
    with device_only(launches=2):
        value = non_negative(on_theta, minimum)
        d_theta = non_negative_backward_straight_through(on_d_y, on_theta, minimum)
    np.testing.assert_array_equal(value.get(), non_negative(theta, minimum))
    want = non_negative_backward_straight_through(d_y, theta, minimum)
    is_number = ~np.isnan(theta)
    np.testing.assert_array_equal(d_theta.get()[is_number], want[is_number])
