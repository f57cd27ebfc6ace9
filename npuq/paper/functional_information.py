"""What no method of reverse channel coding can do without: a lower bound beside Eq. (3).

Whatever sender and receiver share, U, and whatever they do, z = f(x, U) has the law q(z | x). The
cost H[Z | U] is at least I[X, Z], and in general more, since for a given u every z is sent for a
whole set of x: with probability A_z(u), at a cost of -log2 A_z(u). A_z = P(f(X, U) = z | U) is a
mean over x of indicators, each true with probability q(z | x); it varies most where all are
thresholds of one number, A_z = P(q(z | X) >= T | T), T uniform, and -A log A is concave. So

    H[Z | U] >= - sum_z integral from 0 to 1 of P(q(z | X) >= t) log2 P(q(z | X) >= t) dt,

the mutual information and the least excess functional information after it (Li & El Gamal 2017),
with equality for two symbols z.

Shapes: a channel is (X, Z), row x holding the probabilities of its Z symbols.
"""

from __future__ import annotations

import numpy as np
from scipy.special import xlogy

from npuq.backend import Array, floats
from npuq.paper.reverse_channel import check_probabilities


def levels_divergence_bits(q: Array, p: Array) -> float:
    """-integral over h of w(h) log2 w(h), w(h) the probability of q/p >= h under p; beside Eq. (3).

    The channel simulation divergence of Goc and Flamich (2024): at least KL, at most
    KL + log2(KL + 1) + 1. It is log2(max q/p) where q/p is constant on its support.

    Args:
        q: (A,) probabilities of the target.
        p: (A,) probabilities of the proposal, positive where q is. For densities, those of many
            points that are alike under p: 1/A each.

    Raises:
        ValueError: q and p are no such probabilities.
    """
    q, p = check_probabilities(q, p)
    ratio = np.divide(q, p, out=np.zeros(q.shape), where=p > 0)
    order = np.argsort(-ratio, kind="stable")
    w = np.minimum(np.cumsum(p[order].astype(np.float64)), 1)  # P(r >= h) above the next level
    heights = -np.diff(ratio[order], append=0.0)
    return float(-(heights * xlogy(w, w)).sum() / np.log(2))


def functional_information_bits(q: Array, p_x: Array) -> float:
    """The lower bound on H[Z | U] at the top of this file, beside Eq. (3): Li and El Gamal (2017).

    It is the mean over z of the divergence above, of p(x | z) from p(x).

    Args:
        q: (X, Z), q(z | x) in row x; each sums to 1.
        p_x: (X,) probabilities of x.

    Returns:
        Bits, from I[X, Z] on.

    Raises:
        ValueError: these are no probabilities, or shapes do not fit.
    """
    q, p_x = floats(q, "q"), floats(p_x, "p_x")
    if q.ndim != 2 or q.shape[:1] != p_x.shape:
        raise ValueError(f"q must have shape (X, Z) and p_x (X,), not {q.shape} and {p_x.shape}")
    joint = q * p_x[:, None]
    p_z = joint.sum(axis=0)
    possible = np.flatnonzero(p_z)
    costs = [levels_divergence_bits(joint[:, z] / p_z[z], p_x) for z in possible]
    return float(p_z[possible] @ costs)
