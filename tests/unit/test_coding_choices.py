"""Choices by distributions of their own: round trips, length, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npuq.backend import Array
from npuq.coding.choices import decode_choices, encode_choices
from npuq.coding.tables import TOTAL


def random_edges(rng: np.random.Generator, n: int, m: int) -> Array:
    """Rows from nearly even to nearly sure."""
    p = rng.dirichlet(np.full(m, 0.3), n)
    edges = np.zeros((n, m + 1), np.int64)
    edges[:, 1:] = np.cumsum(np.floor(p * (TOTAL - m)).astype(np.int64) + 1, axis=1)
    edges[:, -1] = TOTAL
    return edges


@pytest.fixture(params=["fast", "reference"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUQ_KERNELS", request.param)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(("n", "m"), [(0, 3), (1, 1), (1, 2), (500, 2), (700, 16)])
def test_choices_come_back_from_as_many_bits_as_they_cost(n: int, m: int) -> None:
    """Likely ones, the least likely ones, and the ends of rows."""
    rng = np.random.default_rng(n + m)
    edges = random_edges(rng, n, m)
    shares = np.diff(edges, axis=1)
    by_chance = (edges[:, 1:] <= rng.integers(0, TOTAL, n)[:, None]).sum(axis=1)
    for choices in (by_chance, shares.argmin(axis=1), shares.argmax(axis=1), 0 * by_chance,
                    0 * by_chance + m - 1):  # fmt: skip
        data = encode_choices(choices, edges)
        np.testing.assert_array_equal(decode_choices(data, edges), choices)
        bits = (24 - np.log2(shares[np.arange(n), choices])).sum()
        assert 8 * len(data) <= bits + 16 + n * 2**-20
        if choices is by_chance:  # zero bytes at the end are not written
            assert 8 * len(data) >= bits - 24


def test_plain_and_compiled_write_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    edges = random_edges(np.random.default_rng(0), 300, 8)
    choices = np.arange(300) % 8
    data = encode_choices(choices, edges)
    monkeypatch.setenv("NPUQ_KERNELS", "reference")
    assert encode_choices(choices, edges) == data


@given(data=st.binary(max_size=40), seed=st.integers(0, 100))
def test_any_bytes_decode_to_something(data: bytes, seed: int) -> None:
    edges = random_edges(np.random.default_rng(seed), 50, 5)
    found = decode_choices(data, edges)
    assert found.shape == (50,) and found.min() >= 0 and found.max() < 5


@pytest.mark.parametrize(
    ("edges", "says"),
    [
        ([[0, TOTAL - 1]], "must rise"),
        ([[1, TOTAL]], "must rise"),
        ([[0, 7, 7, TOTAL]], "must rise"),
        ([[0.0, TOTAL]], "must be integers"),
        ([0, TOTAL], "must be integers"),
    ],
)
def test_what_divides_nothing_is_refused(edges: list, says: str) -> None:
    with pytest.raises(ValueError, match=f"^edges {says}"):
        encode_choices(np.zeros(1, np.int64), np.array(edges))
    with pytest.raises(ValueError, match=f"^edges {says}"):
        decode_choices(b"", np.array(edges))
    with pytest.raises(ValueError, match="^choices must have shape"):
        encode_choices(np.zeros(2, np.int64), np.array([[0, TOTAL]]))
