"""The convolutions against SciPy's correlation, exact sums of integers, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.signal

from npuq.nn.conv import (
    conv2d,
    conv2d_backward,
    conv2d_input_gradient,
    conv2d_kernel_gradient,
    conv_transpose2d,
    conv_transpose2d_backward,
)
from npuq.nn.initialize import block_dct

RNG = np.random.default_rng(2)
X = RNG.standard_normal((2, 9, 8, 3))
W = RNG.standard_normal((4, 3, 3, 2))
B = RNG.standard_normal(4)


@pytest.fixture(params=["fast", "reference"], autouse=True)
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUQ_KERNELS", request.param)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 2])
def test_conv2d_is_scipys_correlation(stride: int, padding: int) -> None:
    padded = np.pad(X, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    y = conv2d(X, W, B, stride=stride, padding=padding)
    for n in range(len(X)):
        for o in range(len(W)):
            kernel = W[o].transpose(1, 2, 0)
            full = scipy.signal.correlate(padded[n], kernel, mode="valid", method="direct")
            expected = full[::stride, ::stride, 0] + B[o]
            np.testing.assert_allclose(y[n, ..., o], expected, rtol=1e-12, atol=1e-13)


def test_conv_transpose2d_is_a_full_convolution_at_stride_1() -> None:
    w = RNG.standard_normal((3, 2, 3, 2))
    y = conv_transpose2d(X, w)
    for o in range(2):
        expected = sum(scipy.signal.convolve2d(X[0, ..., c], w[c, o]) for c in range(3))
        np.testing.assert_allclose(y[0, ..., o], expected, rtol=1e-12, atol=1e-13)


def test_an_orthonormal_block_transform_inverts_by_its_transpose() -> None:
    w = block_dct().reshape(192, 3, 8, 8)
    x = RNG.standard_normal((1, 16, 8, 3))
    back = conv_transpose2d(conv2d(x, w, stride=8), w, stride=8)
    np.testing.assert_allclose(back, x, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_results_are_of_the_type_of_the_arrays(dtype: Any) -> None:
    x, w = np.ones((1, 4, 4, 16), dtype), np.ones((16, 16, 3, 3), dtype)
    y = conv2d(x, w, np.ones(16, dtype), stride=1, padding=1)
    assert y.dtype == dtype
    assert y[0, 1, 1, 0] == 9 * 16 + 1
    assert {d.dtype for d in conv2d_backward(y, x, w, w[:, 0, 0, 0], padding=1)} == {y.dtype}


def test_types_that_differ_become_the_wider_one() -> None:
    """No array of single precision is multiplied as if it were of double, or the other way."""
    arrays = [X, W, B]
    for i in range(3):
        mixed = [a.astype(np.float32) if i == j else a for j, a in enumerate(arrays)]
        y = conv2d(mixed[0], mixed[1], bias=mixed[2])
        expected = conv2d(*(a.astype(float) for a in mixed))
        assert y.dtype == np.float64
        np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


LARGE = 2.0**53  # up to here float64 holds all integers


def test_integers_are_exact_up_to_2_to_the_53() -> None:
    """Winograd's method would add halves and sums of taps and of pixels, which are larger.

    The sums here end at the bound and are odd, so that no bit of them is lost: an output is the sum
    of 144 products, 143 of them 2^25 x 2^20 and one that is what is left to 2^53 - 1.
    """
    x, w = np.full((1, 4, 4, 16), 2.0**25), np.full((16, 16, 3, 3), 2.0**20)
    most = 143 * 2**45
    x[0, 1, 1, 3], w[:, 3, 1, 1] = 1, 2**53 - 1 - most
    y = conv2d(x, w, np.zeros(16), stride=1, padding=1)
    assert int(y[0, 1, 1, 0]) == 2**53 - 1
    y = conv2d(x, w, np.full(16, -1.0), stride=1, padding=1)
    assert int(y[0, 1, 1, 0]) == 2**53 - 2
    z = conv_transpose2d(x, w.swapaxes(0, 1), np.full(16, -1.0), stride=1, padding=1)
    assert int(z[0, 1, 1, 0]) == 2**53 - 2
    d_x = conv2d_input_gradient(x, w.swapaxes(0, 1), size=(4, 4), stride=1, padding=1)
    assert int(d_x[0, 1, 1, 0]) == 2**53 - 1


def test_integers_are_exact_at_the_strides_of_the_codec() -> None:
    rng = np.random.default_rng(0)
    for stride, k, padding, more in ((2, 5, 2, 1), (1, 3, 1, 0)):
        static = {"stride": stride, "padding": padding}
        x = rng.integers(-(2**19), 2**19, (2, 5, 4, 17))
        w = rng.integers(-(2**24), 2**24, (17, 16, k, k))  # at most 2^19 2^24 17 25 < 2^52
        w |= 1
        bias = rng.integers(-(2**51), 2**51, 16)
        y = conv_transpose2d(x, w, bias, **static, output_padding=more)
        found = conv_transpose2d(
            x.astype(float), w.astype(float), bias.astype(float), **static, output_padding=more
        )
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, y)
        w = w.swapaxes(0, 1)
        found = conv2d(x.astype(float), w.astype(float), bias.astype(float), **static)
        np.testing.assert_array_equal(found, conv2d(x, w, bias, **static))


def test_an_empty_batch_stays_empty() -> None:
    y = conv2d(X[:0], W, B)
    d_x, d_w, d_b = conv2d_backward(y, X[:0], W, B)
    assert y.shape == (0, 7, 7, 4)
    assert d_x.shape == (0, 9, 8, 3)
    np.testing.assert_array_equal(d_w, np.zeros(W.shape))
    np.testing.assert_array_equal(d_b, np.zeros(4))


def test_without_a_bias_there_is_no_gradient_of_one() -> None:
    y = conv2d(X, W)
    np.testing.assert_allclose(conv2d(X, W, B), y + B, rtol=0, atol=1e-13)
    assert conv2d_backward(y, X, W)[2] is None
    w = W.swapaxes(0, 1)
    z = conv_transpose2d(X, w)
    np.testing.assert_allclose(conv_transpose2d(X, w, B), z + B, rtol=0, atol=1e-13)
    assert conv_transpose2d_backward(z, X, w)[2] is None


def test_conv2d_names_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="x must be .* and w"):
        conv2d(X[..., :2], W)
    with pytest.raises(ValueError, match="x must be .* and w"):
        conv2d(X[0], W)
    with pytest.raises(ValueError, match="no extent 0"):
        conv2d(X[:, :0], W, padding=3)
    with pytest.raises(ValueError, match=r"bias must have shape \(4,\), not \(3,\)"):
        conv2d(X, W, B[:3])
    with pytest.raises(ValueError, match="larger than the padded x"):
        conv2d(X[:, :2], W)
    with pytest.raises(ValueError, match="d_y must have shape"):
        conv2d_backward(X, X, W)


@pytest.mark.parametrize("value", [0, -1, True, np.True_, 2.0, None, "2", (2, 2), np.int64(2)])
def test_strides_and_paddings_are_integers_of_python(value: Any) -> None:
    with pytest.raises(ValueError, match="stride must be an integer >= 1"):
        conv2d(X, W, stride=value)
    with pytest.raises(ValueError, match="stride must be an integer >= 1"):
        conv_transpose2d(X, W.swapaxes(0, 1), stride=value)
    if value != 0 or value is None:
        with pytest.raises(ValueError, match="padding must be an integer >= 0"):
            conv2d(X, W, padding=value)
        with pytest.raises(ValueError, match="output_padding must be an integer >= 0"):
            conv_transpose2d(X, W.swapaxes(0, 1), output_padding=value)


def test_conv_transpose2d_names_what_does_not_fit() -> None:
    w = W.swapaxes(0, 1)
    with pytest.raises(ValueError, match="x must be .* and w"):
        conv_transpose2d(X, W)
    with pytest.raises(ValueError, match=r"bias must have shape \(4,\), not \(3,\)"):
        conv_transpose2d(X, w, B[:3])
    with pytest.raises(ValueError, match="output_padding must be less than the stride"):
        conv_transpose2d(X, w, stride=2, output_padding=2)
    with pytest.raises(ValueError, match="leaves no pixel"):
        conv_transpose2d(X, w, padding=6)
    with pytest.raises(ValueError, match="d_y must have shape"):
        conv_transpose2d_backward(X, X, w)


@pytest.mark.parametrize("channels", [3, 16])  # by both methods of the fast twin
@pytest.mark.parametrize("name", ["x", "bias", "d_y"])
def test_shapes_that_do_not_fit_are_refused(name: str, channels: int) -> None:
    """Also where compiled loops, which look at no bounds, would read on."""
    arrays = {
        "x": np.zeros((2, 9, 10, channels), np.float32),
        "bias": np.zeros(channels, np.float32),
        "d_y": np.zeros((2, 5, 5, channels), np.float32),
    }
    w = np.zeros((channels, channels, 5, 5), np.float32)
    static = {"stride": 2, "padding": 2}

    def backward(x: Any, bias: Any, d_y: Any) -> Any:
        return conv2d_backward(d_y, x, w, bias, **static)

    backward(**arrays)
    for axis in range(arrays[name].ndim):
        for index in ([0], list(range(arrays[name].shape[axis])) * 2):
            other = np.take(arrays[name], index, axis)
            with pytest.raises(ValueError, match="shape|C_in|kernels"):
                backward(**arrays | {name: other})
    with pytest.raises(ValueError, match="shape"):
        conv2d_input_gradient(arrays["d_y"], w, size=(11, 10), **static)
    with pytest.raises(ValueError, match="shape"):
        conv2d_kernel_gradient(arrays["d_y"], arrays["x"], kernel=(3, 3), stride=2, padding=2)
