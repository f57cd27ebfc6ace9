"""Rejection sampling whose index is communicated: Sec. 2.

Harsha, Jain, McAllester and Radhakrishnan (2007), "The communication complexity of correlation",
have the greedy scheme, for discrete distributions. The plain one needs a bound of q/p only. Both
are exact.
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.paper.reverse_channel import (
    Candidates,
    LogDensity,
    Message,
    check_bound,
    check_probabilities,
    check_ratios,
    log_ratios,
    ranges,
)


def rejection_sampling(
    log_q: LogDensity, candidates: Candidates, *, log_ratio_max: float
) -> Message:
    """The first candidate that is accepted, z_n with probability q(z_n) / (p(z_n) max q/p), Sec. 2.

    The index is geometric whatever q is, each candidate being accepted with probability 1/max q/p,
    so that it costs log2(max q/p) bits and not KL.

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
    for first, size in ranges():
        ratios = log_ratios(log_q, candidates, first, size)
        check_ratios(ratios, log_ratio_max)
        accepted = np.log(candidates.uniforms(first, size)) <= ratios - log_ratio_max
        if accepted.any():
            n = first + int(accepted.argmax())
            return Message(n, n + 1)
    raise AssertionError("ranges() has no end")


def greedy_rejection(q: Array, p: Array, candidates: Candidates) -> Message:
    """The greedy scheme of Harsha et al. (2007), Sec. 2: each candidate takes all that it may.

    Candidate n is accepted for as much of q as earlier ones have left: of symbol x,

        min(q(x) - what it has, (1 - what all have) p(x)).

    So small indices are as probable as they can be: E[log2(n + 1)] <= KL + log2 e + 1, by the steps
    of their proof. Each candidate takes time proportional to A.

    Args:
        q: probabilities of the target, shape (A,), their sum 1.
        p: probabilities of the proposal, shape (A,), their sum 1; positive where q is.
        candidates: of the proposal; z is a symbol 0 .. A - 1.

    Returns:
        The message; max q/p candidates are examined on average.

    Raises:
        ValueError: q and p are no such probabilities.
    """
    q, p = check_probabilities(q, p)
    rest = q.astype(np.float64)  # q less what earlier candidates took
    for first, size in ranges():
        symbols = candidates.sample(first, size).tolist()
        for n, (x, u) in enumerate(zip(symbols, candidates.uniforms(first, size), strict=True)):
            # Probability that candidate n is reached and is x. The rest, summed, is what is left;
            # 1 less what is taken would cancel.
            arriving = rest.sum() * p
            taken = np.minimum(rest, arriving)
            if u * arriving[x] < taken[x]:
                return Message(first + n, first + n + 1)
            rest -= taken
    raise AssertionError("ranges() has no end")
