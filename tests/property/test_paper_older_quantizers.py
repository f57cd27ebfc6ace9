"""The quantizers of Sec. 2 as laws, and what Secs. 3.2 and 4.1 say against two of them.

Laws over the noise are shown on a regular grid of u, without statistics.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import coefficients, each, nasty_arrays

from npuq.backend import Array
from npuq.paper.channel import round_half_up, uniform_noise_channel, universal_quantize
from npuq.paper.older_quantizers import (
    dithered_pixels,
    dithered_round,
    dithered_round_backward_straight_through,
    stochastic_round,
    stochastic_round_backward_straight_through,
)
from npuq.paper.soft_round import soft_round, soft_round_inverse

N = 256
GRID = (np.arange(N) + 0.5) / N - 0.5


def over_the_noise(quantizer: Any, y: Array) -> Array:
    """What a quantizer makes of each y at each u: (N, ...)."""
    return quantizer(*np.broadcast_arrays(y, GRID.reshape(N, *[1] * y.ndim)))


# --- stochastic rounding ------------------------------------------------------------------------


@each(y=nasty_arrays(dtypes=[np.float64]))
@given(y=coefficients(np.float64, largest=1e5))
def test_stochastic_rounding_is_the_floor_and_a_coin(y: Array) -> None:
    """One of the two nearest integers, the upper one for a share y - floor(y) of all u."""
    k = over_the_noise(stochastic_round, y)
    bit = k - np.floor(y)
    assert np.all((bit == 0) | (bit == 1))
    # a share is known to 1 / N, a tie to the last place of y
    np.testing.assert_allclose(bit.mean(axis=0), y - np.floor(y), rtol=0, atol=1.01 / N)


def test_stochastic_rounding_leaves_integers_alone() -> None:
    k = np.arange(-3.0, 4.0)
    np.testing.assert_array_equal(over_the_noise(stochastic_round, k), np.tile(k, (N, 1)))


def test_its_error_is_twice_that_of_rounding() -> None:
    """Variance f (1 - f), 1/6 on average over f, where rounding has f^2 or (1 - f)^2, 1/12."""
    y = 2 + (np.arange(1000) + 0.5) / 1000
    square = ((over_the_noise(stochastic_round, y) - y) ** 2).mean(axis=0)
    f = y - 2
    np.testing.assert_allclose(square, f * (1 - f), rtol=0, atol=1 / N)  # shares are known to 1 / N
    # midpoint rules of 1000 points have 1e-6 of these parabolas, shares in whole 1 / N 1 / N^2
    assert square.mean() == pytest.approx(1 / 6, rel=1e-4)
    assert ((round_half_up(y) - y) ** 2).mean() == pytest.approx(1 / 12, rel=1e-4)


@given(y=st.floats(-100, 100))
def test_what_is_sent_is_that_of_universal_quantization(y: float) -> None:
    """[y + u] and [y - u] are alike in distribution; only what the receiver does with it differs.

    Of two counts, one may be off by one, where a u lies on the border.
    """
    stochastic = over_the_noise(stochastic_round, np.array(y))
    universal = over_the_noise(universal_quantize, np.array(y))
    assert abs(stochastic.sum() - universal.sum()) <= 1


# --- straight-through gradients -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (stochastic_round, stochastic_round_backward_straight_through),
        (dithered_round, dithered_round_backward_straight_through),
    ],
)
def test_straight_through_is_the_derivative_of_the_mean(forward: Any, backward: Any) -> None:
    """E over u is y for both, so that over whole cells of the grid it rises by as much as y does.

    The true derivative for a given u is 0 almost everywhere.
    """
    y = np.array([-1.7, 0.0, 0.3, 5.25])
    h = 8 / N
    rise = (over_the_noise(forward, y + h) - over_the_noise(forward, y)).mean(axis=0)
    d = backward(np.full(4, 3.0), y, np.full(4, 0.2))
    # y + h is rounded, to 1e-16 of a rise of h = 1/32; shares are exact
    np.testing.assert_allclose(d, 3 * rise / h, rtol=1e-9)
    u = np.full(4, 0.21)
    np.testing.assert_array_equal(forward(y + 1e-4, u), forward(y, u))


# --- soft-to-hard -------------------------------------------------------------------------------


@given(y=st.floats(-50, 50), alpha=st.floats(0.1, 16))
def test_soft_to_hard_of_two_centres_is_soft_rounding_but_for_a_factor(
    y: float, alpha: float
) -> None:
    """The mean of floor(y) and floor(y) + 1, weights softmax(-alpha (y - k)^2), against Eq. 10."""
    below = np.floor(y)
    centres = below + np.arange(2)
    weights = np.exp(-alpha * (y - centres) ** 2)
    middle = below + 0.5
    soft_to_hard = (weights @ centres) / weights.sum() - middle
    s = float(soft_round(np.array(y), alpha)) - middle
    # weights are known to some eps times their exponents
    assert soft_to_hard == pytest.approx(np.tanh(alpha / 2) * s, rel=1e-9, abs=1e-12)


@each(y=nasty_arrays(1000, [np.float64]), alpha=(0.0, 1e-3, 1.0, 16.0))
@given(y=coefficients(np.float64, largest=1000), alpha=st.floats(0, 16))
def test_soft_rounding_without_noise_is_no_bottleneck(y: Array, alpha: float) -> None:
    """Sec. 4.1: y comes back from s(y), to what rounding s(y) to a float costs.

    At integers the slope of the inverse is sinh(alpha) / alpha.
    """
    slope = np.sinh(alpha) / alpha if alpha > 1e-3 else 1.0
    tolerance = 4 * np.finfo(np.float64).eps * (1 + abs(y)) * slope
    assert np.all(abs(soft_round_inverse(soft_round(y, alpha), alpha) - y) <= tolerance)


def test_with_noise_coefficients_are_confounded() -> None:
    """Against that: one received z comes from a whole unit of coefficients, at any alpha."""
    z = 3.2
    for alpha in (0.0, 4.0, 16.0):
        y = soft_round_inverse(np.linspace(z - 0.5, z + 0.4999, 1001), alpha)
        u = z - soft_round(y, alpha)
        # where the inverse is steep, by 2.8e5, y and with it u are right to some 1e-10
        assert np.all((u >= -0.5 - 1e-9) & (u <= 0.5 + 1e-9))
        assert y.max() - y.min() > 0.98
        np.testing.assert_allclose(
            uniform_noise_channel(soft_round(y, alpha), u), z, rtol=0, atol=1e-9
        )


# --- dithered pixels ----------------------------------------------------------------------------


@given(levels=st.integers(2, 40))
def test_dithered_pixels_have_no_bias_and_plain_ones_have(levels: int) -> None:
    """For every grey value half a step from black and white: the mean over u is the value."""
    step = 255 / (levels - 1)
    pixels = np.arange(256.0)
    inner = pixels[(pixels >= step / 2) & (pixels <= 255 - step / 2)]
    mean = over_the_noise(lambda x, u: dithered_pixels(x, u, levels), inner).mean(axis=0)
    np.testing.assert_allclose(mean, inner, rtol=0, atol=step / N)
    plain = dithered_pixels(pixels, np.zeros(()), levels)
    assert len(np.unique(plain)) == levels
    assert abs(plain - pixels).max() > 0.4 * step


@given(levels=st.integers(2, 40))
def test_symbols_are_as_many_as_levels(levels: int) -> None:
    """[x / step - u] is one of 0 ... levels - 1 for every dither value of files."""
    k = over_the_noise(universal_quantize, np.arange(256.0) * (levels - 1) / 255)
    assert (k.min(), k.max()) == (0, levels - 1)


def test_the_error_of_dithered_pixels_is_uniform_and_that_of_plain_ones_follows_the_picture() -> (
    None
):
    step = 255 / 7
    ramp = np.linspace(step / 2, 255 - step / 2, 4000)
    errors = over_the_noise(lambda x, u: dithered_pixels(x, u, 8), ramp) - ramp
    for error in errors.T[::400]:  # whatever the pixel, the same distribution
        # pixels up to 255 are right to 3e-14, of which 1 / N of a step is 0.14
        np.testing.assert_allclose(np.diff(np.sort(error)), step / N, rtol=1e-6)
        assert abs(error).max() <= step / 2
    plain = dithered_pixels(ramp, np.zeros(()), 8) - ramp
    # the same mean squared error for both, step^2 / 12; of 4000 pixels the first and the last,
    # where rounding is worst, count in full
    np.testing.assert_allclose((errors**2).mean(), step**2 / 12, rtol=1e-4)
    np.testing.assert_allclose((plain**2).mean(), step**2 / 12, rtol=1e-3)


def test_what_is_shown_lies_between_black_and_white() -> None:
    shown = over_the_noise(lambda x, u: dithered_pixels(x, u, 3), np.array([0.0, 128.0, 255.0]))
    assert (shown.min(), shown.max()) == (0, 255)


def test_fewer_than_two_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="levels must be at least 2, not 1"):
        dithered_pixels(np.zeros(3), np.zeros(3), 1)
