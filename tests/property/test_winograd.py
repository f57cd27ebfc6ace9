"""Winograd's convolutions are the convolutions of the definition."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npuq.kernels.cpu import conv as fast
from npuq.kernels.cpu.winograd import Winograd, one_axis
from npuq.nn import conv as plain
from npuq.nn.winograd import A, B, G, conv2d_winograd

NUMBERS = st.integers(-1000, 1000)


@given(st.lists(NUMBERS, min_size=3, max_size=3), st.lists(NUMBERS, min_size=4, max_size=4))
def test_the_matrices_in_integers(g: list[int], d: list[int]) -> None:
    """y = A' ((G g) * (B' d)): twice that, in which no halves are left."""
    twice = A.T @ (2 * G @ g * (B.T @ d))
    assert twice.tolist() == [2 * sum(g[t] * d[n + t] for t in range(3)) for n in range(2)]


@given(st.integers(1, 3), st.data())
def test_an_axis_in_fractions(stride: int, data: st.DataObject) -> None:
    """Two outputs are sums of one product for each entry, exactly."""
    taps = data.draw(st.integers(2 * stride, 3 * stride))
    assert Winograd.applies((taps,), stride)
    g = [Fraction(data.draw(NUMBERS)) for _ in range(taps)]
    d = [Fraction(data.draw(NUMBERS)) for _ in range(stride + taps)]
    factors, axis = one_axis(taps, stride)
    m = [Fraction(0)] * 4
    for point in range(4):
        for entry in range(axis.starts[point], axis.starts[point + 1]):
            kernel = sum(Fraction(f) * tap for f, tap in zip(factors[entry], g, strict=True))
            pixel = d[axis.first[entry]] + int(axis.sign[entry]) * d[axis.second[entry]]
            m[point] += kernel * pixel
    for n in range(2):
        expected = sum(g[t] * d[n * stride + t] for t in range(taps))
        assert sum(int(a) * value for a, value in zip(A[:, n], m, strict=True)) == expected


@pytest.mark.parametrize(
    ("taps", "stride", "products"), [(5, 2, 7), (3, 1, 4), (2, 1, 3), (4, 2, 6)]
)
def test_how_many_products_a_tile_takes(taps: int, stride: int, products: int) -> None:
    assert len(one_axis(taps, stride).kernel) == products


@given(
    stride=st.integers(1, 3),
    longer=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    more=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    padding=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_integers_convolve_exactly(
    stride: int, longer: tuple[int, int], more: tuple[int, int], padding: int, seed: int
) -> None:
    """Forward and backward, since halves of small integers and their products are exact."""
    k = tuple(2 * stride + min(n, stride) for n in longer)
    assert Winograd.applies(k, stride)
    rng = np.random.default_rng(seed)
    size = [n + m for n, m in zip(k, more, strict=True)]
    x = rng.integers(-9, 10, (2, *size, 3)).astype(float)
    w = rng.integers(-9, 10, (4, 3, *k)).astype(float)
    static = {"stride": stride, "padding": padding}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "method_for", lambda shape, stride, dtype: Winograd(shape, stride))
        y = fast.conv2d(x, w, **static)
        d_y = rng.integers(-9, 10, y.shape).astype(float)
        d_x = fast.conv2d_input_gradient(d_y, w, size=size, **static)
        d_w = fast.conv2d_kernel_gradient(d_y, x, kernel=k, **static)
        patch.setenv("NPUQ_KERNELS", "reference")
        assert np.array_equal(y, plain.conv2d(x, w, **static))
        assert np.array_equal(y, conv2d_winograd(x, w, **static))
        assert np.array_equal(d_x, plain.conv2d_input_gradient(d_y, w, size=size, **static))
        assert np.array_equal(d_w, plain.conv2d_kernel_gradient(d_y, x, kernel=k, **static))
