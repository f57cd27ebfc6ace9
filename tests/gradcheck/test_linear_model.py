"""The whole linear model's gradient against differences of its loss, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from npuq.backend import Array
from npuq.models import linear
from npuq.models.linear import LinearParams
from npuq.models.noisy_rate import Softness, noisy_rate_reference
from npuq.nn import nonparametric
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.paper.soft_round import soft_round_backward

LMBDA = 0.02
BLOCKS = 2


def model() -> tuple[LinearParams, Array, Array]:
    """Parameters, pixels and noise. Coefficients are a few steps of the quantizer in size."""
    rng = np.random.default_rng(0)
    start = linear.init(rng, step=30.0, init_scale=3.0, dtype=np.float64)
    a = tuple(rng.normal(0, 0.5, a.shape) for a in start.density.a)  # 0 is a special point
    blocks = rng.normal(0, 50, (linear.CHANNELS, BLOCKS))
    u = rng.random(blocks.shape) - 0.5
    return start._replace(density=start.density._replace(a=a)), blocks, u


@pytest.mark.parametrize(
    ("quantizer", "softness"),
    [
        ("noise", Softness()),
        ("noise", Softness(2.0, 2.0)),
        ("noise", Softness(2.0, 5.0)),
        ("annealed", Softness(3.0)),
        ("shared-noise", Softness()),
    ],
    ids=str,
)
def test_gradient_of_the_loss(quantizer: str, softness: Softness) -> None:
    """Every parameter array, by random projections: relative error 1e-6.

    Differences at steps of 1e-5 and 5e-6 of the weights' size, with one Richardson step:
    coefficients move by 1e-5, far less than the width e^-5 of the steepest part of r_5.
    """
    params, blocks, u = model()
    static: Any = {"lmbda": LMBDA, "softness": softness, "quantizer": quantizer}
    _, forward = linear.loss_forward(params, blocks, u, **static)
    gradients = named_arrays(linear.loss_backward(forward, params, blocks, lmbda=LMBDA))
    arrays = named_arrays(params)
    assert list(gradients) == list(arrays)
    rng = np.random.default_rng(1)
    for name, array in arrays.items():
        assert gradients[name].shape == array.shape
        # Transforms: along a direction that moves coefficients, or pixels, by about 1.
        size = {"analysis": 1 / 700, "synthesis": 2.0}.get(name, 1.0)
        direction = size * rng.standard_normal(array.shape)

        def loss(t: float, name: str = name, direction: Array = direction) -> float:
            moved = with_arrays(params, arrays | {name: arrays[name] + t * direction})
            result, _ = linear.loss_forward(moved, blocks, u, **static)
            return result.loss

        def central(h: float, loss: Any = loss) -> float:
            return float(loss(h) - loss(-h)) / (2 * h)

        slope = (4 * central(5e-6) - central(1e-5)) / 3
        terms = gradients[name] * direction
        # 1e-6 of the gradient, and what rounding leaves of a loss of about 10: 10 eps / step.
        assert abs(slope - terms.sum()) <= 1e-6 * np.linalg.norm(terms) + 2e-9, name


def test_expected_rate_gradient_is_the_average_over_the_noise() -> None:
    """Eq. 17 inside the model: d_y with `expected_rate` is the mean of the sampled d_y over u.

    A midpoint rule over u, whose error is a slope's change over one of n = 4000 pieces: (d/dz)^2 of
    the sampled gradient, at alpha 4 up to 1e3 near half-integers, divided by 24 n^2, below 1e-5.
    """
    rng = np.random.default_rng(2)
    n = 4000
    density = nonparametric.init(rng, 3, init_scale=1.0, dtype=np.float64)
    y = np.array([[0.2], [-1.3], [2.45]])
    u = (np.arange(n) + 0.5) / n - 0.5
    every = np.broadcast_to(u, (3, n)).copy()
    for alpha in (0.0, 2.0, 4.0):
        sampled = noisy_rate_reference(np.repeat(y, n, 1), every, density, Softness(alpha, alpha))
        expected = noisy_rate_reference(
            y, np.full_like(y, 0.3), density, Softness(alpha, alpha, expected_rate=True)
        )
        np.testing.assert_allclose(
            sampled.d_y.mean(axis=1, keepdims=True), expected.d_y, rtol=0, atol=1e-4
        )


def test_expected_distortion_gradient_is_straight_through() -> None:
    """Eq. 20 inside the model: dr/dy = s'(y), as the expected derivative of r is 1."""
    params, _, u = model()
    y = np.random.default_rng(3).normal(0, 2, u.shape)
    expected = noisy_rate_reference(
        y, u, params.density, Softness(3.0, 9.0, expected_distortion=True)
    )
    sampled = noisy_rate_reference(y, u, params.density, Softness(3.0, 9.0))
    np.testing.assert_array_equal(expected.r, sampled.r)
    np.testing.assert_array_equal(expected.dr_dy, soft_round_backward(np.ones_like(y), y, 3.0))
