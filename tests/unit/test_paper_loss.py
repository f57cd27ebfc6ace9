"""The three losses and how they tend to each other: Eqs. 1, 2 and 21."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from npuq.backend import Array
from npuq.nn import logistic
from npuq.paper.channel import round_half_up, uniform_noise
from npuq.paper.density import rate_bits
from npuq.paper.loss import (
    mse,
    mse_backward,
    noisy_loss,
    quantized_loss,
    rate_distortion,
    soft_rounded_loss,
)
from npuq.paper.soft_round import soft_round, soft_round_conditional_mean

PARAMS = logistic.Params(np.array(0.1), np.array(1.5))
RNG = np.random.default_rng(0)
X = RNG.normal(0, 3, (4, 50))
MATRIX = np.linalg.qr(RNG.standard_normal((4, 4)))[0]


def encode(x: Array) -> Array:
    return MATRIX @ x


def decode(z: Array) -> Array:
    return MATRIX.T @ z


def bits_of(alpha: float) -> Any:
    return lambda z: rate_bits(z, PARAMS, cdf=logistic, alpha=alpha)


def test_each_loss_is_its_equation() -> None:
    u = uniform_noise(np.random.default_rng(1), X.shape)
    y = encode(X)
    k, z, soft = round_half_up(y), y + u, soft_round(y, 7.0) + u
    for actual, coded, received, alpha in [
        (quantized_loss(X, encode, decode, bits_of(0), mse), k, k, 0.0),
        (noisy_loss(X, u, encode, decode, bits_of(0), mse), z, z, 0.0),
        (
            soft_rounded_loss(X, u, encode, decode, bits_of(7), mse, alpha=7.0, alpha_r=16.0),
            soft,
            soft_round_conditional_mean(soft, 16.0),
            7.0,
        ),
    ]:
        rate, distortion = actual
        assert rate == pytest.approx(bits_of(alpha)(coded).sum(), rel=1e-14)
        assert distortion == pytest.approx(np.mean((X - decode(received)) ** 2), rel=1e-14)


def test_equation_21_at_alpha_0_is_equation_2() -> None:
    u = uniform_noise(np.random.default_rng(2), X.shape)
    assert soft_rounded_loss(X, u, encode, decode, bits_of(0), mse, alpha=0.0) == noisy_loss(
        X, u, encode, decode, bits_of(0), mse
    )


def test_equation_21_tends_to_equation_1() -> None:
    """Sec. 4.1: hard quantization is the limit, whatever the noise."""
    u = uniform_noise(np.random.default_rng(3), X.shape)
    hard = quantized_loss(X, encode, decode, bits_of(0), mse)

    def distance(alpha: float) -> float:
        soft = soft_rounded_loss(X, u, encode, decode, bits_of(alpha), mse, alpha=alpha)
        return max(abs(a / b - 1) for a, b in zip(soft, hard, strict=True))

    distances = [distance(alpha) for alpha in (16.0, 256.0, 4096.0, 65536.0)]
    assert all(b < a / 4 for a, b in zip(distances, distances[1:], strict=False))  # like 1 / alpha
    # Bits of the integers are the same function at every alpha, so the limit is the loss itself.
    limit = soft_rounded_loss(X, u, encode, decode, bits_of(math.inf), mse, alpha=math.inf)
    assert limit == pytest.approx(hard, rel=1e-14)


def test_mse_and_its_gradient() -> None:
    x_hat = X + 0.5
    assert mse(X, x_hat) == pytest.approx(0.25)
    assert mse(X, X) == 0
    d_x, d_x_hat = mse_backward(3.0, X, x_hat)
    np.testing.assert_allclose(d_x_hat, 3.0 * 2 * 0.5 / X.size)
    np.testing.assert_array_equal(d_x, -d_x_hat)
    single = X.astype(np.float32)
    assert all(d.dtype == np.float32 for d in mse_backward(3.0, single, single + 1))


def test_mse_of_bytes_does_not_wrap_around() -> None:
    x, x_hat = np.array([0, 255], np.uint8), np.array([255, 254], np.uint8)
    assert mse(x, x_hat) == (255**2 + 1) / 2
    np.testing.assert_array_equal(mse_backward(1.0, x, x_hat)[1], [255, -1])


def test_mse_of_nothing_is_refused() -> None:
    empty = np.zeros((0, 3))
    with pytest.raises(ValueError, match="x is empty"):
        mse(empty, empty)
    with pytest.raises(ValueError, match="x is empty"):
        mse_backward(1.0, empty, empty)


def test_rate_and_distortion_are_weighed_per_pixel() -> None:
    """Bits per pixel plus lambda times the squared error on the scale of 0..255."""
    assert rate_distortion(512.0, 30.0, lmbda=0.01, pixels=1024) == pytest.approx(0.5 + 0.3)
