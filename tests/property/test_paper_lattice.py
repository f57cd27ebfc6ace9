"""Lattices and universal quantization with them: Appendix C, Eq. 28.

Statistical tests have fixed seeds and bounds that a correct program would pass with probability
1 - 1e-6 under a random seed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from lattice_vectors import KISSING_NUMBERS, LATTICES, shortest_vectors
from strategies import DTYPES

from npuq.backend import Array
from npuq.nn import normal
from npuq.paper.channel import universal_dequantize, universal_quantize
from npuq.paper.density import rate_bits
from npuq.paper.lattice_quantization import (
    gaussian_divergence_bits,
    lattice_quantize,
    lattice_rate_bits,
    normalized_second_moment,
    voronoi_noise,
)
from npuq.paper.lattices import HEXAGONAL, Lattice, integer_lattice, nearest_point
from npuq.paper.leech import LEECH, golay_code

FALSE_ALARM = 1e-6
# Sums of 24 products of coordinates up to 100 round by less than 1e-11; a face of a Voronoi cell
# is missed by far more.
ROUNDING = 1e-9
names = pytest.mark.parametrize("name", LATTICES)

# Conway & Sloane 1982; the Leech lattice: Dutour Sikiric, Schuermann & Vallentin 2009.
SECOND_MOMENTS = {
    "Z^3": 1 / 12,
    "A2": 5 / (36 * math.sqrt(3)),
    "D4": 0.0766032,
    "E8": 929 / 12960,
    "Leech": 0.0657709,
}
SAMPLES = {"Z^3": 300_000, "A2": 400_000, "D4": 150_000, "E8": 60_000, "Leech": 9_000}


def vectors(largest: float = 20.0) -> st.SearchStrategy[tuple[str, Array]]:
    """A lattice's name and a point, with many coordinates at halves and quarters."""
    number = st.integers(-40, 40).map(lambda k: k / 4) | st.floats(-largest, largest)

    def points(name: str) -> st.SearchStrategy[tuple[str, Array]]:
        n = LATTICES[name].box.size
        return st.lists(number, min_size=n, max_size=n).map(lambda y: (name, np.array(y)))

    return st.sampled_from(sorted(LATTICES)).flatmap(points)


def margin(error: Array, name: str) -> float:
    """How far inside of the Voronoi cell: >= 0 where no shortest vector is nearer than 0."""
    v = shortest_vectors(name)
    return float(((v**2).sum(axis=1) / 2 - v @ error).min())


def is_in_lattice(points: Array, name: str) -> bool:
    """By definition: E8 and Leech are their own duals; D4 is the integers with an even sum."""
    if name == "A2":
        points = points @ np.linalg.inv([[1, 0], [0.5, math.sqrt(0.75)]])
    if name == "D4":
        points = np.concatenate([points, points.sum(axis=-1, keepdims=True) / 2], axis=-1)
    if name in ("E8", "Leech"):
        points = points @ shortest_vectors(name)[::97].T
    return bool(np.all(abs(points - np.rint(points)) < ROUNDING))


# --- nearest points -----------------------------------------------------------------------------


@names
def test_shortest_vectors_are_as_many_as_known_and_lattice_points(name: str) -> None:
    v = shortest_vectors(name)
    assert len(v) == KISSING_NUMBERS[name]
    label = np.random.default_rng(0).normal(size=v.shape[1])
    assert np.diff(np.sort(v @ label)).min() > 1e-12  # no two are the same
    # below, coordinates up to 20, rebuilt from sums of 24 terms at most: 1e-14 of 100
    some = v[:: len(v) // 200 + 1]
    assert is_in_lattice(some, name)
    np.testing.assert_allclose(nearest_point(some, LATTICES[name]), some, rtol=0, atol=1e-12)
    box = np.diag(LATTICES[name].box)
    np.testing.assert_allclose(nearest_point(box, LATTICES[name]), box, rtol=0, atol=1e-12)


@given(case=vectors())
def test_nearest_point_is_a_lattice_point_and_no_neighbour_is_nearer(
    case: tuple[str, Array],
) -> None:
    """Voronoi cells of root lattices have a face for each shortest vector, and no other."""
    name, y = case
    point = nearest_point(y, LATTICES[name])
    assert is_in_lattice(point, name)
    assert margin(y - point, name) > -ROUNDING
    if name == "Leech":  # has more faces; its covering radius is sqrt(2)
        assert ((y - point) ** 2).sum() < 2 + ROUNDING


def test_nearest_point_of_leech_is_that_of_a_plain_search() -> None:
    """Over all o + 2 c + 4 f, without a shortcut; at random points and around deep holes."""
    x = np.random.default_rng(5).uniform(-8, 8, (100, 24))
    x[:3] = np.array([4.0] + [0.0] * 23) + [[0.0], [0.01], [0.3]] * x[:3]
    for row in x:
        best, nearest = np.inf, row
        for o in (0, 1):
            base = o + 2 * golay_code()
            rest = (row - base) / 4
            f = np.floor(rest + 0.5)
            worst = np.argmax(abs(rest - f), axis=1)[:, None]
            f_worst = np.take_along_axis(f, worst, 1)
            side = np.where(np.take_along_axis(rest, worst, 1) < f_worst, -1, 1)
            parity = (f.sum(axis=1, keepdims=True) + o) % 2
            np.put_along_axis(f, worst, f_worst + side * parity, 1)
            distance = ((row - base - 4 * f) ** 2).sum(axis=1)
            if distance.min() < best:
                best, nearest = distance.min(), (base + 4 * f)[distance.argmin()]
        found = nearest_point(row / np.sqrt(8), LEECH) * np.sqrt(8)
        # scaled by sqrt(8) there and back, squared and summed: 24 roundings of 1e-16
        assert ((found - row) ** 2).sum() == pytest.approx(best, rel=1e-12)
        if best < 12:  # away from the deep hole, where many points are equally near
            np.testing.assert_allclose(found, nearest, rtol=0, atol=1e-12)


@given(case=vectors(), seed=st.integers(0, 1000))
def test_nearest_point_moves_with_the_lattice_and_is_odd(
    case: tuple[str, Array], seed: int
) -> None:
    """Q(x + l) = Q(x) + l and Q(-x) = -Q(x), where the nearest point is the only one."""
    name, y = case
    lattice = LATTICES[name]
    vector = nearest_point(np.random.default_rng(seed).normal(0, 30, y.shape), lattice)
    point = nearest_point(y, lattice)
    if margin(y - point, name) > 1e-6 and ((y - point) ** 2).sum() < 1.4:
        np.testing.assert_allclose(
            nearest_point(y + vector, lattice), point + vector, rtol=0, atol=ROUNDING
        )
        np.testing.assert_allclose(nearest_point(-y, lattice), -point, rtol=0, atol=ROUNDING)


@names
@pytest.mark.parametrize("dtype", DTYPES)
def test_shapes_and_dtypes(name: str, dtype: Any) -> None:
    lattice, rng = LATTICES[name], np.random.default_rng(0)
    n = lattice.box.size
    for shape in ((), (0,), (2, 3)):
        u = voronoi_noise(rng, shape, lattice, dtype)
        y = rng.normal(size=(*shape, n)).astype(dtype)
        q = lattice_quantize(y, u, lattice)
        assert u.shape == q.shape == (*shape, n)
        assert u.dtype == q.dtype == dtype
        single = [nearest_point(x, lattice) for x in (y - u).reshape(-1, n)]
        np.testing.assert_array_equal(q.reshape(-1, n), np.reshape(single, (-1, n)))


def test_what_is_no_point_is_refused() -> None:
    for bad in (np.zeros(3), np.zeros((2, 1)), np.array(1.0)):
        with pytest.raises(
            ValueError, match=r"^y must have shape \(\.\.\., 2\) for the lattice A2"
        ):
            nearest_point(bad, HEXAGONAL)
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="^y must be finite"):
            nearest_point(np.array([0, bad]), HEXAGONAL)
    with pytest.raises(ValueError, match="^y and u must have one shape"):
        lattice_quantize(np.zeros((3, 2)), np.zeros(2), HEXAGONAL)


# --- Eq. 28 -------------------------------------------------------------------------------------


@given(case=vectors(), seed=st.integers(0, 1000))
def test_equation_28_error_is_the_noise_moved_around_the_torus(
    case: tuple[str, Array], seed: int
) -> None:
    """For each y, u -> z - y moves u by -y modulo the lattice, into the Voronoi cell.

    Such a translation keeps the uniform distribution: the law of Eq. 28 without any statistics.
    """
    name, y = case
    u = voronoi_noise(np.random.default_rng(seed), (), LATTICES[name])
    error = universal_dequantize(lattice_quantize(y, u, LATTICES[name]), u) - y
    assert is_in_lattice(error - (u - y), name)
    assert margin(error, name) > -ROUNDING


@given(y=st.lists(st.floats(-1e5, 1e5), min_size=3, max_size=3), seed=st.integers(0, 1000))
def test_equation_28_with_integers_is_equation_5(y: list[float], seed: int) -> None:
    u = voronoi_noise(np.random.default_rng(seed), (), integer_lattice(3))
    q = lattice_quantize(np.array(y), u, integer_lattice(3))
    np.testing.assert_array_equal(q, universal_quantize(np.array(y), u))


@names
def test_equation_28_for_fixed_y_the_error_has_the_law_of_the_noise(name: str) -> None:
    """Radius and a coordinate, for several y; errors without dither have one value for each y."""
    lattice, count = LATTICES[name], 2_000
    n, rng = lattice.box.size, np.random.default_rng(1)
    fresh = voronoi_noise(rng, (count,), lattice)
    for y in (np.zeros(n), lattice.box / 2, rng.normal(0, 3, n)):
        u = voronoi_noise(rng, (count,), lattice)
        error = lattice_quantize(np.broadcast_to(y, u.shape), u, lattice) + u - y
        for pair in ((error[:, 0], fresh[:, 0]), ((error**2).sum(axis=1), (fresh**2).sum(axis=1))):
            assert scipy.stats.ks_2samp(*pair).pvalue > FALSE_ALARM
        # The cell is symmetric about 0.
        assert abs(error.mean(axis=0) / error.std(axis=0)).max() < 5.5 / math.sqrt(count)


@names
def test_equation_28_error_is_white_and_uncorrelated_with_y(name: str) -> None:
    """Covariance G V^(2/n) I: five and a half standard deviations, for up to 24 x 24 of them."""
    lattice, count = LATTICES[name], 4_000
    n, rng = lattice.box.size, np.random.default_rng(2)
    y = rng.laplace(0, 0.3 / math.sqrt(n), (count, 1)) + np.zeros(
        n
    )  # as dependent as can be, and narrow
    u = voronoi_noise(rng, (count,), lattice)
    error = lattice_quantize(y, u, lattice) + u - y
    variance = SECOND_MOMENTS[name] * lattice.volume ** (2 / n)
    covariance = error.T @ error / count
    assert abs(covariance - variance * np.eye(n)).max() < 5.5 * variance * math.sqrt(2 / count)
    correlation = error.T @ y[:, 0] / count / math.sqrt(variance) / y[:, 0].std()
    assert abs(correlation).max() < 5.5 / math.sqrt(count)
    plain = nearest_point(y[:500], lattice) - y[:500]
    assert abs(np.corrcoef(plain[:, 0], y[:500, 0])[0, 1]) > 0.3


# --- second moments -----------------------------------------------------------------------------


@names
def test_second_moments_are_those_of_the_literature(name: str) -> None:
    """Within 0.5 %, which is five standard deviations or more."""
    lattice = LATTICES[name]
    u = voronoi_noise(np.random.default_rng(3), (SAMPLES[name],), lattice)
    standard_error = (u**2).mean(axis=1).std() / math.sqrt(len(u)) / (u**2).mean()
    assert 5 * standard_error < 0.005
    expected = pytest.approx(SECOND_MOMENTS[name], rel=0.005)
    assert normalized_second_moment(u, lattice.volume) == expected
    assert normalized_second_moment(3 * u, 3 ** u.shape[-1] * lattice.volume) == expected


def test_noise_tends_to_a_gaussian() -> None:
    """Excess kurtosis of a coordinate, and divergence per dimension, fall towards 0."""
    kurtoses, divergences = [], []
    for name, lattice in LATTICES.items():
        u = voronoi_noise(np.random.default_rng(4), (SAMPLES[name] // 4,), lattice)
        kurtoses.append(float(scipy.stats.kurtosis(u, axis=None)))
        divergences.append(gaussian_divergence_bits(SECOND_MOMENTS[name]))
    assert kurtoses[0] == pytest.approx(-1.2, abs=0.02)  # eight standard deviations
    assert kurtoses == sorted(kurtoses)
    assert divergences == sorted(divergences, reverse=True)
    assert -0.25 < kurtoses[-1] < 0
    # h(N) - h(U), for the uniform distribution and for a ball of 10^6 dimensions
    assert divergences[0] == pytest.approx(0.5 * math.log2(2 * math.pi * math.e / 12))
    n = 10**6
    ball = math.exp(2 / n * math.lgamma(n / 2 + 1)) / (n + 2) / math.pi
    assert 0 < gaussian_divergence_bits(ball) < 2e-5


# --- the cost -----------------------------------------------------------------------------------


def gaussian(covariance: Array) -> Any:
    return scipy.stats.multivariate_normal(cov=covariance, seed=np.random.default_rng(5))


def hexagonal_points(radius: float) -> Array:
    a, b = np.mgrid[-20:21, -20:21].reshape(2, -1, 1)
    points = a * np.array([1, 0]) + b * np.array([0.5, math.sqrt(0.75)])
    return points[(points**2).sum(axis=1) < radius**2]


def test_lattice_cost_with_integers_is_equation_43() -> None:
    """For a narrow density, whose mean on the cell has to be formed with care."""
    grid = (np.arange(60) + 0.5) / 60 - 0.5
    cell = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    z = np.array([[0.3, -0.2], [1.4, 0.7], [12.0, 0.0]])
    law = gaussian(np.diag([0.4**2, 0.3**2]))
    bits = lattice_rate_bits(z, law.logpdf, integer_lattice(2), cell)
    params = normal.Params(np.zeros(2), np.array([0.4, 0.3]))
    expected = rate_bits(z, params, cdf=normal).sum(axis=1)
    # the midpoint rule of step 1/60: (1/60)^2 / 24 of the second derivative, some 1 / 0.3^2
    np.testing.assert_allclose(bits, expected, rtol=2e-4)


@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_lattice_cost_is_the_probability_of_the_point(rho: float) -> None:
    """P(Q = q | U = u) = V p_{Y+U}(q + u), summing to 1; against simulated points, for one u."""
    law = gaussian(0.8 * np.array([[1, rho], [rho, 1]]))
    rng = np.random.default_rng(6)
    cell = voronoi_noise(rng, (4_000,), HEXAGONAL)
    u, points, count = cell[0], hexagonal_points(6), 100_000
    p = 2.0 ** -lattice_rate_bits(points + u, law.logpdf, HEXAGONAL, cell)
    assert p.sum() == pytest.approx(1, abs=0.01)  # the noise of 4000 points
    y = law.rvs(count)
    q = lattice_quantize(y, np.broadcast_to(u, y.shape), HEXAGONAL)
    likely = p > 1e-3
    counts = (abs(q[:, None] - points[likely]).max(axis=2) < ROUNDING).sum(axis=0)
    # Binomial noise and that of the cell's points, whose relative variance is below 1.
    p = p[likely]
    noise = np.sqrt(p * (1 - p) / count + p**2 / len(cell))
    assert np.all(abs(counts / count - p) < 5.5 * noise)


@pytest.mark.parametrize(("name", "sigma"), [("A2", 0.3), ("A2", 2.0), ("D4", 1.0), ("E8", 0.5)])
def test_lattice_cost_lies_between_the_gaussian_channels_and_its_divergence(
    name: str, sigma: float
) -> None:
    """I[Y, Y+N] <= H[Q | U] <= I[Y, Y+N] + n/2 log2(2 pi e G) (Zamir & Feder 1996).

    Y is Gaussian, and N Gaussian noise of the variance of U.
    """
    lattice: Lattice = LATTICES[name]
    n, rng = lattice.box.size, np.random.default_rng(7)
    cell = voronoi_noise(rng, (2_000,), lattice)
    y = rng.normal(0, sigma, (2_000, n))
    u = voronoi_noise(rng, (2_000,), lattice)

    def log_density(x: Array) -> Array:
        return -((x / sigma) ** 2).sum(axis=-1) / 2 - n * math.log(sigma * math.sqrt(2 * math.pi))

    bits = lattice_rate_bits(lattice_quantize(y, u, lattice) + u, log_density, lattice, cell)
    noise = 5.5 * bits.std() / math.sqrt(len(bits)) + 0.01
    variance = SECOND_MOMENTS[name] * lattice.volume ** (2 / n)
    channel = n / 2 * math.log2(1 + sigma**2 / variance)
    gap = n * gaussian_divergence_bits(SECOND_MOMENTS[name])
    assert channel - noise < bits.mean() < channel + gap + noise
    if sigma == 2.0:  # fine quantization: the source is flat on a cell
        assert bits.mean() == pytest.approx(channel + gap, abs=noise)
