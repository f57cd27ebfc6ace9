"""The density alone: rate, its gradients for coefficients and parameters, beside PyTorch's.

192 channels of 8192 coefficients. PyTorch differentiates what one would write; the sums of bits and
all gradients are first shown to be the same. In the rows with expected gradients both sides use
Eq. 17 for the coefficients.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import median_seconds, peer
from speed.step import bits, conditional_mean, soft_round

from npuq.models.noisy_rate import Softness, noisy_rate_backward, noisy_rate_forward
from npuq.nn import nonparametric
from npuq.nn.parameters import named_arrays

TITLE = "The density alone, 192 x 8192 coefficients"
CASES = {
    "UN": Softness(),
    "UN+SR": Softness(8.0, 8.0),
    "UN+SR, expected gradients": Softness(8.0, 8.0, True, True),
}


def rows() -> list[dict[str, Any]]:
    return [{"case": case} | _measure(softness) for case, softness in CASES.items()]


def _measure(softness: Softness) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    y = rng.normal(0, 2, (192, 8192)).astype(np.float32)
    u = rng.random(y.shape, np.float32) - np.float32(0.5)
    density = nonparametric.init(rng, 192, init_scale=2.0)
    nothing, one = np.zeros_like(y), np.ones(len(y))

    def ours() -> Any:  # the gradients of the bits alone
        _, rates, kept = noisy_rate_forward(y, u, density, softness)
        return rates, *noisy_rate_backward(nothing, one, kept)

    total_bits, d_y, d_density = ours()
    row: dict[str, Any] = {}
    functions: dict[str, Any] = {"npuq": ours}
    t = peer("torch")
    if t:
        weights = {
            f"density.{n}": t.tensor(a, requires_grad=True)
            for n, a in named_arrays(density).items()
        }
        y_torch = t.tensor(y.reshape(192, 1, 1, -1)).permute(1, 0, 2, 3).requires_grad_()
        noise = t.tensor(u.reshape(192, 1, 1, -1)).permute(1, 0, 2, 3)

        def theirs() -> Any:
            for tensor in (y_torch, *weights.values()):
                tensor.grad = None
            total = _bits_in_torch(t, weights, y_torch, noise, softness)
            total.backward()
            return total

        total = theirs().item()
        assert np.isclose(total_bits.sum(), total, rtol=1e-4), "not the same rate"
        pairs = {"y": (d_y, y_torch.grad.permute(1, 0, 2, 3).reshape(192, -1).numpy())}
        gradients = named_arrays(d_density)
        pairs |= {
            n: (gradients[n.removeprefix("density.")], w.grad.numpy()) for n, w in weights.items()
        }
        for name, (a, b) in pairs.items():
            error = np.linalg.norm(a - b) / np.linalg.norm(b)
            assert error < 2e-2, f"not the same gradient of {name}: relative error {error:.1e}"
        functions["PyTorch"] = theirs
    seconds = median_seconds(functions)
    row |= {f"{name} ms": 1e3 * s for name, s in seconds.items()}
    if "PyTorch" in seconds:
        row["ratio to PyTorch"] = seconds["npuq"] / seconds["PyTorch"]
    return row


def _bits_in_torch(t: Any, weights: dict[str, Any], y: Any, noise: Any, softness: Softness) -> Any:
    if softness.alpha == 0:
        return bits(t, weights, y + noise).sum()
    s = soft_round(t, y, softness.alpha)
    if not softness.expected_rate:
        return bits(t, weights, conditional_mean(t, s + noise, softness.alpha)).sum()
    with t.no_grad():
        m = conditional_mean(t, s + noise, softness.alpha)
        slope = bits(t, weights, y + 0.5) - bits(t, weights, y - 0.5)
    return bits(t, weights, m).sum() + (slope * (s - s.detach())).sum()
