"""The convolutions against SciPy's correlation, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.signal

from npuq.nn.conv import conv2d, conv2d_backward, pair
from npuq.nn.conv_transpose import conv_transpose2d, conv_transpose2d_backward
from npuq.nn.initialize import block_dct

RNG = np.random.default_rng(2)
X = RNG.standard_normal((2, 3, 9, 8))
W = RNG.standard_normal((4, 3, 3, 2))
B = RNG.standard_normal(4)


@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
@pytest.mark.parametrize("padding", [(0, 0), (2, 1)])
def test_conv2d_is_scipys_correlation(stride: tuple[int, int], padding: tuple[int, int]) -> None:
    rows, columns = padding
    padded = np.pad(X, ((0, 0), (0, 0), (rows, rows), (columns, columns)))
    y = conv2d(X, W, B, stride=stride, padding=padding)
    for n in range(len(X)):
        for o in range(len(W)):
            full = scipy.signal.correlate(padded[n], W[o], mode="valid", method="direct")[0]
            expected = full[:: stride[0], :: stride[1]] + B[o]
            np.testing.assert_allclose(y[n, o], expected, rtol=1e-12, atol=1e-13)


def test_conv_transpose2d_is_a_full_convolution_at_stride_1() -> None:
    w = RNG.standard_normal((3, 2, 3, 2))
    y = conv_transpose2d(X, w)
    for o in range(2):
        expected = sum(scipy.signal.convolve2d(X[0, c], w[c, o]) for c in range(3))
        np.testing.assert_allclose(y[0, o], expected, rtol=1e-12, atol=1e-13)


def test_an_orthonormal_block_transform_inverts_by_its_transpose() -> None:
    w = block_dct().reshape(192, 3, 8, 8)
    x = RNG.standard_normal((1, 3, 16, 8))
    back = conv_transpose2d(conv2d(x, w, stride=8), w, stride=8)
    np.testing.assert_allclose(back, x, atol=1e-13)


def test_an_empty_batch_stays_empty() -> None:
    y = conv2d(X[:0], W, B)
    d_x, d_w, _ = conv2d_backward(y, X[:0], W, B)
    assert y.shape == (0, 4, 7, 7)
    assert d_x.shape == (0, 3, 9, 8)
    np.testing.assert_array_equal(d_w, np.zeros(W.shape))


def test_conv2d_names_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="x must be .* and w"):
        conv2d(X[:, :2], W)
    with pytest.raises(ValueError, match="x must be .* and w"):
        conv2d(X[0], W)
    with pytest.raises(ValueError, match=r"b must have shape \(4,\), not \(3,\)"):
        conv2d(X, W, B[:3])
    with pytest.raises(ValueError, match="larger than the padded x"):
        conv2d(X[:, :, :2], W)
    with pytest.raises(ValueError, match="stride must be .* >= 1"):
        conv2d(X, W, stride=0)
    with pytest.raises(ValueError, match="padding must be .* >= 0"):
        conv2d(X, W, padding=(1, -1))
    with pytest.raises(ValueError, match="d_y must have shape"):
        conv2d_backward(X, X, W)


@pytest.mark.parametrize("value", [2, np.int64(2), (2, 2), [2, np.uint8(2)]], ids=repr)
def test_any_integers_are_a_pair(value: Any) -> None:
    both = pair("stride", value, least=1)
    assert both == (2, 2)
    assert all(type(v) is int for v in both)


@pytest.mark.parametrize(
    "value",
    [0, (2, 0), True, (2, True), np.True_, 2.0, (2, None), "22", (2,), (2, 2, 2), np.array([2, 2])],
    ids=repr,
)
def test_other_things_are_no_pair(value: Any) -> None:
    with pytest.raises(ValueError, match="stride must be one or two integers >= 1"):
        pair("stride", value, least=1)


def test_conv_transpose2d_names_what_does_not_fit() -> None:
    w = W.swapaxes(0, 1)
    with pytest.raises(ValueError, match="x must be .* and w"):
        conv_transpose2d(X, W)
    with pytest.raises(ValueError, match=r"b must have shape \(4,\), not \(3,\)"):
        conv_transpose2d(X, w, B[:3])
    with pytest.raises(ValueError, match="output_padding must be less than the stride"):
        conv_transpose2d(X, w, stride=2, output_padding=2)
    with pytest.raises(ValueError, match="leaves no pixel"):
        conv_transpose2d(X, w, padding=6)
    with pytest.raises(ValueError, match="d_y must have shape"):
        conv_transpose2d_backward(X, X, w)
