"""Twins of the pair in `npuq.models.conditional_rate` on a CUDA device.

Forward finds values and derivatives in one pass, and keeps these; backward is the products with
them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.launch import contiguous, launch_each, size
from npuq.kernels.cuda.softness import flags_of, numbers_of
from npuq.kernels.rates import ConditionalRateDerivatives, fit
from npuq.nn.normal import SMALLEST_SCALE
from npuq.runtime.twins import takes


@takes(np.float32, when=lambda t, u, sigma, softness: fit(softness))
def conditional_rate_forward(
    t: Array, u: Array, sigma: Array, softness: Any
) -> tuple[Array, Array, ConditionalRateDerivatives]:
    """Fast twin of `npuq.models.conditional_rate.conditional_rate_forward`.

    Returns:
        The members of its `ConditionalRate`.
    """
    import cupy

    t, u, sigma = contiguous(t, u, sigma)
    r, bits, d_t, d_sigma, dr_dt = (cupy.empty_like(t) for _ in range(5))
    launch_each(
        "conditional_rate", "conditional_rate", t.size, t, u, sigma, numbers_of(softness),
        r, bits, d_t, d_sigma, dr_dt,
        np.float64(SMALLEST_SCALE), flags_of(softness), size(t.shape),
    )  # fmt: skip
    return r, bits, ConditionalRateDerivatives(d_t, d_sigma, dr_dt)


@takes(kept=ConditionalRateDerivatives)
def conditional_rate_backward_straight_through(
    d_r: Array, d_bits: Array, kept: ConditionalRateDerivatives
) -> tuple[Array, Array]:
    """Fast twin of `npuq.models.conditional_rate.conditional_rate_backward_straight_through`.

    Gradients of `conditional_rate_forward` (Eqs. (23) and (24)): d_t and d_sigma.
    """
    return d_r * kept.dr_dt + d_bits * kept.d_t, d_bits * kept.d_sigma
