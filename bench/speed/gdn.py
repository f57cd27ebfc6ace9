"""GDN and its inverse, forward and backward, beside CompressAI's layer in PyTorch.

Eight images, of the sizes and widths that GDN meets in the hyperprior model. Outputs and gradients
are first shown to be the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from common import median_seconds, peer

from npuq.nn.gdn import gdn, gdn_backward, inverse_gdn, inverse_gdn_backward
from npuq.nn.non_negative import non_negative_backward_straight_through, non_negative_inverse

TITLE = "GDN of batches (N, H, W, C), forward and backward"
SHAPES = ((8, 128, 128, 128), (8, 64, 64, 128), (8, 128, 128, 64))
FORMATS = {"channels first": "contiguous_format", "channels last": "channels_last"}


def rows() -> list[dict[str, Any]]:
    return [measure(shape, inverse) for shape in SHAPES for inverse in (False, True)]


def measure(shape: tuple[int, ...], inverse: bool) -> dict[str, Any]:
    """Medians for one shape."""
    rng = np.random.default_rng(0)
    x, d_y = (rng.standard_normal(shape, np.float32) for _ in range(2))
    channels = shape[-1]
    beta = (0.5 + rng.random(channels)).astype(np.float32)
    gamma = (0.1 * np.eye(channels) + 0.01 * rng.random((channels, channels))).astype(np.float32)
    forward, backward = (inverse_gdn, inverse_gdn_backward) if inverse else (gdn, gdn_backward)

    def ours() -> tuple[Any, ...]:
        return forward(x, beta, gamma), *backward(d_y, x, beta, gamma)

    functions: dict[str, Callable[[], Any]] = {"npuq": ours}
    if peer("torch") and peer("compressai"):
        y, d_x, d_beta, d_gamma = ours()
        free = non_negative_inverse(beta, 1e-6), non_negative_inverse(gamma)
        expected = {
            "y": y,
            "d_x": d_x,
            "d_beta": non_negative_backward_straight_through(d_beta, free[0], 1e-6),
            "d_gamma": non_negative_backward_straight_through(d_gamma, free[1]),
        }
        for label, memory_format in FORMATS.items():
            functions[label] = theirs = compressai(x, d_y, free, inverse, memory_format)
            for (name, a), b in zip(expected.items(), theirs(), strict=True):
                found = b.permute(0, 2, 3, 1).numpy() if b.ndim == 4 else b.numpy()
                error = np.linalg.norm(a - found) / np.linalg.norm(a)
                assert error < 1e-4, f"not the same {name}: relative error {error:.1e}"
    seconds = median_seconds(functions)
    row: dict[str, Any] = {
        "layer": "inverse GDN" if inverse else "GDN",
        "shape": "x".join(map(str, shape)),
    }
    row |= {f"{name} ms": 1e3 * s for name, s in seconds.items()}
    for name in list(seconds)[1:]:
        row[f"ratio to {name}"] = seconds["npuq"] / seconds[name]
    return row


def compressai(
    x: np.ndarray, d_y: np.ndarray, free: tuple[Any, Any], inverse: bool, memory_format: str
) -> Callable[[], tuple[Any, ...]]:
    """CompressAI's layer with our parameters: y, d_x, d_beta and d_gamma."""
    import compressai.layers

    t = peer("torch")
    layer = compressai.layers.GDN(x.shape[-1], inverse=inverse)
    layer.load_state_dict({"beta": t.tensor(free[0]), "gamma": t.tensor(free[1])}, strict=False)
    first, upstream = (
        t.tensor(a).permute(0, 3, 1, 2).contiguous(memory_format=getattr(t, memory_format))
        for a in (x, d_y)
    )
    first.requires_grad_()

    def run() -> tuple[Any, ...]:
        for tensor in (first, layer.beta, layer.gamma):
            tensor.grad = None
        y = layer(first)
        y.backward(upstream)
        return y.detach(), first.grad, layer.beta.grad, layer.gamma.grad

    return run
