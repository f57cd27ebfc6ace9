"""A training step of the hyperprior model beside the same step of CompressAI's in PyTorch.

Batch 8 of 256x256: forward, backward, Adam, of the widths of the paper's base model and of half of
them. CompressAI's `MeanScaleHyperprior` has our parameters and our noise, and runs eagerly with
channels first and with channels last. Both sides are first shown to find the same loss and
gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from common import median_seconds, peer
from speed.step import check_same

from npuq.exchange.compressai_names import state_name
from npuq.models import hyperprior
from npuq.models.noisy_rate import Softness
from npuq.nn.adam import adam_init, adam_step
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.training.dead_leaves import dead_leaves

TITLE = "Training step of the hyperprior model, batch 8 of 256x256"
LMBDA = 0.0125
BATCH, SIZE = 8, 256
CASES = {"base": (128, 192), "small": (64, 96)}
"""Channels of the hidden layers and of the latents."""
FORMATS = {"channels first": "contiguous_format", "channels last": "channels_last"}


def rows() -> list[dict[str, Any]]:
    return [{"model": name} | measure(*widths) for name, widths in CASES.items()]


def measure(
    channels: int, latents: int, *, batch: int = BATCH, size: int = SIZE, rounds: int = 5
) -> dict[str, Any]:
    """Medians of a step on `batch` images of `size` x `size` pixels."""
    rng = np.random.default_rng(0)
    params = hyperprior.init(rng, channels=channels, latents=latents)
    images = np.stack([dead_leaves(size, size, seed=seed) for seed in range(batch)])
    x = images.astype(np.float32) / np.float32(255)
    u_1, u_2 = (
        rng.random((batch, size // s, size // s, c), np.float32) - np.float32(0.5)
        for s, c in ((64, channels), (16, latents))
    )
    arrays = named_arrays(params)
    state = [arrays, adam_init(arrays)]

    def gradients(arrays: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        model = with_arrays(params, arrays)
        args, static = (model, x, u_1, u_2), {"lmbda": LMBDA, "softness": Softness()}
        loss, kept = hyperprior.loss_forward(*args, **static)
        return loss.loss, named_arrays(hyperprior.loss_backward(1.0, kept, *args, **static))

    def ours() -> None:
        state[:] = adam_step(state[0], gradients(state[0])[1], state[1], 1e-4)

    functions: dict[str, Callable[[], Any]] = {"npuq": ours}
    if peer("torch") and peer("compressai"):
        loss, found = gradients(arrays)
        expected = loss, compressai_names(with_arrays(params, found))
        for label, memory_format in FORMATS.items():
            step, values = compressai(params, x, u_1, u_2, memory_format)
            # rounding moves an input or two of a leaky ReLU across 0: up to 1 % of a gradient
            check_same(expected, values(), tolerance=3e-2)
            functions[label] = step
    seconds = median_seconds(functions, rounds=rounds)
    row: dict[str, Any] = {f"{name} ms": 1e3 * s for name, s in seconds.items()}
    for name in list(seconds)[1:]:
        row[f"ratio to {name}"] = seconds["npuq"] / seconds[name]
    return row


def compressai(
    params: Any, x: np.ndarray, u_1: np.ndarray, u_2: np.ndarray, memory_format: str
) -> tuple[Callable[[], None], Callable[[], tuple[float, dict[str, Any]]]]:
    """The step of CompressAI's model with our parameters and noise; its loss and gradients."""
    import compressai.models

    t = peer("torch")
    layout = getattr(t, memory_format)
    weights = {n: t.tensor(a) for n, a in compressai_names(params).items()}
    channels, latents = u_1.shape[-1], u_2.shape[-1]
    net = compressai.models.MeanScaleHyperprior(channels, latents).train()
    t.nn.Module.load_state_dict(net, weights, strict=False)
    net = net.to(memory_format=layout)
    noise_1 = t.tensor(u_1).reshape(-1, channels).T[:, None].contiguous()
    noise_2 = t.tensor(u_2).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    net.entropy_bottleneck.quantize = lambda values, mode, means=None: values + noise_1
    net.gaussian_conditional.quantize = lambda values, mode, means=None: values + noise_2
    pixels = t.tensor(x).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    trained = {n: p for n, p in net.named_parameters() if n in weights}
    assert trained.keys() == weights.keys()
    optimiser = t.optim.Adam(trained.values(), lr=1e-4)

    def backward() -> Any:
        optimiser.zero_grad()
        out = net(pixels)
        bits = sum(-likelihood.log2().sum() for likelihood in out["likelihoods"].values())
        mse = 255**2 * ((out["x_hat"] - pixels) ** 2).mean()
        loss = bits / (pixels.numel() / 3) + LMBDA * mse
        loss.backward()
        return loss

    def step() -> None:
        backward()
        optimiser.step()

    def values() -> tuple[float, dict[str, Any]]:
        loss = backward()
        return loss.item(), {n: p.grad.numpy().copy() for n, p in trained.items()}

    return step, values


def compressai_names(params: hyperprior.HyperpriorParams) -> dict[str, Any]:
    """Our parameters, or gradients, by CompressAI's names."""
    return {state_name(name): array for name, array in named_arrays(params).items()}
