"""The restricted Boltzmann machine, on which Lemma 1 rests: Appendix B, Eqs. 25-27.

Shapes: M visible units z and M hidden units h, all 0 or 1. Arrays over states have 2^M entries;
state x holds the binary digits of x, the first unit the most significant.

Everything here is done by counting all states, in a time exponential in M. Lemma 1 says that a way
to sample in polynomial time, from candidates of the uniform distribution or otherwise, would prove
RP = NP. KL is at most M, so that polynomial in KL would be polynomial in M.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npuq.backend import Array, floats

MOST_UNITS = 20


class BoltzmannMachine(NamedTuple):
    """Parameters theta of Eq. (26), Appendix B.

    Attributes:
        A: weights (M, M), from visible to hidden units.
        a: biases of the visible units (M,).
        b: biases of the hidden units (M,).
    """

    A: Array
    a: Array
    b: Array


def states(units: int) -> Array:
    """All z of {0, 1}^M in the order of their numbers, Appendix B.

    Args:
        units: M.

    Returns:
        (2^M, M) float64.

    Raises:
        ValueError: there are more than 2^20, or M is below 1.
    """
    if not 1 <= units <= MOST_UNITS:
        raise ValueError(f"the number of units must be from 1 to {MOST_UNITS}, not {units}")
    digits = np.arange(units - 1, -1, -1)
    return (np.arange(1 << units)[:, None] >> digits & 1).astype(np.float64)


def weights_literal(z: Array, machine: BoltzmannMachine) -> Array:
    """The sum over h in Eq. (26) as it is printed, of 2^M terms for each z; e^`log_weights`.

    Good while e^(a'z + h'Az + b'h) does not overflow.

    Args:
        z: states (..., M).
        machine: the parameters.
    """
    A, a, b = machine
    h = states(len(b))
    return np.exp((z @ a)[..., None] + z @ A.T @ h.T + h @ b).sum(axis=-1)


def log_weights(z: Array, machine: BoltzmannMachine) -> Array:
    """log of the sum over h in Eq. (26): log q(z) without its constant, log Z.

    The sum over h factorises: it is a'z + sum over hidden units j of log(1 + e^(b_j + (Az)_j)).

    Args:
        z: states (..., M).
        machine: the parameters.

    Returns:
        (...), in nats.

    Raises:
        ValueError: the shapes of the parameters do not fit.
    """
    A, a, b = (floats(x, name) for x, name in zip(machine, "Aab", strict=True))
    if a.ndim != 1 or A.shape != (a.size, a.size) or b.shape != a.shape:
        raise ValueError(f"A, a, b must be (M, M), (M,), (M,), not {A.shape}, {a.shape}, {b.shape}")
    return z @ a + np.logaddexp(0, z @ A.T + b).sum(axis=-1)


def probabilities(machine: BoltzmannMachine) -> Array:
    """q(z) of all states, Eq. (26).

    Args:
        machine: the parameters, at most 20 units.

    Returns:
        (2^M,), their sum 1.
    """
    log_q = log_weights(states(len(machine.a)), machine)
    weights = np.exp(log_q - log_q.max())
    return weights / weights.sum()


def divergence_from_uniform_bits(q: Array) -> float:
    """D_KL[q || p] = M - H[q] for uniform p = 2^-M, Eq. (27): at most M.

    Args:
        q: probabilities (2^M,).

    Returns:
        Bits.
    """
    q = floats(q, "q")
    positive = q[q > 0]
    return float((positive * np.log2(positive * q.size)).sum())


def state_from_bits(bits: Array, q: Array) -> Array:
    """Random bits turned into states: a function f: {0, 1}^N -> {0, 1}^M as in Eq. (25).

    N fair bits are a number of [0, 1), at which the inverse of q's distribution function is taken;
    f(B) is then distributed as q, but for 2^M / 2^N in total variation at most. As q has 2^M
    entries, this is no *efficiently* evaluable representation: those Theorem 1 excludes.

    Args:
        bits: zeros and ones (..., N), N at most 52.
        q: probabilities (2^M,).

    Returns:
        The numbers of the states (...), int64.

    Raises:
        ValueError: there are more than 52 bits.
    """
    bits, q = floats(bits, "bits"), floats(q, "q")
    if (length := bits.shape[-1]) > 52:
        raise ValueError(f"bits must be at most 52, not {length}")
    u = bits @ 0.5 ** np.arange(1, length + 1)
    edges = np.cumsum(q)
    last = np.flatnonzero(q)[-1]  # the sum may fall short of 1
    return np.minimum(np.searchsorted(edges, u, side="right"), last)
