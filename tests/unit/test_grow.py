"""More latents, the same function: growing a trained hyperprior model (Sec. 5.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from models import picture

from npuq.models import hyperprior
from npuq.models.noisy_rate import Softness
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.training.grow import grow_latents

OLD, NEW, CHANNELS = 4, 10, 3


@pytest.fixture
def small() -> hyperprior.HyperpriorParams:
    rng = np.random.default_rng(8)
    like = hyperprior.init(rng, channels=CHANNELS, latents=OLD, dtype=np.float64)
    moved = {
        n: a + 0.05 * rng.standard_normal(a.shape) * np.abs(a).max()
        for n, a in named_arrays(like).items()
    }
    return with_arrays(like, moved)


@pytest.fixture
def inputs() -> Any:
    rng = np.random.default_rng(1)
    x = np.stack([picture(128, 64, 1), picture(128, 64, 2)]) / 255.0
    u_1 = rng.random((2, 2, 1, CHANNELS)) - 0.5
    return x, u_1, rng.random((2, 8, 4, NEW)) - 0.5


def gradient(params: Any, inputs: Any) -> Any:
    static: Any = {"lmbda": 0.01, "softness": Softness()}
    _, kept = hyperprior.loss_forward(params, *inputs, **static)
    return hyperprior.loss_backward(1.0, kept, params, *inputs, **static)


def test_a_grown_model_computes_the_same(small: Any, inputs: Any) -> None:
    x, u_1, u_2 = inputs
    large = grow_latents(small, NEW, np.random.default_rng(0))
    (_, before), (_, after) = (
        hyperprior.loss_forward(p, x, u_1, u_2[..., :m], lmbda=0.01, softness=Softness())
        for p, m in ((small, OLD), (large, NEW))
    )
    # products of 0 change no sum, but may change its order
    np.testing.assert_allclose(after.error, before.error, atol=1e-12)
    np.testing.assert_allclose(after.hyper.bits, before.hyper.bits, rtol=1e-10)
    np.testing.assert_allclose(after.coded.bits[..., :OLD], before.coded.bits, rtol=1e-10)


def test_new_latents_cost_next_to_nothing(small: Any, inputs: Any) -> None:
    x, u_1, u_2 = inputs
    large = grow_latents(small, NEW, np.random.default_rng(0))
    _, after = hyperprior.loss_forward(large, x, u_1, u_2, lmbda=0.01, softness=Softness())
    # a latent at 0 of the smallest scale has 0.13 bits, for noise at its ends
    assert after.coded.bits[..., OLD:].mean() < 0.25


def test_whatever_is_new_can_learn(small: Any, inputs: Any) -> None:
    """All new kernels have gradients, but those that wait for the ones after them to move."""
    large = grow_latents(small, NEW, np.random.default_rng(0))
    for _ in range(3):
        gradients = gradient(large, inputs)
        moved = {
            n: a - 1e-3 * np.sign(named_arrays(gradients)[n])
            for n, a in named_arrays(large).items()
        }
        large = with_arrays(large, moved)
    found = named_arrays(gradients)
    assert np.abs(found["analysis.3.w"][OLD:]).max(axis=(1, 2, 3)).min() > 0
    assert np.abs(found["synthesis.0.w"][OLD:]).max(axis=(1, 2, 3)).min() > 0
    assert np.abs(found["hyper_analysis.0.w"][:, OLD:]).max(axis=(0, 2, 3)).min() > 0
    means = found["hyper_synthesis.2.w"][NEW + OLD :]
    assert np.abs(means).max(axis=(1, 2, 3)).min() > 0


def test_scales_follow_as_soon_as_the_new_latents_grow(small: Any, inputs: Any) -> None:
    """The smallest scale is right for small latents, so that it has no gradient until then."""
    large = grow_latents(small, NEW, np.random.default_rng(0))
    w = large.analysis[-1].w.copy()
    w[OLD:] *= 200
    large = large._replace(analysis=(*large.analysis[:-1], large.analysis[-1]._replace(w=w)))
    d_scales = gradient(large, inputs).hyper_synthesis[-1].w[OLD:NEW]
    assert np.abs(d_scales).max(axis=(1, 2, 3)).min() > 0


def test_the_same_size_is_the_same_model_and_fewer_are_refused(small: Any) -> None:
    rng = np.random.default_rng(0)
    assert grow_latents(small, OLD, rng) is small
    for latents in (2, 7):
        with pytest.raises(ValueError, match="even and at least 4"):
            grow_latents(small, latents, rng)
