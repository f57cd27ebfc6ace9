"""Channels-last convolutions are the channels-first ones in another layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from npuq.nn import conv_last, windows
from npuq.nn.conv import conv2d, conv2d_backward
from npuq.nn.conv_last import (
    conv2d_exact,
    conv2d_last,
    conv2d_last_backward,
    conv_transpose2d_exact,
    conv_transpose2d_last,
    conv_transpose2d_last_backward,
    input_gradient_last,
    kernel_gradient_last,
)
from npuq.nn.conv_transpose import conv_transpose2d, conv_transpose2d_backward


def last(x: Any) -> Any:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


@pytest.fixture(params=["fast", "reference"], autouse=True)
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUQ_KERNELS", request.param)


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


@pytest.fixture(params=["winograd", "unfolded"])
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether there are enough channels for Winograd's method."""
    monkeypatch.setattr(conv_last, "NARROW", 1 if request.param == "winograd" else 100)


@pytest.mark.usefixtures("method")
@pytest.mark.parametrize("at_once", [1, 20, 1 << 10])
@pytest.mark.parametrize("channels", [3, 20])
@pytest.mark.parametrize(
    ("size", "k", "stride", "padding"),
    [((8, 12), 5, 2, 2), ((13, 9), 5, 2, 2), ((5, 6), 3, 1, 1), ((17, 11), 3, 4, 1)],
)
def test_gradients_by_both_methods_however_work_is_divided(
    size: tuple[int, int],
    k: int,
    stride: int,
    padding: int,
    channels: int,
    at_once: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Parts are some rows, or some images."""
    monkeypatch.setattr(windows, "AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((5, channels, *size)), rng.standard_normal((4, channels, k, k))
    b, static = rng.standard_normal(4), {"stride": stride, "padding": padding}
    y = conv2d(x, w, b, **static)
    np.testing.assert_allclose(conv2d_last(last(x), w, b, **static), last(y), rtol=0, atol=1e-11)
    d_y = rng.standard_normal(y.shape)
    d_x, d_w, d_b = conv2d_backward(d_y, x, w, b, **static)
    found = conv2d_last_backward(last(d_y), last(x), w, b, **static)
    for ours, expected in zip(found, (last(d_x), d_w, d_b), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-10)


@pytest.mark.usefixtures("method")
@pytest.mark.parametrize("at_once", [1, 1 << 10])
@pytest.mark.parametrize("channels", [3, 20])
def test_gradients_of_the_transposed_convolution(
    channels: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((5, 4, 6, 7)), rng.standard_normal((4, channels, 5, 5))
    b, static = rng.standard_normal(channels), {"stride": 2, "padding": 2, "output_padding": 1}
    y = conv_transpose2d(x, w, b, **static)
    ours = conv_transpose2d_last(last(x), w, b, **static)
    np.testing.assert_allclose(ours, last(y), rtol=0, atol=1e-11)
    d_y = rng.standard_normal(y.shape)
    d_x, d_w, d_b = conv_transpose2d_backward(d_y, x, w, b, **static)
    found = conv_transpose2d_last_backward(last(d_y), last(x), w, b, **static)
    for ours, expected in zip(found, (last(d_x), d_w, d_b), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-10)


@pytest.mark.usefixtures("method")
def test_threads_change_no_bit_of_the_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "AT_ONCE", 16)
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((3, 16, 12, 20), (8, 20, 5, 5)))
    b, static = np.zeros(8, np.float32), {"stride": 2, "padding": 2}
    d_y = rng.standard_normal((3, 8, 6, 8)).astype(np.float32)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("NPUQ_THREADS", threads)
        found.append(conv2d_last_backward(d_y, x, w, b, **static))
    for one, three in zip(*found, strict=True):
        np.testing.assert_array_equal(one, three)


def test_exact_sums_of_integers_have_no_halves() -> None:
    """Winograd's method adds halves of taps, which a float holds up to 2^51 only."""
    x, w = np.full((1, 4, 4, 16), 2.0**25), np.full((16, 16, 3, 3), 2.0**20)
    w[:, 0, 1, 1] += 1
    b = np.zeros(16)
    y = conv2d_exact(x, w, b, stride=1, padding=1)
    expected = 9 * 16 * 2**45 + 2**25
    assert int(y[0, 1, 1, 0]) == expected
    assert np.array_equal(y, last(conv2d(x.transpose(0, 3, 1, 2), w, b, stride=1, padding=1)))
    w = np.ones((16, 3, 5, 5)) * 2.0**20
    z = conv_transpose2d_exact(x, w, np.ones(3), stride=2, padding=2, output_padding=1)
    assert int(z[0, 4, 4, 0]) == 9 * 16 * 2**45 + 1


@pytest.mark.parametrize("channels", [3, 16])  # of both methods
@pytest.mark.parametrize("name", ["x", "b", "d_y"])
def test_shapes_that_do_not_fit_are_refused(name: str, channels: int) -> None:
    """Also where compiled loops, which look at no bounds, would read on."""
    arrays = {
        "x": np.zeros((2, 9, 10, channels)),
        "b": np.zeros(channels),
        "d_y": np.zeros((2, 5, 5, channels)),
    }
    w, static = np.zeros((channels, channels, 5, 5)), {"stride": 2, "padding": 2}

    def backward(x: Any, b: Any, d_y: Any) -> Any:
        return conv2d_last_backward(d_y, x, w, b, **static)

    backward(**arrays)
    for axis in range(arrays[name].ndim):
        for index in ([0], list(range(arrays[name].shape[axis])) * 2):
            other = np.take(arrays[name], index, axis)
            if (name, axis) != ("x", 0):
                with pytest.raises(ValueError, match="shape|channels|kernels"):
                    backward(**arrays | {name: other})
    up = {**static, "output_padding": 1}
    for shape in ((2, 3, 4, channels + 1), (2, 0, 4, channels)):
        with pytest.raises(ValueError, match="channels"):
            conv_transpose2d_last(np.zeros(shape), w, arrays["b"], **up)
    with pytest.raises(ValueError, match="output_padding"):
        conv_transpose2d_last(arrays["x"], w, arrays["b"], stride=2, output_padding=2)
    with pytest.raises(ValueError, match="larger than"):
        conv2d_last(arrays["x"][:, :4], w, arrays["b"])
    with pytest.raises(ValueError, match="shape"):
        input_gradient_last(arrays["d_y"], w, size=(11, 10), **static)
    with pytest.raises(ValueError, match="shape"):
        kernel_gradient_last(arrays["d_y"], arrays["x"], kernel=(3, 3), stride=2, padding=2)


@pytest.mark.parametrize("channels", [3, 16])
def test_any_layout_in_memory_and_no_images_at_all(channels: int) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 6, 8, channels)), rng.standard_normal((16, channels, 5, 5))
    b, d_y, static = rng.standard_normal(16), rng.standard_normal((2, 3, 4, 16)), {"stride": 2}
    static["padding"] = 2
    expected = conv2d_last(x, w, b, **static), *conv2d_last_backward(d_y, x, w, b, **static)
    f = np.asfortranarray
    strided = np.repeat(d_y, 2, axis=3)[..., ::2]
    for other in (f(d_y), strided):
        found = (
            conv2d_last(f(x), f(w), b, **static),
            *conv2d_last_backward(other, f(x), f(w), b, **static),
        )
        for one, two in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, two, rtol=0, atol=1e-12)
    assert conv2d_last(x[:0], w, b, **static).shape == (0, 3, 4, 16)
    d_x, d_w, d_b = conv2d_last_backward(d_y[:0], x[:0], w, b, **static)
    assert d_x.shape == (0, 6, 8, channels)
    assert not d_w.any() and not d_b.any()


def test_types_of_no_kernel_go_to_the_plain_twin() -> None:
    x, w = np.ones((1, 4, 4, 16), np.int64), np.ones((16, 16, 3, 3), np.int64)
    y = conv2d_last(x, w, np.ones(16, np.int64), stride=1, padding=1)
    assert y.dtype == np.int64
    assert y[0, 1, 1, 0] == 9 * 16 + 1


def test_types_must_be_one() -> None:
    x, w, b = np.zeros((1, 4, 4, 3)), np.zeros((2, 3, 3, 3)), np.zeros(2, np.float32)
    with pytest.raises(ValueError, match="one type"):
        conv2d_last(x, w, b)
