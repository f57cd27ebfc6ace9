"""Laws of the metrics: symmetry, bounds, and the algebra of the Bjøntegaard difference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from npuq.backend import Array
from npuq.evaluation.comparison import bd_rate, interpolate_rd
from npuq.evaluation.metrics import mse, psnr, ssim

Curve = tuple[list[float], list[float]]
ROUNDING = 1e-12
"""Means of at most 768 float64 products of 8-bit numbers, each right to 1e-16 of the largest."""
pictures = st.tuples(st.integers(11, 16), st.integers(11, 16)).flatmap(
    lambda size: st.tuples(*(arrays(np.uint8, (*size, 3)) for _ in range(2)))
)


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    """2 to 8 points; PSNRs cover at least 30 to 32 dB, so that any two curves overlap."""
    n = draw(st.integers(2, 8))
    steps = draw(st.lists(st.floats(0.2, 3), min_size=n, max_size=n))
    qualities = 30 + np.cumsum(steps) - steps[0]
    qualities = 30 + (qualities - 30) * max(1.0, 2 / (qualities[-1] - 30))
    log_rates = np.cumsum(draw(st.lists(st.floats(0.01, 2), min_size=n, max_size=n))) - 4
    return list(np.exp(log_rates)), list(qualities)


@given(pictures)
def test_the_metrics_are_symmetric_and_bounded(pair: tuple[Array, Array]) -> None:
    x, y = pair
    assert mse(x, y) == mse(y, x) <= 255**2
    assert psnr(x, y) >= 0
    assert ssim(x, y) == pytest.approx(ssim(y, x), abs=ROUNDING)
    assert -1 <= ssim(x, y) <= 1 + ROUNDING
    if mse(x, y) > 0:
        assert 255**2 / 10 ** (psnr(x, y) / 10) == pytest.approx(mse(x, y), rel=ROUNDING)


@given(pictures)
def test_the_metrics_do_not_see_a_flip(pair: tuple[Array, Array]) -> None:
    x, y = pair
    assert mse(x[::-1], y[::-1]) == mse(x, y)
    assert ssim(x[:, ::-1], y[:, ::-1]) == pytest.approx(ssim(x, y), abs=ROUNDING)


@given(curves())
def test_a_curve_does_not_differ_from_itself(curve: Curve) -> None:
    assert bd_rate(*curve, *curve) == 0


@given(curves(), st.floats(0.1, 10))
def test_scaling_all_rates_is_the_difference_in_percent(curve: Curve, scale: float) -> None:
    rates, qualities = curve
    scaled = [scale * rate for rate in rates]
    # the logarithms are right to 1e-15; their mean over 2 dB or more keeps 1e-12 with ease
    expected = 100 * (scale - 1)
    assert bd_rate(rates, qualities, scaled, qualities) == pytest.approx(expected, abs=1e-8)


@pytest.mark.filterwarnings("ignore:the curves have")
@given(curves(), curves())
def test_the_difference_is_antisymmetric_in_the_log_domain(a: Curve, b: Curve) -> None:
    there, back = bd_rate(*a, *b), bd_rate(*b, *a)
    # integrals of logarithms up to 20, to 1e-15 of the terms that they are sums of
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1, abs=1e-9)


@given(curves(), st.randoms(use_true_random=False))
def test_the_order_of_points_does_not_matter(curve: Curve, random) -> None:  # type: ignore[no-untyped-def]
    points = list(zip(*curve, strict=True))
    random.shuffle(points)
    rates, qualities = (list(column) for column in zip(*points, strict=True))
    assert bd_rate(*curve, rates, qualities) == 0


@given(curves(), st.floats(0, 1))
def test_interpolation_stays_between_neighbours(curve: Curve, position: float) -> None:
    rates, qualities = curve
    at = math.exp((1 - position) * math.log(rates[0]) + position * math.log(rates[-1]))
    at = min(max(at, rates[0]), rates[-1])
    i = min(int(np.searchsorted(rates, at, side="right")), len(rates) - 1)
    # PCHIP is monotone where the data is; 1e-9 dB for rounding
    value = interpolate_rd(rates, qualities, at)
    assert qualities[i - 1] - 1e-9 <= value <= qualities[i] + 1e-9
