"""The CDF modules at known values, in the tails, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats
import unequal
from plain import nonparametric_logits

from npuq.nn import logistic, nonparametric, normal
from npuq.nn.activations import sigmoid, sigmoid_backward, softplus, softplus_backward
from npuq.nn.location_scale import Params, sum_to_shape
from npuq.nn.scipy_cdf import from_scipy

STANDARD = Params(np.zeros(()), np.ones(()))
STANDARD_32 = Params(np.zeros((), np.float32), np.ones((), np.float32))


def normal_slope(x: Any, params: Params = STANDARD) -> Any:
    return normal.logits_backward(np.ones_like(x), x, params)[0]


def test_softplus_and_sigmoid_do_not_overflow() -> None:
    x = np.array([-1e6, -800, -1, 0, 1, 800, 1e6])
    for dtype in (np.float32, np.float64):
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            y = softplus(x.astype(dtype))
            slope = softplus_backward(np.ones(7, dtype), x.astype(dtype))
        np.testing.assert_allclose(y, np.logaddexp(0, x), rtol=4 * float(np.finfo(dtype).eps))
        np.testing.assert_array_equal(slope, sigmoid(x.astype(dtype)))
        assert slope[0] == 0
        assert slope[-1] == 1


def test_sigmoid_keeps_its_slope_in_both_tails() -> None:
    x = np.array([-40.0, 40.0])
    slope = sigmoid_backward(np.ones(2), x)
    np.testing.assert_allclose(slope, math.exp(-40), rtol=1e-14)


def test_normal_logit_agrees_with_the_error_function() -> None:
    for x in (-25.0, -5.0, -0.3, 0.0, 1.0, 6.0, 25.0):
        expected = math.log(math.erfc(-x / math.sqrt(2)) / math.erfc(x / math.sqrt(2)))
        actual = normal.logits(np.array([x]), STANDARD)[0]
        assert actual == pytest.approx(expected, rel=1e-14, abs=2e-16)


def test_normal_logit_in_float32_is_that_of_float64() -> None:
    x = np.concatenate([-np.geomspace(1e6, 1, 50), np.geomspace(1, 1e6, 50)]).astype(np.float32)
    exact = x.astype(np.float64)
    expected = scipy.special.log_ndtr(exact) - scipy.special.log_ndtr(-exact)
    # A few ulps of 6e-8.
    np.testing.assert_allclose(normal.logits(x, STANDARD_32), expected, rtol=3e-7)
    np.testing.assert_allclose(normal_slope(x, STANDARD_32), normal_slope(exact), rtol=1e-6)


def test_normal_logit_far_out_follows_its_asymptote() -> None:
    """-log Phi(-x) = x^2 / 2 + log(x sqrt(2 pi)) + O(x^-2); its slope is x + 1 / x + O(x^-3)."""
    x = np.array([1e3, 1e6])
    y = normal.logits(np.concatenate([x, -x]), STANDARD)
    expected = x * x / 2 + np.log(x * math.sqrt(2 * math.pi))
    np.testing.assert_allclose(y, np.concatenate([expected, -expected]), rtol=1e-11)
    np.testing.assert_allclose(normal_slope(x), x + 1 / x, rtol=1e-11)


def test_normal_slope_at_its_centre() -> None:
    """phi(0) / (1/2)^2."""
    assert normal_slope(np.zeros(1))[0] == pytest.approx(4 / math.sqrt(2 * math.pi), rel=1e-15)


@pytest.mark.parametrize("module", [logistic, normal])
@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan])
def test_scale_must_be_positive(module: Any, scale: float) -> None:
    params = module.Params(np.zeros(2), np.array([1.0, scale]))
    with pytest.raises(ValueError, match="scale must be positive"):
        module.logits(np.zeros(2), params)
    with pytest.raises(ValueError, match="scale must be positive"):
        module.logits_backward(np.zeros(2), np.zeros(2), params)


def test_sum_to_shape_is_the_transpose_of_broadcasting() -> None:
    rng = np.random.default_rng(0)
    for shape in [(), (1,), (5,), (4, 1), (3, 4, 5), (1, 4, 1)]:
        x, y = rng.standard_normal(shape), rng.standard_normal((3, 4, 5))
        assert sum_to_shape(y, shape).shape == shape
        expected = np.sum(np.broadcast_to(x, y.shape) * y)
        assert np.sum(x * sum_to_shape(y, shape)) == pytest.approx(expected, rel=1e-12)


def test_scipy_distributions_agree_with_the_modules() -> None:
    y, d_logits = np.linspace(-20, 20, 41), np.linspace(1, 2, 41)
    params = Params(np.array(0.5), np.array(1.5))
    for module, distribution in [
        (normal, scipy.stats.norm(0.5, 1.5)),
        (logistic, scipy.stats.logistic(0.5, 1.5)),
    ]:
        cdf = from_scipy(distribution)
        np.testing.assert_allclose(cdf.logits(y), module.logits(y, params), rtol=1e-12, atol=1e-15)
        d_y, d_params = cdf.logits_backward(d_logits, y)
        assert d_params is None
        # Logarithms up to 100 are subtracted: 100 eps.
        np.testing.assert_allclose(d_y, module.logits_backward(d_logits, y, params)[0], rtol=1e-12)


def test_scipy_distribution_outside_of_its_support() -> None:
    cdf = from_scipy(scipy.stats.uniform())
    y = np.array([-1.0, 0.25, 2.0])
    np.testing.assert_allclose(cdf.logits(y), [-np.inf, math.log(1 / 3), np.inf])
    np.testing.assert_allclose(cdf.logits_backward(np.ones(3), y)[0], [0, 1 / (0.25 * 0.75), 0])


def test_scipy_distribution_must_be_continuous() -> None:
    with pytest.raises(TypeError, match="no logpdf"):
        from_scipy(scipy.stats.poisson(3.0))


def test_nonparametric_starts_as_a_logistic_of_the_given_scale() -> None:
    """At a = 0 the map is affine, and its slope is the product of the layers' 1 / shrink."""
    for widths in [(), (3,), (3, 3, 3)]:
        params = nonparametric.init(
            np.random.default_rng(0), 2, widths=widths, init_scale=20.0, dtype=np.float64
        )
        y = np.array([[-7.0, 0.0, 1e6]] * 2)
        slope = nonparametric.logits_backward(np.ones_like(y), y, params)[0]
        np.testing.assert_allclose(slope, 1 / 20, rtol=1e-13)


def test_nonparametric_does_not_mix_channels() -> None:
    params = nonparametric.init(np.random.default_rng(0), 3)
    y = np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32)
    moved = y.copy()
    moved[1] += 1
    same = nonparametric.logits(moved, params) == nonparametric.logits(y, params)
    assert same.all(axis=1).tolist() == [True, False, True]


@pytest.mark.parametrize("shape", [(3,), (3, 0), (3, 2, 0, 4), (3, 2, 5)])
def test_nonparametric_takes_any_trailing_shape(shape: tuple[int, ...]) -> None:
    params = nonparametric.init(np.random.default_rng(0), 3)
    y = np.ones(shape, np.float32)
    d_y, d_params = nonparametric.logits_backward(y, y, params)
    assert nonparametric.logits(y, params).shape == d_y.shape == shape
    assert d_params.H[1].shape == (3, 3, 3)


def test_nonparametric_refuses_what_does_not_fit() -> None:
    rng = np.random.default_rng(0)
    params = nonparametric.init(rng, 3)
    for y in (np.zeros((2, 3)), np.zeros(())):
        with pytest.raises(ValueError, match="first axis must be the 3 channels"):
            nonparametric.logits(y, params)
    with pytest.raises(ValueError, match="channels and widths must be positive"):
        nonparametric.init(rng, 0)
    with pytest.raises(ValueError, match="init_scale must be positive"):
        nonparametric.init(rng, 1, init_scale=0)


@pytest.mark.parametrize("widths", [(), (3, 3, 3), (2, 4)])
def test_nonparametric_is_its_equation_weight_by_weight(widths: tuple[int, ...]) -> None:
    """With unequal H, no two of which can be told apart where training starts."""
    rng = np.random.default_rng(0)
    params = unequal.density(rng, 2, widths=widths, init_scale=2.0, dtype=np.float64)
    y = 3 * rng.standard_normal((2, 50))
    expected = nonparametric_logits(y, params)
    np.testing.assert_allclose(nonparametric.logits(y, params), expected, rtol=0, atol=1e-13)
