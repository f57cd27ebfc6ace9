"""log c and the log of an interval's mass, against hundreds of digits, in both tails."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
import scipy.stats

import npuq
from npuq.backend import Array
from npuq.nn import logistic, normal
from npuq.nn.location_scale import Params
from npuq.nn.log_mass import (
    log_cdf,
    log_cdf_backward,
    log_interval,
    log_interval_backward,
)
from npuq.nn.standard_laws import STANDARDS
from npuq.paper.density import interval_bits, rate_bits

STANDARD = Params(np.array(0.0), np.array(1.0))
DIGITS = 450  # of a mass of 1e-200 half of them are left, and of a gap of 1e-18 there as many
# Their combinations are intervals of any length on either side, and around 0
ENDS = (0.0, 1e-300, 1e-9, 0.01, 0.6, 1.0, 1.7, 5.0, 9.3, 26.0, 37.0, 40.0, 1e3, 1e6)
GAPS = (1e-18, 1e-12, 1e-6, 1e-3, 0.3, 0.99, 1.01, 4.0, 70.0, 2e6)
# The upper tail of the normal law is e^(-37^2 / 2), of a rounded exponent: up to 684 units of 1e-16
EXPONENT = 2e-13
names = pytest.mark.parametrize("density", STANDARDS)


# --- hundreds of digits -------------------------------------------------------------------------


def pi() -> Decimal:
    """Machin's formula."""
    one, total = Decimal(1), Decimal(0)
    for factor, n in ((16, 5), (-4, 239)):
        term, k = one / n, 0
        while abs(term) > Decimal(10) ** -(DIGITS + 10):
            total += factor * term / (2 * k + 1) * (-1) ** k
            term, k = term / n**2, k + 1
    return total


def normal_tail(x: Decimal) -> Decimal:
    """1 - Phi(x), x >= 0: 1/2 less p(x) (x + x^3/3 + x^5/15 + ...); p(x)/x (1 - 1/x^2 + ...)."""
    p = (-x * x / 2).exp() / (2 * pi()).sqrt()
    if x < 50:
        term, total, k = x, Decimal(0), 1
        while term > total.scaleb(-DIGITS) or k == 1:
            total, k = total + term, k + 2
            term *= x * x / k
        return Decimal("0.5") - p * total
    term, total, k = 1 / x, Decimal(0), 1
    while abs(term) > total.scaleb(-DIGITS) and (k < 3 or k < x * x):
        total += term
        term *= -k / (x * x)
        k += 2
    return p * total


TAILS: dict[str, Callable[[Decimal], Decimal]] = {
    "normal": normal_tail,
    "logistic": lambda x: (-x).exp() / (1 + (-x).exp()),
    "laplace": lambda x: (-x).exp() / 2,
}
_cache: dict[tuple[str, Decimal], Decimal] = {}


def tail(density: str, x: Decimal) -> Decimal:
    """1 - c(x)."""
    if (density, x) not in _cache:
        of_positive = TAILS[density](abs(x))
        _cache[density, x] = of_positive if x >= 0 else 1 - of_positive
    return _cache[density, x]


def exact_interval(density: str, a: float, b: float) -> float:
    """log(c(b) - c(a)), 0 <= |a| <= b, as mirroring has it."""
    with localcontext() as context:
        context.prec, context.Emin = DIGITS, -(10**15)
        mass = tail(density, Decimal(a)) - tail(density, Decimal(b))
        return float(mass.ln())


def pairs() -> list[tuple[float, float]]:
    """Intervals with a + b >= 0: right of 0, around it, and far out."""
    found = [(a, a + w) for a in ENDS for w in GAPS if a + w > a]
    found += [(-a, b) for a, b in itertools.combinations_with_replacement(ENDS, 2) if b > 0]
    return found


# --- values -------------------------------------------------------------------------------------


def units_off(found: Array, expected: list[float]) -> float:
    """The largest error, in units in the last place of the value, or of 1."""
    truth = np.array(expected)
    return float((abs(found - truth) / (np.maximum(1, abs(truth)) * np.spacing(1.0))).max())


@names
def test_intervals_keep_their_digits_wherever_they_are(density: str) -> None:
    """Given their ends exactly. 4 units: three logarithms or products, each rounded."""
    a, b = np.array(pairs()).T
    expected = [exact_interval(density, *pair) for pair in pairs()]
    assert min(expected) < -1e5 and max(expected) > -1e-300
    assert units_off(log_interval(a, b, STANDARD, density=density), expected) <= 4
    assert units_off(log_interval(-b, -a, STANDARD, density=density), expected) <= 4


@names
def test_small_logarithms_keep_them_too(density: str) -> None:
    """Nearly all of the mass: the log is minus what is outside, to its own last digits."""
    a, b = np.array([-9.3, -5.0, -26.0, -1.0]), np.array([26.0, 5.0, 37.0, 9.3])
    expected = [exact_interval(density, *pair) for pair in zip(a, b, strict=True)]
    found = log_interval(a, b, STANDARD, density=density)
    np.testing.assert_allclose(found, expected, rtol=EXPONENT)


@names
def test_log_cdf_keeps_its_digits_in_both_tails(density: str) -> None:
    x = np.array([-1e6, -40.0, -9.3, -1.0, -1e-3, 0.0, 1e-3, 0.6, 5.0, 26.0, 37.0])
    with localcontext() as context:
        context.prec, context.Emin = DIGITS, -(10**15)
        expected = [float(tail(density, Decimal(-v)).ln()) for v in x.tolist()]
    np.testing.assert_allclose(log_cdf(x, STANDARD, density=density), expected, rtol=EXPONENT)


@names
def test_float32_has_its_own_last_digits(density: str) -> None:
    a, b = np.array(pairs(), np.float32).T
    a, b = a[b > a], b[b > a]
    standard = Params(*(p.astype(np.float32) for p in STANDARD))
    found = log_interval(a, b, standard, density=density)
    exact = log_interval(a.astype(float), b.astype(float), STANDARD, density=density)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, exact, rtol=6e-7, atol=6e-7)  # five units


@names
def test_ends_may_be_infinite(density: str) -> None:
    x, inf = np.array([-1e6, -30.0, -0.3, 0.0, 2.0]), np.full(5, np.inf)
    whole = log_interval(-inf, inf, STANDARD, density=density)
    np.testing.assert_array_equal(whole, 0)
    below = log_interval(-inf, x, STANDARD, density=density)
    np.testing.assert_allclose(below, log_cdf(x, STANDARD, density=density), rtol=1e-13)
    above = log_interval(-x, inf, STANDARD, density=density)
    np.testing.assert_array_equal(above, below)
    empty = log_interval(inf, inf, STANDARD, density=density)
    np.testing.assert_array_equal(empty, -np.inf)
    d_lower, d_upper, d_params = log_interval_backward(np.ones(5), -inf, x, STANDARD,
                                                       density=density)  # fmt: skip
    np.testing.assert_array_equal(d_lower, 0)
    slopes = log_cdf_backward(np.ones(5), x, STANDARD, density=density)[0]
    np.testing.assert_allclose(d_upper, slopes, rtol=1e-12)
    assert np.isfinite(d_params.scale)


@names
def test_location_and_scale_are_those_of_scipy(density: str) -> None:
    """Broadcast, with a gap that standardizing each end would have lost."""
    scipys = {"normal": scipy.stats.norm, "logistic": scipy.stats.logistic,
              "laplace": scipy.stats.laplace}  # fmt: skip
    params = Params(np.array([[0.1], [-3.3]]), np.array([0.5, 7.0, 30.0]))
    law = scipys[density](*params)
    y = params.loc + params.scale * np.array([-2.0, 0.3, 1.1])
    found = log_interval(y, y + 2.0**-40, params, density=density)
    expected = law.logpdf(y + 2.0**-41) - 40 * math.log(2)  # the density at the middle
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    found = log_cdf(y, params, density=density)
    np.testing.assert_allclose(found, law.logcdf(y), rtol=1e-13)


@pytest.mark.parametrize(("density", "cdf"), [("normal", normal), ("logistic", logistic)])
def test_it_is_equation_43_in_other_units(density: str, cdf: Any) -> None:
    z = np.concatenate([np.linspace(-30, 30, 61), [1e6]])
    params = Params(np.array(0.4), np.array(2.3))
    nats = log_interval(z - 0.5, z + 0.5, params, density=density)
    np.testing.assert_allclose(-nats / math.log(2), rate_bits(z, params, cdf=cdf), rtol=1e-12)


def test_intervals_too_short_for_logits() -> None:
    """Their difference is 2e-13 here, with an error of some 1e-16."""
    a, b = np.array([2.0]), np.array([2.0 + 1e-13])
    by_logits = -math.log(2) * interval_bits(*(normal.logits(x, STANDARD) for x in (a, b)))
    exact = exact_interval("normal", a[0], b[0])
    assert abs(by_logits[0] - exact) > 1e-5
    assert units_off(log_interval(a, b, STANDARD), [exact]) <= 4


@names
def test_intervals_add_up(density: str) -> None:
    """Of any length and at any place: log-sum-exp of two neighbours is the whole."""
    rng = np.random.default_rng(3)
    a = rng.normal(0, 6, 4000)
    b = a + 10 ** rng.uniform(-6, 1.5, a.size)
    c = b + 10 ** rng.uniform(-6, 1.5, a.size)
    parts = [log_interval(*ends, STANDARD, density=density) for ends in ((a, b), (b, c), (a, c))]
    # gaps of 1e-6 between ends of 20 units of 1e-16 x 20, so relative to a gap 4e-9
    np.testing.assert_allclose(np.logaddexp(parts[0], parts[1]), parts[2], rtol=0, atol=1e-8)


# --- refusals, and the front door ---------------------------------------------------------------


def test_what_is_no_interval_is_refused() -> None:
    two, one = np.zeros(2), np.ones(1)
    for options, says in (
        ({"density": "cauchy"}, "density must be one of normal, logistic, laplace, not 'cauchy'"),
        ({}, "lower and upper must have one shape"),
    ):
        with pytest.raises(ValueError, match=f"^{says}"):
            log_interval(two, one, STANDARD, **options)
    with pytest.raises(ValueError, match="^upper must not be below lower"):
        log_interval(one, one - 1, STANDARD)
    with pytest.raises(ValueError, match=r"^params.scale must be positive"):
        log_cdf(one, Params(np.array(0.0), np.array(0.0)))
    with pytest.raises(ValueError, match="^density must be one of"):
        log_cdf(one, STANDARD, density="gauss")


def test_the_front_door_has_them() -> None:
    assert npuq.log_cdf is log_cdf and npuq.log_interval is log_interval
