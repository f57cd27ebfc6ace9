"""Candidates that arrive one after another, until none can win any more: Sec. 2.

Candidate n has an arrival time t_n; the one with the smallest t_n p(z_n)/q(z_n) wins.

* t_n a Poisson process: the Poisson functional representation of Li and El Gamal. Its winner is
  distributed as q exactly.
* t_n the order statistics of N exponential variables: ordered random coding of Theis and Yosri.
  Unordered, they would make the winner that of minimal random coding. To order them does not change
  its law, as they are independent of the z_n, but favours small indices.

Once t_n min p/q exceeds the smallest value so far, no later candidate can win.
"""

from __future__ import annotations

import math

import numpy as np

from npuq.paper.random_coding import check_count
from npuq.paper.reverse_channel import (
    Candidates,
    LogDensity,
    Message,
    check_bound,
    check_ratios,
    log_ratios,
    ranges,
)


def poisson_functional_representation(
    log_q: LogDensity, candidates: Candidates, *, log_ratio_max: float
) -> Message:
    """The index of Li and El Gamal (2017), Sec. 2: exact, within the bits of Eq. (3).

    "Strong functional representation lemma and applications to coding theorems": with
    T_0 < T_1 < ... a Poisson process of rate 1, argmin T_n p(z_n)/q(z_n).

    Args:
        log_q: log-density of the target, in nats; a constant may be missing.
        candidates: of the proposal.
        log_ratio_max: upper bound of log_q - log p, in nats.

    Returns:
        The message. On average max q/p candidates are examined, if the bound is the least one.

    Raises:
        ValueError: `log_ratio_max` is not finite, or a candidate exceeds it.
    """
    check_bound(log_ratio_max)
    return _first_arrival(log_q, candidates, log_ratio_max, None)


def ordered_random_coding(
    log_q: LogDensity, candidates: Candidates, *, count: int, log_ratio_max: float = math.inf
) -> Message:
    """Minimal random coding with small indices: Theis and Yosri (2022), after Sec. 2.

    "Algorithms for the communication of samples". Approximate, with the very law of
    `minimal_random_coding`; but the index costs what that of the Poisson functional representation
    costs (Eq. 3), which it becomes as `count` grows.

    Args:
        log_q: log-density of the target, in nats; a constant may be missing.
        candidates: of the proposal.
        count: how many candidates there are, N; at least 1.
        log_ratio_max: upper bound of log_q - log p, in nats; where known, the search ends early.

    Returns:
        The message. If q is 0 at each candidate, number 0.

    Raises:
        ValueError: `count` is below 1, or a candidate exceeds `log_ratio_max`.
    """
    check_count(count)
    return _first_arrival(log_q, candidates, log_ratio_max, count)


def _first_arrival(
    log_q: LogDensity, candidates: Candidates, log_ratio_max: float, count: int | None
) -> Message:
    """argmin of t_n p(z_n)/q(z_n), in logarithms; the first of all or of `count` candidates."""
    time, best, winner, examined = 0.0, math.inf, 0, 0
    for first, size in ranges(count):
        gaps = -np.log(candidates.uniforms(first, size))
        if count is not None:  # the n-th of N exponentials waits for N - n of them
            gaps *= count / (count - np.arange(first, first + size))
        times = time + np.cumsum(gaps)
        ratios = log_ratios(log_q, candidates, first, size)
        check_ratios(ratios, log_ratio_max)
        scores = np.log(times) - ratios
        smallest = np.minimum.accumulate(np.minimum(scores, best))
        may_win = np.log(times) - log_ratio_max <= smallest
        if (score := scores.min()) < best:
            best, winner = score, first + int(scores.argmin())
        examined = first + int(np.count_nonzero(may_win))
        if examined < first + size:
            break
        time = times[-1]
    return Message(winner, examined)


def poisson_functional_bound_bits(information_bits: float) -> float:
    """I + log2(I + 1) + 4, the bound of Li and El Gamal (2017), Eq. (3).

    It bounds the mean length of the index under the ideal code `index_codes.zipf_bits`, and so its
    entropy given the candidates. A prefix code for single messages needs up to a bit more.

    Args:
        information_bits: mutual information I[X, Z]; or, for one target, KL of q from p.

    Returns:
        Bits.

    Raises:
        ValueError: if it is negative.
    """
    if not information_bits >= 0:
        raise ValueError(f"information_bits must not be negative, not {information_bits}")
    return information_bits + math.log2(information_bits + 1) + 4
