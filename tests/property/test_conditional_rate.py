"""The kernel of the conditional rate against its plain twin in float64, and against Eq. (23)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rates import ConditionalRate, conditional_rate, conditional_rate_plain
from scipy import special, stats
from strategies import NOISES, each, noises

from npuq.backend import Array
from npuq.kernels.cpu import conditional_rate as kernel
from npuq.kernels.rates import ALPHAS as KERNEL_ALPHAS
from npuq.models.conditional_rate import (
    conditional_bits_backward_expected,
    conditional_bits_backward_straight_through,
)
from npuq.models.noisy_rate import Softness
from npuq.nn.normal import SMALLEST_SCALE
from npuq.runtime.compile import use_reference

BOUND = float(np.float32(0.11))
ABOVE, BELOW = (float(np.nextafter(np.float32(BOUND), np.float32(side))) for side in (1, 0))
NASTY_SCALES = (2.0**-7, BELOW, BOUND, ABOVE, 0.5, 1.0, 37.0, 1e4)
NASTY_RESIDUALS = (0.0, 0.5, -0.5, 1.0, -1.5, 0.3, 12.0, -77.5, 1e4, -1e4)
SCALES = st.sampled_from(NASTY_SCALES) | st.floats(2**-7, 1e4, width=32)
RESIDUALS = (
    st.sampled_from(NASTY_RESIDUALS)
    | st.integers(-40, 40).map(lambda n: n / 2)
    | st.floats(-8, 8, width=32)
    | st.floats(-1e4, 1e4, width=32)
)
GIVEN_SOFTNESS = (
    Softness(),
    Softness(1.0),
    Softness(7.0, None, True, True),
    Softness(13.0, 16.0, True, False),
    Softness(0.5, 0.0, False, True),
    Softness(KERNEL_ALPHAS[0], 16.0, True, True),
)
ALPHAS = st.sampled_from((0.0, KERNEL_ALPHAS[0], 1.0, 16.0)) | st.floats(KERNEL_ALPHAS[0], 16)
SOFTNESS = st.sampled_from(GIVEN_SOFTNESS) | st.builds(
    Softness, ALPHAS, st.none() | ALPHAS, st.booleans(), st.booleans()
)
COLUMNS = [
    (t, u, sigma)
    for t in NASTY_RESIDUALS
    for u in (*NOISES, *np.nextafter(np.float32([0.5, -0.5]), np.float32(0)).tolist())
    for sigma in NASTY_SCALES
]

BOTH = conditional_rate, conditional_rate_plain
compiled = pytest.mark.skipif(use_reference(), reason="kernels are switched off")


def float64(t: Array, u: Array, sigma: Array, softness: Softness) -> ConditionalRate:
    return conditional_rate_plain(*(a.astype(float) for a in (t, u, sigma)), softness)


@compiled
@each(columns=[COLUMNS], softness=GIVEN_SOFTNESS)
@given(
    columns=st.lists(st.tuples(RESIDUALS, noises(), SCALES), min_size=1, max_size=20),
    softness=SOFTNESS,
)
def test_the_kernel_is_its_twin_in_float64(
    columns: list[tuple[float, float, float]], softness: Softness
) -> None:
    """Also at the bound of scales, at half-integers, and where a softness is the kernel's least.

    Both compute in float64, from the same float32. Three errors add up: that of rounding results to
    float32; that of the twin, whose logits lose digits where far tails meet and where a scale is
    great; and that of z, known to its last place, in an r whose slope changes e^alpha-fold within
    e^-alpha of a half-integer.
    """
    t, u, sigma = np.array(columns, np.float32).T
    found, expected = conditional_rate(t, u, sigma, softness), float64(t, u, sigma, softness)
    steep = np.exp(max(softness.alphas())) * np.spacing(np.abs(t).astype(float) + 1)
    size = 1e-6 * (1 + np.abs(expected.bits))
    for name, a, b in zip(ConditionalRate._fields, found, expected, strict=True):
        assert a.dtype == np.float32
        error = np.abs(a - b) - (2e-6 + 4 * steep) * np.abs(b)
        assert np.all(error <= (1e-6 * (1 + np.abs(t)) if name == "r" else size)), name


@compiled
@given(
    columns=st.lists(st.tuples(RESIDUALS, noises(), SCALES), min_size=1, max_size=20),
    softness=st.builds(Softness, *[st.sampled_from((0.0, 18.0, 40.0, 64.0, KERNEL_ALPHAS[1]))] * 2),
)
def test_the_kernel_is_its_twin_where_it_is_hardest(
    columns: list[tuple[float, float, float]], softness: Softness
) -> None:
    """At alphas up to 80, but away from half-integers, where nobody knows on which side z lies."""
    t, u, sigma = np.array(columns, np.float32).T
    z = float64(t, u, sigma, softness._replace(alpha_r=0.0)).r
    u = np.where(np.abs(z - np.floor(z) - 0.5) < 0.01, u * np.float32(0.5), u)
    z = float64(t, u, sigma, softness._replace(alpha_r=0.0)).r
    away = np.abs(z - np.floor(z) - 0.5) > 0.005
    found, expected = conditional_rate(t, u, sigma, softness), float64(t, u, sigma, softness)
    for name in ("r", "bits"):
        a, b = getattr(found, name)[away], getattr(expected, name)[away]
        np.testing.assert_allclose(a, b, rtol=3e-6, atol=1e-6, err_msg=name)


@each(t=(0.0, 0.5, -300.0, 300.0), sigma=(0.25, 1.0, 16.0))
@given(t=st.floats(-300, 300, width=32), sigma=st.floats(0.25, 16, width=32))
def test_bits_are_those_of_scipy(t: float, sigma: float) -> None:
    """Eq. (23): an interval of the normal distribution, as far out as SciPy can say."""
    one = np.array([t], np.float32)
    bits = conditional_rate(one, 0 * one, np.full_like(one, sigma), Softness()).bits[0]
    upper, lower = -(abs(t) - 0.5) / sigma, -(abs(t) + 0.5) / sigma
    logs = stats.norm.logcdf([upper, lower])
    expected = -(logs[0] + math.log(-math.expm1(logs[1] - logs[0]))) / math.log(2)
    # the twin in float32 has differences of logits, to some ulps of numbers up to 20 times the bits
    assert bits == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_the_gradient_of_a_small_scale_leads_upwards_only() -> None:
    t, sigma = np.array([0.0, 5.0], np.float32), np.full(2, SMALLEST_SCALE / 2, np.float32)
    found = conditional_rate(t, 0 * t, sigma, Softness())
    at_bound = conditional_rate(t, 0 * t, np.full(2, 0.11, np.float32), Softness())
    np.testing.assert_array_equal(found.bits, at_bound.bits)
    assert found.d_sigma[0] == 0  # a smaller scale would be better still
    assert found.d_sigma[1] < 0


def test_the_bound_in_float32_is_not_below_the_bound_in_float64() -> None:
    assert SMALLEST_SCALE == BOUND


@pytest.mark.parametrize("softness", GIVEN_SOFTNESS, ids=str)
def test_a_scale_that_is_no_number_makes_its_rate_none_and_no_other(
    softness: Softness,
) -> None:
    t, sigma = np.array([0.25, 0.75], np.float32), np.array([np.nan, 1.0], np.float32)
    found = (function(t, 0 * t, sigma, softness) for function in BOTH)
    for rate in found:
        assert np.isnan([rate.bits[0], rate.d_t[0]]).all()
        assert np.isfinite([*rate.r, *(a[1] for a in rate)]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", BOTH)
def test_a_scale_at_the_bound_has_its_gradient(function, dtype) -> None:  # type: ignore[no-untyped-def]
    """0.11 of float32, wherever it goes: in float64 it must not be below the bound."""
    t, sigma = np.array([0.25], dtype), np.array([np.float32(0.11)], dtype)
    assert function(t, 0 * t, sigma, Softness()).d_sigma[0] > 0.5
    below = np.nextafter(sigma, dtype(0))
    assert function(t, 0 * t, below, Softness()).d_sigma[0] == 0


@given(st.integers(0, 10_000), SOFTNESS)
def test_gradients_are_differences(seed: int, softness: Softness) -> None:
    """Of the twin's float64 bits, where the kernel is asked for sampled gradients.

    Places are kept from half-integers z, where r turns sharply. Elsewhere third derivatives times
    h^2 = 1e-12 are far below, and bits, up to 1e4 and right to 1e-12, are divided by h.
    """
    rng = np.random.default_rng(seed)
    softness = softness._replace(expected_rate=False, expected_distortion=False)
    t, u, sigma = 3 * rng.standard_normal(5), rng.random(5) - 0.5, np.exp(rng.standard_normal(5))
    t, u, sigma = (a.astype(np.float32) for a in (t, u, sigma + 0.2))
    z = float64(t, u, sigma, softness._replace(alpha_r=0.0)).r
    clear = np.abs(z - np.floor(z) - 0.5) > 0.1
    found, h = conditional_rate(t, u, sigma, softness), 1e-6
    t_64, sigma_64 = t.astype(float), sigma.astype(float)
    up, down = (float64(t_64 + d, u, sigma, softness) for d in (h, -h))
    for gradient, difference in (
        (found.d_t, up.bits - down.bits),
        (found.dr_dt, up.r - down.r),
    ):
        expected = difference[clear] / (2 * h)
        np.testing.assert_allclose(gradient[clear], expected, rtol=1e-5, atol=1e-5)
    up, down = (float64(t, u, sigma_64 + d, softness) for d in (h, -h))
    np.testing.assert_allclose(found.d_sigma, (up.bits - down.bits) / (2 * h), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 2.0, 4.0])
def test_expected_gradients_are_noise_averages(alpha: float) -> None:
    """Eq. (17) of residuals; scales, one of them below its bound, keep the gradient of this u.

    A midpoint rule over u, whose error is a slope's change over one of n = 4000 pieces: (d/dz)^2 of
    the sampled gradient, at alpha 4 up to 1e3 near half-integers, divided by 24 n^2, below 1e-5.
    """
    n = 4000
    t, sigma = np.array([[0.2], [-1.3], [2.45], [0.4]]), np.array([[0.7], [2.0], [1.1], [0.05]])
    every = np.broadcast_to((np.arange(n) + 0.5) / n - 0.5, (4, n))
    many = [np.repeat(a, n, axis=1) for a in (t, sigma)]
    d = np.repeat([[1.0], [-2.0], [3.0], [0.5]], n, axis=1)
    sampled, _ = conditional_bits_backward_straight_through(d, many[0], every, many[1], alpha=alpha)
    u = np.full_like(t, 0.3)
    d_t, d_sigma = conditional_bits_backward_expected(d[:, :1], t, u, sigma, alpha=alpha)
    np.testing.assert_allclose(d_t[:, 0], sampled.mean(axis=1), rtol=0, atol=1e-4)
    _, same = conditional_bits_backward_straight_through(d[:, :1], t, u, sigma, alpha=alpha)
    np.testing.assert_array_equal(d_sigma, same)


@compiled
@pytest.mark.parametrize("threads", ["1", "3"])
def test_any_shape_and_number_of_threads(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUQ_THREADS", threads)
    rng = np.random.default_rng(0)
    t, u, sigma = (rng.random((2, 5, 7, 3), np.float32) + np.float32(0.1) for _ in range(3))
    found = conditional_rate(
        t.transpose(0, 3, 1, 2), u.transpose(0, 3, 1, 2), sigma.transpose(0, 3, 1, 2), Softness()
    )
    same = conditional_rate(t, u, sigma, Softness())
    for a, b in zip(found, same, strict=True):
        assert np.array_equal(a, b.transpose(0, 3, 1, 2))
    monkeypatch.setenv("NPUQ_KERNELS", "reference")
    plain = conditional_rate(t, u, sigma, Softness())
    assert not np.array_equal(plain.bits, same.bits)  # it was the kernel that computed
    np.testing.assert_allclose(plain.bits, same.bits, rtol=1e-5)  # float32 and a few roundings


def test_the_tail_of_the_kernel_keeps_its_digits() -> None:
    """2 Q(x) e^(x^2/2) is SciPy's erfcx, on both sides of where a series takes over."""
    x = np.linspace(0.0, 60.0, 4001)
    found = [kernel._scaled_tail(value) for value in x]
    # the exponential of x^2/2 up to 312 loses some 300 roundings of 1e-16, the series 1e-11
    np.testing.assert_allclose(found, special.erfcx(x / np.sqrt(2)), rtol=2e-11)
