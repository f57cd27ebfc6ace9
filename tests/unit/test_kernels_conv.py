"""The fast convolutions are the plain ones, by both methods, however their work is divided."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from npuq.kernels.cpu import conv as fast
from npuq.kernels.cpu import windows
from npuq.kernels.cpu.unfold import Unfolded
from npuq.kernels.cpu.winograd import Winograd
from npuq.nn import conv as plain
from npuq.nn.conv import conv2d, conv2d_backward, conv_transpose2d, conv_transpose2d_backward
from npuq.nn.winograd import conv2d_winograd
from npuq.runtime.compile import use_reference

pytestmark = pytest.mark.skipif(use_reference(), reason="the plain functions compute")


@pytest.fixture(params=[Winograd, Unfolded])
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One method for all, so that it can be looked at in double precision as well."""
    monkeypatch.setattr(
        fast, "method_for", lambda shape, stride, dtype: request.param(shape, stride)
    )
    return request.param


def in_plain(monkeypatch: pytest.MonkeyPatch, function: Any, *args: Any, **static: Any) -> Any:
    with monkeypatch.context() as patch:
        patch.setenv("NPUQ_KERNELS", "reference")
        return function(*args, **static)


CASES = pytest.mark.parametrize(
    ("size", "k", "stride", "padding"),
    [((8, 12), 5, 2, 2), ((13, 9), 5, 2, 2), ((5, 6), 3, 1, 1), ((17, 11), 6, 3, 1)],
)


@CASES
@pytest.mark.parametrize("at_once", [1, 20, 1 << 10])
@pytest.mark.parametrize("channels", [3, 20])
def test_both_methods_however_work_is_divided(
    method: Any,
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
    x, w = rng.standard_normal((5, *size, channels)), rng.standard_normal((4, channels, k, k))
    b, static = rng.standard_normal(4), {"stride": stride, "padding": padding}
    y = in_plain(monkeypatch, conv2d, x, w, b, **static)
    # sums of at most 720 products of numbers around 1; of gradients of kernels, 520
    np.testing.assert_allclose(conv2d(x, w, b, **static), y, rtol=0, atol=1e-11)
    d_y = rng.standard_normal(y.shape)
    expected = in_plain(monkeypatch, conv2d_backward, d_y, x, w, b, **static)
    found = conv2d_backward(d_y, x, w, b, **static)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-11)


@pytest.mark.parametrize("at_once", [1, 1 << 10])
@pytest.mark.parametrize("channels", [3, 20])
def test_both_methods_of_the_transposed_convolution(
    method: Any, channels: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((5, 6, 7, 4)), rng.standard_normal((4, channels, 5, 5))
    b, static = rng.standard_normal(channels), {"stride": 2, "padding": 2, "output_padding": 1}
    y = in_plain(monkeypatch, conv_transpose2d, x, w, b, **static)
    np.testing.assert_allclose(conv_transpose2d(x, w, b, **static), y, rtol=0, atol=1e-11)
    d_y = rng.standard_normal(y.shape)
    expected = in_plain(monkeypatch, conv_transpose2d_backward, d_y, x, w, b, **static)
    found = conv_transpose2d_backward(d_y, x, w, b, **static)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("k", "stride", "padding"), [(3, 1, 1), (2, 1, 0), (5, 2, 2), (4, 2, 1), (7, 3, 3)]
)
def test_the_definition_winograds_matrices_and_the_compiled_method(
    k: int, stride: int, padding: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One convolution three times; 5 x 5 at stride 2 in four phases, of 3 and 2 taps each way."""
    monkeypatch.setattr(fast, "method_for", lambda shape, stride, dtype: Winograd(shape, stride))
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 11, 14, 5)), rng.standard_normal((3, 5, k, k))
    static = {"stride": stride, "padding": padding}
    y = plain.conv2d.plain(x, w, **static)  # type: ignore[attr-defined]
    assert y.shape[1] % 2 or y.shape[2] % 2  # a last tile that reaches over the edge
    # sums of at most 250 products of numbers around 1
    np.testing.assert_allclose(conv2d_winograd(x, w, **static), y, rtol=0, atol=1e-12)
    np.testing.assert_allclose(fast.conv2d(x, w, **static), y, rtol=0, atol=1e-12)


def test_where_winograds_method_serves() -> None:
    """In single precision, with channels enough, for the kernels of the models; see above why."""

    def found(C_out: int, C_in: int, k: int, stride: int, dtype: Any) -> Any:
        return type(fast.method_for((C_out, C_in, k, k), stride, np.dtype(dtype)))

    for k, stride in ((5, 2), (3, 1)):
        assert found(16, 17, k, stride, np.float32) is Winograd
        assert found(16, 17, k, stride, np.float64) is Unfolded
        assert (
            found(3, 64, k, stride, np.float32) is found(64, 3, k, stride, np.float32) is Unfolded
        )
    for k, stride in ((1, 1), (4, 1), (3, 2), (7, 2), (8, 8)):
        assert found(64, 64, k, stride, np.float32) is Unfolded


def test_threads_change_no_bit_of_the_gradients(
    method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "AT_ONCE", 16)
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((3, 16, 12, 20), (8, 20, 5, 5)))
    b, static = np.zeros(8, np.float32), {"stride": 2, "padding": 2}
    d_y = rng.standard_normal((3, 8, 6, 8)).astype(np.float32)
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("NPUQ_THREADS", threads)
        found.append(conv2d_backward(d_y, x, w, b, **static))
    for one, three in zip(*found, strict=True):
        np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize("channels", [3, 16])
def test_any_layout_in_memory(method: Any, channels: int) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 6, 8, channels)), rng.standard_normal((16, channels, 5, 5))
    b, d_y, static = rng.standard_normal(32)[::2], rng.standard_normal((2, 3, 4, 16)), {"stride": 2}
    static["padding"] = 2
    expected = conv2d(x, w, b.copy(), **static), *conv2d_backward(d_y, x, w, b, **static)
    f = np.asfortranarray
    strided = np.repeat(d_y, 2, axis=3)[..., ::2]
    for other in (f(d_y), strided):
        found = conv2d(f(x), f(w), b, **static), *conv2d_backward(other, f(x), f(w), b, **static)
        for one, two in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, two, rtol=0, atol=1e-12)
    assert conv2d(x[:0], w, b, **static).shape == (0, 3, 4, 16)
    d_x, d_w, d_b = conv2d_backward(d_y[:0], x[:0], w, b, **static)
    assert d_x.shape == (0, 6, 8, channels)
    assert not d_w.any() and not d_b.any()
