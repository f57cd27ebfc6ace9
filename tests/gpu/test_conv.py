"""Convolutions there and back: CUDA C in the emulator, products by the stand-in for cuBLAS."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gpu import yardstick
from gpu.conftest import device_only, on_device
from hypothesis import example, given, settings
from hypothesis import strategies as st

from npuq.kernels.cuda import bands
from npuq.kernels.cuda.bands import Banded
from npuq.kernels.cuda.conv import method_for
from npuq.kernels.cuda.precision import precision
from npuq.kernels.cuda.products import multiply
from npuq.kernels.cuda.unfold import Unfolded
from npuq.nn.conv import (
    conv2d,
    conv2d_bias_gradient,
    conv2d_input_gradient,
    conv2d_kernel_gradient,
    conv_transpose2d,
)

pytestmark = pytest.mark.usefixtures("device")

f = np.float32
WIDE = st.sampled_from([16, 17, 20])
NARROW = st.sampled_from([1, 3, 5])


def on(function: Any, *args: Any, **static: Any) -> Any:
    """The result of the device's twin, which nobody waits for."""
    given = on_device(*args)
    if not all(a.size for a in given):
        return function(*given, **static).get()
    # beside our kernels: products, the kernels in another order, a bias of zeros, a sum with it
    with device_only(others=5):
        result = function(*given, **static)
    return result.get()


def compare(args: tuple[Any, ...], function: Any, **static: Any) -> None:
    """The device's twin is as good as the host's."""
    host = lambda *a: [function(*a, **static)]  # noqa: E731
    move = tuple(range(len(args)))
    yardstick.check(lambda *a: [on(function, *a, **static)], host, host, args, move=move)


def there_and_back(
    N: int, size: tuple[int, int], C: tuple[int, int], k: tuple[int, int], s: int, P: int, seed: int
) -> None:
    """All four functions of one geometry."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, *size, C[0])).astype(f)
    w = rng.standard_normal((C[1], C[0], *k)).astype(f)
    bias, d_x_bias = rng.standard_normal(C[1]).astype(f), rng.standard_normal(C[0]).astype(f)
    static = {"stride": s, "padding": P}
    compare((x, w, bias), conv2d, **static)
    d_y = rng.standard_normal(conv2d(x, w, bias, **static).shape).astype(f)
    compare((d_y, w), conv2d_input_gradient, size=size, **static)
    compare((d_y, x), conv2d_kernel_gradient, kernel=k, **static)
    compare((d_y,), conv2d_bias_gradient)
    if conv2d(x, w, **static).shape[1:3] != (1, 1) or P == 0:
        compare((d_y, w, d_x_bias), conv_transpose2d, **static)


SIZES = st.tuples(st.integers(1, 7), st.integers(1, 7))


@given(N=st.integers(1, 2), size=SIZES, C=st.tuples(WIDE, WIDE), five=st.booleans(),
       P=st.integers(0, 3), seed=st.integers(0, 99))  # fmt: skip
@example(N=2, size=(7, 6), C=(16, 20), five=True, P=2, seed=1)
@example(N=2, size=(5, 6), C=(17, 16), five=False, P=1, seed=2)
@settings(max_examples=6)
def test_wide_ones_by_winograd(N: int, size: Any, C: Any, five: bool, P: int, seed: int) -> None:
    k, s = (5, 2) if five else (3, 1)
    size = tuple(max(n, k - 2 * P) for n in size)
    assert isinstance(method_for((C[1], C[0], k, k), s, P), Banded)
    there_and_back(N, size, C, (k, k), s, P, seed)


@pytest.mark.parametrize(("k", "s", "P"), [(5, 2, 2), (3, 1, 1), (5, 2, 0), (3, 1, 2)])
def test_large_images_band_by_band(k: int, s: int, P: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two rows of outputs each, the last one of fewer; all four functions are as without."""
    monkeypatch.setattr(bands, "MOST", 1)
    rng = np.random.default_rng(k + P)
    x = rng.standard_normal((2, 13, 8, 16)).astype(f)
    w = rng.standard_normal((17, 16, k, k)).astype(f)
    bias, d_bias, static = (
        rng.standard_normal(17).astype(f),
        np.ones(16, f),
        {"stride": s, "padding": P},
    )
    exact = [a.astype(float) for a in (x, w, bias)]
    y = conv2d(*exact, **static)
    assert y.shape[1] % 2 == 1 and y.shape[1] > 2
    d_y = rng.standard_normal(y.shape).astype(f)
    size, kernel = x.shape[1:3], w.shape[2:]
    given = on_device(x, w, bias, d_y, d_bias)
    pairs = [
        (conv2d(*given[:3], **static), y),
        (
            conv2d_input_gradient(given[3], given[1], size=size, **static),
            conv2d_input_gradient(d_y.astype(float), exact[1], size=size, **static),
        ),
        (
            conv2d_kernel_gradient(given[3], given[0], kernel=kernel, **static),
            conv2d_kernel_gradient(d_y.astype(float), exact[0], kernel=kernel, **static),
        ),
        (
            conv_transpose2d(given[3], given[1], given[4], **static),
            conv_transpose2d(d_y.astype(float), exact[1], d_bias.astype(float), **static),
        ),
    ]
    for got, want in pairs:
        # some ulps of the largest: three times as many as without bands at most
        np.testing.assert_allclose(got.get(), want, atol=3e-6 * np.abs(want).max(), rtol=0)


@given(N=st.integers(1, 2), size=SIZES, C=st.tuples(NARROW, NARROW),
       k=st.tuples(st.integers(1, 5), st.integers(1, 5)), s=st.integers(1, 3),
       P=st.integers(0, 2), seed=st.integers(0, 99))  # fmt: skip
@example(N=2, size=(6, 7), C=(3, 5), k=(5, 5), s=2, P=2, seed=1)
@example(N=1, size=(6, 7), C=(3, 5), k=(3, 2), s=3, P=0, seed=2)
@settings(max_examples=6)
def test_narrow_ones_by_the_definition(
    N: int, size: Any, C: Any, k: Any, s: int, P: int, seed: int
) -> None:
    size = tuple(max(n, m - 2 * P) for n, m in zip(size, k, strict=True))
    assert isinstance(method_for((C[1], C[0], *k), s, P), Unfolded)
    there_and_back(N, size, C, k, s, P, seed)


@pytest.mark.parametrize("C", [16, 4])
def test_the_transposed_one_with_output_padding(C: int) -> None:
    rng = np.random.default_rng(C)
    x, w = rng.standard_normal((2, 3, 4, C)).astype(f), rng.standard_normal((C, C, 5, 5)).astype(f)
    bias = rng.standard_normal(C).astype(f)
    compare((x, w, bias), conv_transpose2d, stride=2, padding=2, output_padding=1)


@pytest.mark.parametrize("C", [16, 4])
def test_no_images_and_no_outputs(C: int) -> None:
    x, w, bias = np.zeros((0, 6, 6, C), f), np.ones((C, C, 3, 3), f), np.ones(C, f)
    assert on(conv2d, x, w, bias, padding=1).shape == (0, 6, 6, C)
    assert on(conv2d_input_gradient, x, w, size=(6, 6), padding=1).shape == (0, 6, 6, C)
    assert not on(conv2d_kernel_gradient, x, x, kernel=(3, 3), padding=1).any()
    assert not on(conv2d_bias_gradient, x).any()


def test_double_precision_goes_to_the_plain_functions() -> None:
    """Where integers stay exact as long as their sums pass nowhere 2^53."""
    x, w = np.full((1, 4, 4, 16), 3.0), np.full((16, 16, 3, 3), 2.0**40 + 1)
    got = on_device(x, w)
    assert (conv2d(*got, padding=1).get() == conv2d.plain(x, w, padding=1)).all()  # type: ignore[attr-defined]


def test_tf32_is_rougher() -> None:
    rng = np.random.default_rng(0)
    x, w = (
        rng.standard_normal((1, 6, 6, 16)).astype(f),
        rng.standard_normal((16, 16, 3, 3)).astype(f),
    )
    exact = conv2d(x.astype(float), w.astype(float), padding=1)
    fine = on(conv2d, x, w, padding=1)
    with precision("tf32"):
        rough = on(conv2d, x, w, padding=1)
    size = np.abs(exact).max()
    assert np.abs(fine - exact).max() < 3e-6 * size
    assert 1e-5 * size < np.abs(rough - exact).max() < 5e-3 * size


@pytest.mark.parametrize("a_t", [False, True])
@pytest.mark.parametrize("b_t", [False, True])
def test_products_as_cublas_is_asked_for_them(a_t: bool, b_t: bool) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 4, 5)).astype(f), rng.standard_normal((3, 5, 2)).astype(f)
    as_they_lie = (
        np.ascontiguousarray(x.swapaxes(1, 2) if transposed else x)
        for x, transposed in ((a, a_t), (b, b_t))
    )
    on_a, on_b, out = on_device(*as_they_lie, np.full((3, 4, 2), np.nan, f))
    multiply(on_a, on_b, out, a_t=a_t, b_t=b_t)
    np.testing.assert_allclose(out.get(), a @ b, rtol=1e-5)
