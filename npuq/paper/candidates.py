"""Candidates of reverse channel coding (Sec. 2) that sender and receiver draw from one seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from npuq.backend import Array
from npuq.coding.shared_uniforms import shared_uniforms
from npuq.paper.reverse_channel import Candidates


def shared_candidates(
    quantile: Callable[[Array], Array],
    log_density: Callable[[Array], Array],
    dimensions: int,
    *,
    seed: int,
    message: int = 0,
) -> Candidates:
    """Candidates of a proposal p, the same on every machine that computes `quantile` alike. Sec. 2.

    Message m uses streams 2 m, for the candidates, and 2 m + 1, for the selection.

    Args:
        quantile: makes samples of p from uniform numbers, (count, dimensions) -> (count, ...): the
            inverse of p's distribution function, for each coordinate.
        log_density: z -> log p(z), in nats, (count, ...) -> (count,).
        dimensions: how many uniform numbers a sample is made from.
        seed: 0 .. 2^64 - 1.
        message: 0 .. 2^31 - 1; each message, and each block of one, needs candidates of its own.
    """

    def sample(first: int, count: int) -> Array:
        return quantile(shared_uniforms(first, count, dimensions, seed=seed, stream=2 * message))

    def uniforms(first: int, count: int) -> Array:
        return shared_uniforms(first, count, 1, seed=seed, stream=2 * message + 1)[:, 0]

    return Candidates(sample, log_density, uniforms)


def shared_dithers(dimensions: int, *, seed: int, message: int = 0) -> Candidates:
    """Dithers u_n, uniform on [-1/2, 1/2)^D, of which a sender chooses one. Sec. 3.2.

    Args:
        dimensions: D.
        seed, message: as for `shared_candidates`.
    """
    return shared_candidates(
        lambda u: u - 0.5, lambda u: np.zeros(len(u)), dimensions, seed=seed, message=message
    )
