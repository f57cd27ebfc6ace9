"""Expected gradients: Eqs. 16-20. Integrals over the noise are taken by quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import unequal

from npuq.backend import Array
from npuq.nn import logistic, nonparametric, normal
from npuq.paper.channel import round_half_up, uniform_noise
from npuq.paper.density import rate_bits, rate_bits_backward
from npuq.paper.expected_gradient import (
    expected_derivative,
    rate_bits_backward_expected,
    soft_round_conditional_mean_backward_expected,
)
from npuq.paper.soft_round import (
    soft_round,
    soft_round_backward,
    soft_round_conditional_mean,
    soft_round_conditional_mean_backward,
)
from npuq.paper.soft_rounded_channel import (
    noisy_rate_bits,
    noisy_rate_bits_backward,
    noisy_rate_bits_backward_expected,
    noisy_reconstruction,
    noisy_reconstruction_backward,
    noisy_reconstruction_backward_expected,
)

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)


def noise_average(h: Callable[[Array], Array], y: float) -> float:
    """E[h(y + U)] for an h with spikes or kinks at integers and half-integers.

    [y - 1/2, y + 1/2] is cut there and at distances from there that double, from 1e-10 on, so that
    Gauss-Legendre rules see a smooth function on each piece.
    """
    low, high = y - 0.5, y + 0.5
    ties = np.arange(math.floor(2 * low), math.ceil(2 * high) + 1) / 2
    distances = np.concatenate([[0.0], 0.5 * 2.0 ** -np.arange(0, 32)])
    cuts = np.concatenate([np.add.outer(ties, distances), np.subtract.outer(ties, distances)])
    edges = np.unique(np.concatenate([[low, high], cuts.ravel()]))
    edges = edges[(edges >= low) & (edges <= high)]
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    return float((h(np.add.outer(NODES, 0 * middle) * half + middle) * half).T.dot(WEIGHTS).sum())


SMOOTH: list[tuple[Callable[[Array], Array], Callable[[Array], Array]]] = [
    (np.sin, np.cos),
    (lambda z: z**3, lambda z: 3 * z**2),
    (lambda z: np.logaddexp(0, 3 * z), lambda z: 3 / (1 + np.exp(-3 * z))),
]


@pytest.mark.parametrize(("h", "derivative"), SMOOTH)
def test_equations_16_and_17_smooth_functions(h: Any, derivative: Any) -> None:
    for y in (-1.3, 0.0, 0.7, 2.0):
        expected = expected_derivative(h, np.array([y]))[0]
        assert expected == pytest.approx(noise_average(derivative, y), rel=1e-13)
        slope = (noise_average(h, y + 1e-5) - noise_average(h, y - 1e-5)) / 2e-5
        assert expected == pytest.approx(slope, rel=1e-8)  # Eq. 16: either order


def test_equation_17_functions_without_a_derivative() -> None:
    y = np.linspace(-3, 3, 601)
    np.testing.assert_array_equal(expected_derivative(round_half_up, y), 1)
    np.testing.assert_array_equal(expected_derivative(np.floor, y), 1)
    # |y + U| has the expectation y^2 + 1/4 in the middle and |y| outside.
    np.testing.assert_allclose(
        expected_derivative(np.abs, y), np.clip(2 * y, -1, 1), rtol=0, atol=1e-15
    )
    for shape in ((), (0,), (2, 3)):
        assert np.shape(expected_derivative(np.abs, np.zeros(shape))) == shape


@pytest.mark.parametrize("alpha", [0.0, 1.0, 7.0, 16.0])
def test_expected_derivative_of_soft_rounding_is_1(alpha: float) -> None:
    """Sec. 4.2: for s and r the expected derivative is a straight-through estimate."""
    y = np.linspace(-2, 2, 101)
    for h in (soft_round, soft_round_conditional_mean):
        np.testing.assert_allclose(
            expected_derivative(lambda z, h=h: h(z, alpha), y), 1, rtol=0, atol=2e-14
        )
    d = np.linspace(1, 2, 101)
    surrogate = soft_round_conditional_mean_backward_expected(d, y, alpha)
    np.testing.assert_array_equal(surrogate, d)
    assert not np.shares_memory(surrogate, d)
    # It is the mean of the sampled derivative, which has spikes of 2.8e5 at alpha 16.
    for at in (-1.3, 0.2):
        mean = noise_average(
            lambda z: soft_round_conditional_mean_backward(np.ones_like(z), z, alpha), at
        )
        assert mean == pytest.approx(1, rel=1e-9)


def sampled_gradients(
    y: Array, u: Array, alpha: float, d_loss: Callable[[Array], Array]
) -> tuple[Array, Array]:
    """Gradients of l(r(y + u)): along the path, and with Eq. 20."""
    z = y + u
    d_r = d_loss(soft_round_conditional_mean(z, alpha))
    pathwise = soft_round_conditional_mean_backward(d_r, z, alpha)
    return pathwise, soft_round_conditional_mean_backward_expected(d_r, z, alpha)


@pytest.mark.parametrize("alpha", [1.0, 4.0])
def test_equation_20_is_exact_for_linear_losses(alpha: float) -> None:
    """Its noise average is that of the true gradient, here within 4 standard errors."""
    weights = np.array([2.0, -0.5, 1.0])
    u = uniform_noise(np.random.default_rng(0), (40_000, 3))
    y = np.broadcast_to(np.array([0.2, -1.4, 0.5]), u.shape)
    pathwise, surrogate = sampled_gradients(
        y, u, alpha, lambda r: np.broadcast_to(weights, r.shape)
    )
    np.testing.assert_array_equal(surrogate, np.broadcast_to(weights, u.shape))
    standard_error = pathwise.std(axis=0) / math.sqrt(len(u))
    assert np.all(abs(pathwise.mean(axis=0) - weights) < 4 * standard_error)


def test_equation_20_has_less_variance_where_alpha_is_large() -> None:
    """For the squared error of Eq. 21 at alpha 16, in the last place of Sec. 5.2's annealing."""
    u = uniform_noise(np.random.default_rng(1), (100_000,))
    y, x = np.full_like(u, 0.3), 0.8
    pathwise, surrogate = sampled_gradients(y, u, 16.0, lambda r: 2 * (r - x))
    assert surrogate.var() < pathwise.var() / 100


def densities() -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(2)
    return [
        (logistic, logistic.Params(np.array(0.2), np.array(0.4))),
        (normal, normal.Params(np.array(-0.1), np.array(0.7))),
        (nonparametric, unequal.density(rng, 1, init_scale=1.0, dtype=np.float64)),
    ]


@pytest.mark.parametrize("alpha", [0.0, 1.0, 3.0, 7.0])
@pytest.mark.parametrize(("cdf", "params"), densities())
def test_expected_rate_gradient_is_the_noise_average(cdf: Any, params: Any, alpha: float) -> None:
    """Eq. 17 for the rate of Eq. 21, against the integral over u of the pathwise gradient.

    Rounding in r' near half-integers and the log of the density leave about 1e-10 relative.
    """

    def pathwise(z: Array) -> Array:
        flat = z.reshape(1, -1)
        d_z, _ = rate_bits_backward(np.ones_like(flat), flat, params, cdf=cdf, alpha=alpha)
        return d_z.reshape(z.shape)

    for y in (-1.2, 0.0, 0.35, 0.5, 2.1):
        expected = rate_bits_backward_expected(
            np.full((1, 1), 2.0), np.full((1, 1), y), params, cdf=cdf, alpha=alpha
        )
        assert expected[0, 0] == pytest.approx(2 * noise_average(pathwise, y), rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("alpha", [1.0, 4.0, 7.0])
@pytest.mark.parametrize(("cdf", "params"), densities())
def test_soft_rounding_before_the_noise_keeps_its_derivative(
    cdf: Any, params: Any, alpha: float
) -> None:
    """The slope of E[rate] in f(x), and that of E[r] too, by differences of quadratures.

    Differences over 2e-5 of integrals good to 1e-13 leave 1e-8, their own error 1e-7 relative.
    """

    def bits(z: Array) -> Array:
        return rate_bits(z.reshape(1, -1), params, cdf=cdf, alpha=alpha).reshape(z.shape)

    def slope(h: Callable[[Array], Array], at: float) -> float:
        ends = (float(soft_round(np.array(at + e), alpha)) for e in (1e-5, -1e-5))
        high, low = (noise_average(h, end) for end in ends)
        return (high - low) / 2e-5

    one = np.ones((1, 1))
    for at in (-1.2, 0.35, 0.5, 2.1):
        y, u = np.full((1, 1), at), np.full((1, 1), 0.123)
        d_y, _ = noisy_rate_bits_backward_expected(one, y, u, params, cdf=cdf, alpha=alpha)
        dr_dy = noisy_reconstruction_backward_expected(one, y, u, alpha=alpha, alpha_r=alpha)
        assert d_y[0, 0] == pytest.approx(slope(bits, at), rel=1e-6, abs=1e-7)
        reconstruction = slope(lambda z: soft_round_conditional_mean(z, alpha), at)
        assert dr_dy[0, 0] == pytest.approx(reconstruction, rel=1e-6, abs=1e-7)
        exact = soft_round_backward(one, y, alpha)[0, 0]
        assert abs(exact - 1) > 0.005  # so that a 1 in its place is seen


@pytest.mark.parametrize(("cdf", "params"), densities())
def test_expected_rate_gradient_is_equation_17(cdf: Any, params: Any) -> None:
    """h(y + 1/2) - h(y - 1/2) with h the rate at that alpha, as it is printed."""
    y = np.array([[-2.25, -0.5, 0.0, 0.25, 0.37, 1.0, 3.5]])
    d = np.linspace(1, 2, 7).reshape(1, 7)
    for alpha in (0.0, 0.5, 7.0, 16.0):
        literal = d * expected_derivative(
            lambda z, alpha=alpha: rate_bits(z, params, cdf=cdf, alpha=alpha), y
        )
        gradient = rate_bits_backward_expected(d, y, params, cdf=cdf, alpha=alpha)
        np.testing.assert_allclose(gradient, literal, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("cdf", "params"), densities())
def test_expected_rate_gradient_of_hard_rounding_is_the_limit(cdf: Any, params: Any) -> None:
    """At integers, all that rounding makes; Eq. 17 with r_infinity would look half a unit above."""
    k = np.array([[-2.0, 0.0, 1.0]])
    limit = rate_bits_backward_expected(k, k, params, cdf=cdf, alpha=math.inf)
    for alpha in (0.0, 7.0, 1e6):
        finite = rate_bits_backward_expected(k, k, params, cdf=cdf, alpha=alpha)
        np.testing.assert_array_equal(limit, finite)
    symmetric = logistic.Params(np.array(0.0), np.array(0.5))
    middle = rate_bits_backward_expected(
        np.ones(1), np.zeros(1), symmetric, cdf=logistic, alpha=math.inf
    )
    assert abs(middle[0]) < 1e-15


@pytest.mark.parametrize(("cdf", "params"), densities())
def test_expected_rate_gradient_is_the_same_for_every_alpha(cdf: Any, params: Any) -> None:
    """In terms of f(x): the rate of f(x) + 1/2 less that of f(x) - 1/2 under the plain density."""
    f_x = np.array([[-2.0, -0.7, 0.0, 0.25, 0.5, 1.9]])
    d = np.linspace(1, 2, 6).reshape(1, 6)
    plain = rate_bits_backward_expected(d, f_x, params, cdf=cdf, alpha=0.0)
    for alpha in (1.0, 7.0, 16.0):
        s = soft_round(f_x, alpha)
        gradient = rate_bits_backward_expected(d, s, params, cdf=cdf, alpha=alpha)
        # s loses what the steep inverse asks for: sinh(16)/16 eps near integers.
        np.testing.assert_allclose(gradient, plain, rtol=1e-8, atol=1e-8)


def test_one_number_of_noise_is_shared_by_all_coefficients() -> None:
    """A shared shift, of any function of the soft-rounded channel; y stays what has the shape."""
    y, d = np.array([-1.2, 0.35, 2.1]), np.array([1.0, -2.0, 0.5])
    params = logistic.Params(np.array(0.3), np.array(0.7))
    rate: Any = {"cdf": logistic, "alpha": 5.0}
    softness: Any = {"alpha": 5.0, "alpha_r": 3.0}
    functions: list[Callable[[Array], Array]] = [
        lambda u: noisy_rate_bits(y, u, params, **rate),
        lambda u: noisy_rate_bits_backward(d, y, u, params, **rate)[0],
        lambda u: noisy_rate_bits_backward_expected(d, y, u, params, **rate)[0],
        lambda u: noisy_reconstruction(y, u, **softness),
        lambda u: noisy_reconstruction_backward(d, y, u, **softness),
        lambda u: noisy_reconstruction_backward_expected(d, y, u, **softness),
    ]
    for f in functions:
        found = f(np.array(0.2))
        assert found.shape == y.shape
        np.testing.assert_allclose(found, f(np.full(3, 0.2)), rtol=1e-14)
