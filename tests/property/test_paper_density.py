"""Laws of the density of noisy, soft-rounded coefficients: Eqs. 22, 43 and 44."""

from __future__ import annotations

from typing import Any

import numpy as np
import unequal
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    ALPHAS,
    FINITE_ALPHAS,
    NOISES,
    alphas,
    coefficients,
    dtypes,
    each,
    nasty_arrays,
    noises,
)

from npuq.backend import Array
from npuq.nn import logistic, nonparametric, normal
from npuq.paper.density import density, interval_bits, interval_bits_backward, rate_bits
from npuq.paper.density import rate_bits_backward as backward
from npuq.paper.soft_round import soft_round_conditional_mean

arrays = dtypes().flatmap(lambda dtype: coefficients(dtype, largest=1e6))
MODULES = (logistic, normal)
modules = st.sampled_from(MODULES)
hard = each(z=nasty_arrays(1e6), module=MODULES, scale=(1e-3, 1.0, 1e3), alpha=ALPHAS)
scales = st.sampled_from([1e-3, 0.05, 0.3, 1.0, 20.0, 1e3]) | st.floats(1e-3, 1e3)


def parameters(scale: float, dtype: Any, loc: float = 0.25) -> Any:
    return logistic.Params(np.array(loc, dtype), np.array(scale, dtype))


@hard
@given(z=arrays, module=modules, scale=scales, alpha=alphas())
def test_bits_and_gradients_are_finite_and_bits_not_negative(
    z: Array, module: Any, scale: float, alpha: float
) -> None:
    """For |z| up to 1e6 and scales from 1e-3 to 1e3, in both dtypes, without any warning."""
    params = parameters(scale, z.dtype)
    with np.errstate(all="raise", under="ignore"):
        bits = rate_bits(z, params, cdf=module, alpha=alpha)
        d_z, d_params = backward(np.ones_like(z), z, params, cdf=module, alpha=alpha)
    assert bits.dtype == d_z.dtype == z.dtype
    assert bits.shape == d_z.shape == z.shape
    assert np.all(np.isfinite(bits))
    assert np.all(np.isfinite(d_z))
    assert np.all(np.isfinite(d_params.loc))
    assert np.all(np.isfinite(d_params.scale))
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


@hard
@given(z=arrays, module=modules, scale=scales, alpha=alphas())
def test_soft_rounding_only_moves_the_place_of_evaluation(
    z: Array, module: Any, scale: float, alpha: float
) -> None:
    """p_{s(Y)+U}(z) = p_{Y+U}(r(z)): Eq. 44 is Eq. 43 at r."""
    params = parameters(scale, z.dtype)
    r = soft_round_conditional_mean(z, alpha)
    for function in (rate_bits, density):
        moved = function(r, params, cdf=module)
        np.testing.assert_array_equal(function(z, params, cdf=module, alpha=alpha), moved)


@each(n=(-30, -1, 0, 1, 30), module=MODULES, scale=(1e-3, 1.0, 1e3), alpha=FINITE_ALPHAS)
@given(n=st.integers(-30, 30), module=modules, scale=scales, alpha=alphas(1e300))
def test_code_length_of_integers_is_the_same_for_every_alpha(
    n: int, module: Any, scale: float, alpha: float
) -> None:
    """At z = k: P(k) = c(k + 1/2) - c(k - 1/2), Eq. 1."""
    k, params = np.array([float(n)]), parameters(scale, np.float64)
    np.testing.assert_array_equal(
        rate_bits(k, params, cdf=module, alpha=alpha), rate_bits(k, params, cdf=module)
    )


@each(module=MODULES, scale=(1e-3, 0.3, 50.0), loc=(-3.0, 0.0, 0.5), u=(*NOISES, 0.5))
@given(module=modules, scale=st.floats(1e-3, 50), loc=st.floats(-3, 3), u=noises())
def test_probabilities_of_integers_sum_to_1_for_every_dither(
    module: Any, scale: float, loc: float, u: float
) -> None:
    """The sum over k of p(k + u) telescopes; the scale reaches 40 times to either side.

    That is, where k + u is exact: next to 1/2, where r_16 is 3e5 steep, a u that is rounded with
    one k and not with another has two places in the density.
    """
    reach = round(40 * scale) + 6
    k = np.arange(-reach, reach + 1.0)
    params = parameters(scale, np.float64, loc)
    for alpha in ALPHAS:
        total = density(k + u, params, cdf=module, alpha=alpha).sum()
        # 4000 terms, each the difference of two numbers up to 1: 2e-16 of them, a walk of 1e-14;
        # and places near loc, to 1e-15, in a density of up to 400
        np.testing.assert_allclose(total, 1, rtol=0, atol=1e-12)


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
