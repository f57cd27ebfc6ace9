"""The example to read first computes what the library does: loss, gradients and bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import module_at

from npuq.nn import logistic
from npuq.paper.density import rate_bits
from npuq.paper.expected_gradient import (
    rate_bits_backward_expected,
    soft_round_conditional_mean_backward_expected,
)
from npuq.paper.loss import mse, rate_distortion, soft_rounded_loss
from npuq.paper.soft_round import soft_round, soft_round_backward

PATH = Path(__file__).parents[2] / "examples" / "linear_model_by_hand.py"
ALPHA = 5.0


@pytest.fixture(scope="module")
def example() -> Any:
    return module_at(PATH)


@pytest.fixture
def case(example: Any) -> Any:
    """Parameters random in every entry, pixels, noise."""
    rng = np.random.default_rng(3)
    W, V = rng.standard_normal((2, 192, 192)) * np.array([0.002, 3.0])[:, None, None]
    loc, log_scale = rng.standard_normal((2, 192, 1)) * 0.5
    x = rng.uniform(-127, 127, (192, 7))
    return example.Params(W, V, loc, log_scale), x, rng.random(x.shape) - 0.5


def test_the_loss_is_that_of_the_equations(example: Any, case: Any) -> None:
    params, x, u = case
    density = logistic.Params(params.loc, np.exp(params.log_scale))
    rate, distortion = soft_rounded_loss(
        x,
        u,
        lambda x: params.W @ x,
        lambda r: params.V @ r,
        lambda z: rate_bits(z, density, cdf=logistic, alpha=ALPHA),
        mse,
        alpha=ALPHA,
    )
    (loss, bpp, error), _ = example.loss_and_gradients(params, x, u, ALPHA)
    pixels = 7 * 64
    # the literal forms lose some digits of float64 where the stable ones do not
    assert bpp == pytest.approx(rate / pixels, rel=1e-9)
    assert error == pytest.approx(distortion, rel=1e-9)
    expected = rate_distortion(rate, distortion, lmbda=example.LMBDA, pixels=pixels)
    assert loss == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["V", "loc", "log_scale"])
def test_gradients_behind_the_noise_are_derivatives(example: Any, case: Any, name: str) -> None:
    params, x, u = case
    _, gradients = example.loss_and_gradients(params, x, u, ALPHA)
    direction = np.random.default_rng(1).standard_normal(getattr(params, name).shape)
    h = 1e-5

    def loss(t: float) -> float:
        moved = params._replace(**{name: getattr(params, name) + t * direction})
        return example.loss_and_gradients(moved, x, u, ALPHA)[0][0]

    terms = getattr(gradients, name) * direction
    # central differences of h = 1e-5 in float64: some nine digits of a loss of 1e2
    assert (loss(h) - loss(-h)) / (2 * h) == pytest.approx(
        terms.sum(), abs=1e-6 * np.linalg.norm(terms)
    )


def test_the_gradient_before_the_noise_is_the_expected_one(example: Any, case: Any) -> None:
    params, x, u = case
    _, gradients = example.loss_and_gradients(params, x, u, ALPHA)
    density = logistic.Params(params.loc, np.exp(params.log_scale))
    y = params.W @ x
    s = soft_round(y, ALPHA)
    z = s + u
    error = params.V @ example.r(z, ALPHA) - x
    d_r = params.V.T @ (2 * example.LMBDA * error / x.size)
    d_distortion = soft_round_conditional_mean_backward_expected(d_r, z, ALPHA)
    d_rate = rate_bits_backward_expected(
        np.full(x.shape, 1 / (7 * 64)), s, density, cdf=logistic, alpha=ALPHA
    )
    for d_s, part in ((d_rate, "rate"), (d_distortion, "distortion")):
        assert np.linalg.norm(soft_round_backward(d_s, y, ALPHA) @ x.T) > 0, part
    d_W = soft_round_backward(d_distortion + d_rate, y, ALPHA) @ x.T
    np.testing.assert_allclose(gradients.W, d_W, atol=1e-8 * np.abs(d_W).max())


@pytest.mark.slow
def test_training_lowers_the_loss_and_bytes_are_what_the_model_says(
    example: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    params = example.train(steps=100)
    first, last = (
        float(line.split("loss ")[1][:5]) for line in capsys.readouterr().out.splitlines()
    )
    assert last < 0.97 * first
    x = example.blocks_of(example.dead_leaves_batch(seed=2, step=0, batch_size=1, crop=64))
    data, x_hat, estimate = example.code(x, params)
    # tables are good to 0.05 %, words to two bytes, and rare escapes cost what no density says
    assert 8 * len(data) == pytest.approx(estimate, rel=2e-3, abs=40)
    assert ((x_hat - x) ** 2).mean() < 300
