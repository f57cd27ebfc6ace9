"""Universal quantization with a random step, and the noise that it makes: Appendix C, Eqs. 29, 30.

Statistical tests have fixed seeds and bounds that a correct program would pass with probability
1 - 1e-6 under a random seed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, coefficients, dtypes, each, nasty_arrays

from npuq.backend import Array
from npuq.nn import logistic, normal
from npuq.paper.channel import uniform_noise, universal_dequantize, universal_quantize
from npuq.paper.density import rate_bits
from npuq.paper.scale_mixture import (
    gaussian_scale,
    mixing_density,
    mixing_scale,
    mixture_dequantize,
    mixture_quantize,
    mixture_rate_bits,
)
from npuq.paper.unimodal import GAUSSIAN, LAPLACE, LOGISTIC, UnimodalLaw, student_t

FALSE_ALARM = 1e-6
LAWS = [
    (GAUSSIAN, scipy.stats.norm()),
    (LAPLACE, scipy.stats.laplace()),
    (LOGISTIC, scipy.stats.logistic()),
    (student_t(1), scipy.stats.t(1)),
    (student_t(3.5), scipy.stats.t(3.5)),
]
laws = pytest.mark.parametrize(("law", "known"), LAWS, ids=[law.name for law, _ in LAWS])
WIDTHS = np.array([1e-3, 0.1, 0.5, 1.0, 2.0, 4.0, 10.0, 30.0])


def uniforms(seed: int, count: int) -> tuple[Array, Array]:
    p, v = np.random.default_rng(seed).random((2, count))
    return p, v


def channel(y: Array, u: Array, s: Array) -> Array:
    return mixture_dequantize(mixture_quantize(y, u, s), u, s)


# --- mixtures of uniform densities --------------------------------------------------------------


@laws
def test_laws_are_those_of_scipy(law: UnimodalLaw, known: Any) -> None:
    x = np.concatenate([-WIDTHS[::-1], [0.0], WIDTHS])
    # formulas of some roundings; quantiles lose what a distribution function close to 1 has lost,
    # and differences of step 1e-4 are right to the square of that
    np.testing.assert_allclose(law.log_peak - law.depth(x), known.logpdf(x), rtol=1e-12)
    np.testing.assert_allclose(law.quantile(known.cdf(x[:13])), x[:13], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(law.half_width(law.depth(WIDTHS)), WIDTHS, rtol=1e-9)
    step = 1e-4 * WIDTHS
    slope = (law.depth(WIDTHS + step) - law.depth(WIDTHS - step)) / (2 * step)
    np.testing.assert_allclose(law.slope(WIDTHS), slope, rtol=1e-6)
    assert law.variance == known.var() or known.args == (1,)  # Cauchy's has none


@laws
def test_mixing_density_integrates_to_1_and_gives_the_law_back(
    law: UnimodalLaw, known: Any
) -> None:
    """f(x) = integral of p(s) / s over s > 2 |x|: what uniform densities of width s are at x."""

    def quad(function: Any, low: float) -> float:
        edges = [low, *(low + edge for edge in (0.01, 0.1, 1, 5, 20, 100)), np.inf]
        parts = zip(edges[:-1], edges[1:], strict=True)
        return sum(scipy.integrate.quad(function, *ends, epsabs=1e-13)[0] for ends in parts)

    # what quadrature with a relative tolerance of 1.5e-8 for each part gives, and mostly more
    assert quad(lambda s: mixing_density(s, law), 0) == pytest.approx(1, abs=1e-9)
    for x in (0.0, 0.2, 1.0, 3.0):
        density = quad(lambda s: mixing_density(s, law) / s, 2 * x)
        assert density == pytest.approx(known.pdf(x), rel=1e-7)
    assert np.all(mixing_density(-WIDTHS, law) == 0)


@pytest.mark.parametrize(
    ("law", "known"),
    [
        (GAUSSIAN, scipy.stats.chi(3, scale=2)),  # 2 sqrt(G), G ~ Gamma(3/2, rate 1/2): Eq. 29
        (LAPLACE, scipy.stats.gamma(2, scale=2)),
    ],
    ids=["Gaussian", "Laplace"],
)
def test_mixing_densities_with_a_name(law: UnimodalLaw, known: Any) -> None:
    # exponentials of up to 113, of which a rounding is 1e-14
    np.testing.assert_allclose(mixing_density(WIDTHS, law), known.pdf(WIDTHS), rtol=1e-12)


def test_mixing_density_of_students_t_is_the_root_of_an_f_distribution() -> None:
    """A t variable is a Gaussian one over sqrt(chi^2 / nu): S = 2 sqrt(3 F), F ~ F(3, nu)."""
    ratio = (WIDTHS / 2) ** 2 / 3
    expected = scipy.stats.f(3, 3.5).pdf(ratio) * WIDTHS / 6
    # powers and gamma functions, of some roundings
    np.testing.assert_allclose(mixing_density(WIDTHS, student_t(3.5)), expected, rtol=1e-12)


def mixing_cdf(s: Array, known: Any) -> Array:
    """P(S <= s) = 2 F(s/2) - 1 - s f(s/2), the mixing density integrated by parts."""
    return 2 * known.cdf(s / 2) - 1 - s * known.pdf(s / 2)


@laws
def test_equation_29_widths_at_random_heights_have_the_mixing_density(
    law: UnimodalLaw, known: Any
) -> None:
    s = mixing_scale(*uniforms(0, 20_000), law)
    assert np.all(s > 0)
    assert scipy.stats.kstest(s, lambda s: mixing_cdf(s, known)).pvalue > FALSE_ALARM


def test_equation_29_the_second_parameter_of_gamma_is_the_rate() -> None:
    def is_right(s: Array) -> bool:
        pvalue = scipy.stats.kstest(s, lambda s: mixing_cdf(s, scipy.stats.norm(0, 0.7))).pvalue
        return bool(pvalue > FALSE_ALARM)

    rng = np.random.default_rng(1)
    assert is_right(gaussian_scale(rng, (20_000,), 0.7))
    assert not is_right(2 * 0.7 * np.sqrt(rng.gamma(1.5, 0.5, 20_000)))  # 1/2 as the scale


# --- Eq. 29 -------------------------------------------------------------------------------------


@each(y=nasty_arrays(), log_s=(-8.0, 0.0, 8.0), seed=(0,))
@given(y=dtypes().flatmap(coefficients), log_s=st.floats(-8, 8), seed=st.integers(0, 1000))
def test_equation_29_for_a_given_step_is_universal_quantization(
    y: Array, log_s: float, seed: int
) -> None:
    """With step s: integers those of y / s, values on the grid (k + u) s, errors within s / 2."""
    rng = np.random.default_rng(seed)
    u = np.asarray(uniform_noise(rng, y.shape, y.dtype))
    s = np.asarray(np.exp(log_s + rng.normal(size=y.shape))).astype(y.dtype)
    k = mixture_quantize(y, u, s)
    z = mixture_dequantize(k, u, s)
    assert k.dtype == z.dtype == y.dtype
    np.testing.assert_array_equal(k, universal_quantize(y / s, u))
    np.testing.assert_array_equal(z, universal_dequantize(k, u) * s)
    rounding = 4 * np.spacing(abs(y) + s)  # of y / s, its difference from u, the sum and product
    assert np.all(abs(z - y) <= s / 2 + rounding)
    one = np.array(2.0, y.dtype)
    np.testing.assert_array_equal(channel(y, u, one), channel(y, u, np.full_like(y, 2)))


@pytest.mark.parametrize("y", [0.0, 0.5, -7.3, 1e4 + 0.1])
@laws
def test_equation_29_for_fixed_y_the_error_has_the_law(
    law: UnimodalLaw, known: Any, y: float
) -> None:
    s = 0.6 * mixing_scale(*uniforms(2, 20_000), law)
    u = uniform_noise(np.random.default_rng(3), s.shape)
    error = channel(np.full_like(u, y), u, s) - y
    assert scipy.stats.kstest(error / 0.6, known.cdf).pvalue > FALSE_ALARM


def test_equation_29_gaussian_noise_is_independent_of_y_but_not_of_s() -> None:
    rng, count = np.random.default_rng(4), 60_000
    y = rng.laplace(0, 0.5, count)
    s = gaussian_scale(rng, y.shape, 1.0)
    error = channel(y, uniform_noise(rng, y.shape), s) - y
    assert scipy.stats.kstest(error, scipy.stats.norm.cdf).pvalue > FALSE_ALARM

    def pvalue(other: Array) -> float:
        bins = [np.argsort(np.argsort(a)) * 8 // count for a in (error, other)]
        return float(scipy.stats.chi2_contingency(np.histogram2d(*bins, bins=8)[0]).pvalue)

    assert pvalue(y) > FALSE_ALARM
    assert pvalue(s) < FALSE_ALARM


# --- Eq. 30 -------------------------------------------------------------------------------------

SIGMA_Y = [0.02, 0.3, 1.0, 4.0, 100.0]  # in standard deviations of the noise
STEPS = scipy.stats.chi(3, scale=2)  # the law of S for sigma = 1
ENTROPY_OF_NOISE = 0.5 * math.log2(2 * math.pi * math.e)
MOST_EXCESS = 0.5207  # I[S, S U'] = h(N) - E log2 S = h(N) - 1 - (digamma(3/2) + log 2) / log 4


def information_with_steps(sigma_y: float) -> float:
    """I[Y, (Z, S)] = E_S h[Y + S U'] - log2 S for Gaussian Y, by quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    top = 14.0  # P(S > 14) = 4e-11
    steps, weights = top * (nodes + 1) / 2, weights * top / 2
    law, total = scipy.stats.norm(0, sigma_y), 0.0
    for s, weight in zip(steps, weights * STEPS.pdf(steps), strict=True):
        reach = s / 2 + 9 * sigma_y
        z = np.linspace(0, reach, 4_001)  # the density is symmetric
        p = (law.sf(z - s / 2) - law.sf(z + s / 2)) / s
        terms = np.where(p > 0, -p * np.log2(np.where(p > 0, p, 1)), 0)
        total += weight * (2 * scipy.integrate.trapezoid(terms, z) - math.log2(s))
    return total


def test_the_largest_excess_is_the_information_between_step_and_noise() -> None:
    """The excess is I[Y, S | Z] = I[S, S U'] - I[S, Z]."""
    mean_log = STEPS.expect(np.log2)
    assert ENTROPY_OF_NOISE - mean_log == pytest.approx(MOST_EXCESS, abs=1e-4)  # of four digits


@pytest.mark.parametrize("sigma_y", SIGMA_Y)
def test_equation_30_the_cost_is_the_information_about_z_and_s(sigma_y: float) -> None:
    """Measured on samples, against quadrature, and against I[Y, Z] = 1/2 log2(1 + sigma_y^2)."""
    rng, count = np.random.default_rng(5), 40_000
    y = rng.normal(0, sigma_y, count)
    s = gaussian_scale(rng, y.shape, 1.0)
    z = channel(y, uniform_noise(rng, y.shape), s)
    params = normal.Params(np.array(0.0), np.array(sigma_y))
    bits = mixture_rate_bits(z, s, params, cdf=normal)
    information = information_with_steps(sigma_y)
    assert abs(bits.mean() - information) < 5.5 * bits.std() / math.sqrt(count) + 1e-4
    of_z = 0.5 * math.log2(1 + sigma_y**2)
    assert of_z <= information + 1e-4
    assert information <= of_z + MOST_EXCESS + 1e-4
    if sigma_y == 100.0:
        # at sigma = 100 it is not yet the limit, by some 1 / sigma^2, and quadrature has 1e-4
        assert information - of_z == pytest.approx(MOST_EXCESS, abs=1e-3)


def test_equation_30_the_cost_is_the_entropy_of_the_integers() -> None:
    """P(K = k | U = u, S = s) sums to 1, and is what simulated integers do."""
    params = logistic.Params(np.array(0.3), np.array(0.8))
    k, count = np.arange(-400.0, 401.0), 100_000
    y = np.random.default_rng(6).logistic(0.3, 0.8, count)
    for u, s in ((-0.5, 0.3), (0.1, 1.0), (0.4, 7.0)):
        z = (k + u) * s
        p = 2.0 ** -mixture_rate_bits(z, np.array(s), params, cdf=logistic)
        assert p.sum() == pytest.approx(1, abs=1e-12)  # 801 differences of numbers up to 1
        sent = mixture_quantize(y, np.full_like(y, u), np.array(s))
        counts = (sent[:, None] == k[380:421]).sum(axis=0)
        noise = 5.5 * np.sqrt(count * p * (1 - p))[380:421] + 1
        assert np.all(abs(counts - count * p[380:421]) < noise)


@pytest.mark.parametrize("dtype", DTYPES)
def test_equation_30_with_step_1_is_equation_43(dtype: Any) -> None:
    params = normal.Params(np.array(0.1, dtype), np.array(0.5, dtype))
    z = np.linspace(-5, 5, 101).astype(dtype)
    bits = mixture_rate_bits(z, np.ones_like(z), params, cdf=normal)
    assert bits.dtype == dtype
    np.testing.assert_array_equal(bits, rate_bits(z, params, cdf=normal))


# --- arguments ----------------------------------------------------------------------------------


def test_arguments_out_of_range_are_refused() -> None:
    y, params = np.zeros(3), normal.Params(np.array(0.0), np.array(1.0))
    calls = {
        "y": lambda s: mixture_quantize(y, y, s),
        "k": lambda s: mixture_dequantize(y, y, s),
        "z": lambda s: mixture_rate_bits(y, s, params, cdf=normal),
    }
    for name, call in calls.items():
        for s in (np.ones((3, 1)), np.ones(2)):
            with pytest.raises(ValueError, match=f"^{name} and s must have one shape"):
                call(s)
        for s in (0, -1, math.nan, np.array([1, 1, 0])):
            with pytest.raises(ValueError, match="^s must be positive"):
                call(s)
    for sigma in (0, -1, math.nan):
        with pytest.raises(ValueError, match="^sigma must be positive"):
            gaussian_scale(np.random.default_rng(0), (2,), sigma)
    for nu in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="^nu must be positive"):
            student_t(nu)
    half = np.full(2, 0.5)
    with pytest.raises(ValueError, match="^p and v must have one shape"):
        mixing_scale(half, np.array(0.5), GAUSSIAN)
    for bad in (0, 1, -0.1, math.nan):
        for name, pair in (("p", (half * 0 + bad, half)), ("v", (half, half * 0 + bad))):
            with pytest.raises(ValueError, match=f"^{name} must lie between 0 and 1"):
                mixing_scale(*pair, GAUSSIAN)


@pytest.mark.parametrize("law", [law for law, _ in LAWS], ids=lambda law: law.name)
@pytest.mark.parametrize("dtype", DTYPES)
def test_widths_keep_the_dtype_and_are_finite_at_the_edges(law: UnimodalLaw, dtype: Any) -> None:
    near_1 = np.nextafter(np.array(1, dtype), np.array(0, dtype))
    edges = np.array([2.0**-32, 0.5, near_1], dtype)
    p, v = (a.ravel() for a in np.meshgrid(edges, edges))
    s = mixing_scale(p, v, law)
    assert s.dtype == dtype
    assert np.all((s > 0) & np.isfinite(s))
    assert mixing_density(s, law).dtype == dtype
