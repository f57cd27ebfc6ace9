"""Candidates on a line as the nodes of a binary tree: for the methods of linear time, after Sec. 2.

Flamich, Markou and Hernandez-Lobato (2022) and Flamich (2023) search a Poisson process that is
ordered in time and divided in place. The root has the first arrival of all; its place divides the
line into two intervals, each of which has its own first arrival after that one's, and so on. In an
interval of probability P(B) arrivals wait for exponential times of rate P(B). A sender that knows
where q/p can be large follows few branches.

A node has number i, its children 2 i and 2 i + 1, and the root 1; so i in binary, after its first
digit, is the way from the root: 0 is left, 1 right. The receiver walks it and finds the interval,
and the place in it, without a look at any other node.

Shapes: numbers and intervals are single ones; places v are in (0, 1), z = quantile(v). Places have
53 bits, enough for targets of some 40 bits of KL.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from npuq.arguments import integer
from npuq.coding.philox import WORD_MASK, philox4x32

MOST_LEVELS = 96  # of the tree: numbers of nodes fill three words


class Tree(NamedTuple):
    """What sender and receiver share: two uniform numbers for each node. After Sec. 2.

    Attributes:
        quantile: v -> z, the inverse of the distribution function of p.
        uniforms: number of a node -> two independent uniform numbers of (0, 1).
    """

    quantile: Callable[[float], float]
    uniforms: Callable[[int], tuple[float, float]]


class Node(NamedTuple):
    """An arrival: the first in its interval after that of its parent. After Sec. 2."""

    number: int
    low: float  # the interval B, in places: P(B) = high - low
    high: float
    time: float
    place: float  # uniform on the interval
    z: float


def shared_tree(quantile: Callable[[float], float], *, seed: int, message: int = 0) -> Tree:
    """A tree of p, the same on every machine that computes `quantile` alike. After Sec. 2.

    The counter (number mod 2^32, number div 2^32 mod 2^32, number div 2^64, message) under the key
    of the seed gives four words, of which the first two are used.

    Args:
        quantile: of the proposal p.
        seed: 0 .. 2^64 - 1; not one that `shared_candidates` has, too.
        message: 0 .. 2^32 - 1; each needs a tree of its own.

    Raises:
        ValueError: seed or message is out of range.
        TypeError: one is no integer.
    """
    seed = integer(seed, "seed", 0, (1 << 64) - 1)
    message = integer(message, "message", 0, WORD_MASK)
    key = np.array([seed & WORD_MASK, seed >> 32], np.uint32)

    def uniforms(number: int) -> tuple[float, float]:
        digits = [number & WORD_MASK, number >> 32 & WORD_MASK, number >> 64]
        words = philox4x32(np.array([*digits, message], np.uint32), key).tolist()
        return (words[0] + 0.5) / 2.0**32, (words[1] + 0.5) / 2.0**32

    return Tree(quantile, uniforms)


def root(tree: Tree) -> Node:
    """The first arrival of all, after Sec. 2."""
    return _arrival(tree, 1, 0.0, 1.0, 0.0)


def child(tree: Tree, parent: Node, side: int) -> Node:
    """The first arrival left (side 0) or right (1) of the parent's place, after it. After Sec. 2.

    Raises:
        ValueError: the interval is too short for floats, or lies too deep.
    """
    ends = (parent.low, parent.place) if side == 0 else (parent.place, parent.high)
    return _arrival(tree, 2 * parent.number + side, *ends, parent.time)


def _arrival(tree: Tree, number: int, low: float, high: float, after: float) -> Node:
    if number >> MOST_LEVELS or not high > low:
        raise ValueError("the target is too narrow beside the proposal for a search in floats")
    at, wait = tree.uniforms(number)
    place = low + (high - low) * at
    time = after - math.log(wait) / (high - low)
    return Node(number, low, high, time, place, tree.quantile(place))


def walk(n: int, tree: Tree) -> Node:
    """The node of a message, found along its way from the root, after Sec. 2.

    Args:
        n: what a sender sends, the number of the node less 1.
        tree: that of the sender.

    Raises:
        ValueError: n is negative, or of a node too deep for floats.
        TypeError: n is no integer.
    """
    n, node = integer(n, "n", 0), root(tree)
    for digit in f"{n + 1:b}"[1:]:
        node = child(tree, node, int(digit))
    return node


def receive_node(n: int, tree: Tree) -> float:
    """z, the receiver's part in the methods that search a tree, after Sec. 2."""
    return walk(n, tree).z


def way_bits(n: int, tree: Tree) -> float:
    """-log2 P(B) of the node's interval: the ideal code for the way, given how long it is. Sec. 2.

    Left is taken with the probability of that part of the interval, which is known beforehand; all
    the parts on the way, multiplied, are P(B).
    """
    node = walk(n, tree)
    return -math.log2(node.high - node.low)


def levels(n: int) -> int:
    """How many nodes are on the way, from 1; `index_codes.zipf_bits` codes it. After Sec. 2."""
    return (n + 1).bit_length()
