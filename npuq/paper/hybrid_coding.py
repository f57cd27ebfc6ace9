"""Universal quantization and candidates together: what follows upon Secs. 2 and 3.

Theis and Yosri (2022), "Algorithms for the communication of samples". The target q vanishes outside
of a box around c of sides 1, and the proposal p is uniform on [0, M)^D, M an integer. Candidates of
p would hit the box once in M^D times. Hence candidate n is made by universal quantization of c,

    k_n = round(c - u_n),   z_n = k_n + u_n,   u_n uniform on [-1/2, 1/2)^D,

which is uniform on the box (Eq. 6). One of them is chosen as ever, and n and k_n are sent. Given
u_n, k_n is one of M^D integers, all alike: D log2 M bits that a fixed code attains, so that what
is beyond the information is that of the rest, KL - D log2 M, alone:

    KL + log2(KL - D log2 M + 1) + 4 bits   instead of   KL + log2(KL + 1) + 4,

and candidates are fewer by M^D. A target without a box gets one that has all but little of its
mass, and a proposal with distribution function c_P is uniform at M c_P(z).

Shapes: u, z, k (D,); over candidates, (count, D).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from npuq.backend import Array, floats
from npuq.paper.channel import universal_dequantize, universal_quantize
from npuq.paper.poisson_functional import (
    ordered_random_coding,
    poisson_functional_bound_bits,
    poisson_functional_representation,
)
from npuq.paper.reverse_channel import Candidates, LogDensity


class HybridMessage(NamedTuple):
    """What the sender arrives at, after Sec. 2.

    Attributes:
        n: number of the dither that is used, from 0; it is sent.
        k: (D,) integers, which are sent as well.
        examined: how many candidates were looked at.
    """

    n: int
    k: Array
    examined: int


def hybrid_coding(
    log_q: LogDensity,
    center: Array,
    dithers: Candidates,
    *,
    log_ratio_max: float = math.inf,
    count: int | None = None,
) -> HybridMessage:
    """Theis and Yosri (2022), after Sec. 2: exact, or as near as `count` candidates come.

    Args:
        log_q: log-density of the target in nats, -inf outside of the box; a constant may be
            missing.
        center: c of the box, (D,).
        dithers: u_n, uniform on [-1/2, 1/2)^D, as `shared_dithers` makes them.
        log_ratio_max: upper bound of log_q: the box has volume 1. It is needed unless `count` is
            given, for which the search then ends early.
        count: how many candidates there are for ordered random coding.

    Returns:
        The message; max q on average are examined where there is no `count`.

    Raises:
        ValueError: as by `poisson_functional_representation` or `ordered_random_coding`.
    """
    center = floats(center, "center")

    def sample(first: int, size: int) -> Array:
        u = dithers.sample(first, size)
        at = np.broadcast_to(center, u.shape)
        return universal_dequantize(universal_quantize(at, u), u)

    in_box = dithers._replace(sample=sample)
    if count is None:
        sent = poisson_functional_representation(log_q, in_box, log_ratio_max=log_ratio_max)
    else:
        sent = ordered_random_coding(log_q, in_box, count=count, log_ratio_max=log_ratio_max)
    k = universal_quantize(center, dithers.sample(sent.n, 1)[0])
    return HybridMessage(sent.n, k, sent.examined)


def receive_hybrid(n: int, k: Array, dithers: Candidates) -> Array:
    """z = k + u_n, the receiver's part, after Sec. 2.

    Args:
        n, k: what was received.
        dithers: those of the sender.

    Returns:
        (D,).
    """
    return universal_dequantize(floats(k, "k"), dithers.sample(n, 1)[0])


def hybrid_bound_bits(information_bits: float, quantized_bits: float) -> float:
    """KL + log2(KL - D log2 M + 1) + 4: Theis and Yosri (2022), after Eq. (3).

    Args:
        information_bits: KL of q from the proposal; or mutual information, if c is random.
        quantized_bits: D log2 M, what k is sent with.

    Returns:
        Bits, of the ideal code of n and a fixed one of k.

    Raises:
        ValueError: there is less information than that of the box alone.
    """
    return quantized_bits + poisson_functional_bound_bits(information_bits - quantized_bits)
