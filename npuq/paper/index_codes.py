"""Bits for the index of reverse channel coding: Sec. 2.

Shapes: a number is an integer from 1, an index plus one. Elias's codes are real codes, given as
text of zeros and ones. The others are ideal code lengths -log2 P of a law P, which an arithmetic
coder reaches over many messages, and Shannon's code within a bit for each.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import xlog1py, zeta

from npuq.backend import Array


def elias_gamma(number: int) -> str:
    """Elias's gamma code (1975): 2 floor(log2 n) + 1 bits; Sec. 2.

    As many zeros as the binary number has digits after its first, then the number.

    Args:
        number: from 1.

    Raises:
        ValueError: it is smaller.
    """
    if number < 1:
        raise ValueError(f"number must be at least 1, not {number}")
    return "0" * (number.bit_length() - 1) + f"{number:b}"


def elias_gamma_decode(bits: str) -> tuple[int, str]:
    """The number whose `elias_gamma` code `bits` begins with, and what follows it; Sec. 2.

    Args:
        bits: zeros and ones.

    Returns:
        (number, the bits that follow).

    Raises:
        ValueError: the code is incomplete.
    """
    zeros = len(bits) - len(bits.lstrip("0"))
    return _binary(bits, zeros, 2 * zeros + 1)


def elias_delta(number: int) -> str:
    """Elias's delta code (1975): log2 n + 2 log2(log2 n + 1) + 1 bits at most; Sec. 2.

    The gamma code of how many binary digits the number has, then those after the first.

    Args:
        number: from 1.

    Raises:
        ValueError: it is smaller.
    """
    if number < 1:
        raise ValueError(f"number must be at least 1, not {number}")
    return elias_gamma(number.bit_length()) + f"{number:b}"[1:]


def elias_delta_decode(bits: str) -> tuple[int, str]:
    """The number whose `elias_delta` code `bits` begins with, and what follows it; Sec. 2.

    Args:
        bits: zeros and ones.

    Returns:
        (number, the bits that follow).

    Raises:
        ValueError: the code is incomplete.
    """
    digits, rest = elias_gamma_decode(bits)
    return _binary("1" + rest, 0, digits)


def _binary(bits: str, start: int, end: int) -> tuple[int, str]:
    if len(bits) < end:
        raise ValueError("bits must hold a whole code, but end within it")
    return int(bits[start:end], 2), bits[end:]


def fixed_length_bits(count: int) -> int:
    """Length of the index of one of `count` candidates, all alike: log2 N, rounded up; Sec. 2.

    Args:
        count: N, from 1.

    Raises:
        ValueError: it is smaller.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count}")
    return (count - 1).bit_length()


def zipf_bits(number: Array, information_bits: float) -> Array:
    """-log2 of n^-s / zeta(s), by which Li and El Gamal (2017) reach Eq. (3).

    s = 1 + 1/(I + log2(e)/e + 1): their index has E[log2 n] <= I + log2(e)/e + 1, and this is the
    law whose cross-entropy they bound by Eq. (3). Sender and receiver agree on I.

    Args:
        number: integers from 1, any shape.
        information_bits: mutual information I[X, Z]; or, for one target, KL of q from p.

    Returns:
        Bits, of the shape of `number`.
    """
    s = 1 + 1 / (information_bits + math.log2(math.e) / math.e + 1)
    return s * np.log2(number) + math.log2(zeta(s))


def geometric_bits(number: Array, acceptance: float) -> Array:
    """-log2 of a (1 - a)^(n - 1): the ideal code for the index of rejection sampling, Sec. 2.

    Args:
        number: integers from 1, any shape.
        acceptance: a, the probability that a candidate is accepted; in (0, 1].

    Returns:
        Bits, of the shape of `number`.

    Raises:
        ValueError: `acceptance` is no such probability.
    """
    if not 0 < acceptance <= 1:
        raise ValueError(f"acceptance must be in (0, 1], not {acceptance}")
    nats = -math.log(acceptance) - xlog1py(np.asarray(number) - 1, -acceptance)
    return nats / math.log(2)


def geometric_entropy_bits(acceptance: float) -> float:
    """Entropy of the index of rejection sampling; log2(1/a) + log2 e for small a. Sec. 2.

    Args:
        acceptance: a, the probability that a candidate is accepted; in (0, 1].

    Returns:
        Bits: those of the mean index, as `geometric_bits` is linear.

    Raises:
        ValueError: `acceptance` is no such probability.
    """
    mean = 1 / acceptance if acceptance > 0 else math.inf
    return float(geometric_bits(np.array(mean), acceptance))
