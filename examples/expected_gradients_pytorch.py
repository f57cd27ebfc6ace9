"""Expected gradients and stable soft rounding in PyTorch, to be copied; `npuq check` judges them.

    pip install '.[crosscheck]' && python examples/expected_gradients_pytorch.py
    npuq check --framework torch examples/expected_gradients_pytorch.py

`expected` is Eqs. 17 and 20: the value is that at one draw of the noise, the gradient that of the
mean over all. Soft rounding has log forms that keep their digits in float32.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import npuq

try:
    import torch
    from torch import Tensor
except ImportError as error:
    print(f"this example needs PyTorch (pip install '.[crosscheck]'): {error}", file=sys.stderr)
    sys.exit(2)


class _WithSlope(torch.autograd.Function):
    """The value, whose derivative by y is the slope."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, y: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(slope)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, Tensor, None]:
        (slope,) = ctx.saved_tensors
        return d, d * slope, None


def expected(f: Callable[[Tensor], Tensor], y: Tensor, u: Tensor | float) -> Tensor:
    """f(y + u), u uniform in [-1/2, 1/2), with d E[f(y + U)] / dy = f(y + 1/2) - f(y - 1/2).

    f acts on each entry by itself. What else it depends on has the usual gradient.
    """
    value = f((y + u).detach())
    with torch.no_grad():
        slope = f(y + 0.5) - f(y - 0.5)
    return _WithSlope.apply(value, y, slope)


def soft_round(y: Tensor, alpha: float) -> Tensor:
    """Eq. 10."""
    if alpha == 0:
        return y
    middle = torch.floor(y) + 0.5
    return middle + torch.tanh(alpha * (y - middle)) / (2 * math.tanh(alpha / 2))


def soft_round_inverse(z: Tensor, alpha: float) -> Tensor:
    """Its inverse: artanh by logarithms of sums of positive numbers, which cancel nothing."""
    if alpha == 0:
        return z
    n, decay = torch.floor(z), math.exp(-alpha)
    f, g = z - n, n + 1 - z  # both exact where they are small
    if alpha < 1:  # small logarithms have few digits, and would be divided by alpha
        return n + 0.5 + torch.atanh(math.tanh(alpha / 2) * (f - g)) / alpha
    r = (torch.log(f + g * decay) - torch.log(g + f * decay)) / (2 * alpha)
    return n + 0.5 + torch.nan_to_num(r, posinf=0.5, neginf=-0.5)  # where decay is 0


def soft_round_conditional_mean(z: Tensor, alpha: float) -> Tensor:
    """Eq. 14."""
    return soft_round_inverse(z - 0.5, alpha) + 0.5


def soft_round_conditional_mean_expected(z: Tensor, alpha: float) -> Tensor:
    """The same, with the gradient of Eq. 20."""
    return expected(lambda x: soft_round_conditional_mean(x, alpha), z, 0.0)


def logistic_bits(z: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Eq. 43. As c(b) - c(a) = c(b) c(-a) (1 - e^(a - b)), nothing cancels in either tail."""
    a, b = (z - 0.5 - loc) / scale, (z + 0.5 - loc) / scale
    log = torch.nn.functional.logsigmoid
    return -(log(b) + log(-a) + torch.log(-torch.expm1(-1 / scale))) / math.log(2)


def logistic_soft_rounded_bits(z: Tensor, loc: Tensor, scale: Tensor, alpha: float) -> Tensor:
    """Eq. 22: the same at r(z)."""
    return logistic_bits(soft_round_conditional_mean(z, alpha), loc, scale)


def logistic_soft_rounded_bits_expected(
    y: Tensor, loc: Tensor, scale: Tensor, alpha: float
) -> Tensor:
    """The same at y = s(f(x)), with the gradient of Eq. 17; in training with u in place of 0."""
    return expected(lambda z: logistic_soft_rounded_bits(z, loc, scale, alpha), y, 0.0)


def main() -> None:
    from npuq.checks.report import text

    print(text(npuq.check(sys.modules[__name__], framework="torch")))


if __name__ == "__main__":
    main()
