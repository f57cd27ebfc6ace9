"""The exact conditional mean: Eqs. 12 and 13, and its approximation, Eq. 14."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import unequal
from strategies import DTYPES

from npuq.backend import Array
from npuq.nn import logistic, nonparametric, normal
from npuq.nn.scipy_cdf import from_scipy
from npuq.paper.channel import uniform_noise
from npuq.paper.conditional_mean import (
    conditional_mean,
    conditional_mean_backward,
    conditional_mean_literal,
)
from npuq.paper.soft_round import (
    soft_round,
    soft_round_conditional_mean,
    soft_round_conditional_mean_backward,
    soft_round_inverse,
)

FAMILIES = [(normal, scipy.stats.norm), (logistic, scipy.stats.logistic)]


def parameters(scale: float, loc: float = 0.1, dtype: Any = np.float64) -> Any:
    return logistic.Params(np.array(loc, dtype), np.array(scale, dtype))


def truncated_mean(distribution: Any, z: float, alpha: float) -> float:
    """The mean of the law of Y restricted to (s^-1(z - 1/2), s^-1(z + 1/2)], by quadrature."""
    a, b = (float(soft_round_inverse(np.array(z + d), alpha)) for d in (-0.5, 0.5))
    reference = distribution.logpdf(np.clip(distribution.median(), a, b))
    peak = [float(np.clip(distribution.median(), a, b))]

    def moment(power: int) -> float:
        def integrand(y: float) -> float:
            return float(y**power * np.exp(distribution.logpdf(y) - reference))

        return float(scipy.integrate.quad(integrand, a, b, points=peak, epsabs=1e-13)[0])

    return moment(1) / moment(0)


@pytest.mark.parametrize("scale", [0.05, 0.3, 1.0, 20.0])
@pytest.mark.parametrize(("module", "distribution"), FAMILIES)
def test_equation_13_mean_of_the_truncated_law(
    module: Any, distribution: Any, scale: float
) -> None:
    z = np.array([-1.6, 0.0, 0.2, 0.49])
    for alpha in (0.0, 7.0):
        mean = conditional_mean(z, parameters(scale), cdf=module, alpha=alpha)
        expected = [truncated_mean(distribution(0.1, scale), at, alpha) for at in z]
        np.testing.assert_allclose(mean, expected, rtol=0, atol=1e-8)  # quad's own accuracy


@pytest.mark.parametrize("alpha", [0.0, 2.0, 7.0])
@pytest.mark.parametrize("scale", [0.05, 0.3, 20.0])
@pytest.mark.parametrize("module", [normal, logistic])
def test_equations_12_and_13_as_they_are_printed(module: Any, scale: float, alpha: float) -> None:
    """The sum over cells, to their width; far less where the law is smooth."""
    z = np.array([[-0.6, 0.0, 0.2], [0.49, 0.7, 0.31]])
    mean, literal = (
        function(z, parameters(scale), cdf=module, alpha=alpha)
        for function in (conditional_mean, conditional_mean_literal)
    )
    np.testing.assert_allclose(literal, mean, rtol=0, atol=1 / (2 * 4096))
    assert abs(mean - soft_round_conditional_mean(z, alpha)).max() > 1e-5 * scale**-1


@pytest.mark.parametrize("alpha", [0.0, 2.0, 7.0])
def test_equation_12_is_a_conditional_expectation(alpha: float) -> None:
    """The error Y - E[Y | Z] is orthogonal to every function of Z: within 5 standard errors."""
    rng = np.random.default_rng(0)
    n = 20_000
    y = rng.logistic(0.1, 0.3, n)
    z = soft_round(y, alpha) + uniform_noise(rng, (n,))
    error = y - conditional_mean(z, parameters(0.3), cdf=logistic, alpha=alpha)
    for test in (np.ones(n), z, np.sin(5 * z), np.sign(z - 0.3), np.exp(-z * z)):
        products = error * test
        assert abs(products.mean()) < 5 * products.std() / math.sqrt(n)


@pytest.mark.parametrize("alpha", [0.0, 1.0, 7.0, 16.0, math.inf])
def test_equation_14_is_the_limit_of_wide_distributions(alpha: float) -> None:
    """The truncated law's slope is 1/scale, so the mean differs from the middle by 1/(24 scale)."""
    z = np.linspace(-3, 3, 101)
    r = soft_round_conditional_mean(z, alpha)
    for scale in (10.0, 1e3, 1e5):
        mean = conditional_mean(z, parameters(scale), cdf=logistic, alpha=alpha)
        assert abs(mean - r).max() < 1 / (24 * scale) + 1e-9


def test_narrow_distributions_give_their_peak() -> None:
    """Far less than the interval wide, Y is its location wherever that lies in the interval."""
    z = np.array([-0.3, 0.0, 0.3, 0.55])
    mean = conditional_mean(z, parameters(1e-4), cdf=logistic, alpha=0.0)
    np.testing.assert_allclose(mean, 0.1, rtol=0, atol=1e-8)
    # Where it does not, it is the end of the interval on that side, within a few scales.
    far = conditional_mean(np.array([3.0]), parameters(1e-4), cdf=logistic, alpha=0.0)
    assert far[0] == pytest.approx(2.5 + 1e-4, abs=1e-7)


@pytest.mark.parametrize("alpha", [0.0, 4.0, 7.0])
def test_sparse_coefficients_are_reconstructed_better_than_by_equation_14(alpha: float) -> None:
    rng = np.random.default_rng(1)
    n = 2_000
    y = rng.laplace(0, 0.15, n)
    z = soft_round(y, alpha) + uniform_noise(rng, (n,))
    laplace = from_scipy(scipy.stats.laplace(scale=0.15))
    exact = np.mean((conditional_mean(z, None, cdf=laplace, alpha=alpha) - y) ** 2)
    approximate = np.mean((soft_round_conditional_mean(z, alpha) - y) ** 2)
    assert exact < 0.8 * approximate
    assert exact < y.var()  # and better than knowing nothing


@pytest.mark.parametrize("alpha", [0.0, 2.0, 7.0])
@pytest.mark.parametrize("scale", [0.05, 0.5, 5.0])
def test_gradient(scale: float, alpha: float) -> None:
    z = np.array([-1.7, -0.4, 0.05, 0.3, 0.62, 2.2])
    params, step = parameters(scale), 1e-4
    d = np.linspace(1, 2, 6)
    up, down = (conditional_mean(z + h, params, cdf=logistic, alpha=alpha) for h in (step, -step))
    gradient = conditional_mean_backward(d, z, params, cdf=logistic, alpha=alpha)
    # The value is good to 1e-9, so its differences to 1e-5; the third derivative adds 1e-8 / scale.
    np.testing.assert_allclose(gradient, d * (up - down) / (2 * step), rtol=1e-4, atol=3e-5)
    assert np.all(gradient >= 0)  # a larger z never means a smaller y


@pytest.mark.parametrize("alpha", [0.0, 7.0])
@pytest.mark.parametrize("scale", [1e-4, 0.01, 0.05, 0.3, 1.0, 20.0, 1e3])
@pytest.mark.parametrize("module", [normal, logistic])
def test_float32_is_as_good_as_its_digits(module: Any, scale: float, alpha: float) -> None:
    """Logits far out are numbers like 1e14 that no difference may be taken of."""
    single = parameters(scale, dtype=np.float32)
    double = logistic.Params(*(np.asarray(p, np.float64) for p in single))
    near = np.linspace(-20, 20, 161)
    z = np.concatenate([near, [-1000.0, -123.4, -2.6, 500.3, 999.7, 1000.0]]).astype(np.float32)
    mean = conditional_mean(z, single, cdf=module, alpha=alpha)
    expected = conditional_mean(z.astype(np.float64), double, cdf=module, alpha=alpha)
    assert mean.dtype == np.float32
    # The widest ones lose digits as their logits differ by 1e-3 within the interval.
    assert np.all(abs(mean - expected) <= 4e-5 + 3 * np.spacing(abs(z)))

    ones = np.ones_like(z)
    gradient = conditional_mean_backward(ones, z, single, cdf=module, alpha=alpha)
    assert gradient.dtype == np.float32
    assert np.all(np.isfinite(gradient))
    if scale >= 0.3:  # narrower ones have steep logits, which multiply the error of the mean
        expected = conditional_mean_backward(
            ones.astype(np.float64), z.astype(np.float64), double, cdf=module, alpha=alpha
        )
        slopes = soft_round_conditional_mean_backward(ones, z, alpha)
        is_near = abs(z) <= 5
        assert np.all((abs(gradient - expected) <= 4e-4 * slopes)[is_near])


def test_all_is_computed_in_the_dtype_of_z() -> None:
    class Spy:
        def logits(self, y: Array, params: Any) -> Array:
            assert y.dtype == np.float32
            return logistic.logits(y, params)

    conditional_mean(np.zeros(2, np.float32), parameters(1, dtype=np.float32), cdf=Spy(), alpha=7)  # type: ignore[arg-type]


SUPPORTS = [
    (scipy.stats.expon(), [-0.4, 0.0, 0.3, 0.4999, 0.51, 5.0]),
    (scipy.stats.uniform(-0.5, 1), [-0.9, -0.2, 0.01, 0.3, 0.99]),
    (scipy.stats.uniform(0.1, 0.2), [-0.3, 0.0, 0.3, 0.7]),
]


@pytest.mark.parametrize(("distribution", "points"), SUPPORTS)
def test_ends_of_the_support_within_the_interval(distribution: Any, points: list[float]) -> None:
    z, cdf = np.array(points), from_scipy(distribution)
    low, high = distribution.support()
    expected = []
    for a, b in zip(np.maximum(z - 0.5, low), np.minimum(z + 0.5, high), strict=True):
        mass = distribution.cdf(b) - distribution.cdf(a)
        moment = scipy.integrate.quad(lambda y: y * distribution.pdf(y), a, b, epsabs=1e-14)[0]
        expected.append(moment / mass)
    with np.errstate(all="raise", under="ignore"):
        mean = conditional_mean(z, None, cdf=cdf)
        gradient = conditional_mean_backward(np.ones_like(z), z, None, cdf=cdf)
    np.testing.assert_allclose(mean, expected, rtol=0, atol=1e-9)
    up, down = (conditional_mean(z + h, None, cdf=cdf) for h in (1e-5, -1e-5))
    np.testing.assert_allclose(gradient, (up - down) / 2e-5, rtol=0, atol=1e-4)


def test_where_the_logits_tell_nothing_the_mean_is_r() -> None:
    """For values that no coefficient leads to."""
    z = np.array([-3.0, 2.3])
    for alpha in (0.0, 7.0):
        r = soft_round_conditional_mean(z, alpha)
        uniform = from_scipy(scipy.stats.uniform(-0.5, 1))
        np.testing.assert_allclose(
            conditional_mean(z, None, cdf=uniform, alpha=alpha), r, rtol=0, atol=1e-9
        )
        slope = soft_round_conditional_mean_backward(np.ones(2), z, alpha)
        gradient = conditional_mean_backward(np.ones(2), z, None, cdf=uniform, alpha=alpha)
        np.testing.assert_array_equal(gradient, slope)


@pytest.mark.parametrize("dtype", DTYPES)
def test_finite_and_within_half_a_unit_of_r(dtype: Any) -> None:
    z = np.array([-1e5, -3.5, -0.5, 0.0, 0.25, 0.5, 1.0, 1e5], dtype)
    for alpha in (0.0, 7.0, 88.7, 1e6, math.inf):
        r = soft_round_conditional_mean(z, alpha)
        for scale in (1e-3, 1e3):
            params = parameters(scale, dtype=dtype)
            mean = conditional_mean(z, params, cdf=logistic, alpha=alpha)
            assert mean.dtype == dtype
            assert np.all(abs(mean - r) <= 0.5 + 2 * np.spacing(abs(r)))
            gradient = conditional_mean_backward(
                np.ones_like(z), z, params, cdf=logistic, alpha=alpha
            )
            assert gradient.dtype == dtype
            assert np.all(np.isfinite(gradient))


def test_distribution_per_channel() -> None:
    rng = np.random.default_rng(0)
    density = unequal.density(rng, 3, init_scale=0.5, dtype=np.float64)
    z: Array = rng.normal(size=(3, 4))
    mean = conditional_mean(z, density, cdf=nonparametric, alpha=7.0)
    assert mean.shape == (3, 4)
    assert np.all(abs(mean - soft_round_conditional_mean(z, 7.0)) <= 0.5)
