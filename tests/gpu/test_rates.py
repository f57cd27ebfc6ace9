"""Both rates and all their gradients: CUDA C in the emulator against the plain twins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import unequal
from gpu import yardstick
from gpu.conftest import device_only, on_device
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rates import conditional_rate, noisy_rate

from npuq.kernels.cuda.softness import numbers_of
from npuq.models.conditional_rate import (
    conditional_rate_backward_straight_through,
    conditional_rate_forward,
)
from npuq.models.noisy_rate import Softness, noisy_rate_backward, noisy_rate_forward
from npuq.nn.nonparametric import NonparametricParams
from npuq.nn.parameters import named_arrays

pytestmark = pytest.mark.usefixtures("device")

ALPHAS = [(0.0, 0.0), (0.01, 0.01), (1.0, 7.0), (7.0, 16.0), (16.0, 0.0), (0.0, 7.0), (80.0, 80.0)]
f = np.float32


def softness_of(alphas: tuple[float, float], expected: tuple[bool, bool]) -> Softness:
    return Softness(*alphas, *expected)


def density_of(arrays: Any) -> NonparametricParams:
    """Of H, a and b, one after the other."""
    n = len(arrays) // 3
    return NonparametricParams(
        *map(tuple, (arrays[: n + 1], arrays[n + 1 : -n - 1], arrays[-n - 1 :]))
    )


@given(
    C=st.integers(1, 3),
    n=st.integers(1, 300),
    hidden=st.integers(3, 4),
    alphas=st.sampled_from(ALPHAS),
    expected=st.tuples(st.booleans(), st.booleans()),
    scale=st.sampled_from([0.3, 3.0, 100.0]),
    seed=st.integers(0, 99),
)
@example(C=3, n=140, hidden=4, alphas=(0.0, 0.0), expected=(False, False), scale=3.0, seed=3)
@example(C=1, n=1, hidden=3, alphas=(0.0, 0.0), expected=(True, False), scale=100.0, seed=12)
@example(C=2, n=129, hidden=3, alphas=(7.0, 16.0), expected=(True, True), scale=3.0, seed=1)
@settings(max_examples=10)
def test_the_density_with_all_gradients(
    C: int, n: int, hidden: int, alphas: Any, expected: Any, scale: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    density = unequal.density(rng, C, widths=(3,) * hidden, init_scale=2.0)
    y, u = (scale * rng.standard_normal((C, n))).astype(f), (rng.random((C, n)) - 0.5).astype(f)
    softness = softness_of(alphas, expected)

    def host(y: Any, u: Any, *params: Any) -> Any:
        return list(named_arrays(noisy_rate(y, u, density_of(params), softness)).values())

    def ours(*args: Any) -> Any:
        numbers_of(softness)
        args = tuple(on_device(*args))
        with device_only(launches=3):
            noisy_rate_forward(args[0], args[1], density_of(args[2:]), softness)
        result = noisy_rate(args[0], args[1], density_of(args[2:]), softness)
        return [a.get() for a in named_arrays(result).values()]

    yardstick.check(
        ours, host, host, (y, u, *named_arrays(density).values()), move=(0, 1),
        slope=max(1.0, *alphas),
    )  # fmt: skip


@given(
    n=st.integers(1, 300),
    alphas=st.sampled_from(ALPHAS),
    expected=st.tuples(st.booleans(), st.booleans()),
    scale=st.sampled_from([0.3, 3.0, 100.0]),
    seed=st.integers(0, 99),
)
@example(n=300, alphas=(7.0, 16.0), expected=(True, True), scale=3.0, seed=1)
@example(n=300, alphas=(16.0, 0.0), expected=(False, False), scale=3.0, seed=2)
@settings(max_examples=10)
def test_the_conditional_rate(n: int, alphas: Any, expected: Any, scale: float, seed: int) -> None:
    """Float64 within, so that nothing but the last rounding is left; sigma about 0.11 as well."""
    rng = np.random.default_rng(seed)
    t, u = (scale * rng.standard_normal(n)).astype(f), (rng.random(n) - 0.5).astype(f)
    sigma = np.exp(rng.normal(-0.5, 2, n)).astype(f)
    softness = softness_of(alphas, expected)
    numbers_of(softness)
    args = on_device(t, u, sigma)
    with device_only(launches=1):
        conditional_rate_forward(*args, softness)
    got = conditional_rate(*args, softness)
    want = conditional_rate(*(a.astype(np.float64) for a in (t, u, sigma)), softness)
    theirs = conditional_rate(t, u, sigma, softness)
    for ours, exact, cpu in zip(got, want, theirs, strict=True):
        error, cpu_error = np.abs(ours.get() - exact), np.abs(cpu - exact)
        assert (error <= 2 * cpu_error + 2e-7 * (np.abs(exact) + 1e-6)).all()


def test_a_scale_that_is_no_number_makes_the_rate_none() -> None:
    args = on_device(*np.zeros((2, 3), f), np.array([1, np.nan, 0.05], f))
    result = conditional_rate(*args, Softness())
    np.testing.assert_array_equal(np.isnan(result.bits.get()), [False, True, False])


@pytest.mark.parametrize("expected", [(False, False), (True, True)])
def test_the_way_back_from_both_gradients(expected: tuple[bool, bool]) -> None:
    """d_r and d_bits at once, other ones for each channel, as on the host; d_r strided as well."""
    rng = np.random.default_rng(0)
    y, d_r = rng.standard_normal((2, 3, 140)).astype(f)
    u, density = (rng.random((3, 140)) - 0.5).astype(f), unequal.density(rng, 3, init_scale=2.0)
    d_bits, softness = rng.standard_normal(3), softness_of((2.0, 3.0), expected)
    arrays = named_arrays(density).values()

    def gradients(y: Any, u: Any, d_r: Any, d_bits: Any, *params: Any) -> Any:
        kept = noisy_rate_forward(y, u, density_of(params), softness).kept
        return lambda: named_arrays(noisy_rate_backward(d_r, d_bits, kept)).values()

    host = gradients(y, u, d_r, d_bits, *arrays)()
    given = on_device(y, u, np.ascontiguousarray(d_r.T), d_bits, *arrays)
    back = gradients(given[0], given[1], given[2].T, *given[3:])
    # d_r in the order of C, d_bits in single precision, and the products with 11 arrays
    with device_only(others=2 + len(arrays)):
        found = back()
    for ours, theirs in zip(found, host, strict=True):
        np.testing.assert_allclose(ours.get(), theirs, rtol=0, atol=2e-5 * np.abs(theirs).max())


def test_the_way_back_of_residuals_from_both_gradients() -> None:
    rng = np.random.default_rng(0)
    t, u, d_r, d_bits = rng.uniform(-0.5, 0.5, (4, 300)).astype(f)
    sigma, softness = np.exp(rng.normal(-0.5, 2, 300)).astype(f), Softness(2.0, 3.0)
    arrays = 3 * t, u, sigma
    host = conditional_rate_forward(*arrays, softness).kept
    device = conditional_rate_forward(*on_device(*arrays), softness).kept
    found = conditional_rate_backward_straight_through(*on_device(d_r, d_bits), device)
    expected = conditional_rate_backward_straight_through(d_r, d_bits, host)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.get(), theirs, rtol=0, atol=2e-6 * np.abs(theirs).max())
