"""How wrong a kernel in single precision may be: a few times as wrong as that of the CPU.

Both are compared with the plain function in float64. An error of the CPU's kernel at one point
says little, as roundings cancel by luck now and then: at y = 61.28623, where the logits are 31 and
32 and a unit in their last place is 2^-19, the gradient of Eq. (17) of one density is right to
3e-8, and of its neighbours wrong by up to 4e-5. So the CPU's is the worst of several runs nearby.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

NEAR = 8  # runs
TIMES = 4.0  # the CPU's error
FLOOR = 16 * 2.0**-24  # of the largest number or slope: where the CPU's kernel hits every time


def check(
    ours: Callable[..., Sequence[Any]],
    cpu: Callable[..., Sequence[Any]],
    exact: Callable[..., Sequence[Any]],
    args: Sequence[Any],
    *,
    move: Sequence[int],
    slope: float = 1.0,
) -> None:
    """Assert that `ours` is as good as `cpu`.

    Args:
        ours, cpu: take `args`, float32, and return arrays.
        exact: the same of `args` in float64.
        move: which of the arguments may be moved by some units in the last place.
        slope: the steepest of what is computed, by which a rounding within can grow.
    """
    rng = np.random.default_rng(0)
    allowed: list[float] = []
    for run in range(NEAR):
        near = [a if k not in move or not run else _near(rng, a) for k, a in enumerate(args)]
        truth = [np.asarray(t) for t in exact(*(a.astype(np.float64) for a in near))]
        errors = [_worst(c - t) for c, t in zip(cpu(*near), truth, strict=True)]
        sizes = [_worst(t) for t in truth]
        limits = [TIMES * e + FLOOR * max(slope, s) for e, s in zip(errors, sizes, strict=True)]
        allowed = [max(a, b) for a, b in zip(allowed or limits, limits, strict=True)]
        if not run:
            wanted = truth
    for k, (got, want) in enumerate(zip(ours(*args), wanted, strict=True)):
        assert got.shape == want.shape and np.isfinite(got).all(), k
        error = _worst(got - want)
        assert error <= allowed[k], f"result {k}: {error:.3g}, allowed {allowed[k]:.3g}"


def _near(rng: np.random.Generator, a: Any) -> Any:
    relative, absolute = rng.standard_normal((2, *a.shape))
    return (a * (1 + 2.0**-18 * relative) + 2.0**-20 * absolute).astype(a.dtype)


def _worst(a: Any) -> float:
    return float(np.max(np.abs(a), initial=0.0))
