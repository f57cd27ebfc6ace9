"""Mistakes of GDN, of convolutions and of Adam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.checks.laws.layers import adam_step, conv2d, conv_transpose2d, gdn, inverse_gdn
from npuq.checks.mistakes.mistake import Mistake


def _both_gdn(
    name: str, cost: str, wrong: Callable[[Callable[..., Array]], Callable[..., Array]]
) -> list[Mistake]:
    return [
        Mistake(name, cost, f"{layer}.values", {layer: wrong(right)})
        for layer, right in (("gdn", gdn), ("inverse_gdn", inverse_gdn))
    ]


def flipped(w: Array) -> Array:
    """A kernel upside down and left to right."""
    return w[:, :, ::-1, ::-1]


def without_correction(p: Any, g: Any, m: Any, v: Any, step: int, *rest: float) -> Any:
    """Moments as they are."""
    return adam_step(p, g, m, v, 10**9, *rest)


def counted_from_zero(p: Any, g: Any, m: Any, v: Any, step: int, *rest: float) -> Any:
    """The correction of the step after."""
    return adam_step(p, g, m, v, step + 1, *rest)


def epsilon_inside(
    p: Array, g: Array, m: Array, v: Array, step: int, rate: float, b1: float, b2: float, eps: float
) -> tuple[Array, Array, Array]:
    """sqrt(v + epsilon)."""
    _, m, v = adam_step(p, g, m, v, step, rate, b1, b2, eps)
    return p - rate * (m / (1 - b1**step)) / np.sqrt(v / (1 - b2**step) + eps), m, v


def exchanged_betas(
    p: Array, g: Array, m: Array, v: Array, step: int, rate: float, b1: float, b2: float, eps: float
) -> tuple[Array, Array, Array]:
    """beta2 for the gradient, beta1 for its square."""
    return adam_step(p, g, m, v, step, rate, b2, b1, eps)


def ascent(p: Array, *rest: Any) -> tuple[Array, Array, Array]:
    """A step uphill."""
    new, m, v = adam_step(p, *rest)
    return 2 * p - new, m, v


_OTHERS_WEIGHTS = "nothing in a model trained so, everything with the weights of others"

MISTAKES = (
    *_both_gdn("gamma transposed", _OTHERS_WEIGHTS, lambda f: lambda x, b, g: f(x, b, g.T)),
    *_both_gdn(
        "beta squared", "beta taken for its square root: the parameter before its projection",
        lambda f: lambda x, b, g: f(x, b * b, g),
    ),
    Mistake(
        "GDN and its inverse exchanged", _OTHERS_WEIGHTS, "gdn.values",
        {"gdn": inverse_gdn, "inverse_gdn": gdn},
    ),
    Mistake(
        "no square root", "activities divided twice", "gdn.values",
        {
            "gdn": lambda x, b, g: x * (gdn(x, b, g) / x) ** 2,
            "inverse_gdn": lambda x, b, g: x * (inverse_gdn(x, b, g) / x) ** 2,
        },
    ),
    Mistake(
        "the kernel is flipped", _OTHERS_WEIGHTS, "conv2d.values",
        {
            "conv2d": lambda x, w, s, p: conv2d(x, flipped(w), s, p),
            "conv_transpose2d": lambda x, w, s, p: conv_transpose2d(x, flipped(w), s, p),
        },
    ),
    Mistake(
        "Adam without bias correction",
        "first steps that are too long, by a factor of 3.2 with the usual betas",
        "adam_step.values", {"adam_step": without_correction},
    ),
    Mistake(
        "Adam's steps counted from 0", "first steps that are too short, by a third or so",
        "adam_step.values", {"adam_step": counted_from_zero},
    ),
    Mistake(
        "epsilon inside of the root", "parameters with small gradients stand almost still",
        "adam_step.values", {"adam_step": epsilon_inside},
    ),
    Mistake(
        "beta1 and beta2 exchanged", "a gradient that lags by a thousand steps",
        "adam_step.values", {"adam_step": exchanged_betas},
    ),
    Mistake(
        "a step uphill", "the loss grows", "adam_step.values", {"adam_step": ascent},
    ),
)  # fmt: skip
