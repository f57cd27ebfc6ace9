"""The density of noisy, soft-rounded coefficients where it is extreme: Eqs. 22, 43 and 44.

Its values, gradients and sums are laws of `npuq.checks.laws`, to which `test_laws.py` holds them.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import unequal
from hypothesis import given
from hypothesis import strategies as st
from strategies import ALPHAS, alphas, coefficients, dtypes, each, nasty_arrays

from npuq.backend import Array
from npuq.nn import logistic, nonparametric, normal
from npuq.paper.density import interval_bits, interval_bits_backward, rate_bits
from npuq.paper.density import rate_bits_backward as backward

arrays = dtypes().flatmap(lambda dtype: coefficients(dtype, largest=1e6))
MODULES = (logistic, normal)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("module", MODULES)
def test_extremes_make_no_warning_whatever_alpha(module: Any, alpha: float) -> None:
    """Laws ask for finite numbers with alpha up to 16; ours are, for any alpha, and without one."""
    for z, scale in itertools.product(nasty_arrays(1e6), (1e-3, 1.0, 1e3)):
        params = logistic.Params(np.array(0.25, z.dtype), np.array(scale, z.dtype))
        with np.errstate(all="raise", under="ignore"):
            bits = rate_bits(z, params, cdf=module, alpha=alpha)
            d_z, d_params = backward(np.ones_like(z), z, params, cdf=module, alpha=alpha)
        assert bits.dtype == d_z.dtype == z.dtype
        for array in (bits, d_z, *d_params):
            assert np.all(np.isfinite(array))
        # The density of Y + U is at most 1; the three logarithms of its bits round by an ulp of 1.
        assert np.all(bits >= -8 * np.finfo(z.dtype).eps)


@each(seed=(0,), z=nasty_arrays(1e6), alpha=ALPHAS)
@given(seed=st.integers(0, 1000), z=arrays, alpha=alphas())
def test_nonparametric_bits_and_gradients_are_finite(seed: int, z: Array, alpha: float) -> None:
    rng = np.random.default_rng(seed)
    params = unequal.density(rng, 1, dtype=z.dtype)
    z = z.reshape(1, -1)
    bits = rate_bits(z, params, cdf=nonparametric, alpha=alpha)
    d_z, d_params = backward(np.ones_like(z), z, params, cdf=nonparametric, alpha=alpha)
    assert np.all(np.isfinite(bits))
    assert np.all(np.isfinite(d_z))
    for group in d_params:
        assert all(np.all(np.isfinite(gradient)) for gradient in group)


@given(
    lower=st.floats(-1e6, 1e6),
    gap=st.floats(1e-6, 1e6) | st.sampled_from([1e-5, 1.0, 1e3]),
)
def test_interval_bits_is_symmetric_and_decreases_with_the_interval(
    lower: float, gap: float
) -> None:
    """Mirroring (a, b) to (-b, -a) keeps c(b) - c(a) for the logistic, whose logit is odd."""
    a, b = np.array([lower]), np.array([lower + gap])
    bits = interval_bits(a, b)
    np.testing.assert_array_equal(interval_bits(-b, -a), bits)
    d_a, d_b = interval_bits_backward(np.ones(1), a, b)
    assert np.all(d_a >= 0)
    assert np.all(d_b <= 0)
    # bits are sums of at most three logarithms, each right to some 1e-16 of the largest
    assert np.all(interval_bits(a, b + 1) <= bits + 1e-12 * abs(bits))


@given(logit=st.floats(-1e6, 1e6))
def test_interval_bits_of_an_empty_interval_are_finite(logit: float) -> None:
    """Where rounding has closed the gap: finite, with finite gradients; neither nan nor inf."""
    for dtype in (np.float32, np.float64):
        a = np.array([logit], dtype)
        with np.errstate(all="raise", under="ignore"):
            bits = interval_bits(a, a)
            gradients = interval_bits_backward(np.ones(1, dtype), a, a)
        assert np.all(np.isfinite(bits))
        assert np.all(np.isfinite(gradients))
