"""Universal quantization at test time, Sec. 3.2: one quantizer for the three approaches.

The approaches of Sec. 5.1 differ in their softness only (`npuq.trained.methods`):

    k = round(s(y) - u)   is sent,   r(k + u)   is what the receiver makes of it.

The dither u has 256 values, u = (n + 1/2)/256 - 1/2, and soft rounding repeats in steps of one. So
both sides look up what it does: the sender in terms of the phase v = s^-1(u + 1/2), which the coder
needs as well,

    k = floor(y - v) + 1,   as   k - 1/2 <= s(y) - u < k + 1/2   is   k - 1 + v <= y < k + v,

and the receiver as k + r(u). A tie, y = k - 1 + v, goes up as in Eq. (8). The difference y - v is
computed in float32, which rounds it where |y| is large, the same way on every machine: equal
coefficients have equal symbols.

Shapes: y, k, n (C, ...), of one shape, n uint8; phases (256,) uint16.
"""

from __future__ import annotations

import functools

import numpy as np

from npuq.backend import Array, device_of, to_device
from npuq.coding.dither import DITHER_LEVELS, dither_values
from npuq.coding.tables import PHASE_UNIT
from npuq.errors import ModelError
from npuq.paper.soft_round import soft_round_conditional_mean
from npuq.runtime.twins import has_twins
from npuq.trained.methods import softness_of
from npuq.trained.model import Model
from npuq.trained.phases import hard_phases, plain_phases

FARTHEST = 2.0**31


def phases_of(model: Model, method: str) -> Array:
    """The phase of each dither value, (256,) uint16, with a model under a method.

    Raises:
        ModelError: the method does not go with the model, see `npuq.trained.methods`.
    """
    softness_of(model, method)
    if method == "un+uq+sr":
        return model.phases
    return hard_phases() if method == "un+q" else plain_phases()


def quantize_into(k: Array, y: Array, n: Array, phases: Array, name: str) -> None:
    """The sender's half of universal quantization: k = round(s(y) - u), Eq. (5).

    Args:
        k: int32, written to.
        y: float32 coefficients.
        n: the dither.
        phases: of the method.
        name: of the model, for the error.

    Raises:
        ModelError: a coefficient is beyond 32 bits, or not a number.
    """
    if y.size and not -FARTHEST < y.min() <= y.max() < FARTHEST:  # also if not a number
        raise ModelError(f"model {name} makes coefficients beyond 2**31 of this image")
    v = (phases / PHASE_UNIT).astype(np.float32)
    look_up_symbols(y, n, to_device(v, device_of(y)), k)


def reconstruct(k: Array, n: Array, alpha_r: float) -> Array:
    """The receiver's half: r_alpha(k + u), Eqs. (5) and (14), float32.

    As r_alpha(z + 1) = r_alpha(z) + 1, this is k + r_alpha(u), one of 256 numbers for each dither.
    """
    return look_up_values(k, n, to_device(_reconstructed_dither(alpha_r), device_of(k)))


def _check_look_up(a: Array, n: Array, table: Array, k: Array | None = None) -> None:
    shapes = {array.shape for array in (a, n, k) if array is not None}
    if len(shapes) > 1 or table.shape != (DITHER_LEVELS,):
        raise ValueError(
            f"coefficients and dithers must have one shape, not {shapes}, and the table "
            f"{DITHER_LEVELS} entries, not {table.shape}"
        )


@has_twins(check=_check_look_up)
def look_up_symbols(y: Array, n: Array, v: Array, k: Array) -> None:
    """Write k = floor(y - v[n]) + 1, with v (256,), the phase of each dither. It has fast twins."""
    floor = np.floor(y - v[n]).astype(np.int32)
    np.add(floor, 1, out=k)  # to integers: from 2^24 on, no float is odd


@has_twins(check=_check_look_up)
def look_up_values(k: Array, n: Array, r: Array) -> Array:
    """k + r[n], with r (256,), what each dither is reconstructed as. It has fast twins."""
    return k.astype(np.float32) + r[n]


@functools.lru_cache(maxsize=16)
def _reconstructed_dither(alpha_r: float) -> Array:
    """r_alpha(u) of each dither value, (256,) float32; once, not for every tile."""
    u = dither_values(np.arange(DITHER_LEVELS), np.float64)
    return soft_round_conditional_mean(u, alpha_r).astype(np.float32)
