"""What the twins of both rates have in common, on CPUs and on CUDA devices.

A forward twin finds derivatives beside the values and keeps them, sampled or expected ones as the
softness says; its backward twin multiplies by them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from npuq.backend import Array

ALPHAS = (0.01, 80.0)
"""Softness beside 0: below, r loses its digits in float32; above is where float32 ends."""


class NoisyRateDerivatives(NamedTuple):
    """What twins of `npuq.models.noisy_rate.noisy_rate_forward` keep.

    Attributes:
        d_y: (C, n) of all bits with respect to y.
        dr_dy: (C, n) of r with respect to y.
        d_density: of all bits with respect to the density's parameters.
    """

    d_y: Array
    dr_dy: Array
    d_density: Any


class ConditionalRateDerivatives(NamedTuple):
    """What twins of `npuq.models.conditional_rate.conditional_rate_forward` keep.

    Attributes:
        d_t: of the bits with respect to t.
        d_sigma: of the bits with respect to sigma; 0 below the bound but where it leads upwards.
        dr_dt: of r with respect to t.
    """

    d_t: Array
    d_sigma: Array
    dr_dt: Array


def fit(softness: Any) -> bool:
    """Whether the formulas of the kernels are good for both softnesses of a `Softness`."""
    low, high = ALPHAS
    return all(alpha == 0 or low <= alpha <= high for alpha in softness.alphas())
