"""The channels since the paper: hybrid coding, searches of a tree, rejection; and the lower bound.

Statistical tests have fixed seeds; under a random one, a correct program would fail each of them
with a probability of about 1e-6.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from reverse_channels import FALSE_ALARM, SIGMAS, discrete, poisson

from npuq.backend import Array
from npuq.coding.shared_uniforms import shared_uniforms
from npuq.paper.candidates import shared_candidates, shared_dithers
from npuq.paper.functional_information import (
    functional_information_bits,
    levels_divergence_bits,
)
from npuq.paper.hybrid_coding import hybrid_bound_bits, hybrid_coding, receive_hybrid
from npuq.paper.index_codes import geometric_bits, geometric_entropy_bits, zipf_bits
from npuq.paper.lattices import D4, E8, HEXAGONAL, Lattice, integer_lattice
from npuq.paper.leech import LEECH
from npuq.paper.peaked_ratio import (
    PeakedRatio,
    gaussian_ratio,
    stretched,
    uniform_ratio,
)
from npuq.paper.poisson_functional import (
    ordered_random_coding,
    poisson_functional_bound_bits,
    poisson_functional_representation,
)
from npuq.paper.rejection_quantization import (
    ball_volume,
    cell_dithers,
    gaussian_radius,
    in_ball,
    packing_radius,
    rejection_quantize,
)
from npuq.paper.reverse_channel import receive
from npuq.paper.search_tree import (
    Node,
    Tree,
    child,
    levels,
    receive_node,
    root,
    shared_tree,
    walk,
    way_bits,
)
from npuq.paper.tree_search import a_star_coding, greedy_poisson_rejection

N = 2000
SEARCHES = [greedy_poisson_rejection, a_star_coding]


def mean_and_error(x: Any) -> tuple[float, float]:
    return float(np.mean(x)), float(np.std(x) / math.sqrt(len(x)))


# --- hybrid coding ------------------------------------------------------------------------------


class Truncated(NamedTuple):
    """Gaussians cut off at the box, of unequal means and scales, in a proposal of width M."""

    laws: tuple[Any, ...]  # of each coordinate less c
    center: Array
    width: int

    def log_q(self, z: Array) -> Array:
        error = z - self.center
        return sum(law.logpdf(error[:, i]) for i, law in enumerate(self.laws))

    @property
    def most(self) -> float:
        """log max q: the means are inside of the box."""
        return sum(float(law.logpdf(law.args[2])) for law in self.laws)

    @property
    def box_bits(self) -> float:
        """KL of q from the box."""
        return -sum(law.entropy() for law in self.laws) / math.log(2)

    @property
    def quantized_bits(self) -> float:
        return len(self.laws) * math.log2(self.width)

    def candidates(self, message: int) -> Any:
        """Of the whole proposal."""
        log_p = -self.quantized_bits * math.log(2)
        return shared_candidates(
            lambda u: self.width * u,
            lambda z: np.full(len(z), log_p),
            len(self.laws),
            seed=8,
            message=message,
        )


def truncated(center: tuple[float, ...], width: int) -> Truncated:
    """The first of scale 1/8, four of which are the box: D_TV = 6e-5 from a whole Gaussian."""
    shapes = ((0.0, 0.125), (0.1, 0.2), (-0.05, 0.08))[: len(center)]
    laws = [scipy.stats.truncnorm((-0.5 - m) / s, (0.5 - m) / s, m, s) for m, s in shapes]
    return Truncated(tuple(laws), np.array(center), width)


def test_candidates_and_selection_have_streams_of_their_own() -> None:
    """The address of each number, which both sides must draw: of two dimensions, and of one."""
    shared = shared_candidates(lambda u: u, lambda z: np.zeros(len(z)), 2, seed=8, message=3)
    samples = shared_uniforms(40, 7, 2, seed=8, stream=6)
    np.testing.assert_array_equal(shared.sample(40, 7), samples)
    selection = shared_uniforms(40, 7, 1, seed=8, stream=7)
    np.testing.assert_array_equal(shared.uniforms(40, 7), selection[:, 0])


def send_hybrid(target: Truncated, count: int | None = None) -> tuple[Array, Array, Array, Array]:
    """n, k, candidates examined, and z."""
    sent = []
    for m in range(N):
        dithers = shared_dithers(len(target.laws), seed=9, message=m)
        message = hybrid_coding(
            target.log_q, target.center, dithers, log_ratio_max=target.most, count=count
        )
        sent.append((*message, receive_hybrid(message.n, message.k, dithers)))
    n, k, examined, z = (np.array(x) for x in zip(*sent, strict=True))
    return n, k, examined, z


@pytest.mark.parametrize("center", [(0.5,), (3.3, 6.1), (5.7, 0.9, 2.25)])
def test_hybrid_coding_sends_the_target(center: tuple[float, ...]) -> None:
    target = truncated(center, 7)
    _, k, examined, z = send_hybrid(target)
    for i, law in enumerate(target.laws):
        assert scipy.stats.kstest(z[:, i] - center[i], law.cdf).pvalue > FALSE_ALARM
    assert np.all((z >= 0) & (z <= 7) & (abs(z - center) <= 0.5))
    if len(center) > 1:
        assert abs(np.corrcoef(z.T)[0, 1]) < SIGMAS / math.sqrt(N)
    np.testing.assert_array_equal(k, np.rint(k))
    mean, error = mean_and_error(examined)
    assert abs(mean - math.exp(target.most)) < SIGMAS * error


def test_hybrid_coding_takes_fewer_candidates_by_the_boxes_of_the_proposal() -> None:
    """The gain that Theis & Yosri state: M^D in candidates; and in bits, log2 of what is below.

    Two truncated Gaussians, M = 7: KL = 7.6 bits, of which 5.6 are quantized. The same target over
    the whole proposal, by the Poisson functional representation, examines 49 times as many.
    """
    target = truncated((3.3, 6.1), 7)
    information = target.box_bits + target.quantized_bits
    n, _, examined, _ = send_hybrid(target)
    most = target.most + target.quantized_bits * math.log(2)
    whole = [
        poisson_functional_representation(target.log_q, target.candidates(m), log_ratio_max=most)
        for m in range(N)
    ]
    ratio = np.mean([m.examined for m in whole]) / examined.mean()
    noise = SIGMAS * ratio * math.sqrt(2 / N)  # of two nearly geometric laws
    assert abs(ratio - 49) < noise
    bits, error = mean_and_error(target.quantized_bits + zipf_bits(n + 1, target.box_bits))
    whole_bits, whole_error = mean_and_error(
        zipf_bits(np.array([m.n for m in whole]) + 1, information)
    )
    assert information - SIGMAS * error < bits
    assert bits < hybrid_bound_bits(information, target.quantized_bits) + SIGMAS * error
    assert bits < whole_bits - SIGMAS * math.hypot(error, whole_error)
    # of the gain in the bounds, log2((KL + 1) / (KL - D log2 M + 1)) = 1.5 bits, most is there
    bounds = [poisson_functional_bound_bits(information),
              hybrid_bound_bits(information, target.quantized_bits)]  # fmt: skip
    assert whole_bits - bits > 0.5 * (bounds[0] - bounds[1])


def test_hybrid_coding_is_near_where_ordered_random_coding_is_far() -> None:
    """With 32 candidates each, of which 49 boxes of the proposal get less than one."""
    target = truncated((3.3, 6.1), 7)
    *_, z = send_hybrid(target, count=32)
    sent = [ordered_random_coding(target.log_q, target.candidates(m), count=32) for m in range(N)]
    other = np.array([receive(s.n, target.candidates(m)) for m, s in enumerate(sent)])
    assert scipy.stats.kstest(z[:, 0] - 3.3, target.laws[0].cdf).pvalue > FALSE_ALARM
    assert scipy.stats.kstest(other[:, 0] - 3.3, target.laws[0].cdf).pvalue < FALSE_ALARM
    assert (abs(other - target.center) > 0.5).any(axis=1).mean() > 0.4  # (1 - 1/49)^32 = 0.52


def test_hybrid_coding_of_a_box_is_universal_quantization() -> None:
    target = np.array([2.2, 0.9])
    for m in range(50):
        dithers = shared_dithers(2, seed=9, message=m)
        n, k, examined = hybrid_coding(lambda z: np.zeros(len(z)), target, dithers, log_ratio_max=0)
        assert (n, examined) == (0, 1)
        u = dithers.sample(0, 1)[0]
        np.testing.assert_array_equal(k, np.floor(target - u + 0.5))


def test_the_bound_of_hybrid_coding_as_printed() -> None:
    assert hybrid_bound_bits(9.0, 6.0) == 9 + 2 + 4
    with pytest.raises(ValueError, match="^information_bits must not be negative"):
        hybrid_bound_bits(5.0, 6.0)


# --- searches of a tree -------------------------------------------------------------------------

TARGETS = {
    "wide": (gaussian_ratio(0.4, 0.8), scipy.stats.norm(0.4, 0.8)),
    "aside": (gaussian_ratio(-1.5, 0.2), scipy.stats.norm(-1.5, 0.2)),
    "narrow": (gaussian_ratio(1.0, 1e-4), scipy.stats.norm(1.0, 1e-4)),
    "box": (uniform_ratio(2.7, 9.0), scipy.stats.uniform(2.2, 1.0)),
}


def tree_of(name: str, message: int) -> Tree:
    normal = scipy.special.ndtri
    return shared_tree(
        (lambda v: 9 * v) if name == "box" else (lambda v: float(normal(v))),
        seed=4,
        message=message,
    )


def search(send: Any, name: str) -> tuple[Array, Array, Array, Array]:
    """n, nodes examined, z, and bits of the way."""
    found = []
    for m in range(N):
        tree = tree_of(name, m)
        n, examined = send(TARGETS[name][0], tree)
        found.append((n, examined, receive_node(n, tree), way_bits(n, tree)))
    n, examined, z, bits = zip(*found, strict=True)
    return np.array(n, object), np.array(examined), np.array(z), np.array(bits)


@pytest.mark.parametrize("send", SEARCHES)
@pytest.mark.parametrize("name", TARGETS)
def test_searches_send_the_target(send: Any, name: str) -> None:
    *_, z, _ = search(send, name)
    assert scipy.stats.kstest(z, TARGETS[name][1].cdf).pvalue > FALSE_ALARM


def everything(tree: Tree, until: float) -> list[Node]:
    """All arrivals before a time."""
    found, new = [], [root(tree)]
    while new:
        new = [node for node in new if node.time < until]
        found += new
        new = [child(tree, node, side) for node in new for side in (0, 1)]
    return found


@pytest.mark.parametrize("name", ["wide", "aside", "box"])
def test_searches_find_what_a_look_at_everything_finds(name: str) -> None:
    """Of all arrivals: the first before its sigma; and the least t / r, up to the best's bound."""
    ratio = TARGETS[name][0]
    for m in range(60):
        tree = tree_of(name, m)
        n, _ = greedy_poisson_rejection(ratio, tree)
        arrivals = everything(tree, walk(n, tree).time * 1.000001)
        accepted = [a for a in arrivals if a.time < stretched(ratio.log_ratio(a.z), ratio)]
        assert min(accepted, key=lambda a: a.time).number == n + 1
        n, _ = a_star_coding(ratio, tree)
        winner = walk(n, tree)
        best = winner.time / math.exp(ratio.log_ratio(winner.z))
        arrivals = everything(tree, 1.000001 * best * math.exp(ratio.log_max))
        values = [a.time / math.exp(ratio.log_ratio(a.z)) if ratio.log_ratio(a.z) > -math.inf
                  else math.inf for a in arrivals]  # fmt: skip
        assert arrivals[int(np.argmin(values))].number == n + 1


def test_arrivals_are_a_poisson_process_in_time_and_place() -> None:
    """Those of the tree together: waits of mean 1, places uniform and independent of each other."""
    gaps, places, pairs = [], [], []
    for m in range(150):
        nodes = sorted(everything(tree_of("box", m), 12.0), key=lambda node: node.time)
        gaps += np.diff([0.0, *(node.time for node in nodes)]).tolist()[:6]
        places += [node.place for node in nodes]
        pairs += [(a.place, b.place) for a, b in zip(nodes, nodes[1:], strict=False)]
    assert scipy.stats.kstest(gaps, scipy.stats.expon.cdf).pvalue > FALSE_ALARM
    assert scipy.stats.kstest(places, scipy.stats.uniform.cdf).pvalue > FALSE_ALARM
    assert abs(np.corrcoef(np.array(pairs).T)[0, 1]) < SIGMAS / math.sqrt(len(pairs))
    assert abs(len(places) / 150 - 12) < SIGMAS * math.sqrt(12 / 150)


@pytest.mark.parametrize("send", SEARCHES)
def test_searches_take_linear_time_and_little_more_than_the_information(send: Any) -> None:
    """KL from 2.6 to 18.9 bits; the others would need 2^KL candidates.

    The larger of the two parts of an interval is 3/4 of it on average, so that an interval is
    halved in 2.4 steps at the most.
    """
    for name, scale in (("aside", 0.2), ("narrow", 1e-4)):
        ratio, law = TARGETS[name]
        mean_q = law.mean()
        information = (-math.log(scale) + (scale**2 + mean_q**2 - 1) / 2) / math.log(2)
        n, examined, _, way = search(send, name)
        mean, error = mean_and_error(examined)
        assert mean < ratio.log_max / math.log(4 / 3) + 3 + SIGMAS * error
        depth = np.array([levels(int(one)) for one in n])
        bits, error = mean_and_error(way + zipf_bits(depth, math.log2(information + 1)))
        assert information - SIGMAS * error < bits
        assert bits < information + 2 * math.log2(information + 1) + 3 + SIGMAS * error
    assert mean < 40


def test_sigma_is_its_integral() -> None:
    """In closed form for a box, -L log(1 - h/L) below its height; for Gaussians by quadrature."""
    box = uniform_ratio(2.7, 9.0)
    for h in (1e-6, 0.5, 4.0, 8.9):
        expected = -9 * math.log1p(-h / 9)
        assert stretched(math.log(h), box) == pytest.approx(expected, rel=1e-9)
    assert stretched(box.log_max, box) == math.inf
    assert stretched(-math.inf, box) == 0
    for ratio in (gaussian_ratio(0.4, 0.8), gaussian_ratio(-1.5, 0.2)):

        def inverse_chance(eta: float, ratio: PeakedRatio = ratio) -> float:
            left, right = ratio.superlevel(np.array(math.log(eta)))
            w_q = ratio.q_cdf(right) - ratio.q_cdf(left)
            return float(1 / (w_q - eta * (ratio.p_cdf(right) - ratio.p_cdf(left))))

        for part in (1e-5, 0.1, 0.7, 0.99):
            h = part * math.exp(ratio.log_max)
            expected, _ = scipy.integrate.quad(inverse_chance, 0, h, epsabs=0, epsrel=1e-10)
            assert stretched(math.log(h), ratio) == pytest.approx(expected, rel=1e-8)


@given(m=st.integers(0, 1000), way=st.lists(st.integers(0, 1), max_size=12))
def test_the_receiver_walks_to_the_senders_node(m: int, way: list[int]) -> None:
    tree = tree_of("wide", m)
    node = root(tree)
    for side in way:
        node = child(tree, node, side)
    n = node.number - 1
    assert walk(n, tree) == node and receive_node(n, tree) == node.z
    assert levels(n) == len(way) + 1
    both = [child(tree, node, side).number - 1 for side in (0, 1)]
    assert sum(2 ** -way_bits(one, tree) for one in both) == pytest.approx(2 ** -way_bits(n, tree))


def test_no_two_nodes_share_their_numbers() -> None:
    """Whichever word of their number they differ in; neither do two messages."""
    trees = [tree_of("wide", m) for m in range(3)]
    numbers = [(1 << shift) + 5 for shift in (3, 31, 33, 63, 65, 95)]
    found = [tree.uniforms(number) for tree in trees for number in numbers]
    assert np.unique(found).size == 2 * len(trees) * len(numbers)


def test_what_cannot_be_searched_is_refused() -> None:
    for scale in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="^scale must be between 0 and 1"):
            gaussian_ratio(0.0, scale)
    tree = tree_of("wide", 0)
    node, depth = root(tree), 1
    with pytest.raises(ValueError, match="^the target is too narrow"):
        while depth < 200:
            node, depth = child(tree, node, 1), depth + 1
    assert 30 < depth <= 96  # places next to 1 have no more digits
    node = root(tree)._replace(number=1 << 95)
    with pytest.raises(ValueError, match="^the target is too narrow"):
        child(tree, node, 0)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: gaussian_ratio(math.nan, 0.3), "mean"),
        (lambda: gaussian_ratio(math.inf, 0.3), "mean"),
        (lambda: uniform_ratio(7.6, 8.0), "y must be"),  # a tenth of it is beyond the proposal
        (lambda: uniform_ratio(0.4, 8.0), "y must be"),
        (lambda: uniform_ratio(math.nan, 8.0), "y must be"),
        (lambda: uniform_ratio(1.0, math.inf), "y must be"),
        (lambda: uniform_ratio(0.5, 0.9), "width of 0.9"),
        (lambda: shared_tree(float, seed=-1), "seed"),
        (lambda: shared_tree(float, seed=1, message=1 << 32), "message"),
        (lambda: receive_node(-1, shared_tree(float, seed=1)), "n must be"),
        (lambda: in_ball(0.0), "radius"),
        (lambda: in_ball(math.nan), "radius"),
    ],
)
def test_what_could_not_be_simulated_is_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


# --- rejection ----------------------------------------------------------------------------------

CELLS = {lattice.name: lattice for lattice in (integer_lattice(1), HEXAGONAL, D4, E8)}


def send_by_rejection(
    y: Array, lattice: Lattice, radius: float, scales: Array
) -> tuple[Array, Array]:
    """Number of the dither, and error, of N messages of one y."""
    sent = []
    for m in range(N // 2):
        dithers = cell_dithers(shared_dithers(y.size, seed=6, message=m), lattice)
        n, point = rejection_quantize(y / scales[m], dithers, lattice, in_ball(radius))
        sent.append((n, (point + dithers.sample(n, 1)[0]) * scales[m] - y))
    n, error = zip(*sent, strict=True)
    return np.array(n), np.array(error)


@pytest.mark.parametrize("name", CELLS)
def test_errors_are_uniform_on_the_ball_and_the_number_is_geometric(name: str) -> None:
    """For a y in general position and one on the border of cells, as Eq. 6 has it of a box."""
    lattice = CELLS[name]
    size = lattice.box.size
    radius = packing_radius(lattice)
    for y in (np.random.default_rng(2).normal(0, 3, size), lattice.box / 2):
        n, error = send_by_rejection(y, lattice, radius, np.ones(N // 2))
        lengths = np.sqrt((error**2).sum(axis=1)) / radius
        assert scipy.stats.kstest(lengths**size, scipy.stats.uniform.cdf).pvalue > FALSE_ALARM
        assert abs(error.mean(axis=0)).max() < SIGMAS * error.std() / math.sqrt(N / 2)
        acceptance = min(ball_volume(size, radius) / lattice.volume, 1.0)
        bits, noise = mean_and_error(geometric_bits(n + 1, acceptance))
        assert abs(bits - geometric_entropy_bits(acceptance)) <= SIGMAS * noise + 1e-12
    white = np.cov(error.T).reshape(size, size) / radius**2 * (size + 2)
    assert abs(white - np.eye(size)).max() < SIGMAS * math.sqrt(2 / (N / 2))


@pytest.mark.parametrize("name", CELLS)
def test_balls_of_random_size_make_gaussian_noise(name: str) -> None:
    lattice = CELLS[name]
    size, sigma = lattice.box.size, 1.7
    radius = packing_radius(lattice)
    scales = gaussian_radius(np.random.default_rng(3), size, (N // 2,)) * sigma / radius
    y = np.random.default_rng(4).normal(0, 5, size)
    _, error = send_by_rejection(y, lattice, radius, scales)
    assert scipy.stats.kstest(error[:, -1], scipy.stats.norm(0, sigma).cdf).pvalue > FALSE_ALARM
    squares = (error**2).sum(axis=1) / sigma**2
    assert scipy.stats.kstest(squares, scipy.stats.chi2(size).cdf).pvalue > FALSE_ALARM


def test_balls_of_cells() -> None:
    assert packing_radius(integer_lattice(3)) == 0.5
    assert packing_radius(HEXAGONAL) == pytest.approx(0.5)
    assert packing_radius(D4) == pytest.approx(math.sqrt(0.5))
    assert packing_radius(E8) == pytest.approx(math.sqrt(0.5))
    assert ball_volume(2, 3.0) == pytest.approx(9 * math.pi)
    assert ball_volume(3) == pytest.approx(4 / 3 * math.pi)
    with pytest.raises(ValueError, match="^the lattice Leech has too many cosets"):
        packing_radius(LEECH)


# --- the lower bound ----------------------------------------------------------------------------


def random_channel(seed: int, x: int, z: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(z, 0.3), x), rng.dirichlet(np.ones(x))


def entropy_bits(p: Array) -> float:
    return float(scipy.stats.entropy(p, base=2))


@given(seed=st.integers(0, 10_000), x=st.integers(1, 6), z=st.integers(1, 6))
def test_the_lower_bound_lies_between_the_information_and_equation_3(
    seed: int, x: int, z: int
) -> None:
    q, p_x = random_channel(seed, x, z)
    joint = q * p_x[:, None]
    information = entropy_bits(p_x) + entropy_bits(joint.sum(axis=0)) - entropy_bits(joint.ravel())
    bound = functional_information_bits(q, p_x)
    assert max(information, 0) - 1e-9 <= bound <= entropy_bits(joint.sum(axis=0)) + 1e-9
    # E[...] over z of the one below, and log2 is concave
    assert bound <= max(information, 0) + math.log2(max(information, 0) + 1) + 1 + 1e-9


@given(seed=st.integers(0, 10_000), size=st.integers(1, 30))
def test_the_divergence_of_levels_is_its_integral_and_next_to_kl(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    q, p = rng.dirichlet(np.full(size, 0.4)), rng.dirichlet(np.ones(size))
    found = levels_divergence_bits(q, p)
    information = scipy.stats.entropy(q, p, base=2)
    assert information - 1e-9 <= found <= information + math.log2(information + 1) + 1
    h = np.unique([0.0, *(q / p)])
    w = [p[q / p >= level].sum() for level in h[1:]]
    literal = sum(-(b - a) * one * math.log2(one) for a, b, one in zip(h, h[1:], w, strict=False))
    assert found == pytest.approx(literal, abs=1e-9)


def test_the_lower_bound_is_reached_where_it_can_be() -> None:
    """By thresholds for two symbols; and by no method of ours, which all need H[Z | U] more."""
    q, p_x = random_channel(3, 4, 2)
    t = np.unique([0.0, *q[:, 1], 1.0])
    costs = [entropy_bits(np.array([s, 1 - s])) * (b - a)
             for a, b in zip(t, t[1:], strict=False)
             for s in [p_x[q[:, 1] >= b].sum()]]  # fmt: skip
    assert functional_information_bits(q, p_x) == pytest.approx(sum(costs))
    for seed in (0, 1):
        q, p_x = random_channel(seed, 5, 6)
        p = p_x @ q
        costs = []
        for m in range(400):
            sent = []
            for row in q:
                target = discrete(row, p, seed=seed)
                sent.append(receive(poisson(target, target.candidates(m)).n, target.candidates(m)))
            costs.append(entropy_bits(np.bincount(sent, p_x, len(p))))
        mean, error = mean_and_error(costs)
        assert mean > functional_information_bits(q, p_x) - SIGMAS * error
        assert mean < functional_information_bits(q, p_x) + 1


def test_on_the_uniform_channel_nothing_beyond_the_information_is_needed() -> None:
    """A circle of 60 points, of which 12 are possible: log2 5, which universal quantization has."""
    q = np.array([np.roll([1 / 12] * 12 + [0.0] * 48, x) for x in range(60)])
    assert functional_information_bits(q, np.full(60, 1 / 60)) == pytest.approx(math.log2(5))


def test_what_is_no_channel_is_refused() -> None:
    for q, p_x in ((np.ones((2, 2)) / 2, np.ones(3) / 3), (np.ones(2) / 2, np.ones(2) / 2)):
        with pytest.raises(ValueError, match=r"^q must have shape \(X, Z\)"):
            functional_information_bits(q, p_x)
    with pytest.raises(ValueError, match="^q must be probabilities whose sum is 1"):
        levels_divergence_bits(np.array([0.5, 0.6]), np.array([0.5, 0.5]))
