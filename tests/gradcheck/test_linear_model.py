"""The linear model: every stage of its forward pass against the equations, and the gradients of
rate and distortion apart against differences, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import unequal
from plain import nonparametric_logits
from rates import noisy_rate_plain
from scipy.special import expit
from slopes import check_slopes

from npuq.backend import Array
from npuq.models import linear
from npuq.models.linear import LinearParams
from npuq.models.noisy_rate import Softness
from npuq.nn import nonparametric
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.paper.density import rate_bits
from npuq.paper.loss import mse, noisy_loss, rate_distortion, soft_rounded_loss
from npuq.paper.soft_round import (
    soft_round,
    soft_round_backward,
    soft_round_conditional_mean,
    soft_round_inverse,
)

LMBDA = 0.02
BLOCKS = 2


def model() -> tuple[LinearParams, Array, Array]:
    """Parameters, pixels and noise. Coefficients are a few steps of the quantizer in size."""
    rng = np.random.default_rng(0)
    params = unequal.linear_params(rng, step=30.0, init_scale=3.0, dtype=np.float64)
    blocks = rng.normal(0, 50, (linear.CHANNELS, BLOCKS))
    u = rng.random(blocks.shape) - 0.5
    return params, blocks, u


CASES = [
    ("noise", Softness()),
    ("noise", Softness(2.0, 2.0)),
    ("noise", Softness(2.0, 5.0)),
    ("annealed", Softness(3.0)),
    ("shared-noise", Softness()),
]


@pytest.mark.parametrize("softness", [softness for name, softness in CASES if name == "noise"])
def test_every_stage_is_its_equation(softness: Softness) -> None:
    """Eqs. 2 and 21: a matrix, s_alpha and noise, -log2 of a difference of CDFs, r, a matrix."""
    params, blocks, u = model()
    alpha, alpha_r = softness.alphas()
    y = np.einsum("cijk,ijkn->cn", params.analysis, blocks.reshape(3, 8, 8, -1))
    z = soft_round(y, alpha) + u
    upper, lower = (
        expit(nonparametric_logits(soft_round_inverse(z + d, alpha), params.density))
        for d in (0.5, -0.5)
    )
    bits = -np.log2(upper - lower)
    r = soft_round_conditional_mean(z, alpha_r)
    x_hat = np.einsum("cn,cijk->ijkn", r, params.synthesis).reshape(blocks.shape)
    bpp, mse = bits.sum() / (64 * BLOCKS), np.mean((x_hat - blocks) ** 2)
    expected = (bpp + LMBDA * mse, bpp, mse, y, r, bits.sum(axis=1), x_hat - blocks)

    loss, kept = linear.loss_forward(params, blocks, u, lmbda=LMBDA, softness=softness)
    found_y = linear.analyse(blocks, params.analysis)
    found = (*loss, found_y, kept.coded.r, kept.coded.bits, kept.error)
    for ours, value in zip(found, expected, strict=True):
        # sums of 192 terms in another order, and differences of CDFs of 1e-5: 1e-16 by 1e5
        np.testing.assert_allclose(ours, value, rtol=1e-9, atol=1e-10 * np.max(np.abs(value)))


@pytest.mark.parametrize("softness", [softness for name, softness in CASES if name == "noise"])
def test_the_loss_is_that_of_the_paper(softness: Softness) -> None:
    """Eq. 21, `npuq.paper.loss`, of this model's transforms and densities; Eq. 2 at alpha 0."""
    params, blocks, u = model()
    alpha, alpha_r = softness.alphas()

    def f(x: Array) -> Array:
        return linear.analyse(x, params.analysis)

    def g(r: Array) -> Array:
        return linear.synthesise(r, params.synthesis)

    def bits(z: Array) -> Array:
        return rate_bits(z, params.density, cdf=nonparametric, alpha=alpha)

    losses = [soft_rounded_loss(blocks, u, f, g, bits, mse, alpha=alpha, alpha_r=alpha_r)]
    if alpha == 0:
        losses.append(noisy_loss(blocks, u, f, g, bits, mse))
    found, _ = linear.loss_forward(params, blocks, u, lmbda=LMBDA, softness=softness)
    for rate, distortion in losses:
        loss = rate_distortion(rate, distortion, lmbda=LMBDA, pixels=64 * BLOCKS)
        # the same functions in the same order; sums of 400 terms in another one
        assert found == pytest.approx((loss, rate / (64 * BLOCKS), distortion), rel=1e-13)


@pytest.mark.parametrize(("quantizer", "softness"), CASES, ids=str)
def test_gradients_are_as_large_as_the_upstream_one(quantizer: str, softness: Softness) -> None:
    """A power of 2, which changes no digit."""
    args = model()
    static: Any = {"lmbda": LMBDA, "softness": softness, "quantizer": quantizer}
    _, kept = linear.loss_forward(*args, **static)
    once, eight = (named_arrays(linear.loss_backward(d, kept, *args, **static)) for d in (1.0, 8.0))
    for name, d in once.items():
        np.testing.assert_array_equal(eight[name], 8 * d, err_msg=name)


def test_pixels_have_a_gradient_where_it_is_asked_for() -> None:
    params, blocks, u = model()
    d_blocks, d_analysis = linear.analyse_backward(u, blocks, params.analysis)
    none, same = linear.analyse_backward(u, blocks, params.analysis, needs_d_blocks=False)
    assert none is None and d_blocks is not None and d_blocks.shape == blocks.shape
    np.testing.assert_array_equal(same, d_analysis)


@pytest.mark.parametrize(("quantizer", "softness"), CASES, ids=str)
def test_gradients_of_rate_and_distortion(quantizer: str, softness: Softness) -> None:
    """Along random directions in each array: the two parts of Eq. 21 apart, to 1e-6 of each.

    Coefficients move by 1e-5, far less than the width e^-5 of the steepest part of r_5.
    """
    params, blocks, u = model()
    static: Any = {"softness": softness, "quantizer": quantizer}

    def parts(arrays: dict[str, Any]) -> dict[str, float]:
        moved = with_arrays(params, arrays)
        loss, _ = linear.loss_forward(moved, blocks, u, lmbda=LMBDA, **static)
        return {"rate": loss.bpp, "distortion": loss.mse}

    _, kept = linear.loss_forward(params, blocks, u, lmbda=LMBDA, **static)
    rate, both = (
        named_arrays(linear.loss_backward(1.0, kept, params, blocks, u, lmbda=lmbda, **static))
        for lmbda in (0.0, 1.0)
    )
    gradients = {"rate": rate, "distortion": {name: both[name] - rate[name] for name in both}}
    # along directions that move coefficients, or pixels, by about 1
    sizes = {"analysis": 1 / 700, "synthesis": 2.0}
    check_slopes(parts, named_arrays(params), gradients, sizes=sizes)


def test_expected_rate_gradient_is_the_average_over_the_noise() -> None:
    """Eq. 17 inside the model: d_y with `expected_rate` is the mean of the sampled d_y over u.

    A midpoint rule over u, whose error is a slope's change over one of n = 4000 pieces: (d/dz)^2 of
    the sampled gradient, at alpha 4 up to 1e3 near half-integers, divided by 24 n^2, below 1e-5.
    """
    rng = np.random.default_rng(2)
    n = 4000
    density = unequal.density(rng, 3, init_scale=1.0, dtype=np.float64)
    y = np.array([[0.2], [-1.3], [2.45]])
    u = (np.arange(n) + 0.5) / n - 0.5
    every = np.broadcast_to(u, (3, n)).copy()
    for alpha in (0.0, 2.0, 4.0):
        sampled = noisy_rate_plain(np.repeat(y, n, 1), every, density, Softness(alpha, alpha))
        expected = noisy_rate_plain(
            y, np.full_like(y, 0.3), density, Softness(alpha, alpha, expected_rate=True)
        )
        np.testing.assert_allclose(
            sampled.d_y.mean(axis=1, keepdims=True), expected.d_y, rtol=0, atol=1e-4
        )


def test_expected_distortion_gradient_is_straight_through() -> None:
    """Eq. 20 inside the model: dr/dy = s'(y), as the expected derivative of r is 1."""
    params, _, u = model()
    y = np.random.default_rng(3).normal(0, 2, u.shape)
    expected = noisy_rate_plain(y, u, params.density, Softness(3.0, 9.0, expected_distortion=True))
    sampled = noisy_rate_plain(y, u, params.density, Softness(3.0, 9.0))
    np.testing.assert_array_equal(expected.r, sampled.r)
    np.testing.assert_array_equal(expected.dr_dy, soft_round_backward(np.ones_like(y), y, 3.0))
