"""The paper's functions against PyTorch: float32 as its users have it, and its distributions."""

from __future__ import annotations

from typing import Any

import in_torch
import numpy as np
import pytest

from npuq.nn import logistic, normal
from npuq.paper.density import density, rate_bits, rate_bits_backward
from npuq.paper.loss import mse, soft_rounded_loss
from npuq.paper.soft_round import soft_round, soft_round_conditional_mean, soft_round_inverse

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("alpha", [1.0, 7.0])
def test_float32_functions_agree_with_the_literal_formulas(alpha: float) -> None:
    """Where those are well conditioned: fractions from 0.1 to 0.9, softness up to 7.

    1 - (2 tanh(alpha/2) r)^2 cancels by a factor of 5 there, and numbers are of size 4: 3e-6.
    """
    rng = np.random.default_rng(0)
    fraction = rng.uniform(0.1, 0.4, 500) + 0.5 * rng.integers(0, 2, 500)
    y = (rng.integers(-4, 4, 500) + fraction).astype(np.float32)
    for ours, theirs in [
        (soft_round, in_torch.soft_round),
        (soft_round_inverse, in_torch.soft_round_inverse),
        (soft_round_conditional_mean, in_torch.soft_round_conditional_mean),
    ]:
        expected = theirs(torch.tensor(y), alpha).numpy()
        np.testing.assert_allclose(ours(y, alpha), expected, rtol=0, atol=3e-6)


def test_density_against_the_distributions_of_torch() -> None:
    z = np.linspace(-4, 4, 41)
    params = normal.Params(np.array(0.3), np.array(0.8))
    gaussian = torch.distributions.Normal(torch.tensor(0.3, dtype=torch.float64), 0.8)
    p = gaussian.cdf(torch.tensor(z + 0.5)) - gaussian.cdf(torch.tensor(z - 0.5))
    np.testing.assert_allclose(density(z, params, cdf=normal), p.numpy(), rtol=1e-9, atol=1e-16)


def test_bits_in_the_tails_where_the_literal_difference_is_infinite() -> None:
    """sigmoid(b) - sigmoid(a) is 0 in float64 from 37 on; log-sigmoids say what it should be."""
    z = np.array([60.0, 300.0, -500.0])
    params = logistic.Params(np.array(0.0), np.array(1.0))
    literal = in_torch.rate_bits(
        torch.tensor(z[:2]), logistic.Params(*map(torch.tensor, params)), logits=in_torch.logistic
    )
    assert torch.isinf(literal).all()
    tensor = torch.tensor(abs(z), requires_grad=True)
    # c(b) - c(a) = c(-a) c(b) (1 - e^-(b - a))
    nats = -torch.nn.functional.logsigmoid(-(tensor - 0.5))
    nats = nats - torch.nn.functional.logsigmoid(tensor + 0.5) - np.log(-np.expm1(-1.0))
    bits = nats / np.log(2)
    bits.sum().backward()
    np.testing.assert_allclose(rate_bits(z, params, cdf=logistic), bits.detach(), rtol=1e-14)
    d_z, _ = rate_bits_backward(np.ones(3), z, params, cdf=logistic)
    np.testing.assert_allclose(d_z, np.sign(z) * tensor.grad.numpy(), rtol=1e-12)


def test_loss_of_equation_21() -> None:
    rng = np.random.default_rng(1)
    x, u = rng.normal(0, 2, (3, 40)), rng.random((3, 40)) - 0.5
    matrix = rng.standard_normal((3, 3))
    params = logistic.Params(np.array(0.2), np.array(1.3))

    def bits(z: Any) -> Any:
        return rate_bits(z, params, cdf=logistic, alpha=3.0)

    ours = soft_rounded_loss(
        x, u, lambda x: matrix @ x, lambda r: matrix.T @ r, bits, mse, alpha=3.0, alpha_r=5.0
    )
    m, x_, u_ = (torch.tensor(array) for array in (matrix, x, u))
    z = in_torch.soft_round(m @ x_, 3.0) + u_
    tensors = logistic.Params(*map(torch.tensor, params))
    rate = in_torch.rate_bits(z, tensors, logits=in_torch.logistic, alpha=3.0).sum()
    r = in_torch.soft_round_conditional_mean(z, 5.0)
    assert ours[0] == pytest.approx(float(rate), rel=1e-8)
    assert ours[1] == pytest.approx(float(in_torch.mse(x_, m.T @ r)), rel=1e-8)
