"""Soft rounding, its inverse and r_alpha to the last digits, in their limits, and Appendix D."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from strategies import ALPHAS, DTYPES, FINITE_ALPHAS, SHAPES, SMALLEST

from npuq.backend import Array
from npuq.checks import exact_soft_round as exact
from npuq.checks.laws.asking import hard
from npuq.paper.channel import round_half_up
from npuq.paper.soft_round import (
    soft_round,
    soft_round_backward,
    soft_round_conditional_mean,
    soft_round_conditional_mean_backward,
    soft_round_conditional_mean_literal,
    soft_round_inverse,
    soft_round_inverse_backward,
    soft_round_inverse_literal,
    soft_round_literal,
)

POSITIVE_ALPHAS = [alpha for alpha in FINITE_ALPHAS if alpha > 0]
FUNCTIONS = [soft_round, soft_round_inverse, soft_round_conditional_mean]
BACKWARDS = [
    soft_round_backward,
    soft_round_inverse_backward,
    soft_round_conditional_mean_backward,
]


@functools.cache
def points(dtype: Any) -> Array:
    """Nasty ones, and random ones of which half lie near an integer or a half-integer."""
    rng = np.random.default_rng(1)
    near = rng.integers(-6, 7, 60) / 2 + 10.0 ** rng.uniform(-9, -1, 60) * rng.choice([-1, 1], 60)
    random = np.concatenate([rng.uniform(-4, 4, 60), near]).astype(dtype)
    return np.concatenate([hard(dtype), random])


def errors_in_ulp(values: Array, y: Array, alpha: float, exactly: Callable[..., Any]) -> Array:
    """|value - exact| over the spacing of numbers at the exact result, where that is normal."""
    smallest = SMALLEST[values.dtype.type]
    errors = []
    for value, at in zip(values.tolist(), y.tolist(), strict=True):
        truth = exactly(at, alpha)
        if truth == 0 or abs(truth) > Decimal(smallest):
            ulp = np.spacing(values.dtype.type(truth)) if truth else SMALLEST[values.dtype.type]
            errors.append(float(abs(Decimal(value) - truth) / Decimal(float(abs(ulp)))))
        else:
            assert abs(value) <= 2 * smallest
    return np.array(errors)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("function", "exactly", "bound"),
    [
        # Measured: 7.3, 3.5 and 2.0 units in the last place.
        (soft_round, exact.soft_round, 10),
        (soft_round_inverse, exact.soft_round_inverse, 5),
        (soft_round_conditional_mean, exact.conditional_mean, 4),
    ],
)
def test_values_are_good_to_a_few_ulp(
    function: Any, exactly: Callable[..., Any], bound: float, dtype: Any
) -> None:
    for alpha in POSITIVE_ALPHAS:
        # Next to half-integers, where s is neither an integer nor 1/2: e^-1 to e^-80 from it
        steps = np.array([0.9, 3.7, 15.1, 42.3, 66.7, 79.9])
        y = np.concatenate([points(dtype), (0.5 - steps / (2 * alpha)).astype(dtype)])
        y = y[abs(y) < 1e6]
        values = function(y, alpha)
        assert values.dtype == dtype
        assert errors_in_ulp(values, y, alpha, exactly).max() <= bound, alpha


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("backward", "exactly"),
    [
        (soft_round_backward, exact.soft_round_slope),
        (soft_round_inverse_backward, exact.soft_round_inverse_slope),
        (soft_round_conditional_mean_backward, exact.conditional_mean_slope),
    ],
)
def test_slopes_are_good_to_some_ulp(
    backward: Any, exactly: Callable[..., Any], dtype: Any
) -> None:
    # A slope is a product of about five rounded factors, one of them squared.
    bound = 16 * float(np.finfo(dtype).eps)
    largest, smallest = float(np.finfo(dtype).max), SMALLEST[dtype]
    y = points(dtype)
    for alpha in POSITIVE_ALPHAS:
        slopes = backward(np.ones_like(y), y, alpha)
        assert slopes.dtype == dtype
        for slope, at in zip(slopes.tolist(), y.tolist(), strict=True):
            truth = exactly(at, alpha)
            if truth < Decimal(smallest):
                assert 0 <= slope <= 2 * smallest
            else:
                expected = min(truth, Decimal(largest))
                assert abs(Decimal(slope) / expected - 1) <= Decimal(bound), (alpha, at)


def test_the_exact_forms_are_equation_10() -> None:
    """The yardstick itself, against Eqs. 10 and 31 as printed, and its parts against each other."""
    for alpha in (1e-4, 0.5, 1.0, 7.0, 16.0, 64.0, 100.0):
        for y in (-2.75, -1.0, -1e-9, 1e-30, 0.1, 0.4999, 0.5, 0.50001, 1.0, 3.3):
            s = exact.soft_round(y, alpha)
            assert abs(s - exact.literal(y, alpha)) <= abs(s) * Decimal("1e-50")
            with localcontext(Context(prec=exact.DIGITS)):
                assert abs(exact.soft_round_inverse(s, alpha) - Decimal(y)) < Decimal("1e-40")
                r = exact.conditional_mean(y, alpha)
                by_inverse = exact.soft_round_inverse(Decimal(y) - exact.HALF, alpha) + exact.HALF
                assert abs(r - by_inverse) < Decimal("1e-50")  # Eq. 14


@pytest.mark.parametrize("alpha", [1e-4, 0.5, 1.0, 7.0, 16.0, 64.0, 1e6])
def test_literal_formula_of_equations_10_and_31(alpha: float) -> None:
    """Over the ranges in which the literal functions hold, as their docstrings have them."""
    y = np.concatenate([np.linspace(-3, 3, 1201), points(np.float64)])
    y = y[abs(y) < 1e3]
    bound = 1e-15 * (1 + alpha * abs(y))
    assert np.all(abs(soft_round_literal(y, alpha) - soft_round(y, alpha)) <= bound)
    if alpha <= 16:
        for literal, stable in (
            (soft_round_inverse_literal, soft_round_inverse),
            (soft_round_conditional_mean_literal, soft_round_conditional_mean),
        ):
            np.testing.assert_allclose(literal(y, alpha), stable(y, alpha), rtol=0, atol=1e-10)


@pytest.mark.parametrize("alpha", [0.5, 7.0, 16.0])
def test_literal_functions_are_inverse_to_each_other(alpha: float) -> None:
    y = np.linspace(-2, 2, 401)
    # where s is flat, 4e-6 at integers for alpha 16, its inverse multiplies what is rounded
    back = soft_round_inverse_literal(soft_round_literal(y, alpha), alpha)
    np.testing.assert_allclose(back, y, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("alpha", [*ALPHAS, 3e6, 1.23e12, 1e17, 1e30, 1e300])
def test_values_and_derivatives_are_finite(alpha: float, dtype: Any) -> None:
    y = np.concatenate([points(dtype), np.array([0.0, -0.0, 1e30, -1e30], dtype)])
    with np.errstate(all="raise", under="ignore"):  # no warning either
        for function in FUNCTIONS:
            assert np.all(np.isfinite(function(y, alpha))), function
        for backward in BACKWARDS:
            for d in (1, -1e10):
                gradient = backward(np.full_like(y, d), y, alpha)
                assert gradient.dtype == dtype
                assert np.all(np.isfinite(gradient)), backward


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_shapes_and_dtypes_are_kept_and_arrays_are_fresh(
    alpha: float, shape: tuple[int, ...]
) -> None:
    for dtype in DTYPES:
        y = np.full(shape, 0.3, dtype)
        for function in FUNCTIONS:
            result = function(y, alpha)
            assert np.shape(result) == shape
            assert result.dtype == dtype
            assert not np.shares_memory(result, y)
        for backward in BACKWARDS:
            gradient = backward(np.ones(shape, dtype), y, alpha)
            assert np.shape(gradient) == shape
            assert gradient.dtype == dtype


def test_equation_11_small_alpha_is_the_identity_with_a_quadratic_rate() -> None:
    """s(y) - y = alpha^2 r (1 - 4 r^2) / 12 + O(alpha^4), with r = y - floor(y) - 1/2."""
    y = np.linspace(-2, 2, 1001)
    r = y - np.floor(y) - 0.5
    for alpha in (1e-1, 1e-2, 1e-3):
        expected = alpha**2 * r * (1 - 4 * r * r) / 12
        np.testing.assert_allclose(
            soft_round(y, alpha) - y, expected, rtol=0, atol=alpha**4 / 100 + 1e-15
        )
        assert abs(soft_round_inverse(y, alpha) - y).max() <= 0.0162 * alpha**2
        assert abs(soft_round_conditional_mean(y, alpha) - y).max() <= 0.0162 * alpha**2
    for function in FUNCTIONS:
        np.testing.assert_array_equal(function(y, 0.0), y)


def test_equation_11_large_alpha_is_rounding_with_an_exponential_rate() -> None:
    """|s(n + t) - n| <= e^(-alpha (1 - 2 |t|))."""
    t = np.linspace(-0.45, 0.45, 181)
    for n in (-3, 0, 5):
        for alpha in (8.0, 16.0, 32.0, 64.0):
            error = abs(soft_round(n + t, alpha) - n)
            assert np.all(error <= 1.01 * np.exp(-alpha * (1 - 2 * abs(t))) + 1e-15)
    y = np.linspace(-3, 3, 121)
    np.testing.assert_array_equal(soft_round(y, math.inf), round_half_up(y))


@pytest.mark.parametrize("dtype", DTYPES)
def test_equations_11_and_15_at_infinity_ties_go_up(dtype: Any) -> None:
    """The laws of `npuq.checks` ask between the jumps; here is what we do at them."""
    y = hard(dtype)
    for function in (soft_round, soft_round_conditional_mean):
        np.testing.assert_array_equal(function(y, math.inf), round_half_up(y))
    halves = np.where(y == np.floor(y), y, np.floor(y) + 0.5)
    np.testing.assert_array_equal(soft_round_inverse(y, math.inf), halves)


def test_equations_9_and_15_tend_to_rounding() -> None:
    """s(s(y) + u) exponentially, r(s(y) + u) like 1 / alpha: |r(n + w) - n| <= artanh(2w) / alpha.

    For fixed y and u inside of their intervals; r is the better estimate, s the closer to rounding.
    """
    rng = np.random.default_rng(0)
    y, u = rng.integers(-4, 5, 500) + rng.uniform(-0.45, 0.45, 500), rng.uniform(-0.4, 0.4, 500)
    for alpha in (32.0, 64.0, 128.0, 1024.0, 1e6, math.inf):
        z = soft_round(y, alpha) + u
        twice = soft_round(z, alpha)
        mean = soft_round_conditional_mean(z, alpha)
        exponential = math.exp(-alpha * (1 - 2 * 0.45))  # of |s(y) - n|
        slack = 2 * exponential + 1e-14
        assert np.all(abs(twice - round_half_up(y)) <= 1.01 * math.exp(-alpha * 0.1) + slack)
        assert np.all(
            abs(mean - round_half_up(y)) <= np.arctanh(2 * (abs(u) + slack / 2)) / alpha + 1e-14
        )
    np.testing.assert_array_equal(mean, round_half_up(y))


def test_textbook_inverse_fails_where_ours_does_not() -> None:
    """atanh(2 tanh(alpha/2) r) / alpha in float32: off by 2e-3 at alpha 16, infinite by 20."""

    def textbook(z: Array, alpha: float) -> Array:
        r = z - np.floor(z) - np.float32(0.5)
        scaled = np.float32(2) * np.tanh(np.float32(alpha / 2)) * r
        return np.floor(z) + np.float32(0.5) + np.arctanh(scaled) / np.float32(alpha)

    # From just above 0: at integers the literal form has its largest error.
    z = np.concatenate([[0], np.geomspace(1e-9, 0.5, 300)]).astype(np.float32)

    def error(function: Any, alpha: float) -> float:
        truth = np.array([float(exact.soft_round_inverse(at, alpha)) for at in z.tolist()])
        return float(abs(function(z, alpha) - truth).max())

    assert error(textbook, 16.0) > 1.8e-3
    with np.errstate(divide="ignore"):
        assert error(textbook, 20.0) == math.inf
    for alpha in (16.0, 20.0):
        assert error(soft_round_inverse, alpha) < 1e-7


@pytest.mark.parametrize("alpha", [0.5, 1.0, 7.0, 16.0])
def test_equations_37_and_42_derivative_at_integers(alpha: float) -> None:
    """Both one-sided difference quotients tend to alpha tanh'(-alpha/2) / (2 tanh(alpha/2))."""
    derivative = alpha * (1 - math.tanh(alpha / 2) ** 2) / (2 * math.tanh(alpha / 2))
    for n in (-1.0, 0.0, 2.0):
        assert soft_round_backward(np.ones(1), np.array([n]), alpha)[0] == pytest.approx(
            derivative,
            rel=1e-8,  # 1 - tanh^2 cancels: eps / 4.5e-7 at alpha 16
        )
        assert derivative == pytest.approx(alpha / math.sinh(alpha), rel=1e-8)
    for eps in (1e-3, 1e-5, 1e-7):
        for side in (1, -1):
            quotient = soft_round(np.array([side * eps]), alpha)[0] / (side * eps)
            # s = s' eps (1 + O(alpha eps)): the second derivative jumps at integers.
            assert quotient == pytest.approx(derivative, rel=2 * alpha * eps + 1e-8)


def test_slopes_at_integers_and_half_integers() -> None:
    for alpha in (0.5, 7.0, 16.0):
        one, integer, half = np.ones(1), np.array([2.0]), np.array([-1.5])
        s0, s1 = alpha / math.sinh(alpha), alpha / (2 * math.tanh(alpha / 2))
        assert soft_round_backward(one, integer, alpha)[0] == pytest.approx(s0, rel=1e-14)
        assert soft_round_backward(one, half, alpha)[0] == pytest.approx(s1, rel=1e-14)
        assert soft_round_inverse_backward(one, integer, alpha)[0] == pytest.approx(1 / s0)
        assert soft_round_inverse_backward(one, half, alpha)[0] == pytest.approx(1 / s1)
        # r is s^-1 moved by half a unit
        assert soft_round_conditional_mean_backward(one, half, alpha)[0] == pytest.approx(1 / s0)
        assert soft_round_conditional_mean_backward(one, integer, alpha)[0] == pytest.approx(1 / s1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_zeros_and_what_is_rounded_to_zero_keep_their_sign(dtype: Any, alpha: float) -> None:
    """The functions are odd: f(-0.0) is -0.0, and so where a result is too small for its type."""
    y = np.array([-0.0, 0.0, -1e-30, 1e-30, -0.1, 0.1, -0.4, 0.4], dtype)
    for function in FUNCTIONS:
        np.testing.assert_array_equal(np.signbit(function(y, alpha)), np.signbit(y))
    np.testing.assert_array_equal(np.signbit(round_half_up(y)), np.signbit(y))
