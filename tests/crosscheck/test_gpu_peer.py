"""What our steps on a GPU are timed beside computes the same as they do; here on CPUs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import unequal

from npuq.models import hyperprior, linear
from npuq.models.noisy_rate import Softness
from npuq.nn.parameters import named_arrays

torch = pytest.importorskip("torch")
BENCH = Path(__file__).parents[2] / "bench"
LMBDA = 0.0125


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Any:
    for path in (BENCH, BENCH / "speed"):
        monkeypatch.syspath_prepend(str(path))
    import gpu_peer

    yield gpu_peer
    for name in ("gpu_peer", "speed", "speed.step", "common"):
        sys.modules.pop(name, None)


def compare(loss: Any, gradient: Any, theirs: Any, weights: dict[str, Any]) -> None:
    theirs.backward()
    assert float(loss.loss) == pytest.approx(theirs.item(), rel=1e-4)
    for name, ours in named_arrays(gradient).items():
        found = weights[name].grad.numpy()
        size = np.linalg.norm(ours)
        assert size > 0 and np.linalg.norm(found - ours) <= 1e-2 * size, name


def tensors(params: Any) -> dict[str, Any]:
    return {n: torch.tensor(a, requires_grad=True) for n, a in named_arrays(params).items()}


def test_the_linear_model(peer: Any) -> None:
    rng = np.random.default_rng(0)
    params = linear.init(rng, start="jpeg", step=30.0, init_scale=2.0)
    images = rng.integers(0, 256, (2, 16, 24, 3), np.uint8)
    u = rng.random((192, 2 * 2 * 3), np.float32) - np.float32(0.5)
    args, static = (params, linear.images_to_blocks(images), u), {"lmbda": LMBDA}
    loss, kept = linear.loss_forward(*args, **static, softness=Softness())
    gradient = linear.loss_backward(1.0, kept, *args, **static, softness=Softness())
    weights = tensors(params)
    pixels = torch.tensor(images).permute(0, 3, 1, 2).float()
    noise = torch.tensor(u.reshape(192, 2, 2, 3)).permute(1, 0, 2, 3)
    compare(loss, gradient, peer.linear_loss(torch, weights, pixels, noise, LMBDA), weights)


def test_the_hyperprior_model(peer: Any) -> None:
    rng = np.random.default_rng(1)
    params = hyperprior.init(rng, channels=4, latents=6, init_scale=2.0)
    params = unequal.unequal(rng, params, spread=0.05)
    x = rng.random((2, 64, 128, 3), np.float32)
    u_1, u_2 = (
        rng.random((2, 64 // s, 128 // s, c), np.float32) - np.float32(0.5)
        for s, c in ((64, 4), (16, 6))
    )
    args, static = (params, x, u_1, u_2), {"lmbda": LMBDA}
    loss, kept = hyperprior.loss_forward(*args, **static, softness=Softness())
    gradient = hyperprior.loss_backward(1.0, kept, *args, **static, softness=Softness())
    weights = tensors(params)
    there = (torch.tensor(a).permute(0, 3, 1, 2) for a in (x, u_1, u_2))
    compare(loss, gradient, peer.hyperprior_loss(torch, weights, *there, LMBDA), weights)
