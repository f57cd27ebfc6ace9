"""Reverse channel coding, Secs. 2 and 3: laws of z, laws of the index, what it costs.

Statistical tests have fixed seeds; under a random one, a correct program would fail each of them
with a probability of about 1e-6. Several also show that a wrong law is found out.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from reverse_channels import (
    FALSE_ALARM,
    SIGMAS,
    Method,
    Target,
    discrete,
    gaussian,
    greedy,
    minimal,
    ordered,
    poisson,
    rejection,
    transmit,
    uniform_channel,
)

from npuq.backend import Array
from npuq.paper.blocks import receive_blocks, send_blocks, split_by_information
from npuq.paper.channel import uniform_noise, universal_dequantize, universal_quantize
from npuq.paper.index_codes import geometric_bits, geometric_entropy_bits, zipf_bits
from npuq.paper.poisson_functional import ordered_random_coding, poisson_functional_bound_bits
from npuq.paper.random_coding import (
    likelihood_encoder,
    minimal_random_coding,
    random_coding_count,
)
from npuq.paper.rejection import rejection_sampling
from npuq.paper.reverse_channel import ranges, receive, total_variation

Q = np.array([0.42, 0.05, 0.0, 0.2, 0.3, 0.03])
P = np.array([0.1, 0.3, 0.2, 0.25, 0.05, 0.1])
EXACT = {"rejection": rejection, "greedy": greedy(Q, P), "poisson": poisson}
N = 2000

# Most of q is like p, but one symbol is 100 times as probable: max q/p says little about KL.
SPIKE_Q = np.array([0.9, 0.1])
SPIKE_P = np.array([0.999, 0.001])


def chi_square_p(symbols: Array, law: Array) -> float:
    possible = law > 0
    counts = np.bincount(symbols, minlength=law.size)
    if counts[~possible].any():
        return 0.0
    return float(scipy.stats.chisquare(counts[possible], len(symbols) * law[possible]).pvalue)


def mean_and_error(x: Array) -> tuple[float, float]:
    return float(x.mean()), float(x.std() / math.sqrt(x.size))


# --- the law of z: exact methods ----------------------------------------------------------------


@pytest.mark.parametrize("name", EXACT)
def test_exact_methods_send_the_target(name: str) -> None:
    _, _, z = transmit(EXACT[name], discrete(Q, P), N)
    assert chi_square_p(z, Q) > FALSE_ALARM


@pytest.mark.parametrize("method", [rejection, poisson])
@pytest.mark.parametrize(("mean", "scale"), [(0.0, 0.5), (1.2, 0.4)])
def test_exact_methods_send_gaussian_noise(method: Method, mean: float, scale: float) -> None:
    _, _, z = transmit(method, gaussian(mean, scale), N)
    assert scipy.stats.kstest(z, scipy.stats.norm(mean, scale).cdf).pvalue > FALSE_ALARM


def test_such_tests_find_out_what_is_not_exact() -> None:
    _, _, z = transmit(minimal(4), discrete(Q, P), N)
    assert chi_square_p(z, Q) < FALSE_ALARM
    _, _, z = transmit(minimal(4), gaussian(1.2, 0.4), N)
    assert scipy.stats.kstest(z, scipy.stats.norm(1.2, 0.4).cdf).pvalue < FALSE_ALARM


@pytest.mark.parametrize("method", [rejection, poisson, minimal(60), ordered(60)])
def test_sent_noise_is_that_of_universal_quantization(method: Method) -> None:
    """Eq. 4 by other means: on the uniform channel z - y is uniform, as by Eqs. 5 and 6."""
    y = np.array([0.7])
    _, _, z = transmit(method, uniform_channel(y, 6.0), N)
    u = uniform_noise(np.random.default_rng(0), (N,))
    universal = universal_dequantize(universal_quantize(np.full(N, y), u), u)
    assert scipy.stats.ks_2samp(z[:, 0], universal).pvalue > FALSE_ALARM


# --- the law of z: approximate methods ----------------------------------------------------------


def random_coding_law(q: float, p: float, count: int) -> float:
    """P(z = 1) of minimal random coding on {0, 1}: ones among N candidates are binomial."""
    ones = np.arange(count + 1)
    weights = ones * q / p, (count - ones) * (1 - q) / (1 - p)
    return float(scipy.stats.binom(count, p).pmf(ones) @ (weights[0] / sum(weights)))


@pytest.mark.parametrize("coding", [minimal, ordered])
def test_total_variation_of_random_coding_falls_with_the_number_of_candidates(coding) -> None:
    """Its law is known for two symbols: it, and so its distance to q, is met within noise."""
    q, p = np.array([0.2, 0.8]), np.array([0.9, 0.1])
    distances = []
    for count in (1, 4, 16, 256):
        one = random_coding_law(q[1], p[1], count)
        _, _, z = transmit(coding(count), discrete(q, p), N)
        assert scipy.stats.binomtest(int(z.sum()), N, one).pvalue > FALSE_ALARM
        distances.append(total_variation(np.bincount(z, minlength=2) / N, q))
        assert total_variation(np.array([1 - one, one]), q) == pytest.approx(abs(one - q[1]))
    assert np.all(np.diff(distances) < 0)
    assert distances[-1] < 0.05


def test_minimal_random_coding_chooses_by_weight() -> None:
    """Of five given candidates, n with probability w_n over the sum of all."""
    z = np.array([0.0, 0.3, 0.9, 1.4, -0.5])
    target = gaussian(1.0, 0.6)
    weights = np.exp(target.log_q(z) - scipy.stats.norm.logpdf(z))
    n = []
    for m in range(2 * N):
        candidates = target.candidates(m)._replace(sample=lambda first, count: z[first:][:count])
        n.append(minimal(5)(target, candidates).n)
    assert chi_square_p(np.array(n), weights / weights.sum()) > FALSE_ALARM


@pytest.mark.parametrize("coding", [minimal, ordered])
def test_random_coding_on_the_uniform_channel_misses_as_often_as_all_candidates_do(coding) -> None:
    """D_TV = (1 - 1/L)^N: z is as wanted if any candidate is within 1/2 of y."""
    width, count = 5.0, 8
    y = np.array([2.2])
    n, _, z = transmit(coding(count), uniform_channel(y, width), N)
    missed = abs(z[:, 0] - y) > 0.5
    assert (
        scipy.stats.binomtest(int(missed.sum()), N, (1 - 1 / width) ** count).pvalue > FALSE_ALARM
    )
    assert np.all(n[missed] == 0)


@given(x=st.floats(-3, 3), count=st.integers(1, 200), m=st.integers(0, 1000))
def test_likelihood_encoder_is_minimal_random_coding_of_the_posterior(
    x: float, count: int, m: int
) -> None:
    """x = z + noise of variance 1/4: the posterior is N(0.8 x, 0.2)."""
    target = gaussian(0.8 * x, math.sqrt(0.2))
    candidates = target.candidates(m)
    sent = likelihood_encoder(lambda z: -2 * (x - z) ** 2 + 5, candidates, count=count)
    assert sent == minimal_random_coding(target.log_q, candidates, count=count)


# --- the index ----------------------------------------------------------------------------------


@given(m=st.integers(0, 10_000), mean=st.floats(-1.5, 1.5), scale=st.floats(0.3, 0.9))
def test_poisson_functional_representation_one_candidate_at_a_time(
    m: int, mean: float, scale: float
) -> None:
    """Its definition, argmin T_n p/q, followed literally until T_n min p/q exceeds the least."""
    target = gaussian(mean, scale)
    candidates = target.candidates(m)
    time, best, winner, n = 0.0, math.inf, 0, 0
    while True:
        time += -math.log(candidates.uniforms(n, 1)[0])
        if time * math.exp(-target.most) > best:
            break
        z = candidates.sample(n, 1)
        value = time * math.exp(candidates.log_density(z)[0] - target.log_q(z)[0])
        if value < best:
            best, winner = value, n
        n += 1
    assert poisson(target, candidates) == (winner, n)


@given(m=st.integers(0, 10_000), count=st.integers(1, 500))
def test_ordered_random_coding_ends_early_without_a_difference(m: int, count: int) -> None:
    target = gaussian(1.0, 0.4)
    early = ordered(count)(target, target.candidates(m))
    late = ordered_random_coding(target.log_q, target.candidates(m), count=count)
    assert early.n == late.n < early.examined <= late.examined == count


def test_ordered_random_coding_becomes_the_poisson_functional_representation() -> None:
    target = gaussian(1.0, 0.4)
    n, _, _ = transmit(poisson, target, 300)
    many, _, _ = transmit(ordered(10**7), target, 300)
    few, _, _ = transmit(ordered(8), target, 300)
    assert np.mean(n == many) > 0.99
    assert np.mean(n == few) < 0.9


@pytest.mark.parametrize("dimensions", [1, 2])
def test_index_of_rejection_sampling_is_geometric(dimensions: int) -> None:
    acceptance = 5.0**-dimensions
    target = uniform_channel(np.full(dimensions, 1.3), 5.0)
    n, _, _ = transmit(rejection, target, N)
    deciles = scipy.stats.geom(acceptance).ppf(np.arange(1, 10) / 10)
    law = np.diff(scipy.stats.geom(acceptance).cdf([0, *deciles, np.inf]))
    cells = np.searchsorted(deciles, n + 1)
    assert chi_square_p(cells, law) > FALSE_ALARM
    mean, error = mean_and_error(geometric_bits(n + 1, acceptance))
    assert abs(mean - geometric_entropy_bits(acceptance)) < SIGMAS * error


def test_index_of_minimal_random_coding_is_uniform_and_that_of_ordered_is_not() -> None:
    target = gaussian(0.5, 0.5)
    plain, _, _ = transmit(minimal(64), target, N)
    small, _, _ = transmit(ordered(64), target, N)
    law = np.full(64, 1 / 64)
    assert chi_square_p(plain, law) > FALSE_ALARM
    assert chi_square_p(small, law) < FALSE_ALARM
    assert np.log2(small + 1).mean() < np.log2(plain + 1).mean() - 2


SPIKE_METHODS = {"greedy": greedy(SPIKE_Q, SPIKE_P), "poisson": poisson, "ordered": ordered(400)}


@pytest.mark.parametrize(
    ("name", "beyond"),
    [
        ("greedy", math.log2(math.e) + 1),
        ("poisson", math.log2(math.e) / math.e + 1),
        ("ordered", math.log2(math.e) / math.e + 1),
    ],
)
def test_index_is_as_small_as_the_information_says(name: str, beyond: float) -> None:
    """E[log2(n + 1)] <= KL + constant, by Harsha et al. and by Li and El Gamal; KL is 0.5 here."""
    target = discrete(SPIKE_Q, SPIKE_P)
    n, _, _ = transmit(SPIKE_METHODS[name], target, N)
    mean, error = mean_and_error(np.log2(n + 1))
    assert mean < target.information_bits + beyond + SIGMAS * error


@pytest.mark.parametrize(
    "target",
    [
        discrete(SPIKE_Q, SPIKE_P),
        discrete(Q, P),
        discrete(P, P),
        gaussian(1.2, 0.3),
        uniform_channel(np.array([1.0, 3.0]), 8.0),
    ],
    ids=["spike", "symbols", "q = p", "Gaussian", "uniform"],
)
def test_equation_3_bounds_the_bits_of_the_poisson_functional_representation(
    target: Target,
) -> None:
    n, _, _ = transmit(poisson, target, N)
    bits, error = mean_and_error(zipf_bits(n + 1, target.information_bits))
    assert bits > target.information_bits - SIGMAS * error
    assert bits < poisson_functional_bound_bits(target.information_bits) + SIGMAS * error


def test_equation_3_on_average_over_x() -> None:
    """X, Z normal of correlation r: KL depends on x, its mean is I[X, Z] = -1/2 log2(1 - r^2)."""
    r = 0.95
    scale = math.sqrt(1 - r**2)
    information = -math.log2(scale)
    n, bits = [], []
    for m, x in enumerate(np.random.default_rng(0).normal(size=N)):
        target = gaussian(r * x, scale)
        n.append(poisson(target, target.candidates(m)).n)
        bits.append(target.information_bits)
    mean, error = mean_and_error(np.array(bits))
    assert abs(mean - information) < SIGMAS * error
    mean, error = mean_and_error(zipf_bits(np.array(n) + 1, information))
    assert mean < poisson_functional_bound_bits(information) + SIGMAS * error


def test_equation_3_does_not_hold_for_rejection_sampling() -> None:
    """Its index costs log2(max q/p) = 6.6 bits and more where KL is 0.5."""
    target = discrete(SPIKE_Q, SPIKE_P)
    n, _, _ = transmit(rejection, target, N)
    bits, error = mean_and_error(zipf_bits(n + 1, target.information_bits))
    assert bits > poisson_functional_bound_bits(target.information_bits) + SIGMAS * error


# --- what it costs: Lemma 1 ---------------------------------------------------------------------


@pytest.mark.parametrize("name", EXACT)
def test_exact_methods_examine_max_q_over_p_candidates(name: str) -> None:
    """For rejection sampling it is the mean of a geometric law; for the others a short proof each.

    Greedy: the symbol of max q/p is the last to be complete, so that it takes its share of every
    arrival, and those shares sum to q. Poisson: the winner's value v is exponential of mean 1, and
    max q/p - 1 candidates besides the winner arrive before v max q/p on average.
    """
    _, examined, _ = transmit(EXACT[name], discrete(Q, P), N)
    mean, error = mean_and_error(examined)
    assert abs(mean - (Q / P).max()) < SIGMAS * error


def test_lemma_1_candidates_grow_exponentially_with_dimension() -> None:
    for dimensions in (1, 2, 3, 4):
        target = uniform_channel(np.full(dimensions, 1.3), 4.0)
        for method in (rejection, poisson):
            _, examined, z = transmit(method, target, 400)
            assert np.all(abs(z - 1.3) <= 0.5)
            mean, error = mean_and_error(examined)
            assert abs(mean - 4.0**dimensions) < SIGMAS * error
            assert mean == pytest.approx(2**target.information_bits, rel=0.3)


def test_blocks_add_up_where_one_message_multiplies() -> None:
    """Six coordinates in blocks of two: 3 * 4^2 candidates on average instead of 4^6."""
    y = np.array([0.6, 3.2, 1.1, 2.0, 0.5, 1.7])
    blocks = split_by_information(np.full(6, 2.0), 4.5)
    assert blocks == [slice(0, 2), slice(2, 4), slice(4, 6)]
    targets = [uniform_channel(y[block], 4.0) for block in blocks]
    examined, errors = [], []
    for m in range(500):
        candidates = [t.candidates(3 * m + i) for i, t in enumerate(targets)]
        sent = send_blocks(
            lambda log_q, c: rejection_sampling(log_q, c, log_ratio_max=2 * math.log(4)),
            [t.log_q for t in targets],
            candidates,
        )
        examined.append(sum(message.examined for message in sent))
        errors.append(receive_blocks([message.n for message in sent], candidates) - y)
    mean, error = mean_and_error(np.array(examined))
    assert abs(mean - 48) < SIGMAS * error
    for i in range(6):
        uniform = scipy.stats.uniform(-0.5, 1)
        assert scipy.stats.kstest(np.array(errors)[:, i], uniform.cdf).pvalue > FALSE_ALARM
    assert np.all(abs(np.corrcoef(np.array(errors).T) - np.eye(6)) < SIGMAS / math.sqrt(500))


@given(
    bits=st.lists(st.floats(0, 20), max_size=30),
    most=st.floats(0, 40),
)
def test_blocks_cover_all_in_order_and_no_two_neighbours_would_fit(
    bits: list[float], most: float
) -> None:
    information = np.array(bits)
    blocks = split_by_information(information, most)
    assert [i for block in blocks for i in range(len(bits))[block]] == list(range(len(bits)))
    for block in blocks:
        assert block.stop - block.start == 1 or information[block].sum() <= most + 1e-9
    for one, other in zip(blocks, blocks[1:], strict=False):
        assert information[one].sum() + information[other.start] > most - 1e-9


# --- the receiver -------------------------------------------------------------------------------


@given(first=st.integers(0, 2**32 - 200), count=st.integers(1, 200), m=st.integers(0, 2**31 - 1))
def test_receiver_finds_what_the_sender_saw(first: int, count: int, m: int) -> None:
    candidates = uniform_channel(np.zeros(3), 7.0, seed=5).candidates(m)
    seen = candidates.sample(first, count)
    for i in {0, count // 2, count - 1}:
        np.testing.assert_array_equal(receive(first + i, candidates), seen[i])


@given(st.integers(1, 10**5))
def test_ranges_of_candidates_follow_each_other(count: int) -> None:
    end = 0
    for first, size in ranges(count):
        assert first == end
        assert size > 0
        end += size
    assert end == count


def test_no_two_messages_share_their_randomness() -> None:
    """Neither do candidates and the chance in their selection."""
    messages = [uniform_channel(np.zeros(1), 1.0).candidates(m) for m in range(6)]
    numbers = [c.sample(0, 50)[:, 0] for c in messages] + [c.uniforms(0, 50) for c in messages]
    assert np.unique(numbers).size == 12 * 50


def test_number_of_candidates_of_minimal_random_coding() -> None:
    assert random_coding_count(0.0, 0.0) == 1
    assert random_coding_count(10.0, 2.5) == math.ceil(2**12.5)
