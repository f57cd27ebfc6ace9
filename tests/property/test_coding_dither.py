"""The dither is a function of the place, not of the window that asks for it."""

import os
from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from philox_of_paper import dither_at
from strategies import seeds

from npuq.coding.dither import dither_integers

side = st.integers(0, 40)
words = st.sampled_from([0, 15, 16, 2**31, 2**32 - 2]) | st.integers(0, 2**32 - 2)


@given(seeds(), st.integers(0, 3), side, side, side, side, st.integers(0, 2))
def test_window_is_the_cut_out_of_the_whole(seed, channels, top, left, rows, columns, first):
    whole = dither_integers((5, 80, 80), seed=seed, tensor=1)
    shape = channels, rows, columns
    place = {"first_channel": first, "first_row": top, "first_column": left}
    window = dither_integers(shape, seed=seed, tensor=1, **place)
    expected = whole[first : first + channels, top : top + rows, left : left + columns]
    assert np.array_equal(window, expected)
    with mock.patch.dict(os.environ, NPUQ_KERNELS="reference"):
        plain = dither_integers(shape, seed=seed, tensor=1, **place)
    assert np.array_equal(window, plain)


@given(seeds(), words, st.integers(0, 4), words, words)
def test_dither_is_that_of_its_address(seed, tensor, channel, row, column):
    n = dither_integers(
        (channel + 1, 1, 1), seed=seed, tensor=tensor, first_row=row, first_column=column
    )
    assert n[channel, 0, 0] == dither_at(seed, tensor, channel, row, column)
