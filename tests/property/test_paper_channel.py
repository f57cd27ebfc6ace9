"""The uniform noise channel and universal quantization: Secs. 3.1 and 3.2, Eqs. 4-6 and 8.

Statistical tests have fixed seeds and bounds that a correct program would pass with probability
1 - 1e-6 under a random seed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, coefficients, dtypes, each, nasty_arrays

from npuq.backend import Array
from npuq.coding.dither import dither_values
from npuq.paper.channel import (
    round_half_up,
    round_half_up_backward_straight_through,
    shared_shift_noise,
    uniform_noise,
    uniform_noise_channel,
    uniform_noise_channel_backward,
    universal_dequantize,
    universal_quantize,
)

FALSE_ALARM = 1e-6
NASTY_Y = [0.0, 1.0, -3.0, 0.5, -2.5, 0.3, -0.0001, float(np.nextafter(0.5, 0)), 1e5 + 0.25, 1e-300]


def uniform_distance(errors: Array) -> float:
    """Kolmogorov's distance of a sample to the uniform distribution on [-1/2, 1/2)."""
    ordered, n = np.sort(errors) + 0.5, len(errors)
    steps = np.arange(n + 1) / n
    return float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))


def kolmogorov_bound(n: int) -> float:
    """Dvoretzky, Kiefer, Wolfowitz and Massart: P(distance > d) <= 2 e^(-2 n d^2)."""
    return math.sqrt(math.log(2 / FALSE_ALARM) / (2 * n))


def universal(y: Array, u: Array) -> Array:
    return universal_dequantize(universal_quantize(y, u), u)


# --- round half up ------------------------------------------------------------------------------


@each(y=nasty_arrays())
@given(y=dtypes().flatmap(lambda dtype: coefficients(dtype, largest=2.0**100)))
def test_rounding_is_to_the_nearest_integer_with_ties_upwards(y: Array) -> None:
    k = round_half_up(y)
    assert k.dtype == y.dtype
    np.testing.assert_array_equal(k, np.floor(k))
    assert np.all((y - k >= -0.5) & (y - k < 0.5))  # the difference is exact


def test_rounding_where_floor_of_y_plus_one_half_fails() -> None:
    below_half = np.nextafter(0.5, 0)
    y = np.array([below_half, 2.0**52 + 1, -0.5, 0.5, 1.5, -1.5])
    np.testing.assert_array_equal(round_half_up(y), [0, 2.0**52 + 1, 0, 1, 2, -1])
    assert np.floor(below_half + 0.5) == 1  # the sum rounds
    assert np.floor(2.0**52 + 1 + 0.5) == 2.0**52 + 2


def test_straight_through_is_the_expected_derivative_of_rounding() -> None:
    """Eq. 20 with h = rounding: [y + 1/2] - [y - 1/2] = 1."""
    y = np.linspace(-3, 3, 601)
    expected = round_half_up(y + 0.5) - round_half_up(y - 0.5)
    np.testing.assert_array_equal(
        round_half_up_backward_straight_through(np.full(601, 2.5), y), 2.5 * expected
    )


# --- Eqs. 4-6 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_equation_4_noise_is_uniform_and_independent(dtype: Any) -> None:
    u = uniform_noise(np.random.default_rng(0), (2, 20_000), dtype)
    assert u.dtype == dtype
    assert np.all((u >= -0.5) & (u < 0.5))
    assert uniform_distance(u.ravel()) < kolmogorov_bound(u.size)
    assert abs(np.corrcoef(u)[0, 1]) < 5 / math.sqrt(20_000)
    np.testing.assert_array_equal(uniform_noise_channel(2 * u, u), 3 * u)


def test_equation_4_channel_is_differentiable() -> None:
    d_z, y = np.array([1.0, -2.0]), np.zeros(2)
    for gradient in uniform_noise_channel_backward(d_z, y, y):
        np.testing.assert_array_equal(gradient, d_z)
        assert not np.shares_memory(gradient, d_z)


@each(y=nasty_arrays(dtypes=[np.float64]), count=(1, 2, 256))
@given(y=coefficients(np.float64, largest=1e5), count=st.integers(1, 300))
def test_equation_6_for_every_y_errors_are_the_noise_moved_around_the_circle(
    y: Array, count: int
) -> None:
    """Noise on a regular grid gives errors on a regular grid: u -> k + u - y keeps the measure.

    It is a rotation of the circle R/Z, for each fixed y: the law of Eq. 6 without any statistics.
    """
    u = ((np.arange(count) + 0.5) / count - 0.5).reshape(count, *[1] * y.ndim)
    errors = np.sort(universal(*np.broadcast_arrays(y, u)) - y, axis=0)
    rounding = 4 * np.spacing(1 + abs(y))  # of y - u and of k + u
    assert np.all((errors >= -0.5 - rounding) & (errors <= 0.5 + rounding))
    spacing = np.diff(errors, axis=0, append=errors[:1] + 1)
    assert np.all(abs(spacing - 1 / count) <= 2 * rounding)


@pytest.mark.parametrize("y", NASTY_Y)
def test_equation_6_for_fixed_y_the_error_is_uniform(y: float) -> None:
    """K + U - y ~ U' of Eq. 6, not only on average over y."""
    u = uniform_noise(np.random.default_rng(1), (20_000,))
    fresh = uniform_noise(np.random.default_rng(2), (20_000,))
    errors = universal(np.full_like(u, y), u) - y
    assert uniform_distance(errors) < kolmogorov_bound(u.size)
    assert scipy.stats.ks_2samp(errors, fresh).pvalue > FALSE_ALARM
    # Plain rounding has one error for each y: as far from uniform as can be.
    plain = round_half_up(np.full_like(u, y)) - y
    assert uniform_distance(plain) > 0.4


def test_equation_6_with_the_dither_of_files() -> None:
    """The 256 levels of the coder's dither are such a grid."""
    u = dither_values(np.arange(256), np.float64)
    for y in NASTY_Y[:-1]:
        errors = np.sort(universal(np.full(256, y), u) - y)
        # numbers up to 1e5 + 1/2 are right to 1.5e-11
        np.testing.assert_allclose(np.diff(errors), 1 / 256, rtol=0, atol=1e-10)
        assert np.all(abs(errors) <= 0.5)


def test_equation_6_errors_are_independent_across_coefficients_and_of_y() -> None:
    n = 60_000
    rng = np.random.default_rng(3)
    y0 = rng.laplace(0, 0.15, n)  # narrow: most lie in one interval of rounding
    y = np.stack([y0, y0 + 0.25])  # as dependent as can be
    errors = universal(y, uniform_noise(rng, y.shape)) - y
    table = np.corrcoef(np.concatenate([y, errors]))
    assert np.all(abs(table[2:, :2]) < 5 / math.sqrt(n))  # error and y
    assert abs(table[2, 3]) < 5 / math.sqrt(n)  # error and error
    # Independence is more than correlation 0: chi-square tests of 8 x 8 tables.
    bins = [np.floor(8 * (error + 0.5)).clip(0, 7) for error in errors]
    quantiles = np.floor(8 * scipy.stats.laplace(0, 0.15).cdf(y0))
    for a, b in [(bins[0], bins[1]), (bins[0], quantiles), (bins[1], quantiles)]:
        counts = np.histogram2d(a, b, bins=8, range=[[-0.5, 7.5]] * 2)[0]
        assert scipy.stats.chi2_contingency(counts).pvalue > FALSE_ALARM
    plain = round_half_up(y) - y
    assert abs(np.corrcoef(plain[0], y0)[0, 1]) > 0.5  # the errors of plain rounding do depend


# --- Sec. 3.2: the shared shift -----------------------------------------------------------------


def test_shared_shift_has_the_right_marginals() -> None:
    rng = np.random.default_rng(4)
    y = np.array([0.0, 0.37, -1.5])
    u = np.stack([shared_shift_noise(rng, (3,)) for _ in range(5_000)])
    assert np.all(u == u[:, :1])
    errors = universal(np.broadcast_to(y, u.shape), u) - y
    for i in range(3):
        assert uniform_distance(errors[:, i]) < kolmogorov_bound(5_000)


def test_shared_shift_leaks_everything_through_one_known_coefficient() -> None:
    """A coefficient that is always 0 reveals u; under shared noise the others follow exactly."""
    rng = np.random.default_rng(5)
    y = np.concatenate([[0.0], rng.normal(0, 10, 50)])
    z = uniform_noise_channel(y, shared_shift_noise(rng, y.shape))
    # numbers up to 31, summed and subtracted, are right to some 3.6e-15
    np.testing.assert_allclose(z - z[0], y, rtol=0, atol=1e-14)
    independent = uniform_noise_channel(y, uniform_noise(rng, y.shape))
    assert np.std(independent - independent[0] - y) > 0.2


def test_shared_shift_quantization_is_neither_kind_of_noise() -> None:
    """Its errors differ where those of shared noise agree, and agree where independent ones do not.

    Coefficients a whole number apart have the same error; others have different ones.
    """
    rng = np.random.default_rng(6)
    y = np.array([0.2, 5.2, 0.7])
    errors = np.stack([universal(y, shared_shift_noise(rng, (3,))) - y for _ in range(200)])
    # numbers up to 6, added and subtracted, are right to some 9e-16
    np.testing.assert_allclose(errors[:, 0], errors[:, 1], rtol=0, atol=1e-14)
    np.testing.assert_allclose(abs(errors[:, 0] - errors[:, 2]), 0.5, rtol=0, atol=1e-14)


# --- Eq. 8 --------------------------------------------------------------------------------------


@each(y=nasty_arrays(1000), u=(-0.5, -255 / 512, 0.0, 255 / 512, 511 / 1024))
@given(
    y=dtypes().flatmap(lambda dtype: coefficients(dtype, largest=1000)),
    u=st.integers(-(2**9), 2**9 - 1).map(lambda n: n / 2**10) | st.just(-0.5),
)
def test_equation_8_rounding_twice_forgets_any_shift(y: Array, u: float) -> None:
    """For u in [-1/2, 1/2), on a grid so that k + u is exact in float32."""
    k = round_half_up(y)
    np.testing.assert_array_equal(round_half_up(k + np.array(u, y.dtype)), k)


def test_equation_8_fails_with_ties_to_even_and_with_the_floor() -> None:
    k = np.array([1.0, 3.0, -1.0])
    np.testing.assert_array_equal(round_half_up(k - 0.5), k)
    assert np.all(np.round(k - 0.5) != k)  # u = -1/2, odd k
    u = np.linspace(-0.5, 0.4999, 1000)
    assert np.mean(np.floor(np.floor(2.3) + u) != 2) == 0.5  # half of all u
