"""Shared uniform numbers are a function of their address, not of the call; and they are uniform."""

import os
from unittest import mock

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from npuq.coding.philox import philox4x32
from npuq.coding.shared_uniforms import shared_uniforms


@given(
    seeds(),
    st.sampled_from([0, 2**32 - 1]) | st.integers(0, 2**32 - 1),
    st.sampled_from([0, 2**32 - 60]) | st.integers(0, 2**32 - 60),
    st.integers(0, 30),
    st.integers(0, 30),
    st.integers(0, 9),
)
def test_window_is_the_cut_out_of_the_whole(seed, stream, start, skipped, count, dimensions):
    whole = shared_uniforms(start, 60, 9, seed=seed, stream=stream)
    window = shared_uniforms(start + skipped, count, dimensions, seed=seed, stream=stream)
    assert window.shape == (count, dimensions)
    assert np.array_equal(window, whole[skipped : skipped + count, :dimensions])
    with mock.patch.dict(os.environ, NPUQ_KERNELS="reference"):
        plain = shared_uniforms(start + skipped, count, dimensions, seed=seed, stream=stream)
    assert np.array_equal(window, plain)


def test_numbers_are_the_words_of_philox():
    seed, stream, candidate, dimension = (3 << 32) + 5, 7, 2**32 - 1, 6
    counter = np.array([candidate, dimension // 4, 0, stream], np.uint32)
    word = philox4x32(counter, np.array([5, 3], np.uint32))[dimension % 4]
    u = shared_uniforms(candidate, 1, 8, seed=seed, stream=stream)[0, dimension]
    assert u == (int(word) + 0.5) / 2**32


def test_numbers_are_uniform_and_independent():
    """False alarms of 1e-6 (Kolmogorov and Smirnov) and five standard errors."""
    streams = [shared_uniforms(0, 5000, 5, seed=1, stream=m) for m in (0, 1)]
    u = np.concatenate(streams, axis=1)
    assert scipy.stats.kstest(u.ravel(), "uniform").pvalue > 1e-6
    assert np.all(abs(np.corrcoef(u.T) - np.eye(10)) < 5 / np.sqrt(5000))
    assert np.all(abs(np.corrcoef(u[1:].T, u[:-1].T)[:10, 10:]) < 5 / np.sqrt(5000))


def test_addresses_out_of_range_are_refused():
    with pytest.raises(ValueError, match="^seed must be"):
        shared_uniforms(0, 1, 1, seed=-1)
    with pytest.raises(ValueError, match="^dimensions must be an integer from 0 on"):
        shared_uniforms(0, 1, -1, seed=0)
    with pytest.raises(ValueError, match=r"^first and count: candidates must be below 2\*\*32"):
        shared_uniforms(2**32 - 1, 2, 1, seed=0)
    with pytest.raises(ValueError, match=r"^stream must be an integer from 0 to 2\*\*32 - 1"):
        shared_uniforms(0, 1, 1, seed=0, stream=2**32)
