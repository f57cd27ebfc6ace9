"""How to check a PyTorch implementation of soft rounding and its density against npuq.

    pip install '.[crosscheck]' && python examples/cross_check_pytorch.py

Write the operation as you would in PyTorch, run both in float64 on the same numbers, and compare
values and gradients. Two versions are checked here: a right one, and one with the mistake that
follows from taking Eq. 22 as printed.
"""

from __future__ import annotations

import sys

import numpy as np

import npuq
from npuq.nn import logistic
from npuq.paper.density import rate_bits_backward

try:
    import torch
except ImportError as error:
    print(f"this example needs PyTorch (pip install '.[crosscheck]'): {error}", file=sys.stderr)
    sys.exit(2)

ALPHA = 4.0


def soft_round_inverse(z: torch.Tensor, alpha: float) -> torch.Tensor:
    """The textbook form; enough in float64 while alpha is small."""
    r = z - torch.floor(z) - 0.5
    return torch.floor(z) + 0.5 + torch.atanh(2 * np.tanh(alpha / 2) * r) / alpha


def bits_right(z: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    upper = soft_round_inverse(z + 0.5, ALPHA) / scale
    lower = soft_round_inverse(z - 0.5, ALPHA) / scale
    return -torch.log2(torch.sigmoid(upper) - torch.sigmoid(lower))


def bits_as_printed(z: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    y = soft_round_inverse(z, ALPHA)
    return -torch.log2(torch.sigmoid((y + 0.5) / scale) - torch.sigmoid((y - 0.5) / scale))


def main() -> None:
    rng = np.random.default_rng(0)
    y = rng.logistic(size=10_000)
    z = npuq.soft_round(y, ALPHA) + npuq.uniform_noise(rng, y.shape)
    params = logistic.Params(loc=np.array(0.0), scale=np.array(1.0))
    ours = npuq.rate_bits(z, params, cdf=logistic, alpha=ALPHA)
    d_z, d_params = rate_bits_backward(np.ones_like(z), z, params, cdf=logistic, alpha=ALPHA)

    for name, function in (("right", bits_right), ("as printed", bits_as_printed)):
        z_torch = torch.tensor(z, requires_grad=True)
        scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
        theirs = function(z_torch, scale)
        theirs.sum().backward()
        print(f"{name}: mean {theirs.mean().item():.4f} bits, npuq {ours.mean():.4f} bits")
        for what, a, b in (
            ("bits", theirs.detach().numpy(), ours),
            ("d_z", z_torch.grad.numpy(), d_z),
            ("d_scale", scale.grad.numpy(), d_params.scale),
        ):
            difference = np.abs(a - b).max() / np.abs(b).max()
            print(f"  {what:8} largest relative difference {difference:.1e}")


if __name__ == "__main__":
    main()
