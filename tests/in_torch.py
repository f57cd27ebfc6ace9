"""Our operations in PyTorch, which is only imported when one is called."""

from __future__ import annotations

import math
from typing import Any

from operation import Operation, differentiable

from npuq.nn.parameters import named_arrays, with_arrays


def autograd(
    operation: Operation, d_y: Any, args: tuple[Any, ...], static: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A row's outputs and gradients as PyTorch has them, in NumPy's arrays by name."""
    import torch

    assert operation.torch is not None, operation.name
    tensors = {name: torch.tensor(array) for name, array in named_arrays(args).items()}
    wrt = differentiable(operation, args)
    for name in wrt:
        tensors[name].requires_grad_()
    y = named_arrays(operation.torch(*with_arrays(args, tensors), **static))
    sum((y[name] * torch.tensor(d)).sum() for name, d in named_arrays(d_y).items()).backward()
    grads = {
        name: torch.zeros_like(tensors[name]) if (grad := tensors[name].grad) is None else grad
        for name in wrt
    }
    return (
        {name: tensor.detach().numpy() for name, tensor in y.items()},
        {name: grad.numpy() for name, grad in grads.items()},
    )


def softplus(x: Any) -> Any:
    import torch

    return torch.nn.functional.softplus(x, threshold=100.0)


def sigmoid(x: Any) -> Any:
    return x.sigmoid()


def leaky_relu(x: Any, slope: float) -> Any:
    import torch

    return torch.nn.functional.leaky_relu(x, slope)


def lower_bound(x: Any, bound: float) -> Any:
    return x.clamp(min=bound)


def non_negative(theta: Any, minimum: float) -> Any:
    return theta.clamp(min=(minimum + 2.0**-36) ** 0.5) ** 2 - 2.0**-36


def gdn(x: Any, beta: Any, gamma: Any) -> Any:
    return x * (x**2 @ gamma.T + beta).rsqrt()


def inverse_gdn(x: Any, beta: Any, gamma: Any) -> Any:
    return x * (x**2 @ gamma.T + beta).sqrt()


def nonparametric(y: Any, params: Any) -> Any:
    import torch

    h = y.flatten(1).unsqueeze(1)
    for k, (H, b) in enumerate(zip(params.H, params.b, strict=True)):
        h = torch.einsum("cij,cjn->cin", softplus(H), h) + b
        if k < len(params.a):
            h = h + params.a[k].tanh() * h.tanh()
    return h.reshape(y.shape)


def logistic(y: Any, params: Any) -> Any:
    return (y - params.loc) / params.scale


def normal(y: Any, params: Any) -> Any:
    import torch

    x = (y - params.loc) / params.scale
    return torch.special.log_ndtr(x) - torch.special.log_ndtr(-x)


def conv2d(x: Any, w: Any, bias: Any, **static: Any) -> Any:
    import torch

    y = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), w, bias, **static)
    return y.permute(0, 2, 3, 1)


def conv_transpose2d(x: Any, w: Any, bias: Any, **static: Any) -> Any:
    import torch

    y = torch.nn.functional.conv_transpose2d(x.permute(0, 3, 1, 2), w, bias, **static)
    return y.permute(0, 2, 3, 1)


def soft_round(y: Any, alpha: float) -> Any:
    """Eq. (10), literally."""
    if alpha == 0:
        return y * 1
    r = y - y.floor() - 0.5
    return y.floor() + 0.5 * (alpha * r).tanh() / math.tanh(alpha / 2) + 0.5


def soft_round_inverse(z: Any, alpha: float) -> Any:
    """The textbook inverse, good enough in float64 at alpha 16 away from integers."""
    if alpha == 0:
        return z * 1
    r = z - z.floor() - 0.5
    return z.floor() + 0.5 + (2 * math.tanh(alpha / 2) * r).atanh() / alpha


def soft_round_conditional_mean(z: Any, alpha: float) -> Any:
    """Eq. (14)."""
    return soft_round_inverse(z - 0.5, alpha) + 0.5


def interval_bits(lower: Any, upper: Any) -> Any:
    """-log2 of a difference of two CDFs, which cancels in the tails."""
    return -(upper.sigmoid() - lower.sigmoid()).log2()


def rate_bits(z: Any, params: Any, *, logits: Any, alpha: float = 0.0) -> Any:
    """Eq. (44), with the logit of a CDF in PyTorch."""
    lower = soft_round_inverse(z - 0.5, alpha)
    upper = soft_round_inverse(z + 0.5, alpha)
    return interval_bits(logits(lower, params), logits(upper, params))


def mse(x: Any, x_hat: Any) -> Any:
    return ((x_hat - x) ** 2).mean()
