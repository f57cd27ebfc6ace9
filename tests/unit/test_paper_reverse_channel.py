"""What the senders of reverse channel coding refuse; and distances of laws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from reverse_channels import gaussian

from npuq.paper.blocks import split_by_information
from npuq.paper.poisson_functional import (
    ordered_random_coding,
    poisson_functional_bound_bits,
    poisson_functional_representation,
)
from npuq.paper.random_coding import likelihood_encoder, minimal_random_coding
from npuq.paper.rejection import greedy_rejection, rejection_sampling
from npuq.paper.reverse_channel import total_variation

TARGET = gaussian(0.3, 0.5)
CANDIDATES = TARGET.candidates(0)
BOUNDED = [rejection_sampling, poisson_functional_representation]
COUNTED = [likelihood_encoder, minimal_random_coding, ordered_random_coding]


@pytest.mark.parametrize("send", BOUNDED)
@pytest.mark.parametrize("most", [math.inf, math.nan])
def test_exact_methods_need_a_finite_bound(send: Any, most: float) -> None:
    with pytest.raises(ValueError, match="^log_ratio_max must be a finite number, not "):
        send(TARGET.log_q, CANDIDATES, log_ratio_max=most)


@pytest.mark.parametrize("send", BOUNDED)
def test_a_bound_that_is_none_is_found_out(send: Any) -> None:
    with pytest.raises(ValueError, match="^log_ratio_max is 0.1, but log q/p reaches 0.7"):
        send(TARGET.log_q, CANDIDATES, log_ratio_max=0.1)


@pytest.mark.parametrize("send", BOUNDED)
def test_constants_of_the_density_do_not_matter(send: Any) -> None:
    sent = send(TARGET.log_q, CANDIDATES, log_ratio_max=TARGET.most)
    moved = send(lambda z: TARGET.log_q(z) + 4, CANDIDATES, log_ratio_max=TARGET.most + 4)
    assert sent == moved


@pytest.mark.parametrize("send", COUNTED)
def test_some_candidate_is_needed(send: Any) -> None:
    with pytest.raises(ValueError, match="^count must be at least 1, not 0"):
        send(TARGET.log_q, CANDIDATES, count=0)


@pytest.mark.parametrize("send", COUNTED)
def test_candidate_0_is_chosen_where_none_is_possible(send: Any) -> None:
    message = send(lambda z: np.full(len(z), -math.inf), CANDIDATES, count=100)
    assert message == (0, 100)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (lambda z: np.full(len(z), math.nan), "must be below infinity, and must not be nan"),
        (lambda z: np.full(len(z), math.inf), "must be below infinity, and must not be nan"),
        (lambda z: np.zeros(3), r"must have shape \(64,\), not \(3,\)"),
    ],
    ids=["nan", "infinite", "shape"],
)
def test_what_is_no_log_density_is_refused(values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^log_q\(z\) {message}"):
        minimal_random_coding(values, CANDIDATES, count=100)
    with pytest.raises(ValueError, match=rf"^log_density\(z\) {message}"):
        minimal_random_coding(TARGET.log_q, CANDIDATES._replace(log_density=values), count=100)


def test_a_proposal_is_positive_where_it_has_samples() -> None:
    impossible = CANDIDATES._replace(log_density=lambda z: np.full(len(z), -math.inf))
    with pytest.raises(ValueError, match=r"^log_density\(z\) must be finite"):
        minimal_random_coding(TARGET.log_q, impossible, count=1)


@pytest.mark.parametrize(
    ("q", "p", "message"),
    [
        ([0.5, 0.5], [1.0], "q and p must have one shape"),
        ([[0.5, 0.5]], [[0.5, 0.5]], "q and p must have one shape"),
        ([0.5, 0.4], [0.5, 0.5], "q must be probabilities whose sum is 1"),
        ([0.5, 0.5], [1.5, -0.5], "p must be probabilities whose sum is 1"),
        ([0.5, 0.5], [1.0, 0.0], "p must be positive wherever q is"),
    ],
)
def test_greedy_rejection_needs_probabilities(q: Any, p: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        greedy_rejection(np.array(q), np.array(p), CANDIDATES)


def test_equation_3_as_printed() -> None:
    assert poisson_functional_bound_bits(0.0) == 4
    assert poisson_functional_bound_bits(7.0) == 7 + 3 + 4
    with pytest.raises(ValueError, match="^information_bits must not be negative, not -1"):
        poisson_functional_bound_bits(-1)


def test_information_of_blocks_is_a_vector_of_what_is_not_negative() -> None:
    for bad in ([[1.0]], [1.0, -1.0], [math.nan]):
        with pytest.raises(ValueError, match=r"^information_bits must be of shape \(D,\)"):
            split_by_information(np.array(bad), 3.0)


def test_total_variation() -> None:
    assert total_variation(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0
    assert total_variation(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1
    assert total_variation(np.array([0.7, 0.3]), np.array([0.5, 0.5])) == pytest.approx(0.2)
    with pytest.raises(ValueError, match=r"^q and p must have one shape, not \(2,\) and \(3,\)"):
        total_variation(np.ones(2), np.ones(3))
