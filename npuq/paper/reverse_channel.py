"""Reverse channel coding: what all its methods share. Secs. 2 and 3, Appendix B.

The task is to communicate a sample of a target q, which only the sender knows, with few bits.
Sender and receiver share candidates z_0, z_1, z_2, ... drawn from a proposal p. The sender selects
one, so that it is distributed as q, and sends its index; the receiver looks it up. The methods
differ in how they select:

    file                   function                            law of z    candidates
    random_coding.py       likelihood_encoder                  near q      as many as are asked for
                           minimal_random_coding               near q      as many as are asked for
    poisson_functional.py  ordered_random_coding               near q      up to as many
                           poisson_functional_representation   q           max q/p on average
    rejection.py           rejection_sampling                  q           max q/p on average
                           greedy_rejection                    q           max q/p on average
    hybrid_coding.py       hybrid_coding                       q or near   as those, over M^D
    tree_search.py         a_star_coding                       q           O(log max q/p)
                           greedy_poisson_rejection            q           O(KL)

max q/p is at least 2^KL, and to be near q takes about as many: all but the last are exponential in
the information, and by Lemma 1 (`npuq.paper.boltzmann`) nothing else can be hoped for while q may
be anything. Three more take linear time for one kind of q each: universal quantization
(`npuq.paper.channel`), which `rejection_quantization.py` extends to other noise, and the searches
of a tree, for q/p with one peak on a line. Hybrid coding leaves to universal quantization what it
can do. `index_codes.py` turns an index into bits; `blocks.py` divides a vector to keep 2^KL small;
`functional_information.py` is the bound that no method beats.

Shapes: z_n has any shape; arrays over candidates have them along their first axis. Log-densities
are in nats, as SciPy's are; information is in bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from npuq.backend import Array, floats

LogDensity = Callable[[Array], Array]

FIRST_RANGE, LARGEST_RANGE = 64, 1 << 14


class Candidates(NamedTuple):
    """What sender and receiver share: independent samples of p, found by number. Sec. 2.

    Both functions give the same values for a candidate whenever and however they are asked for it;
    `npuq.paper.candidates` makes them of a counter-based generator.

    Attributes:
        sample: (first, count) -> z of candidates first .. first + count - 1, shape (count, ...).
        log_density: z -> log p(z), shape (count,).
        uniforms: (first, count) -> one uniform number of (0, 1) for each candidate, independent of
            z, shape (count,): the chance in the selection. Only the sender reads it.
    """

    sample: Callable[[int, int], Array]
    log_density: LogDensity
    uniforms: Callable[[int, int], Array]


class Message(NamedTuple):
    """What a sender arrives at. Sec. 2.

    Attributes:
        n: index of the chosen candidate, which is sent; the first is 0.
        examined: how many candidates the method had to look at, one after another.
    """

    n: int
    examined: int


def receive(n: int, candidates: Candidates) -> Array:
    """The receiver's part in all methods: look up candidate n. Sec. 2.

    Args:
        n: the received index.
        candidates: those of the sender.

    Returns:
        z, of the shape of one candidate.
    """
    return candidates.sample(n, 1)[0]


def ranges(count: int | None = None) -> Iterator[tuple[int, int]]:
    """(first, count) of successive ranges of candidates, in which a sender reads them. Sec. 2.

    They double in length, so that few are read in vain and many are read at once.

    Args:
        count: how many candidates there are; None for no end.
    """
    first, size = 0, FIRST_RANGE
    while count is None or first < count:
        yield first, size if count is None else min(size, count - first)
        first, size = first + size, min(2 * size, LARGEST_RANGE)


def log_ratios(log_q: LogDensity, candidates: Candidates, first: int, count: int) -> Array:
    """log q(z)/p(z), in nats, of candidates first .. first + count - 1. Sec. 2.

    Args:
        log_q: log-density of the target, z (count, ...) -> (count,); -inf where q is 0.
        candidates: of the proposal.
        first, count: which ones.

    Returns:
        (count,) float64.

    Raises:
        ValueError: a log-density is of another shape, or is nan or +inf; or p is 0 at a candidate.
    """
    z = candidates.sample(first, count)
    log_densities = (
        floats(log_q(z), "log_q(z)"),
        floats(candidates.log_density(z), "log_density(z)"),
    )
    for name, values in zip(("log_q(z)", "log_density(z)"), log_densities, strict=True):
        if values.shape != (count,):
            raise ValueError(f"{name} must have shape {(count,)}, not {values.shape}")
        if np.isnan(values).any() or (values == math.inf).any():
            raise ValueError(f"{name} must be below infinity, and must not be nan")
    if (log_densities[1] == -math.inf).any():
        raise ValueError("log_density(z) must be finite: p is positive where p has a sample")
    return log_densities[0] - log_densities[1]


def total_variation(q: Array, p: Array) -> float:
    """D_TV[q, p] = 1/2 sum |q - p|, the distance of Lemma 1, Appendix B.

    Args:
        q, p: probabilities of one alphabet, of one shape.

    Returns:
        A number from 0 to 1.

    Raises:
        ValueError: if the shapes differ.
    """
    q, p = floats(q, "q"), floats(p, "p")
    if q.shape != p.shape:
        raise ValueError(f"q and p must have one shape, not {q.shape} and {p.shape}")
    return float(abs(q - p).sum() / 2)


def check_bound(log_ratio_max: float) -> None:
    """Refuse what can bound no log-ratio: exact methods end by it. Sec. 2.

    Args:
        log_ratio_max: upper bound of log q(z)/p(z), in nats.

    Raises:
        ValueError: it is not a finite number.
    """
    if not math.isfinite(log_ratio_max):
        raise ValueError(f"log_ratio_max must be a finite number, not {log_ratio_max}")


def check_ratios(ratios: Array, log_ratio_max: float) -> None:
    """Refuse a bound that a candidate exceeds: the law would silently be another. Sec. 2.

    Args:
        ratios: log q(z)/p(z) of candidates, in nats.
        log_ratio_max: their claimed bound; 1e-9 beyond it is taken for rounding.

    Raises:
        ValueError: a ratio is larger.
    """
    if (largest := ratios.max()) > log_ratio_max + 1e-9:
        raise ValueError(
            f"log_ratio_max is {log_ratio_max}, but log q/p reaches {largest}; it must be a bound"
        )


def check_probabilities(q: Array, p: Array) -> tuple[Array, Array]:
    """Refuse what is no pair of target and proposal on one alphabet. Sec. 2.

    Args:
        q, p: (A,) probabilities; p is positive where q is.

    Returns:
        Both, as arrays.

    Raises:
        ValueError: they are not.
    """
    q, p = floats(q, "q"), floats(p, "p")
    if q.ndim != 1 or q.shape != p.shape:
        raise ValueError(f"q and p must have one shape (A,), not {q.shape} and {p.shape}")
    for name, values in (("q", q), ("p", p)):
        if not (values >= 0).all() or not abs(values.sum() - 1) < 1e-6:
            raise ValueError(f"{name} must be probabilities whose sum is 1")
    if (q[p == 0] > 0).any():
        raise ValueError("p must be positive wherever q is")
    return q, p
