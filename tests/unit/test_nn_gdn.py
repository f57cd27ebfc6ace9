"""GDN and the bounded parameters that it is trained with: limits, bounds, wrong shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import peers
import pytest

from npuq.kernels.cpu import gdn as kernel
from npuq.nn.activations import leaky_relu, leaky_relu_backward
from npuq.nn.gdn import gdn, gdn_backward, inverse_gdn, inverse_gdn_backward
from npuq.nn.non_negative import (
    lower_bound_backward,
    lower_bound_backward_straight_through,
    non_negative,
    non_negative_backward,
    non_negative_backward_straight_through,
    non_negative_inverse,
)


def test_gdn_of_one_channel_by_hand() -> None:
    x = np.array([3.0, -4.0]).reshape(1, 1, 2, 1)
    beta, gamma = np.array([1.0]), np.array([[0.5]])
    np.testing.assert_allclose(gdn(x, beta, gamma).ravel(), [3 / 5.5**0.5, -4 / 3], rtol=1e-15)
    np.testing.assert_allclose(inverse_gdn(x, beta, gamma).ravel(), [3 * 5.5**0.5, -12], rtol=1e-15)


@pytest.mark.parametrize("kernels", ["fast", "reference"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gamma_is_no_symmetric_matrix(
    kernels: str, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """x = (1, 2), and only the first channel pools, half of the second squared: n = (3, 1)."""
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    x, beta = np.array([[1.0, 2.0]], dtype), np.ones(2, dtype)
    gamma = np.array([[0.0, 0.5], [0.0, 0.0]], dtype)
    d_y = np.array([[1.0, 0.0]], dtype)  # of y_1 = x_1 / sqrt(1 + x_2^2 / 2), or times it
    root, cube = 3**0.5, 3**1.5
    expected = {
        gdn: [[1 / root, 2]],
        inverse_gdn: [[root, 2]],
        gdn_backward: [
            [[1 / root, -1 / cube]],
            [-0.5 / cube, 0],
            [[-0.5 / cube, -2 / cube], [0, 0]],
        ],
        inverse_gdn_backward: [
            [[root, 1 / root]],
            [0.5 / root, 0],
            [[0.5 / root, 2 / root], [0, 0]],
        ],
    }
    for function, values in expected.items():
        arrays = (x, beta, gamma) if function in (gdn, inverse_gdn) else (d_y, x, beta, gamma)
        found = function(*arrays)
        pairs = [(found, values)] if len(arrays) == 3 else zip(found, values, strict=True)
        for array, value in pairs:
            assert array.dtype == dtype
            np.testing.assert_allclose(array, value, rtol=1e-6, atol=1e-15)


def test_without_gamma_both_are_a_scale_for_each_channel() -> None:
    x = np.random.default_rng(0).standard_normal((2, 4, 5, 3))
    beta, gamma = np.array([4.0, 9.0, 16.0]), np.zeros((3, 3))
    np.testing.assert_allclose(gdn(x, beta, gamma), x / np.array([2.0, 3, 4]))
    back = inverse_gdn(gdn(x, beta, gamma), beta, gamma)
    np.testing.assert_allclose(back, x, rtol=1e-14)


def test_gdn_saturates() -> None:
    """A channel that pools only itself cannot exceed 1 / sqrt(gamma)."""
    x = np.array([1e3, 1e6]).reshape(1, 1, 2, 1)
    y = gdn(x, np.array([1.0]), np.array([[0.25]]))
    np.testing.assert_allclose(y.ravel(), 2, rtol=1e-5)


@pytest.mark.parametrize("shapes", [((2, 3, 4), (3,), (3, 3)), ((1, 3, 4, 4), (2,), (3, 3)),
                                    ((1, 3, 4, 4), (3,), (3, 2))])  # fmt: skip
def test_shapes_are_checked(shapes: tuple[tuple[int, ...], ...]) -> None:
    arrays = [np.ones(shape) for shape in shapes]
    for function in (gdn, inverse_gdn):
        with pytest.raises(ValueError, match="must be"):
            function(*arrays)


@pytest.mark.parametrize("inverse", [False, True])
def test_the_kernels_are_their_plain_twins(inverse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "TILE", 6 * 4)  # the last of 18 tiles is not full
    rng = np.random.default_rng(0)
    x = (3 * rng.standard_normal((2, 5, 7, 6))).astype(np.float32)
    d_y = rng.standard_normal(x.shape).astype(np.float32)
    beta = (0.1 + rng.random(6)).astype(np.float32)
    gamma = (0.1 * rng.random((6, 6))).astype(np.float32)
    forward, backward = (inverse_gdn, inverse_gdn_backward) if inverse else (gdn, gdn_backward)
    found = []
    for kernels in ("fast", "reference"):
        monkeypatch.setenv("NPUQ_KERNELS", kernels)
        found.append((forward(x, beta, gamma), *backward(d_y, x, beta, gamma)))
    for ours, twin in zip(*found, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, twin, rtol=3e-6, atol=3e-6 * np.abs(twin).max())


def test_gradients_of_another_shape_are_refused_and_any_layout_is_not() -> None:
    rng = np.random.default_rng(0)
    x, d_y = (rng.standard_normal((2, 3, 5, 4), np.float32) for _ in range(2))
    beta, gamma = rng.random(4, np.float32), rng.random((4, 4), np.float32)
    for other in (d_y[:1], d_y[:, :, :4]):
        with pytest.raises(ValueError, match="d_y"):
            gdn_backward(other, x, beta, gamma)
    expected = gdn_backward(d_y, x, beta, gamma)
    found = gdn_backward(
        np.asfortranarray(d_y), np.asfortranarray(x), beta, np.asfortranarray(gamma)
    )
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("minimum", [0.0, 1e-6, 0.5])
def test_non_negative_keeps_its_bound_and_its_inverse(minimum: float) -> None:
    theta = np.linspace(-3, 3, 61)
    value = non_negative(theta, minimum)
    assert np.all(value >= minimum * (1 - 1e-12) - 1e-25)
    back = non_negative(non_negative_inverse(value, minimum), minimum)
    np.testing.assert_allclose(back, value, rtol=1e-9, atol=1e-15)
    with pytest.raises(ValueError, match="minimum"):
        non_negative(theta, -1.0)


def test_a_parameter_below_its_bound_can_come_back_and_no_other_gradient_passes() -> None:
    x, d_y = np.array([0.0, 0.0, 1.0, 1.0]), np.array([-1.0, 1.0, -1.0, 1.0])
    np.testing.assert_array_equal(lower_bound_backward(d_y, x, 0.5), [0, 0, -1, 1])
    np.testing.assert_array_equal(
        lower_bound_backward_straight_through(d_y, x, 0.5), [-1, 0, -1, 1]
    )
    exact = non_negative_backward(d_y, x, 0.25)
    passed = non_negative_backward_straight_through(d_y, x, 0.25)
    np.testing.assert_allclose(exact, [0, 0, -2, 2])
    np.testing.assert_allclose(passed, [-2 * (0.25 + 2.0**-36) ** 0.5, 0, -2, 2])


def test_gradients_at_the_bounds_are_those_of_the_field() -> None:
    ops = peers.compressai("compressai.ops")
    import torch

    x = torch.tensor([0.0, 0.0, 1.0, 1.0], requires_grad=True)
    d_y = torch.tensor([-1.0, 1.0, -1.0, 1.0])
    ops.LowerBound(0.5)(x).backward(d_y)
    ours = lower_bound_backward_straight_through(d_y.numpy(), x.detach().numpy(), 0.5)
    np.testing.assert_array_equal(ours, x.grad.numpy())


@pytest.mark.parametrize("slope", [-0.1, 1.5, np.nan])
def test_leaky_relu_refuses_slopes_that_would_fold(slope: float) -> None:
    with pytest.raises(ValueError, match="slope must be from 0 to 1"):
        leaky_relu(np.ones(2), slope)
    with pytest.raises(ValueError, match="slope must be from 0 to 1"):
        leaky_relu_backward(np.ones(2), np.ones(2), slope)


def test_one_number_without_an_axis_has_no_channel() -> None:
    with pytest.raises(ValueError, match=r"x must be \(..., C\)"):
        gdn(np.array(2.0), np.ones(1), np.ones((1, 1)))


def test_at_its_bound_a_parameter_moves_like_those_above() -> None:
    """A maximum of two equal numbers: the gradient is taken from the side that is trained."""
    x, d_y = np.full(2, 0.5), np.array([-3.0, 2.0])
    for backward in (lower_bound_backward, lower_bound_backward_straight_through):
        np.testing.assert_array_equal(backward(d_y, x, 0.5), d_y)
