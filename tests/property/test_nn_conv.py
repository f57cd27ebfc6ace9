"""The transposed convolution is the adjoint of the convolution, of every shape."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from npuq.nn.conv import conv2d, conv2d_backward, conv_transpose2d

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@given(
    seed=st.integers(0, 99),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.integers(1, 4),
    padding=st.integers(0, 3),
    more=st.integers(0, 3),
    size=SIZES,
)
def test_adjointness(
    seed: int,
    kernel: tuple[int, int],
    stride: int,
    padding: int,
    more: int,
    size: tuple[int, int],
) -> None:
    """<conv(x), y> = <x, conv_transpose(y)> with the same kernels."""
    rng = np.random.default_rng(seed)
    # Of the rows and columns, `rest` are dropped: they are the output padding of the way back.
    rest = more % stride
    height, width = (
        (max(n - k + 2 * padding, 0) // stride) * stride + k - 2 * padding + rest
        for n, k in zip(size, kernel, strict=True)
    )
    assume(min(height, width) > 0)
    x, w = rng.standard_normal((2, height, width, 3)), rng.standard_normal((2, 3, *kernel))
    y = conv2d(x, w, stride=stride, padding=padding)
    z = rng.standard_normal(y.shape)
    back = conv_transpose2d(z, w, stride=stride, padding=padding, output_padding=rest)
    assert back.shape == x.shape
    # Sums of at most 2 * 3 * 81 * 25 terms around 1 round by less than 1e-10.
    np.testing.assert_allclose(np.sum(y * z), np.sum(x * back), rtol=1e-10, atol=1e-10)
    d_x, _, _ = conv2d_backward(z, x, w, stride=stride, padding=padding)
    np.testing.assert_array_equal(d_x, back)


@given(seed=st.integers(0, 99), scale=st.floats(1e-3, 1e3), stride=st.integers(1, 3))
def test_bilinearity(seed: int, scale: float, stride: int) -> None:
    """conv(x, w) is linear in x and in w, so that <d_w, w> = <d_y, conv(x, w)> = <d_x, x>."""
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((1, 6, 5, 2)), scale * rng.standard_normal((3, 2, 2, 3))
    y = conv2d(x, w, stride=stride, padding=1)
    d_x, d_w, d_bias = conv2d_backward(y, x, w, stride=stride, padding=1)
    energy = np.sum(y * y)  # positive terms: a few hundred roundings of 1e-16 of it
    np.testing.assert_allclose([np.sum(d_x * x), np.sum(d_w * w)], energy, rtol=1e-11)
    assert d_bias is None
