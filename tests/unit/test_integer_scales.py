"""The integer scales: near the float ones, exact in any order, and what a float design would do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from npuq.coding.dither import dither_values
from npuq.errors import ModelError
from npuq.models import hyperprior
from npuq.models.layers import Conv
from npuq.trained import integer_scales
from npuq.trained.integer_scales import IntegerScales, scale_indexes

N, M = 12, 16


@pytest.fixture(scope="module")
def case() -> Any:
    rng = np.random.default_rng(0)
    params = hyperprior.init(rng, channels=N, latents=M, dtype=np.float64)
    last = params.hyper_synthesis[-1]
    convs = (*params.hyper_synthesis[:-1], Conv(6 * last.w, last.b + 0.7))
    k = rng.integers(-40, 41, (2, N, 4, 5))
    n = rng.integers(0, 256, k.shape, dtype=np.uint8)
    return params._replace(hyper_synthesis=convs), k, n


def make_integer_scales(hyper_synthesis: Any, latents: int) -> IntegerScales:
    layers = integer_scales.integer_layers(hyper_synthesis, latents)
    return IntegerScales(layers, integer_scales.level_thresholds())


def fixed(k: Any, n: Any) -> Any:
    """k + u in 1/512."""
    return 512 * k.astype(np.int64) + 2 * n.astype(np.int64) - 255


def floats(params: Any, k: Any, n: Any) -> Any:
    w = (k + dither_values(n, np.float64)).transpose(0, 2, 3, 1)
    sigma, _, _ = hyperprior.hyper_synthesise(np.ascontiguousarray(w), params)
    return sigma.transpose(0, 3, 1, 2)


def test_they_are_the_float_scales_but_for_rounding(case: Any) -> None:
    params, k, n = case
    scales = make_integer_scales(params.hyper_synthesis, M)
    sigma = floats(params, k, n)
    found = integer_scales.fixed_point_scales(fixed(k, n), scales) / 2**integer_scales.FRACTION
    assert np.max(np.abs(found - sigma)) < 2e-3 * np.max(np.abs(sigma))
    indexes = scale_indexes(fixed(k, n), scales)
    assert indexes.dtype == np.uint8 and indexes.shape == (2, M, 16, 20)
    levels = integer_scales.scale_levels()
    nearest = np.abs(np.log(levels[:, None]) - np.log(sigma.clip(0.11).ravel())).argmin(axis=0)
    assert np.mean(nearest == indexes.ravel()) > 0.99
    assert np.all(np.abs(nearest - indexes.ravel().astype(int)) <= 1)


def test_every_sum_is_an_integer_in_any_order(case: Any) -> None:
    """Channels shuffled on the way: other orders of summation, and not one bit of difference."""
    params, k, n = case
    scales = make_integer_scales(params.hyper_synthesis, M)
    expected = integer_scales.fixed_point_scales(fixed(k, n), scales)
    assert np.array_equal(expected, np.rint(expected))
    rng = np.random.default_rng(1)
    first, second = rng.permutation(N), rng.permutation(M)
    a, b, c = scales.layers
    shuffled = IntegerScales(
        (
            a._replace(w=a.w[first][:, second], b=a.b[second]),
            b._replace(w=b.w[second]),
            c,
        ),
        scales.thresholds,
    )
    found = integer_scales.fixed_point_scales(fixed(k, n)[:, first], shuffled)
    np.testing.assert_array_equal(found, expected)


def test_it_is_the_same_in_pure_integers(case: Any) -> None:
    """A window of one image, with Python's integers, which know no rounding."""
    params, k, n = case
    scales = make_integer_scales(params.hyper_synthesis, M)
    w = fixed(k, n)[:1, :, :2, :2]
    found = integer_scales.fixed_point_scales(w, scales)
    np.testing.assert_array_equal(found[0], np.array(in_integers(w[0], scales), float))


def in_integers(w: Any, scales: IntegerScales) -> Any:
    """The network of the top of `npuq.trained.integer_scales`, on one image, in Python's integers.

    Its constants are written out: they are part of what files mean.
    """
    x = [[[max(-(2**19), min(int(v), 2**19)) for v in row] for row in plane] for plane in w]
    for number, layer in enumerate(scales.layers):
        kernel, b = layer.w.astype(np.int64).tolist(), layer.b.astype(np.int64).tolist()
        sums = (_up if number < 2 else _flat)(x, kernel, b)
        shift = 9 if number == 0 else 16
        assert layer.shift == shift
        x = [[[_rounded(s, shift, number < 2) for s in row] for row in plane] for plane in sums]
    return x


def _rounded(s: int, shift: int, leaky: bool) -> int:
    s = max(-(2**26), min(s + (1 << shift - 1) >> shift, 2**26))
    return s * 10486 >> 20 if leaky and s < 0 else s


def _up(x: Any, w: Any, b: Any) -> Any:
    """A transposed convolution, 5x5, stride 2, padding 2, output padding 1."""
    height, width = len(x[0]), len(x[0][0])
    y = [[[bias] * (2 * width) for _ in range(2 * height)] for bias in b]
    for c, plane in enumerate(x):
        for i in range(height):
            for j in range(width):
                for o in range(len(b)):
                    for p in range(5):
                        for q in range(5):
                            row, column = 2 * i + p - 2, 2 * j + q - 2
                            if 0 <= row < 2 * height and 0 <= column < 2 * width:
                                y[o][row][column] += plane[i][j] * w[c][o][p][q]
    return y


def _flat(x: Any, w: Any, b: Any) -> Any:
    """A convolution, 3x3, stride 1, padding 1."""
    height, width = len(x[0]), len(x[0][0])
    return [
        [
            [
                bias + sum(
                    w[o][c][p][q] * x[c][i + p - 1][j + q - 1]
                    for c in range(len(x)) for p in range(3) for q in range(3)
                    if 0 <= i + p - 1 < height and 0 <= j + q - 1 < width
                )
                for j in range(width)
            ]
            for i in range(height)
        ]
        for o, bias in enumerate(b)
    ]  # fmt: skip


def test_a_float_design_would_have_broken(case: Any) -> None:
    """Float scales that differ by 1e-6 of themselves choose other tables somewhere."""
    params, k, n = case
    k, n = np.tile(k, (8, 1, 4, 4)), np.tile(n, (8, 1, 4, 4))
    k = k + np.random.default_rng(2).integers(-9, 10, k.shape)
    sigma = floats(params, k, n)
    scales = make_integer_scales(params.hyper_synthesis, M)
    noise = 1 + 1e-6 * np.random.default_rng(3).choice([-1.0, 1.0], sigma.shape)
    before, after = (
        integer_scales.indexes_of(s * 2.0**integer_scales.FRACTION, scales)
        for s in (sigma, sigma * noise)
    )
    assert np.sum(before != after) > 0


# --- the bound ----------------------------------------------------------------------------------

FRACTIONS = (9, 16, 16)  # bits after the point of what a layer takes


def at_the_bound(number: int, beyond: int = 0, sign: int = 1) -> Any:
    """Two channels throughout; a layer's second output reaches 2^53 - 1, or more by `beyond`.

    The bound is sum |W| max |X| + |B| + 2^shift. With max |X| = 2^10 2^fraction and sum |W| one
    unit below 2^53 / max |X|, there remains max |X| - 2^shift - 1 for |B|. Other layers hand on
    what they get.
    """
    convs = []
    for i, fraction in enumerate(FRACTIONS):
        size = 3 if i == 2 else 5
        w, b = np.zeros((2, 2, size, size)), np.zeros(2)
        w[0, 0, size // 2, size // 2] = w[1, 1, size // 2, size // 2] = 2.0**16
        if i == number:
            largest = 1 << 10 + fraction
            rest = 2**53 // largest - 1
            w[1] = 0  # no identity of the second channel
            parts = [rest // 3, -(rest // 5), rest - rest // 3 - rest // 5]
            if i == 2:
                w[1, 0, 1, 1], w[1, 1, 1, 1], w[1, 1, 0, 0] = parts
            else:
                w[0, 1, 2, 2], w[1, 1, 2, 2], w[1, 1, 2, 1] = parts
            b[1] = sign * (largest - (1 << fraction) - 1 + beyond)  # shifts are fractions
        convs.append(Conv(w / 2.0**16, b / 2.0 ** (16 + fraction)))
    return tuple(convs)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_sums_that_reach_2_to_the_53_less_1_are_taken_and_one_more_is_not(
    number: int, sign: int
) -> None:
    layer = make_integer_scales(at_the_bound(number, sign=sign), 2).layers[number]
    out = (0, 2, 3) if number < 2 else (1, 2, 3)
    sums = [int(s) for s in np.abs(layer.w).sum(axis=out)]
    largest = 1 << 10 + FRACTIONS[number]
    assert sums[1] * largest + int(abs(layer.b[1])) + (1 << layer.shift) == 2**53 - 1
    with pytest.raises(ModelError, match=rf"layer {number} .* is not below 2\^53"):
        make_integer_scales(at_the_bound(number, beyond=1, sign=sign), 2)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_at_the_bound_sums_are_exact(number: int, sign: int) -> None:
    """Extremes of either sign, which make the largest sums and cancel, and what is next to them."""
    scales = make_integer_scales(at_the_bound(number, sign=sign), 2)
    rng = np.random.default_rng(number)
    ends = rng.choice([-(2**19), 2**19], (40, 2, 2, 3)) + rng.integers(-1, 2, (40, 2, 2, 3))
    small = rng.integers(-9, 10, (9, 2, 2, 3))  # whose sums are not clipped afterwards
    w = np.concatenate([ends, small])
    expected = np.array([in_integers(image, scales) for image in w], float)
    np.testing.assert_array_equal(integer_scales.fixed_point_scales(w, scales), expected)
    assert len(np.unique(expected)) > 20


def test_negative_values_leak_a_hundredth() -> None:
    """-1 becomes floor(-65536 10486 / 2^20) = -656, then floor(-656 10486 / 2^20) = -7."""
    one = np.zeros((2, 2, 5, 5))
    one[0, 0, 2, 2] = one[1, 1, 2, 2] = 1
    convs = (Conv(one, np.zeros(2)), Conv(one, np.zeros(2)), Conv(one[:, :, 1:4, 1:4], np.zeros(2)))
    scales = make_integer_scales(convs, 2)
    w = np.array([-512, 512]).reshape(1, 2, 1, 1)
    found = integer_scales.fixed_point_scales(w, scales)[0, :, 0, 0]
    assert found.tolist() == [-7, 65536]
    found = integer_scales.fixed_point_scales(w, scales._replace(slope=0))[0, :, 0, 0]
    assert found.tolist() == [0, 65536]


def test_weights_that_could_pass_2_to_the_53_are_refused(case: Any) -> None:
    params, _, _ = case
    first, *rest = params.hyper_synthesis
    huge = (Conv(first.w * 1e6, first.b), *rest)
    with pytest.raises(ModelError, match="layer 0"):
        make_integer_scales(huge, M)
    with pytest.raises(ModelError):
        make_integer_scales((Conv(first.w * np.nan, first.b), *rest), M)


def test_far_hyper_latents_are_clipped_not_wrapped(case: Any) -> None:
    params, k, n = case
    scales = make_integer_scales(params.hyper_synthesis, M)
    far = np.full_like(k, 2**31 - 1)
    limit = np.full_like(k, 2 * integer_scales.LARGEST)
    np.testing.assert_array_equal(
        scale_indexes(fixed(far, n), scales), scale_indexes(fixed(limit, n), scales)
    )
