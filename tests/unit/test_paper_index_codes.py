"""Codes for the index: Elias's, and the ideal lengths of Zipf's and of geometric laws."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npuq.paper.index_codes import (
    elias_delta,
    elias_delta_decode,
    elias_gamma,
    elias_gamma_decode,
    fixed_length_bits,
    geometric_bits,
    geometric_entropy_bits,
    zipf_bits,
)

ELIAS = [(elias_gamma, elias_gamma_decode), (elias_delta, elias_delta_decode)]
Encode = Callable[[int], str]
Decode = Callable[[str], tuple[int, str]]


def test_elias_codes_are_the_published_ones() -> None:
    assert [elias_gamma(n) for n in (1, 2, 3, 4, 8)] == ["1", "010", "011", "00100", "0001000"]
    assert [elias_delta(n) for n in (1, 2, 3, 4, 8, 17)] == [
        *("1", "0100", "0101", "01100", "00100000", "001010001")
    ]


@pytest.mark.parametrize(("encode", "decode"), ELIAS)
@given(number=st.integers(1, 2**70), rest=st.text("01", max_size=20))
def test_elias_codes_are_read_back_whatever_follows(
    encode: Encode, decode: Decode, number: int, rest: str
) -> None:
    bits = encode(number)
    assert decode(bits + rest) == (number, rest)
    log2 = number.bit_length() - 1
    gamma = 2 * log2 + 1
    assert len(bits) == (
        gamma if encode is elias_gamma else log2 + 2 * ((log2 + 1).bit_length() - 1) + 1
    )
    for end in range(len(bits)):
        with pytest.raises(ValueError, match="^bits must hold a whole code"):
            decode(bits[:end])


@pytest.mark.parametrize("encode", [elias_gamma, elias_delta])
def test_elias_codes_waste_nothing(encode: Encode) -> None:
    """Kraft's sum of all numbers is 1: of those up to 15 binary digits, what is below."""
    kraft = sum(2.0 ** -len(encode(n)) for n in range(1, 2**15))
    assert kraft == 1 - 2.0 ** (-15 if encode is elias_gamma else -4)


@pytest.mark.parametrize("function", [elias_gamma, elias_delta, fixed_length_bits])
def test_numbers_begin_at_1(function: Callable[[int], object]) -> None:
    with pytest.raises(ValueError, match="must be at least 1, not 0"):
        function(0)


@given(st.integers(1, 2**40))
def test_fixed_length_is_enough_and_no_bit_less_is(count: int) -> None:
    bits = fixed_length_bits(count)
    assert 2**bits >= count
    assert bits == 0 or 2 ** (bits - 1) < count


@pytest.mark.parametrize("information_bits", [0.0, 1.0, 4.0])
def test_zipf_law_is_a_law(information_bits: float) -> None:
    """The sum to 10^6 and, by the integral, of the rest."""
    n = np.arange(1.0, 10**6 + 1)
    p = 2.0 ** -zipf_bits(n, information_bits)
    s = math.log2(p[0] / p[1])
    rest = p[-1] * n[-1] / (s - 1) - p[-1] / 2
    assert p.sum() + rest == pytest.approx(1, abs=1e-6)
    assert s == pytest.approx(1 + 1 / (information_bits + 1 + math.log2(math.e) / math.e))


@pytest.mark.parametrize("acceptance", [1.0, 0.5, 0.1, 1e-3])
def test_geometric_law_and_its_entropy(acceptance: float) -> None:
    n = np.arange(1, 50_000)
    bits = geometric_bits(n, acceptance)
    p = 2.0**-bits
    assert p.sum() == pytest.approx(1)
    entropy = np.where(p > 0, p * np.where(p > 0, bits, 0), 0).sum()
    assert geometric_entropy_bits(acceptance) == pytest.approx(entropy, abs=1e-12)


def test_geometric_entropy_is_1_point_44_bits_above_the_information() -> None:
    bits = geometric_entropy_bits(15.0**-4)
    assert bits == pytest.approx(4 * math.log2(15) + math.log2(math.e), abs=1e-4)


@pytest.mark.parametrize("acceptance", [0.0, -0.1, 1.1, math.nan])
def test_what_is_no_acceptance_is_refused(acceptance: float) -> None:
    for call in (lambda a: geometric_bits(np.array(1), a), geometric_entropy_bits):
        with pytest.raises(ValueError, match="^acceptance must be in"):
            call(acceptance)
