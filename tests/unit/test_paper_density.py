"""The density against its definition: integrals, histograms and SciPy's distributions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats

from npuq.backend import Array
from npuq.nn import logistic, normal
from npuq.nn.scipy_cdf import from_scipy
from npuq.paper.channel import uniform_noise
from npuq.paper.density import (
    density,
    density_literal,
    interval_bits_backward,
    rate_bits,
    rate_bits_backward,
)
from npuq.paper.soft_round import soft_round, soft_round_inverse

FAMILIES = [(normal, scipy.stats.norm), (logistic, scipy.stats.logistic)]
NODES, WEIGHTS = np.polynomial.legendre.leggauss(6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_where_rounding_has_closed_the_gap_it_is_a_number(dtype: Any) -> None:
    """Of bits = softplus(a) + softplus(-b) - log(smallest gap), only the first two move."""
    at = np.array([-3.0, 0.7, 20.0], dtype)
    d_lower, d_upper = interval_bits_backward(np.full(3, 5.0, dtype), at, at)
    sigmoid = 1 / (1 + np.exp(-at.astype(np.float64)))
    rtol = 4 * float(np.finfo(dtype).eps)  # an exponential, a sum, a quotient and a product
    np.testing.assert_allclose(d_lower, 5 / math.log(2) * sigmoid, rtol=rtol)
    np.testing.assert_allclose(d_upper, -5 / math.log(2) / (1 + np.exp(at * 1.0)), rtol=rtol)


def parameters(scale: float, loc: float = 0.3) -> Any:
    return logistic.Params(np.array(loc), np.array(scale))


def integrals(module: Any, params: Any, alpha: float, edges: Array) -> Array:
    """Of the density over each of the intervals between `edges`."""
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    z = middle + NODES[:, None] * half
    return WEIGHTS @ density(z, params, cdf=module, alpha=alpha) * half


@pytest.mark.parametrize("alpha", [0.0, 1.0, 7.0, 16.0])
@pytest.mark.parametrize("scale", [0.05, 0.5, 3.0])
@pytest.mark.parametrize(("module", "distribution"), FAMILIES)
def test_density_integrates_to_1(
    module: Any, distribution: Any, scale: float, alpha: float
) -> None:
    reach = math.ceil(40 * scale) + 1
    # Half-integers, where r has its spikes, are edges, and the pieces next to them are short.
    distances = np.concatenate([[0.0], 0.25 * 0.5 ** np.arange(28)])
    ties = np.arange(-2 * reach, 2 * reach + 1) / 2
    edges = np.unique(
        np.concatenate([np.add.outer(ties, distances), np.subtract.outer(ties, distances)])
    )
    fine = np.unique(np.concatenate([edges, np.linspace(-reach, reach, 40 * reach + 1)]))
    total = integrals(module, parameters(scale), alpha, fine).sum()
    assert total == pytest.approx(1, abs=1e-7)  # the quadrature of features 0.05 wide


@pytest.mark.parametrize("alpha", [0.0, 1.0, 7.0, 16.0])
@pytest.mark.parametrize("scale", [0.05, 0.5, 3.0])
@pytest.mark.parametrize("module", [normal, logistic])
def test_density_is_equation_44_as_it_is_printed(module: Any, scale: float, alpha: float) -> None:
    """But for erratum E1. At alpha 16, z + 1/2 is rounded before a slope of 3e5 / scale."""
    z = np.concatenate([np.linspace(-4, 4, 801), np.random.default_rng(0).uniform(-3, 3, 400)])
    p, literal = (
        function(z, parameters(scale), cdf=module, alpha=alpha)
        for function in (density, density_literal)
    )
    np.testing.assert_allclose(literal, p, rtol=0, atol=1e-9)
    assert p.max() > 0.08


@pytest.mark.parametrize("alpha", [0.0, 1.0, 7.0, 16.0])
@pytest.mark.parametrize(("module", "distribution"), FAMILIES)
def test_equation_44_is_the_histogram_of_soft_rounded_noisy_samples(
    module: Any, distribution: Any, alpha: float
) -> None:
    rng = np.random.default_rng(11)
    n, scale = 200_000, 0.4
    y = distribution(0.3, scale).rvs(n, random_state=rng)
    z = soft_round(y, alpha) + uniform_noise(rng, (n,))
    edges = np.linspace(-2, 2.5, 91)
    counts, _ = np.histogram(z, edges)
    fine = np.linspace(-2, 2.5, 90 * 16 + 1)
    p = integrals(module, parameters(scale), alpha, fine).reshape(90, 16).sum(axis=1)
    kept = n * p > 10
    statistic = ((counts - n * p) ** 2 / (n * p))[kept].sum()
    # A false alarm in 1e6; the wrong density of erratum E1 is off by hundreds.
    assert statistic < scipy.stats.chi2(kept.sum()).isf(1e-6)


@pytest.mark.parametrize(("module", "distribution"), FAMILIES)
def test_bits_agree_with_scipy(module: Any, distribution: Any) -> None:
    """Where SciPy's own difference does not cancel."""
    z = np.linspace(-4, 5, 91)
    for alpha in (0.0, 1.0, 7.0):
        low, high = soft_round_inverse(z - 0.5, alpha), soft_round_inverse(z + 0.5, alpha)
        p = distribution(0.3, 0.8).cdf(high) - distribution(0.3, 0.8).cdf(low)
        np.testing.assert_allclose(
            density(z, parameters(0.8), cdf=module, alpha=alpha), p, rtol=1e-6, atol=1e-14
        )
    laplace = scipy.stats.laplace(0.3, 0.8)
    np.testing.assert_allclose(
        density(z, None, cdf=from_scipy(laplace)),
        laplace.cdf(z + 0.5) - laplace.cdf(z - 0.5),
        rtol=1e-9,
    )


def test_bits_far_out_follow_the_tail() -> None:
    """A logistic's tail is exponential, -log2 p = z / scale / log 2 + constant; a normal's not."""
    z = np.array([-1e6, -1e3, 1e3, 1e6])
    bits = rate_bits(z, parameters(2.0, 0.0), cdf=logistic)
    constant = -math.log2(2 * math.sinh(0.25))
    np.testing.assert_allclose(bits, abs(z) / 2 / math.log(2) + constant, rtol=1e-13)
    d_z, _ = rate_bits_backward(np.ones(4), z, parameters(2.0, 0.0), cdf=logistic)
    np.testing.assert_allclose(d_z, np.sign(z) / 2 / math.log(2), rtol=1e-9)
    # The nearer end of the interval has the mass: -log2 p ~ (|z| - 1/2)^2 / 2.
    bits = rate_bits(z, parameters(1.0, 0.0), cdf=normal)
    np.testing.assert_allclose(bits, (abs(z) - 0.5) ** 2 / 2 / math.log(2), rtol=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 7.0, math.inf])
def test_outside_of_the_support_bits_are_infinite(alpha: float) -> None:
    """The density is 0 there: no NaN, no warning, and no gradient."""
    uniform = from_scipy(scipy.stats.uniform(-0.5, 1))
    z = np.array([-3.0, -1.0, 1.0, 2.5])
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(rate_bits(z, None, cdf=uniform, alpha=alpha), np.inf)
        np.testing.assert_array_equal(density(z, None, cdf=uniform, alpha=alpha), 0)
        d_z, _ = rate_bits_backward(np.ones(4), z, None, cdf=uniform, alpha=alpha)
        np.testing.assert_array_equal(d_z, 0)
    for infinity in (-np.inf, np.inf):
        for gradient in interval_bits_backward(1.0, infinity, infinity):
            assert gradient == 0
    # Half outside, p(z) = 1 - |z|; at 0 the interval holds all.
    bits = rate_bits(np.array([-0.75, 0.0, 0.5]), None, cdf=uniform)
    np.testing.assert_allclose(bits, [2, 0, 1], rtol=1e-15, atol=1e-15)


def test_the_range_of_a_distribution_of_scipy_ends_where_its_logarithms_do() -> None:
    """SciPy's log(sf(y)) of a Laplace distribution is finite to 743 scales."""
    z = np.array([-1e6, -1e3, -700.0, 700.0, 1e3, 1e6])
    laplace = from_scipy(scipy.stats.laplace())
    bits = rate_bits(z, None, cdf=laplace)
    constant = -math.log2(math.sinh(0.5))
    np.testing.assert_allclose(bits[2:4], 700 / math.log(2) + constant, rtol=1e-13)
    np.testing.assert_array_equal(bits[[0, 1, 4, 5]], np.inf)
    d_z, _ = rate_bits_backward(np.ones(6), z, None, cdf=laplace)
    np.testing.assert_allclose(d_z * math.log(2), [0, 0, -1, 1, 0, 0], rtol=1e-9)


def test_shapes_and_parameter_trees() -> None:
    for shape in ((), (0,), (2, 3)):
        z = np.zeros(shape, np.float32)
        params = logistic.Params(np.zeros((), np.float32), np.ones((), np.float32))
        assert rate_bits(z, params, cdf=logistic, alpha=7.0).shape == shape
        d_z, d_params = rate_bits_backward(z, z, params, cdf=logistic, alpha=7.0)
        assert np.shape(d_z) == shape
        assert type(d_params) is logistic.Params
    _, none = rate_bits_backward(
        np.ones(2), np.zeros(2), None, cdf=from_scipy(scipy.stats.laplace())
    )
    assert none is None
