"""Channels-last convolutions are the channels-first ones in another layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from npuq.nn.conv import conv2d
from npuq.nn.conv_last import conv2d_last, conv_transpose2d_last
from npuq.nn.conv_transpose import conv_transpose2d


def last(x: Any) -> Any:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("size", "k", "stride", "padding"),
    [((8, 12), 5, 2, 2), ((7, 9), 5, 2, 2), ((6, 5), 3, 1, 1), ((10, 11), 3, 3, 1)],
)
def test_the_same_convolution(
    size: tuple[int, int], k: int, stride: int, padding: int, dtype: Any
) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, *size)).astype(dtype)
    w, b = rng.standard_normal((4, 3, k, k)).astype(dtype), rng.standard_normal(4).astype(dtype)
    expected = conv2d(x, w, b, stride=stride, padding=padding)
    y = conv2d_last(last(x), w, b, stride=stride, padding=padding)
    assert y.dtype == dtype
    tolerance = 1e-4 if dtype == np.float32 else 1e-12  # sums of 75 products of size 1
    np.testing.assert_allclose(y, last(expected), rtol=0, atol=tolerance)


@pytest.mark.parametrize("size", [(1, 1), (3, 4)])
def test_the_same_transposed_convolution(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, *size)), rng.standard_normal((3, 4, 5, 5))
    b = rng.standard_normal(4)
    static = {"stride": 2, "padding": 2, "output_padding": 1}
    y = conv_transpose2d_last(last(x), w, b, **static)
    expected = conv_transpose2d(x, w, b, **static)
    np.testing.assert_allclose(y, last(expected), rtol=0, atol=1e-12)
