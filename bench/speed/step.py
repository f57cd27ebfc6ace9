"""A training step of the linear model beside the same step in PyTorch, eager and compiled.

Batch 8 of 256x256, from pixels in memory to updated parameters: blocks, both transforms, density,
all gradients, Adam. Both sides use the same noise, and are first shown to find the same loss and
gradients.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from common import median_seconds, peer

from npuq.models import linear
from npuq.models.noisy_rate import Softness
from npuq.nn.adam import adam_init, adam_step
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.training.dead_leaves import dead_leaves

TITLE = "Training step of the linear model, batch 8 of 256x256"
LMBDA = 0.0125
CASES = {"UN": Softness(), "UN+SR, expected gradients": Softness(8.0, 8.0, True, True)}


def rows() -> list[dict[str, Any]]:
    return [{"case": case} | _measure(softness) for case, softness in CASES.items()]


def _measure(softness: Softness) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    images = np.stack([dead_leaves(256, 256, seed=seed) for seed in range(8)])
    params = linear.init(rng, start="jpeg", step=45.0, init_scale=2.0)
    u = rng.random((linear.CHANNELS, 8 * 32 * 32), np.float32) - np.float32(0.5)
    arrays = named_arrays(params)
    state = [arrays, adam_init(arrays)]

    def gradients(arrays: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        model = with_arrays(params, arrays)
        blocks = linear.images_to_blocks(images)
        args, static = (model, blocks, u), {"lmbda": LMBDA, "softness": softness}
        loss, kept = linear.loss_forward(*args, **static)
        return loss.loss, named_arrays(linear.loss_backward(1.0, kept, *args, **static))

    def ours() -> None:
        state[:] = adam_step(state[0], gradients(state[0])[1], state[1], 1e-4)

    functions: dict[str, Callable[[], Any]] = {"npuq": ours}
    if peer("torch"):
        step, compiled, theirs = pytorch(params, images, u, softness)
        check_same(gradients(arrays), theirs())
        functions |= {"PyTorch": step}
        try:
            compiled()
            functions |= {"torch.compile": compiled}
        except Exception as error:  # without a C++ compiler, most often
            print(f"torch.compile does not work here: {error}", file=sys.stderr)
    seconds = median_seconds(functions)
    row: dict[str, Any] = {f"{name} ms": 1e3 * s for name, s in seconds.items()}
    for name in list(seconds)[1:]:
        row[f"ratio to {name}"] = seconds["npuq"] / seconds[name]
    return row


def pytorch(
    params: Any, images: np.ndarray, u: np.ndarray, softness: Softness
) -> tuple[Callable[[], None], Callable[[], None], Callable[[], tuple[float, dict[str, Any]]]]:
    """The step as one would write it in PyTorch; the same compiled; its loss and gradients."""
    t = peer("torch")
    weights = {n: t.tensor(a, requires_grad=True) for n, a in named_arrays(params).items()}
    optimiser = t.optim.Adam(list(weights.values()), lr=1e-4)
    noise = t.tensor(u.reshape(192, 8, 32, 32)).permute(1, 0, 2, 3).contiguous()
    pixels = t.tensor(images)

    def loss_of(pixels: Any) -> Any:
        x = pixels.permute(0, 3, 1, 2).float() - linear.GREY
        y = t.nn.functional.conv2d(x, weights["analysis"], stride=8)
        if softness.alpha == 0:
            r = y + noise
            rate = bits(t, weights, r).sum()
        else:
            s = soft_round(t, y, softness.alpha)
            z = s + noise
            # Eq. 20 for the distortion, Eq. 17 for the rate of y
            m = conditional_mean(t, z.detach(), softness.alpha)
            r = s + (m - s).detach()
            with t.no_grad():
                slope = bits(t, weights, y + 0.5) - bits(t, weights, y - 0.5)
            rate = bits(t, weights, m).sum() + (slope * (s - s.detach())).sum()
        error = t.nn.functional.conv_transpose2d(r, weights["synthesis"], stride=8) - x
        return rate / (8 * 256 * 256) + LMBDA * (error**2).mean()

    def step_with(loss: Callable[[Any], Any]) -> Callable[[], None]:
        def step() -> None:
            optimiser.zero_grad()
            loss(pixels).backward()
            optimiser.step()

        return step

    def values() -> tuple[float, dict[str, Any]]:
        optimiser.zero_grad()
        loss = loss_of(pixels)
        loss.backward()
        return loss.item(), {n: w.grad.numpy().copy() for n, w in weights.items()}

    return step_with(loss_of), step_with(t.compile(loss_of)), values


def logits(t: Any, weights: dict[str, Any], y: Any) -> Any:
    """Logits of the non-parametric CDF of y (N, C, h, w)."""
    x = y.permute(1, 0, 2, 3).reshape(192, 1, -1)
    layers = sum(name.startswith("density.H") for name in weights)
    for k in range(layers):
        x = t.nn.functional.softplus(weights[f"density.H.{k}"]) @ x + weights[f"density.b.{k}"]
        if k + 1 < layers:
            x = x + t.tanh(weights[f"density.a.{k}"]) * t.tanh(x)
    return x.reshape(192, *y.shape[:1], *y.shape[2:]).permute(1, 0, 2, 3)


def bits(t: Any, weights: dict[str, Any], m: Any) -> Any:
    """-log2 of the density of Y + U at m."""
    low, high = logits(t, weights, m - 0.5), logits(t, weights, m + 0.5)
    sign = -t.sign(low + high).detach()
    p = t.abs(t.sigmoid(sign * high) - t.sigmoid(sign * low))
    return -t.log2(t.clamp(p, min=1e-9))


def soft_round(t: Any, y: Any, alpha: float) -> Any:
    r = y - t.floor(y) - 0.5
    return t.floor(y) + 0.5 * t.tanh(alpha * r) / math.tanh(alpha / 2) + 0.5


def conditional_mean(t: Any, z: Any, alpha: float) -> Any:
    w = z - t.floor(z + 0.5)
    return t.floor(z + 0.5) + t.atanh(2 * math.tanh(alpha / 2) * w) / alpha


def check_same(
    a: tuple[float, dict[str, Any]], b: tuple[float, dict[str, Any]], *, tolerance: float = 5e-3
) -> None:
    """Stop unless loss and gradients agree, so that the same work is timed."""
    assert math.isclose(a[0], b[0], rel_tol=1e-4), f"not the same loss: {a[0]} and {b[0]}"
    for name, ours in a[1].items():
        error = np.linalg.norm(ours - b[1][name]) / np.linalg.norm(ours)
        assert error < tolerance, f"not the same gradient of {name}: relative error {error:.1e}"
