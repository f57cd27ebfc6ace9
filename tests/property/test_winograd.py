"""Winograd's convolutions are the convolutions of the definition."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from npuq.nn import conv_last
from npuq.nn.conv import conv2d, conv2d_backward
from npuq.nn.conv_last import conv2d_last, conv2d_last_backward
from npuq.nn.winograd import SIDE, Winograd, axis

OUTPUT = ((1, 1, 1, 0), (0, 1, -1, 1))  # y_0 and y_1 of the values at the points


@given(st.integers(1, 3), st.data())
def test_an_axis_in_fractions(stride: int, data: st.DataObject) -> None:
    """Two outputs are sums of one product for each entry, exactly."""
    taps = data.draw(st.integers(1, 3 * stride))
    assume(Winograd.applies((taps,), stride))
    numbers = st.integers(-1000, 1000)
    g = [Fraction(data.draw(numbers)) for _ in range(taps)]
    d = [Fraction(data.draw(numbers)) for _ in range(stride + taps)]
    form, factors = axis(taps, stride)
    m = [Fraction(0)] * 4
    for point in range(4):
        for entry in range(form.starts[point], form.starts[point + 1]):
            kernel = sum(Fraction(f) * tap for f, tap in zip(factors[entry], g, strict=True))
            pixel = d[form.first[entry]] + int(form.sign[entry]) * d[form.second[entry]]
            m[point] += kernel * pixel
    for n in range(SIDE):
        expected = sum(g[t] * d[n * stride + t] for t in range(taps))
        assert sum(a * b for a, b in zip(OUTPUT[n], m, strict=True)) == expected


@pytest.mark.parametrize(
    ("taps", "stride", "products"), [(5, 2, 7), (3, 1, 4), (2, 1, 3), (4, 2, 6)]
)
def test_how_many_products_a_tile_takes(taps: int, stride: int, products: int) -> None:
    assert len(axis(taps, stride)[0].first) == products


@given(
    stride=st.integers(1, 3),
    k=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    more=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    padding=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_integers_convolve_exactly(
    stride: int, k: tuple[int, int], more: tuple[int, int], padding: int, seed: int
) -> None:
    """Forward and backward, since halves of small integers and their products are exact."""
    assume(Winograd.applies(k, stride))
    rng = np.random.default_rng(seed)
    size = [n + m for n, m in zip(k, more, strict=True)]
    x = rng.integers(-9, 10, (2, 3, *size)).astype(float)
    w = rng.integers(-9, 10, (4, 3, *k)).astype(float)
    b = rng.integers(-9, 10, 4).astype(float)
    static = {"stride": stride, "padding": padding}
    y = conv2d(x, w, b, **static)
    d_y = rng.integers(-9, 10, y.shape).astype(float)
    x_last, d_y_last = (np.ascontiguousarray(a.transpose(0, 2, 3, 1)) for a in (x, d_y))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv_last, "NARROW", 1)
        found = conv2d_last(x_last, w, b, **static)
        gradients = conv2d_last_backward(d_y_last, x_last, w, b, **static)
    assert np.array_equal(found, y.transpose(0, 2, 3, 1))
    d_x, d_w, d_b = conv2d_backward(d_y, x, w, b, **static)
    assert np.array_equal(gradients[0], d_x.transpose(0, 2, 3, 1))
    assert np.array_equal(gradients[1], d_w)
    assert np.array_equal(gradients[2], d_b)
