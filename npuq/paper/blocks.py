"""Blockwise reverse channel coding of vectors: Sec. 3, after Havasi et al. (2019).

A target whose coordinates are independent can be sent in blocks, each with candidates of its own:
2^KL of every block are added, where a single message would have their product. What each block
costs beyond its information is added as well: the dilemma of Sec. 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from npuq.backend import Array, floats
from npuq.paper.reverse_channel import Candidates, LogDensity, Message, receive


def split_by_information(information_bits: Array, most_bits: float) -> list[slice]:
    """Divide coordinates, in order, into blocks of at most `most_bits` each, Sec. 3.

    Flamich, Havasi and Hernandez-Lobato (2020) divide the latent variables of images like this.

    Args:
        information_bits: KL divergence of each coordinate, shape (D,).
        most_bits: what a block may hold; a coordinate with more is a block of its own.

    Returns:
        The blocks, slices of 0 .. D.

    Raises:
        ValueError: the information is not of shape (D,), or negative.
    """
    information = floats(information_bits, "information_bits")
    if information.ndim != 1 or not (information >= 0).all():
        raise ValueError("information_bits must be of shape (D,) and must not be negative")
    blocks, start, total = [], 0, 0.0
    for i, bits in enumerate(information.tolist()):
        if i > start and total + bits > most_bits:
            blocks.append(slice(start, i))
            start, total = i, 0.0
        total += bits
    if start < information.size:
        blocks.append(slice(start, information.size))
    return blocks


def send_blocks(
    send: Callable[[LogDensity, Candidates], Message],
    log_q: Sequence[LogDensity],
    candidates: Sequence[Candidates],
) -> list[Message]:
    """One message for each block, Sec. 3.

    Args:
        send: a method, (log_q, candidates) -> message.
        log_q: log-density of each block.
        candidates: of each block, independent of each other.

    Returns:
        The messages. Their candidates, examined in turn, add up.
    """
    return [send(*block) for block in zip(log_q, candidates, strict=True)]


def receive_blocks(ns: Sequence[int], candidates: Sequence[Candidates]) -> Array:
    """The vector that was sent by `send_blocks`, Sec. 3.

    Args:
        ns: the index of each block.
        candidates: those of the sender; z of shape (d,).

    Returns:
        z, the blocks one after another, shape (D,).
    """
    return np.concatenate([receive(*block) for block in zip(ns, candidates, strict=True)])
