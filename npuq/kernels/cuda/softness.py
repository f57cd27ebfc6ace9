"""Softness as kernels read it: what depends on alpha alone, computed once, on the host, in float64.

The numbers lie on the device, so that nothing travels there while alpha stays what it is.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from npuq.backend import Array


def flags_of(softness: Any) -> Any:
    """1 for the gradient of Eq. (17), plus 2 for that of Eq. (20)."""
    return np.int32(softness.expected_rate + 2 * softness.expected_distortion)


def numbers_of(softness: Any) -> Array:
    """(2, 5) float64 on the device, a row for s_alpha (Eq. 10) and one for r_alpha_r (Eq. 14).

    A row holds alpha, 1 / (2 tanh(alpha / 2)), e^-alpha, (1 - e^-alpha) / alpha and 1 / (2 alpha);
    where alpha is 0, nothing reads the others. A softness that has them on the device already, as
    `numbers`, brings its own.
    """
    import cupy

    if (numbers := getattr(softness, "numbers", None)) is not None:
        return numbers
    return _on_device(cupy, *softness.alphas())


@functools.lru_cache(maxsize=16)
def _on_device(cupy: Any, alpha: float, alpha_r: float) -> Array:
    return cupy.asarray(rows_of(alpha, alpha_r))


def rows_of(alpha: float, alpha_r: float) -> Array:
    """What `numbers_of` has on the device."""
    return np.array([_row(alpha), _row(alpha_r)])


def _row(alpha: float) -> list[float]:
    if alpha == 0:
        return [0.0] * 5
    half = 0.5 / math.tanh(0.5 * alpha)
    return [alpha, half, math.exp(-alpha), -math.expm1(-alpha) / alpha, 0.5 / alpha]
