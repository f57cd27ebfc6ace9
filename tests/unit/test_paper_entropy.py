"""What universal quantization costs, Eq. 7: H[K | U] = h[Y + U], and P(K = k | U = u)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats

from npuq.backend import Array
from npuq.coding.dither import dither_values
from npuq.nn import logistic, normal
from npuq.paper.channel import universal_quantize
from npuq.paper.density import density, rate_bits

SCALES = [0.05, 0.2, 0.5, 1.0, 2.0, 5.0]
FAMILIES = [(normal, scipy.stats.norm), (logistic, scipy.stats.logistic)]
LOC = 0.3  # off the centre of an interval
DITHER = dither_values(np.arange(256), np.float64)


def parameters(module: Any, scale: float) -> Any:
    return module.Params(np.array(LOC), np.array(scale))


def conditional_entropy(module: Any, scale: float, u: Array) -> float:
    """H[K | U], the mean over u of the entropy of the integers' distribution."""
    reach = math.ceil(40 * scale) + 2  # beyond, a logistic has 1e-16 of its mass
    k = np.arange(-reach, reach + 1.0)[:, None]
    bits = rate_bits(k + u, parameters(module, scale), cdf=module)
    probabilities = 2.0**-bits
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, rtol=0, atol=1e-12)
    return float((probabilities * bits).sum(axis=0).mean())


def differential_entropy(distribution: Any, scale: float) -> float:
    """h[Y + U] in bits by the trapezoidal rule on a fine grid, with SciPy's CDF."""
    # The integrand is smooth on the scale of Y and vanishes at both ends.
    z, step = np.linspace(LOC - 40 * scale - 2, LOC + 40 * scale + 2, 200_001, retstep=True)
    frozen = distribution(LOC, scale)
    above = z > LOC  # take differences of small numbers in either tail
    upper = frozen.sf(z - 0.5) - frozen.sf(z + 0.5)
    p = np.where(above, upper, frozen.cdf(z + 0.5) - frozen.cdf(z - 0.5))
    terms = np.where(p > 0, p * -np.log2(np.where(p > 0, p, 1)), 0)
    return float(terms.sum() * step)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("module", "distribution"), FAMILIES)
def test_equation_7_the_cost_is_the_information(
    module: Any, distribution: Any, scale: float
) -> None:
    """Within 1e-4 bit; for U uniform by a fine midpoint rule, and for the 256 levels of files.

    Both are sums over one period of a periodic function: they converge as fast as it is smooth.
    """
    expected = differential_entropy(distribution, scale)
    fine = (np.arange(2000) + 0.5) / 2000 - 0.5
    assert conditional_entropy(module, scale, fine) == pytest.approx(expected, abs=1e-4)
    assert conditional_entropy(module, scale, DITHER) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("module", "distribution"), FAMILIES)
def test_equation_7_limits(module: Any, distribution: Any) -> None:
    """Far wider than the noise, h[Y + U] tends to h[Y]; far narrower, to h[U] = 0."""
    wide = distribution(LOC, 30.0).entropy() / math.log(2)
    assert conditional_entropy(module, 30.0, DITHER) == pytest.approx(wide, abs=1e-4)
    narrow = conditional_entropy(module, 1e-3, (np.arange(20_000) + 0.5) / 20_000 - 0.5)
    assert 0 < narrow < 0.02


@pytest.mark.parametrize("u", [-0.5, -0.25, 0.0, 0.4999])
@pytest.mark.parametrize(("module", "distribution"), FAMILIES)
def test_probability_of_an_integer_is_the_density_at_k_plus_u(
    module: Any, distribution: Any, u: float
) -> None:
    """P(K = k | U = u) = p_{Y+U}(k + u), Sec. 3.2, against simulated integers."""
    n, scale = 200_000, 0.8
    y = distribution(LOC, scale).rvs(n, random_state=np.random.default_rng(7))
    k = np.arange(-4, 5.0)
    counts = (universal_quantize(y, np.full(n, u))[:, None] == k).sum(axis=0)
    p = density(k + u, parameters(module, scale), cdf=module)
    # Five standard deviations of a binomial, for 9 counts and 8 cases: a false alarm in 2e4.
    assert np.all(abs(counts - n * p) <= 5 * np.sqrt(n * p * (1 - p)) + 1)
