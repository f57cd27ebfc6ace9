"""A fixed number of candidates, one of them chosen by its weight: Secs. 2 and 3.

The likelihood encoder (Cuff 2008; Cuff and Song 2013) and minimal random coding, or MIRACLE (Havasi
et al. 2019), are one method in two notations. Both are approximate: the law of the chosen candidate
tends to q as their number grows beyond 2^KL. All being alike, the index is uniform, and costs log2
of their number. Ordered random coding (`poisson_functional.py`) chooses likewise, with cheaper
indices.
"""

from __future__ import annotations

import math

import numpy as np

from npuq.backend import Array
from npuq.paper.reverse_channel import Candidates, LogDensity, Message, log_ratios, ranges


def likelihood_encoder(
    log_likelihood: LogDensity, candidates: Candidates, *, count: int
) -> Message:
    """Candidate n < `count` with a probability proportional to p(x | z_n), Sec. 2.

    Cuff (2008), "Communication requirements for generating correlated random variables"; the name
    is that of Cuff and Song (2013). They code long sequences; here it is one sample. Approximate.

    Args:
        log_likelihood: z -> log p(x | z) of the x to be told, in nats; a constant may be missing.
        candidates: of the prior p(z). The target is the posterior.
        count: how many candidates there are, N; at least 1.

    Returns:
        The message; all N candidates are examined. If no candidate is possible, number 0.

    Raises:
        ValueError: `count` is below 1.
    """

    def log_joint(z: Array) -> Array:
        return np.asarray(log_likelihood(z)) + candidates.log_density(z)

    return minimal_random_coding(log_joint, candidates, count=count)


def minimal_random_coding(log_q: LogDensity, candidates: Candidates, *, count: int) -> Message:
    """Candidate n < `count` with a probability proportional to q(z_n) / p(z_n), Sec. 2.

    MIRACLE: Havasi, Peharz and Hernandez-Lobato (2019), "Minimal random code learning".
    Approximate; `random_coding_count` gives the number of candidates that they take.

    Args:
        log_q: log-density of the target, in nats; a constant may be missing.
        candidates: of the proposal.
        count: how many candidates there are, N; at least 1.

    Returns:
        The message; all N candidates are examined. If q is 0 at each of them, number 0.

    Raises:
        ValueError: `count` is below 1.

    Numerics: chosen by the largest log-weight plus Gumbel noise, so that no weight overflows and
        none need be kept.
    """
    check_count(count)
    best, winner = -math.inf, 0
    for first, size in ranges(count):
        gumbel = -np.log(-np.log(candidates.uniforms(first, size)))
        scores = gumbel + log_ratios(log_q, candidates, first, size)
        if (score := scores.max()) > best:
            best, winner = score, first + int(scores.argmax())
    return Message(winner, count)


def random_coding_count(information_bits: float, extra_bits: float) -> int:
    """N = 2^(KL + t) candidates, as Havasi et al. (2019) choose it, Secs. 2 and 3.

    An expectation under q is then off by a factor that vanishes with t where log q/p is
    concentrated around KL (Chatterjee and Diaconis 2018, "The sample size required in importance
    sampling").

    Args:
        information_bits: KL divergence of q from p.
        extra_bits: t.

    Returns:
        N, rounded upwards.
    """
    return math.ceil(2.0 ** (information_bits + extra_bits))


def check_count(count: int) -> None:
    """Refuse a number of candidates from which none can be chosen. Sec. 2.

    Args:
        count: the number.

    Raises:
        ValueError: it is below 1.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count}")
