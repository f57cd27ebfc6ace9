"""The kernel of the conditional rate against its plain twin in float64, and against Eq. (23)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from npuq.kernels.compile import use_reference
from npuq.models.conditional_rate import (
    SMALLEST_SCALE,
    ConditionalRate,
    conditional_rate,
    conditional_rate_reference,
)
from npuq.models.noisy_rate import Softness

SCALES = st.floats(2**-7, 1e4, width=32)
COEFFICIENTS = st.floats(-1e4, 1e4, width=32)
NOISE = st.floats(-0.5, 0.5, width=32, exclude_max=True)
SOFTNESS = st.sampled_from(
    [
        Softness(),
        Softness(1.0, 1.0, False, False),
        Softness(7.0, 7.0, True, True),
        Softness(13.0, 16.0, True, False),
        Softness(0.5, 0.0, False, True),
    ]
)

compiled = pytest.mark.skipif(use_reference(), reason="kernels are switched off")


def float64(t: np.ndarray, u: np.ndarray, sigma: np.ndarray, softness: Softness) -> ConditionalRate:
    return conditional_rate_reference(*(a.astype(float) for a in (t, u, sigma)), softness)


@compiled
@given(st.lists(st.tuples(COEFFICIENTS, NOISE, SCALES), min_size=1, max_size=20), SOFTNESS)
def test_the_kernel_is_its_twin_in_float64(
    columns: list[tuple[float, float, float]], softness: Softness
) -> None:
    t, u, sigma = np.array(columns, np.float32).T
    found, expected = conditional_rate(t, u, sigma, softness), float64(t, u, sigma, softness)
    # the twin's logits lose digits where far tails meet, and where a scale is great
    size = 1e-6 * (1 + np.abs(expected.bits))
    for name, a, b in zip(ConditionalRate._fields, found, expected, strict=True):
        assert a.dtype == np.float32
        error = np.abs(a - b) - 2e-6 * np.abs(b)
        assert np.all(error <= (1e-6 * (1 + np.abs(t)) if name == "r" else size)), name


@given(t=st.floats(-300, 300, width=32), sigma=st.floats(0.25, 16, width=32))
def test_bits_are_those_of_scipy(t: float, sigma: float) -> None:
    """Eq. (23): an interval of the normal distribution, as far out as SciPy can say."""
    one = np.array([t], np.float32)
    bits = conditional_rate(one, 0 * one, np.full_like(one, sigma), Softness()).bits[0]
    upper, lower = -(abs(t) - 0.5) / sigma, -(abs(t) + 0.5) / sigma
    logs = stats.norm.logcdf([upper, lower])
    expected = -(logs[0] + math.log(-math.expm1(logs[1] - logs[0]))) / math.log(2)
    assert bits == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_the_gradient_of_a_small_scale_leads_upwards_only() -> None:
    t, sigma = np.array([0.0, 5.0], np.float32), np.full(2, SMALLEST_SCALE / 2, np.float32)
    found = conditional_rate(t, 0 * t, sigma, Softness())
    at_bound = conditional_rate(t, 0 * t, np.full(2, 0.11, np.float32), Softness())
    np.testing.assert_allclose(found.bits, at_bound.bits, rtol=1e-6)
    assert found.d_sigma[0] == 0  # a smaller scale would be better still
    assert found.d_sigma[1] < 0


@given(st.integers(0, 99), SOFTNESS)
def test_gradients_are_differences(seed: int, softness: Softness) -> None:
    """Of the twin's float64 bits, where the kernel is asked for sampled gradients."""
    rng = np.random.default_rng(seed)
    softness = softness._replace(expected_rate=False, expected_distortion=False)
    t, u, sigma = 3 * rng.standard_normal(5), rng.random(5) - 0.5, np.exp(rng.standard_normal(5))
    t, u, sigma = (a.astype(np.float32) for a in (t, u, sigma + 0.2))
    found, h = conditional_rate(t, u, sigma, softness), 1e-6
    t_64, sigma_64 = t.astype(float), sigma.astype(float)
    up, down = (float64(t_64 + d, u, sigma, softness) for d in (h, -h))
    np.testing.assert_allclose(found.d_t, (up.bits - down.bits) / (2 * h), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.dr_dt, (up.r - down.r) / (2 * h), rtol=1e-4, atol=1e-4)
    up, down = (float64(t, u, sigma_64 + d, softness) for d in (h, -h))
    np.testing.assert_allclose(found.d_sigma, (up.bits - down.bits) / (2 * h), rtol=1e-4, atol=1e-4)


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
    np.testing.assert_allclose(plain.bits, same.bits, rtol=1e-5)
