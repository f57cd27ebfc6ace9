"""Laws of soft rounding that hold for every coefficient and every alpha: Sec. 4.1."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    ALPHAS,
    DTYPES,
    FINITE_ALPHAS,
    SMALLEST,
    alphas,
    coefficients,
    denormal_arrays,
    dtypes,
    each,
    nasty_arrays,
)

from npuq.backend import Array
from npuq.paper.channel import round_half_up
from npuq.paper.soft_round import (
    soft_round,
    soft_round_conditional_mean,
    soft_round_inverse,
)

FUNCTIONS = (soft_round, soft_round_inverse, soft_round_conditional_mean)
arrays = dtypes().flatmap(coefficients)
centred = dtypes().flatmap(lambda dtype: coefficients(dtype, largest=8))


def ulps(y: Array, count: float) -> Array:
    return count * np.spacing(abs(y))


def moved(y: Array, count: int) -> Array:
    """y, `count` floating-point numbers up or down."""
    for _ in range(abs(count)):
        y = np.nextafter(y, np.array(np.copysign(np.inf, count), y.dtype))
    return y


@each(y=[*nasty_arrays(), *denormal_arrays()], alpha=ALPHAS)
@given(y=arrays, alpha=alphas())
def test_values_stay_between_the_neighbouring_half_integers(y: Array, alpha: float) -> None:
    """Integers and half-integers are fixed, and the functions are monotone, so nothing crosses."""
    below = np.floor(2 * y) / 2
    above = np.ceil(2 * y) / 2
    for function in FUNCTIONS:
        value = function(y, alpha)
        assert value.dtype == y.dtype
        if alpha < np.inf:
            assert np.all((below <= value) & (value <= above)), function
        else:
            assert np.all(abs(value - y) <= 0.5)


@each(dtype=DTYPES, n=(-(2**20), -1, 0, 1, 3, 2**20), alpha=FINITE_ALPHAS)
@given(dtype=dtypes(), n=st.integers(-(2**20), 2**20), alpha=alphas(1e300))
def test_integers_and_half_integers_are_fixed_points(dtype: Any, n: int, alpha: float) -> None:
    y = np.array([n, n / 2, 0.5, -0.5, 1.5], dtype)  # small ones show an error of one ulp
    for function in FUNCTIONS:
        np.testing.assert_array_equal(function(y, alpha), y)


@each(y=[*nasty_arrays(), *denormal_arrays()], alpha=FINITE_ALPHAS)
@given(y=arrays, alpha=alphas(1e300))
def test_odd(y: Array, alpha: float) -> None:
    for function in FUNCTIONS:
        np.testing.assert_array_equal(function(-y, alpha), -function(y, alpha))


@each(y=[*nasty_arrays(), *denormal_arrays()], alpha=ALPHAS)
@given(y=arrays, alpha=alphas())
def test_monotone(y: Array, alpha: float) -> None:
    """Up to rounding, which the accuracy tests bound by 10 units in the last place."""
    y = np.sort(y.ravel())
    y = np.sort(np.concatenate([y, moved(y, 1), y + np.array(0.01, y.dtype)]))
    for function in FUNCTIONS:
        value = function(y, alpha)
        assert np.all(value[:-1] <= value[1:] + ulps(value[1:], 10)), function


@each(dtype=DTYPES, steps=(-(2**13), -513, -512, -1, 0, 1, 511, 2**13), alpha=ALPHAS)
@given(dtype=dtypes(), steps=st.integers(-(2**13), 2**13), alpha=alphas())
def test_unit_shift(dtype: Any, steps: int, alpha: float) -> None:
    """s(y + 1) = s(y) + 1, and so for the inverse and r; on y of which y + 1 is exact.

    Both sides add an integer to the same number of [-1/2, 1/2]: each rounds that sum, one the next.
    """
    y = np.array([steps / 1024], dtype)
    for function in FUNCTIONS:
        one_up = function(y + 1, alpha)
        difference = abs(one_up - (function(y, alpha) + 1))
        assert np.all(difference <= ulps(np.maximum(abs(one_up), 1), 2)), function


@each(y=[*nasty_arrays(8), *denormal_arrays()], alpha=FINITE_ALPHAS)
@given(y=centred, alpha=alphas(1e6))
def test_inverse_undoes_soft_rounding(y: Array, alpha: float) -> None:
    """Where s is flat, the inverse is steep: y lies between the inverses of s(y) -+ its error."""
    s = soft_round(y, alpha)
    low, high = (soft_round_inverse(moved(s, count), alpha) for count in (-10, 10))
    smallest = SMALLEST[y.dtype.type]
    assert np.all(low - ulps(low, 5) - smallest <= y)
    assert np.all(y <= high + ulps(high, 5) + smallest)


@each(z=[*nasty_arrays(8), *denormal_arrays()], alpha=FINITE_ALPHAS)
@given(z=centred, alpha=alphas(1e6))
def test_soft_rounding_undoes_the_inverse(z: Array, alpha: float) -> None:
    y = soft_round_inverse(z, alpha)
    low, high = (soft_round(moved(y, count), alpha) for count in (-5, 5))
    smallest = SMALLEST[z.dtype.type]
    assert np.all(low - ulps(low, 10) - smallest <= z)
    assert np.all(z <= high + ulps(high, 10) + smallest)


@each(z=[*nasty_arrays(8), *denormal_arrays()], alpha=ALPHAS)
@given(z=centred, alpha=alphas())
def test_equation_14_r_is_the_inverse_moved_by_one_half(z: Array, alpha: float) -> None:
    """r(z) = s^-1(z - 1/2) + 1/2, the middle of the interval of y that can lead to z.

    z - 1/2 is rounded, which the steep inverse may magnify: it is bracketed as above.
    """
    r = soft_round_conditional_mean(z, alpha)
    middle = z - np.array(0.5, z.dtype)
    coarse = (abs(middle - z) != 0.5) | (middle + np.array(0.5, z.dtype) != z)  # was rounded
    low, high = (soft_round_inverse(moved(middle, count), alpha) + 0.5 for count in (-1, 1))
    tolerance = ulps(np.maximum(abs(r), 1), 10)
    if alpha < np.inf:
        assert np.all(low - tolerance <= r)
        assert np.all(r <= high + tolerance)
    exact = soft_round_inverse(middle, alpha) + np.array(0.5, z.dtype)
    if alpha == np.inf:  # the limit of the inverse at half-integers is another one
        coarse = coarse | (abs(middle - np.round(middle)) == 0)
    assert np.all(coarse | (abs(r - exact) <= tolerance))


@each(z=nasty_arrays())
@given(z=arrays)
def test_infinite_alpha_is_hard_rounding(z: Array) -> None:
    """Eqs. 11 and 15."""
    np.testing.assert_array_equal(soft_round(z, np.inf), round_half_up(z))
    np.testing.assert_array_equal(soft_round_conditional_mean(z, np.inf), round_half_up(z))


@each(y=nasty_arrays())
@given(y=arrays)
def test_alpha_0_is_the_identity(y: Array) -> None:
    for function in FUNCTIONS:
        np.testing.assert_array_equal(function(y, 0.0), y)


@each(y=nasty_arrays(8), alphas=[(0.1, 50.0), (1.0, 16.0), (16.0, 17.0)])
@given(y=centred, alphas=st.tuples(st.floats(0.1, 50), st.floats(0.1, 50)))
def test_a_larger_alpha_is_closer_to_rounding(y: Array, alphas: tuple[float, float]) -> None:
    """Up to the 10 units in the last place that the accuracy tests allow."""
    soft, hard = sorted(alphas)
    k = round_half_up(y)
    for function in (soft_round, soft_round_conditional_mean):
        closer, farther = abs(function(y, hard) - k), abs(function(y, soft) - k)
        assert np.all(closer <= farther + ulps(np.maximum(abs(y), 1), 10))
