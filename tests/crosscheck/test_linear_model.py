"""The linear model written in PyTorch, with its own convolutions and autograd: Sec. 5.1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import in_torch
import numpy as np
import pytest
import unequal

from npuq.models import linear
from npuq.models.noisy_rate import Softness
from npuq.models.older_rate import OLDER_QUANTIZERS
from npuq.nn.parameters import named_arrays, with_arrays

torch = pytest.importorskip("torch")

LMBDA = 0.02


def straight_through(y: Any, z: Any) -> Any:
    """z, for autograd as if it were y."""
    return y + (z - y).detach()


# As the papers of Sec. 2 have them, in the words of autograd
OLDER: dict[str, Callable[[Any, Any, float], Any]] = {
    "stochastic": lambda y, u, alpha: straight_through(
        y, y.floor() + (u + 0.5 >= 1 - (y - y.floor()))
    ),
    "straight-through": lambda y, u, alpha: straight_through(y, (y + 0.5).floor()),
    "annealed": lambda y, u, alpha: in_torch.soft_round(y, alpha),
    "shared-shift": lambda y, u, alpha: straight_through(y, (y - u + 0.5).floor() + u),
    "shared-noise": lambda y, u, alpha: y + u,
}


def torch_loss(
    params: Any, x: Any, u: Any, softness: Softness, quantizer: str
) -> tuple[Any, Any, Any]:
    """Eq. 21 on images (N, 3, H, W), less the middle grey, and noise (N, 192, H/8, W/8)."""
    functional = torch.nn.functional
    y = functional.conv2d(x, params.analysis, stride=8)
    alpha, alpha_r = softness.alphas()
    if quantizer == "noise":
        z = in_torch.soft_round(y, alpha) + u
    else:
        z, alpha, alpha_r = OLDER[quantizer](y, u, alpha), 0.0, 0.0
    by_channel = z.transpose(0, 1)
    bits = in_torch.rate_bits(
        by_channel, params.density, logits=in_torch.nonparametric, alpha=alpha
    )
    r = in_torch.soft_round_conditional_mean(z, alpha_r)
    x_hat = functional.conv_transpose2d(r, params.synthesis, stride=8)
    bpp = bits.sum() / (x.numel() / 3)
    mse = ((x_hat - x) ** 2).mean()
    return bpp + LMBDA * mse, bpp, mse


@pytest.mark.parametrize(
    ("quantizer", "softness"),
    [
        *(("noise", softness) for softness in (Softness(), Softness(2.0, 2.0), Softness(3.0, 6.0))),
        *((name, Softness(3.0 if name == "annealed" else 0.0)) for name in OLDER_QUANTIZERS),
    ],
    ids=str,
)
def test_loss_and_gradients_agree_with_autograd(quantizer: str, softness: Softness) -> None:
    rng = np.random.default_rng(0)
    params = unequal.linear_params(rng, step=30.0, init_scale=4.0, dtype=np.float64)
    images = rng.integers(0, 256, (2, 16, 8, 3)).astype(np.float64)
    u = rng.random((2, linear.CHANNELS, 2, 1)) - 0.5

    tensors = {
        name: torch.tensor(array, requires_grad=True)
        for name, array in named_arrays(params).items()
    }
    x = torch.tensor(images.transpose(0, 3, 1, 2) - linear.GREY)
    theirs = torch_loss(with_arrays(params, tensors), x, torch.tensor(u), softness, quantizer)
    theirs[0].backward()

    blocks = linear.images_to_blocks(images, np.float64)
    noise = u.transpose(1, 0, 2, 3).reshape(linear.CHANNELS, -1)
    static: Any = {"lmbda": LMBDA, "softness": softness, "quantizer": quantizer}
    ours, kept = linear.loss_forward(params, blocks, noise, **static)
    gradients = named_arrays(linear.loss_backward(1.0, kept, params, blocks, noise, **static))

    for mine, other in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(other.item(), rel=1e-10)
    for name, gradient in gradients.items():
        expected = tensors[name].grad.numpy()
        # 1e-8; absolute for entries that are small by cancellation.
        np.testing.assert_allclose(
            gradient, expected, rtol=1e-8, atol=1e-8 * abs(expected).max(), err_msg=name
        )
