"""Stacks at known values: the slopes between convolutions, where each model has which."""

from __future__ import annotations

from typing import Any

import numpy as np
import plain
import pytest

from npuq.models import hyperprior
from npuq.models.layers import FLAT, Conv, stack_backward_straight_through, stack_forward
from npuq.nn.activations import leaky_relu, leaky_relu_backward
from npuq.trained.hyperprior import integer_scales
from npuq.trained.integer_scales import (
    SLOPE_BITS,
    IntegerLayer,
    IntegerScales,
    fixed_point_scales,
    level_thresholds,
)


def centre(weight: float, k: int, dtype: Any = np.float64) -> Conv:
    """One channel to one, by the middle of a k x k kernel alone."""
    w = np.zeros((1, 1, k, k), dtype)
    w[0, 0, k // 2, k // 2] = weight
    return Conv(w, np.zeros(1, dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_usual_slope_is_a_hundredth(dtype: Any) -> None:
    x = np.array([-200.0, -1.0, 0.0, 3.0], dtype)
    np.testing.assert_allclose(leaky_relu(x), [-2, -0.01, 0, 3], rtol=1e-7)
    np.testing.assert_allclose(leaky_relu_backward(0 * x + 5, x), [0.05, 0.05, 0.05, 5], rtol=1e-7)
    np.testing.assert_allclose(leaky_relu(x, 0.25), [-50, -0.25, 0, 3])
    np.testing.assert_allclose(leaky_relu_backward(0 * x + 8, x, 0.25), [2, 2, 2, 8])


def test_a_stack_of_leaky_relus_there_and_back() -> None:
    """x -> 2 x -> leaky -> 3 times -> leaky -> 5 times, for x = 1 and x = -1."""
    x = np.array([1.0, -1.0]).reshape(2, 1, 1, 1)
    convs, samplings = [centre(weight, 3) for weight in (2, 3, 5)], [FLAT] * 3
    y, kept = stack_forward(x, convs, samplings, None)
    np.testing.assert_allclose(y.ravel(), [30, -30e-4])
    d_y = np.ones_like(y)
    d_x, d_convs, _ = stack_backward_straight_through(d_y, kept, convs, samplings, None)
    np.testing.assert_allclose(d_x.ravel(), [30, 30e-4])
    # of the first weight: the same, times x
    np.testing.assert_allclose(d_convs[0].w[0, 0, 1, 1], 15 - 15e-4)
    np.testing.assert_allclose(d_convs[0].b, 15 + 15e-4)
    without = stack_backward_straight_through(d_y, kept, convs, samplings, None, needs_d_x=False)
    assert without[0] is None
    for one, two in zip(without[1], d_convs, strict=True):
        np.testing.assert_array_equal(one.w, two.w)
        np.testing.assert_array_equal(one.b, two.b)


@pytest.mark.parametrize("slope", [0.0, 0.25])
def test_a_stack_of_other_slopes_there_and_back(slope: float) -> None:
    """x -> 2 x -> max(x, slope x) -> 3 times; a ReLU where the slope is 0."""
    x = np.array([1.0, -1.0]).reshape(2, 1, 1, 1)
    convs, samplings = [centre(2, 3), centre(3, 3)], [FLAT] * 2
    y, kept = stack_forward(x, convs, samplings, None, slope=slope)
    np.testing.assert_array_equal(y.ravel(), [6, -6 * slope])
    d_x, d_convs, _ = stack_backward_straight_through(
        np.ones_like(y), kept, convs, samplings, None, slope=slope
    )
    np.testing.assert_array_equal(d_x.ravel(), [6, 6 * slope])
    assert d_convs[0].w[0, 0, 1, 1] == 3 - 3 * slope


def plain_stack(h: Any, convs: Any, steps: Any, between: Any) -> Any:
    for i, (layer, step) in enumerate(zip(convs, steps, strict=True)):
        h = step(between(h) if i > 0 else h, layer.w, layer.b)
    return h


def relu(x: Any) -> Any:
    return np.maximum(x, 0)


@pytest.mark.parametrize(("means", "slope"), [(True, plain.leaky), (False, relu)])
def test_hyper_transforms_have_the_slopes_of_their_architecture(means: bool, slope: Any) -> None:
    """Leaky ReLUs with means; without, |y| enters, and ReLUs stand between and after (Sec. 5.1)."""
    rng = np.random.default_rng(0)
    params = hyperprior.init(rng, channels=3, latents=4, means=means, dtype=np.float64)
    y, w = rng.normal(0, 3, (2, 4, 8, 4)), rng.normal(0, 3, (2, 1, 2, 3))

    def down(h: Any, kernels: Any, biases: Any) -> Any:
        return plain.conv(h, kernels, biases, stride=2)

    start = y if means else np.abs(y)
    v = plain_stack(start, params.hyper_analysis, (plain.conv, down, down), slope)
    up = plain.conv_transpose
    both = plain_stack(w, params.hyper_synthesis, (up, up, plain.conv), slope)
    sigma, mu = (both[..., :4], both[..., 4:]) if means else (relu(both), 0 * both)
    assert 0.1 < np.mean(both < 0) < 0.9  # the last ReLU has something to do
    np.testing.assert_allclose(hyperprior.hyper_analyse(y, params)[0], v, rtol=0, atol=1e-13)
    found = hyperprior.hyper_synthesise(w, params)
    np.testing.assert_allclose(found[0], sigma, rtol=0, atol=1e-13)
    np.testing.assert_allclose(found[1], mu, rtol=0, atol=1e-13)
    np.testing.assert_allclose(hyperprior.hyper_means(w, params), mu, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("means", "slope"), [(True, 10486 / 2**20), (False, 0.0)])
def test_integer_scales_have_the_same_slope(means: bool, slope: float) -> None:
    """10486 / 2^20 is the 20-bit number nearest to a hundredth."""
    rng = np.random.default_rng(0)
    params = hyperprior.init(rng, channels=3, latents=4, means=means)
    scales = integer_scales(params, level_thresholds())
    assert scales.slope / 2**SLOPE_BITS == slope
    # -1 goes to -slope twice, in fixed point with 16 bits, each time rounded down
    one = IntegerLayer(np.zeros((1, 1, 5, 5)), np.zeros(1), 0)
    one.w[0, 0, 2, 2] = 1
    last = one._replace(w=one.w[..., 1:4, 1:4])
    network = IntegerScales((one, one, last), scales.thresholds, scales.slope)
    found = fixed_point_scales(np.full((1, 1, 1, 1), -60_000), network)
    assert found[0, 0, 0, 0] == np.floor(np.floor(-60_000 * slope) * slope)
