"""The restricted Boltzmann machine of Appendix B, Eqs. 25-27, and what sampling it costs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reverse_channels import SIGMAS, discrete, greedy, poisson, rejection, transmit

from npuq.paper.boltzmann import (
    BoltzmannMachine,
    divergence_from_uniform_bits,
    log_weights,
    probabilities,
    state_from_bits,
    states,
    weights_literal,
)
from npuq.paper.reverse_channel import total_variation


def machine(units: int, strength: float, seed: int = 0) -> BoltzmannMachine:
    rng = np.random.default_rng(seed)
    shapes = (units, units), (units,), (units,)
    return BoltzmannMachine(*(strength * rng.normal(size=shape) for shape in shapes))


def test_states_are_binary_numbers() -> None:
    np.testing.assert_array_equal(states(2), [[0, 0], [0, 1], [1, 0], [1, 1]])
    np.testing.assert_array_equal(states(9) @ 2.0 ** np.arange(8, -1, -1), np.arange(512))


@given(units=st.integers(1, 4), strength=st.floats(0, 5), seed=st.integers(0, 100))
def test_equation_26_is_the_sum_over_all_hidden_states(
    units: int, strength: float, seed: int
) -> None:
    A, a, b = theta = machine(units, strength, seed)
    z = h = states(units)
    literal = np.exp(a @ z.T + h @ A @ z.T + (h @ b)[:, None]).sum(axis=0)
    np.testing.assert_allclose(weights_literal(z, theta), literal, rtol=1e-10)
    np.testing.assert_allclose(log_weights(z, theta), np.log(literal), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(probabilities(theta), literal / literal.sum(), rtol=1e-9)


@given(units=st.integers(1, 8), strength=st.floats(0, 300), seed=st.integers(0, 100))
def test_equation_27_divergence_is_m_less_the_entropy(
    units: int, strength: float, seed: int
) -> None:
    q = probabilities(machine(units, strength, seed))
    bits = divergence_from_uniform_bits(q)
    positive = q[q > 0]
    assert bits == pytest.approx(units + (positive * np.log2(positive)).sum(), abs=1e-9)
    assert -1e-9 <= bits <= units + 1e-9


def test_equation_27_limits() -> None:
    """No weights: q = p. Strong biases: one state, M bits."""
    free = machine(6, 0.0)
    assert divergence_from_uniform_bits(probabilities(free)) == pytest.approx(0, abs=1e-12)
    stiff = free._replace(a=np.array([900.0, -900, 900, 900, -900, -900]))
    assert divergence_from_uniform_bits(probabilities(stiff)) == pytest.approx(6)
    assert probabilities(stiff)[0b101100] == pytest.approx(1)


@pytest.mark.parametrize("length", [4, 8, 14])
def test_equation_25_bits_become_states(length: int) -> None:
    """All vectors of N bits in turn: f(B) is q but for 2^M / 2^N at most."""
    q = probabilities(machine(3, 2.0))
    found = state_from_bits(states(length), q)
    law = np.bincount(found, minlength=8) / 2**length
    assert total_variation(law, q) <= 2.0 ** (3 - length)
    assert total_variation(law, q) > 0  # q is no multiple of 2^-N


def test_equation_25_ends_at_the_last_possible_state() -> None:
    q = np.array([0.1] * 3 + [0.7 - 1e-9, 0])
    assert state_from_bits(np.ones(52), q) == 3


@pytest.mark.parametrize("strength", [0.5, 1.0, 2.0])
def test_lemma_1_candidates_grow_with_the_divergence(strength: float) -> None:
    """Exact methods examine max q/p candidates on average, at least 2^KL."""
    q = probabilities(machine(7, strength))
    p = np.full(q.size, 1 / q.size)
    target = discrete(q, p)
    assert target.information_bits == pytest.approx(divergence_from_uniform_bits(q))
    for method in (rejection, greedy(q, p), poisson):
        _, examined, _ = transmit(method, target, 1000)
        error = examined.std() / math.sqrt(examined.size)
        assert abs(examined.mean() - (q / p).max()) < SIGMAS * error
        assert examined.mean() > 2**target.information_bits - SIGMAS * error


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="^the number of units must be from 1 to 20, not 21"):
        states(21)
    with pytest.raises(ValueError, match=r"^A, a, b must be \(M, M\), \(M,\), \(M,\), not "):
        log_weights(np.zeros(3), BoltzmannMachine(np.zeros((3, 2)), np.zeros(3), np.zeros(3)))
    with pytest.raises(ValueError, match="^bits must be at most 52, not 53"):
        state_from_bits(np.zeros(53), np.ones(1))
