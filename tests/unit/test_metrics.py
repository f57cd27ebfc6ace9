"""Metrics at values that can be worked out by hand, and at their limits."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from npuq.backend import Array
from npuq.evaluation.comparison import bd_rate, interpolate_rd
from npuq.evaluation.metrics import SMALLEST_SIDE, ms_ssim, mse, psnr, ssim


def noise(height: int, width: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_mse_and_psnr_of_a_constant_difference() -> None:
    x = np.full((4, 5, 3), 10, np.uint8)
    y = np.full((4, 5, 3), 13, np.uint8)
    assert mse(x, y) == mse(y, x) == 9  # and not what uint8 would make of 10 - 13
    assert psnr(x, y) == pytest.approx(20 * math.log10(255 / 3), rel=1e-12)
    assert psnr(np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)) == 0


def test_identical_pictures() -> None:
    x = noise(SMALLEST_SIDE, SMALLEST_SIDE + 3)
    assert mse(x, x) == 0
    assert psnr(x, x) == math.inf
    assert ssim(x, x) == pytest.approx(1, abs=1e-12)
    assert ms_ssim(x, x) == pytest.approx(1, abs=1e-12)


def test_one_channel_counts_one_third() -> None:
    x = np.zeros((2, 2, 3), np.uint8)
    y = x.copy()
    y[..., 1] = 3
    assert mse(x, y) == pytest.approx(3)


def test_ssim_of_constants_is_the_luminance_term() -> None:
    x, y = np.full((20, 30, 3), 50, np.uint8), np.full((20, 30, 3), 200, np.uint8)
    c1 = 2.55**2
    expected = (2 * 50 * 200 + c1) / (50**2 + 200**2 + c1)
    assert ssim(x, y) == pytest.approx(expected, abs=1e-9)
    x, y = (np.tile(image[:1, :1], (176, 176, 1)) for image in (x, y))
    # all contrast terms are 1; the luminance enters at the coarsest scale only
    assert ms_ssim(x, y) == pytest.approx(expected**0.1333, abs=1e-9)


def test_ssim_of_one_window_is_its_definition() -> None:
    x, y = noise(11, 11, seed=1), noise(11, 11, seed=2)
    g = np.exp(-((np.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    w = np.outer(g, g)[..., None] / g.sum() ** 2
    mean_x, mean_y = (w * x).sum((0, 1)), (w * y).sum((0, 1))
    var_x, var_y = (w * (x - mean_x) ** 2).sum((0, 1)), (w * (y - mean_y) ** 2).sum((0, 1))
    cov = (w * (x - mean_x) * (y - mean_y)).sum((0, 1))
    c1, c2 = 2.55**2, 7.65**2
    expected = (
        (2 * mean_x * mean_y + c1)
        * (2 * cov + c2)
        / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    )
    assert ssim(x, y) == pytest.approx(expected.mean(), abs=1e-12)


def test_negative_contrast_counts_as_zero() -> None:
    x = noise(176, 176)
    assert ssim(x, 255 - x) < 0
    assert ms_ssim(x, 255 - x) == 0


def test_small_pictures_have_no_similarity() -> None:
    x = noise(SMALLEST_SIDE - 1, 300)
    assert math.isnan(ms_ssim(x, x))
    assert math.isnan(ms_ssim(np.swapaxes(x, 0, 1), np.swapaxes(x, 0, 1)))
    assert math.isfinite(ms_ssim(noise(SMALLEST_SIDE, 300), noise(SMALLEST_SIDE, 300)))
    assert math.isnan(ssim(x[:10], x[:10]))


def test_more_noise_is_worse_by_every_metric() -> None:
    rng = np.random.default_rng(0)
    x = np.tile(np.linspace(20, 235, 180)[:, None, None], (1, 180, 3))
    direction = rng.normal(size=x.shape)
    noisy = [np.rint(np.clip(x + s * direction, 0, 255)).astype(np.uint8) for s in (3, 9, 27)]
    x = np.rint(x).astype(np.uint8)
    for metric in (psnr, ssim, ms_ssim):
        values = [metric(x, y) for y in noisy]
        assert values == sorted(values, reverse=True) and values[0] > values[2]


def test_bd_rate_by_hand() -> None:
    # straight lines in log-rate: b needs half the rate of a everywhere
    assert bd_rate([1, 2], [30, 33], [0.5, 1], [30, 33]) == pytest.approx(-50, abs=1e-9)
    # equal at 30 dB, twice the rate at 40 dB: the mean of the log ratio is log(2) / 2
    expected = 100 * (math.sqrt(2) - 1)
    assert bd_rate([1, 1.5], [30, 40], [1, 3], [30, 40]) == pytest.approx(expected, abs=1e-9)
    # three points, and curves that overlap in part, in any order
    a = bd_rate([4, 1, 2], [36, 30, 33], [2, 4, 8], [32, 35, 38])
    assert a == pytest.approx(100 * (2 ** (1 / 3) - 1), abs=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (([1, 2], [30, 31]), ([1, 2], [31, 32]), "no common range"),
        (([1, 2], [30, 31]), ([1, 2], [40, 41]), "no common range"),
        (([1], [30]), ([1, 2], [29, 31]), "two points"),
        (([1, 2], [30, 31, 32]), ([1, 2], [29, 31]), "two points"),
        (([0, 2], [30, 31]), ([1, 2], [29, 31]), "positive"),
        (([1, math.nan], [30, 31]), ([1, 2], [29, 31]), "positive"),
        (([1, 2], [30, math.inf]), ([1, 2], [29, 31]), "finite"),
        (([1, 2], [30, 30]), ([1, 2], [29, 31]), "coincide"),
    ],
)
def test_bd_rate_refuses(
    a: tuple[list[float], list[float]], b: tuple[list[float], list[float]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        bd_rate(*a, *b)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [  # a hundredth of a decibel in common: the figures are -87 % and +525 %
        (([1, 2], [30, 33]), ([0.26, 0.3], [32.99, 36]), "0.01 dB in common, of 6.00 dB"),
        (([1, 2], [30, 33]), ([12.5, 20], [32.99, 36]), "0.01 dB in common, of 6.00 dB"),
        (([1, 2], [30, 33]), ([1, 2], [31.01, 34]), "1.99 dB in common, of 4.00 dB"),
        (([1, 2, 3], [30, 33, 31]), ([1, 2], [30, 33]), "the first curve is not monotone"),
        (([1, 2], [30, 33]), ([1, 2, 2], [30, 31, 33]), "the second curve is not monotone"),
    ],
)
def test_bd_rate_warns_of_what_makes_it_meaningless(
    a: tuple[list[float], list[float]], b: tuple[list[float], list[float]], message: str
) -> None:
    with pytest.warns(UserWarning, match=message) as caught:
        assert math.isfinite(bd_rate(*a, *b))
    assert len(caught) == 1


def test_bd_rate_is_quiet_where_half_is_in_common() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bd_rate([1, 2], [30, 33], [1, 2], [31, 34])  # 2 of 4 dB
        bd_rate([1, 2], [30, 33], [0.5, 4], [29, 34])


def test_masked_arrays_are_refused() -> None:
    x = noise(200, 200)
    masked = np.ma.masked_array(x, mask=x > 200)
    for metric in (mse, psnr, ssim, ms_ssim):
        for pair in ((x, masked), (masked, x)):
            with pytest.raises(TypeError, match="masked array; fill it first"):
                metric(*pair)
    curve = ([1.0, 2.0], [30.0, 33.0])
    rates, qualities = (np.ma.masked_array(values, mask=[False, True]) for values in curve)
    for masked_curve in ((rates, curve[1]), (curve[0], qualities)):
        with pytest.raises(TypeError, match="masked array"):
            bd_rate(*curve, *masked_curve)
        with pytest.raises(TypeError, match="masked array"):
            interpolate_rd(*masked_curve, 1.0)


def test_interpolate_rd() -> None:
    bpp, quality = [1.0, 0.25, 0.5], [34.0, 28.0, 31.0]
    for rate, value in zip(bpp, quality, strict=True):
        assert interpolate_rd(bpp, quality, rate) == pytest.approx(value, abs=1e-9)
    assert interpolate_rd(bpp, quality, math.sqrt(0.5)) == pytest.approx(32.5, abs=1e-9)
    assert math.isnan(interpolate_rd(bpp, quality, 0.2499))
    assert math.isnan(interpolate_rd(bpp, quality, 1.0001))
    with pytest.raises(ValueError, match="two points"):
        interpolate_rd([1.0], [30.0], 1.0)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="one shape"):
        mse(noise(2, 3), noise(3, 2))
    with pytest.raises(ValueError, match="no pixels"):
        psnr(noise(0, 3), noise(0, 3))
    with pytest.raises(ValueError, match="height, width, 3"):
        ms_ssim(noise(200, 200)[..., 0], noise(200, 200)[..., 0])
