"""Philox's published answers, the dither of each address, and its statistics."""

import doctest

import numpy as np
import pytest
from philox_of_paper import dither_at, philox

from npuq.coding.dither import dither_integers, dither_values
from npuq.coding.philox import philox4x32
from npuq.paper.channel import universal_dequantize, universal_quantize

ONES = 0xFFFFFFFF
# Random123's known answers for philox4x32, 10 rounds: all zeros, all ones, the digits of pi
KNOWN_ANSWERS = [
    ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([ONES] * 4, [ONES] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN_ANSWERS)
def test_philox_gives_its_published_answers(counter, key, words):
    got = philox4x32(np.array(counter, np.uint32), np.array(key, np.uint32))
    assert got.dtype == np.uint32
    assert got.tolist() == words


def test_philox_of_many_counters_is_philox_of_each():
    counter = np.arange(24, dtype=np.uint32).reshape(2, 3, 4)
    key = np.array([7, 8], np.uint32)
    words = philox4x32(counter, key)
    for place in np.ndindex(2, 3):
        assert np.array_equal(words[place], philox4x32(counter[place], key))


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN_ANSWERS)
def test_so_does_the_one_that_tests_compare_with(counter, key, words):
    assert philox(counter, key) == words


ENDS = (0, 1, 15, 16, 17, 2**16, 2**31, 2**32 - 17, 2**32 - 2)


@pytest.mark.parametrize("kernels", ["fast", "reference"])
@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**63 + 12345, 2**64 - 1])
def test_dither_is_that_of_its_address(monkeypatch, kernels, seed):
    """(seed, tensor, channel, row, column), each at its ends, and all different from each other."""
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    for i, row in enumerate(ENDS):
        for j, column in enumerate(ENDS):
            tensor = (0, 1, 2, 2**32 - 1)[(i + j) % 4]
            n = dither_integers((3, 1, 1), seed=seed, tensor=tensor, first_row=row,
                                first_column=column)  # fmt: skip
            expected = [dither_at(seed, tensor, channel, row, column) for channel in range(3)]
            assert n[:, 0, 0].tolist() == expected


@pytest.mark.parametrize("kernels", ["fast", "reference"])
def test_dither_of_a_window_is_that_of_all_its_addresses(monkeypatch, kernels):
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    shape, seed, tensor, top, left = (5, 4, 37), (3 << 32) + 5, 2, 1000, 77
    n = dither_integers(shape, seed=seed, tensor=tensor, first_row=top, first_column=left)
    expected = [dither_at(seed, tensor, c, top + i, left + j) for c, i, j in np.ndindex(shape)]
    assert n.ravel().tolist() == expected


def test_the_answers_that_help_quotes_are_given():
    """The bytes of Philox's published words for zeros first: 0x6627E8D5 ends in 0xD5, 213."""
    names = {"dither_integers": dither_integers}
    (example,) = doctest.DocTestFinder().find(
        dither_integers, "dither_integers", globs=names, module=False
    )
    assert len(example.examples) == 3
    said = []
    assert doctest.DocTestRunner(verbose=False).run(example, out=said.append).failed == 0, said


def test_dither_is_uniform():
    n = dither_integers((16, 64, 64), seed=1)
    expected = n.size / 256
    chi_square = np.sum((np.bincount(n.ravel(), minlength=256) - expected) ** 2) / expected
    assert 160 < chi_square < 370  # 255 degrees of freedom: mean 255, standard deviation 22.6


@pytest.mark.parametrize("lag", [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, 16)])
def test_dither_of_neighbours_is_uncorrelated(lag):
    u = dither_values(dither_integers((17, 65, 80), seed=2), np.float64)
    c, r, w = lag
    a, b = u[: 17 - c, : 65 - r, : 80 - w].ravel(), u[c:, r:, w:].ravel()
    correlation = np.mean(a * b) / np.mean(u * u)
    assert abs(correlation) < 5 / np.sqrt(a.size)  # five standard errors


def test_dither_differs_by_seed_and_tensor():
    # differing dithers agree in 1 of 256 places; 8192 places: 32 +- 5.6
    base = dither_integers((2, 64, 64), seed=1)
    for other in ({"seed": 2}, {"seed": 1 + (1 << 32)}, {"seed": 1, "tensor": 1}):
        assert np.sum(base == dither_integers((2, 64, 64), **other)) < 70


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dither_values_are_exact_symmetric_and_inside_the_half_unit(dtype):
    u = dither_values(np.arange(256, dtype=np.uint8), dtype)
    assert u.dtype == dtype
    assert np.array_equal(u * 512, 2.0 * np.arange(256) - 255)
    assert np.array_equal(u, -u[::-1])
    assert u.max() < 0.5


def mean_errors(y):
    """The mean over all dithers of the error of each y; exact for y in 1/2048."""
    y, u = np.broadcast_arrays(y[:, None], dither_values(np.arange(256), np.float64))
    return (universal_dequantize(universal_quantize(y, u), u) - y).mean(axis=1)


def test_the_mean_error_is_0_over_all_y_and_up_to_1_512_for_one():
    """Where Eq. (6) has 0 for each: the grid of 256 dithers moves with y by up to half a step."""
    assert mean_errors(np.array([1 / 512, 2 / 512, 5 / 512])).tolist() == [1 / 512, 0, 1 / 512]
    means = mean_errors((2 * np.arange(-1024, 1024) + 1) / 2048)  # between ties
    assert means.mean() == 0
    assert 1 / 1024 < abs(means).max() < 1 / 512


@pytest.mark.parametrize("seed", [-1, 1 << 64])
def test_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match="seed"):
        dither_integers((1, 1, 1), seed=seed)


@pytest.mark.parametrize("place", [{"tensor": -1}, {"first_row": -1}, {"first_column": 1 << 32}])
def test_coordinate_out_of_range_is_refused(place):
    (name,) = place
    with pytest.raises(ValueError, match=rf"^{name} must be an integer from 0 to 2\*\*32 - 1"):
        dither_integers((1, 1, 1), seed=0, **place)
    with pytest.raises(ValueError, match="^shape: a coordinate of the dither"):
        dither_integers((1, 2, 1), seed=0, first_row=2**32 - 2)
