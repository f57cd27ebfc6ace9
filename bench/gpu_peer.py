"""Both models' losses in plain PyTorch, on its own tensors: what our steps on a GPU stand beside.

Written as one would write them there: convolutions and elementwise operations of PyTorch, gradients
by autograd, plain uniform noise (UN). Weights have our names and shapes.
"""

from __future__ import annotations

import functools
from typing import Any

from speed.step import bits

from npuq.models.hyperprior import PEAK
from npuq.models.linear import GREY
from npuq.nn.non_negative import PEDESTAL

SMALLEST_BETA, SMALLEST_SCALE = 1e-6, 0.11


def linear_loss(t: Any, weights: dict[str, Any], pixels: Any, u: Any, lmbda: float) -> Any:
    """Eq. (2); pixels (B, 3, H, W) of 0..255, u (B, 192, H/8, W/8)."""
    x = pixels - GREY
    z = t.nn.functional.conv2d(x, weights["analysis"], stride=8) + u
    rate = bits(t, weights, z).sum()
    error = t.nn.functional.conv_transpose2d(z, weights["synthesis"], stride=8) - x
    return rate / (pixels.numel() / 3) + lmbda * (error**2).mean()


def hyperprior_loss(
    t: Any, weights: dict[str, Any], x: Any, u_1: Any, u_2: Any, lmbda: float
) -> Any:
    """Eqs. (21) to (24); x (B, 3, H, W) of 0..1, noise channels first."""
    functional = t.nn.functional
    down = {"stride": 2, "padding": 2}
    up = down | {"output_padding": 1}

    def stack(x: Any, name: str, kinds: tuple[str, ...], between: Any) -> Any:
        for i, kind in enumerate(kinds):
            x = between(x, i - 1) if i else x
            w, b = weights[f"{name}.{i}.w"], weights[f"{name}.{i}.b"]
            if kind == "up":
                x = functional.conv_transpose2d(x, w, b, **up)
            else:
                x = functional.conv2d(x, w, b, **(down if kind == "down" else {"padding": 1}))
        return x

    def gdn(name: str, inverse: bool) -> Any:
        def normalise(x: Any, i: int) -> Any:
            beta = non_negative(t, weights[f"{name}_gdn.{i}.beta"], SMALLEST_BETA)
            gamma = non_negative(t, weights[f"{name}_gdn.{i}.gamma"], 0.0)
            n = functional.conv2d(x * x, gamma[:, :, None, None], beta)
            return x * (n.sqrt() if inverse else n.rsqrt())

        return normalise

    def leaky(x: Any, _: int) -> Any:
        return functional.leaky_relu(x, 0.01)

    y = stack(x, "analysis", ("down",) * 4, gdn("analysis", False))
    v = stack(y, "hyper_analysis", ("flat", "down", "down"), leaky)
    w = v + u_1
    sigma, mu = stack(w, "hyper_synthesis", ("up", "up", "flat"), leaky).chunk(2, dim=1)
    z = y - mu + u_2
    x_hat = stack(z + mu, "synthesis", ("up",) * 4, gdn("synthesis", True))
    scale = lower_bound(t).apply(sigma, SMALLEST_SCALE)
    far, near = (0.5 - z.abs()) / scale, (-0.5 - z.abs()) / scale
    p = 0.5 * (t.erfc(-far * 0.5**0.5) - t.erfc(-near * 0.5**0.5))
    rate = -p.clamp(min=1e-9).log2().sum() + hyper_bits(t, weights, w).sum()
    mse = PEAK**2 * ((x_hat - x) ** 2).mean()
    return rate / (x.numel() / 3) + lmbda * mse


@functools.cache
def lower_bound(t: Any) -> Any:
    """max(x, bound), whose gradient passes below the bound as well if it leads upwards."""

    class LowerBound(t.autograd.Function):  # type: ignore[name-defined,misc]
        @staticmethod
        def forward(ctx: Any, x: Any, bound: float) -> Any:
            ctx.save_for_backward(x)
            ctx.bound = bound
            return x.clamp(min=bound)

        @staticmethod
        def backward(ctx: Any, d_y: Any) -> tuple[Any, None]:
            (x,) = ctx.saved_tensors
            return d_y * ((x >= ctx.bound) | (d_y < 0)), None

    return LowerBound


def non_negative(t: Any, theta: Any, minimum: float) -> Any:
    """As `npuq.nn.non_negative` has it."""
    return lower_bound(t).apply(theta, (minimum + PEDESTAL) ** 0.5) ** 2 - PEDESTAL


def hyper_bits(t: Any, weights: dict[str, Any], w: Any) -> Any:
    """-log2 of the density of hyper-latents (B, N, h, w)."""
    channels = w.permute(1, 0, 2, 3).reshape(w.shape[1], 1, -1)
    density = {n.removeprefix("hyper_"): a for n, a in weights.items() if "hyper_density" in n}

    def logits(y: Any) -> Any:
        layers = sum(name.startswith("density.H") for name in density)
        for k in range(layers):
            H = t.nn.functional.softplus(density[f"density.H.{k}"])
            y = H @ y + density[f"density.b.{k}"]
            if k + 1 < layers:
                y = y + t.tanh(density[f"density.a.{k}"]) * t.tanh(y)
        return y

    low, high = logits(channels - 0.5), logits(channels + 0.5)
    sign = -t.sign(low + high).detach()
    p = t.abs(t.sigmoid(sign * high) - t.sigmoid(sign * low))
    return -t.log2(t.clamp(p, min=1e-9))
