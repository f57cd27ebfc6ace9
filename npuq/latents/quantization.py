"""The two halves of universal quantization on an array, whose step is that of its tables: Sec. 3.2.

Shapes: x, k, n (C, rows, columns), of a block.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npuq.backend import Array, check_unmasked
from npuq.codec.quantizer import look_up_symbols
from npuq.coding.dither import DITHER_LEVELS, dither_integers, dither_values
from npuq.coding.tables import PHASE_UNIT
from npuq.errors import InvalidArrayError, TablesError
from npuq.latents.layout import Block
from npuq.latents.tables import Tables
from npuq.paper.soft_round import soft_round_conditional_mean
from npuq.trained.methods import check_method
from npuq.trained.phases import hard_phases, plain_phases

FARTHEST = 2.0**31 - 1  # steps


def phases_of(tables: Tables, method: str) -> Array:
    """The phase of each dither value, (256,) uint16, with tables under a method.

    Raises:
        ModelError: there is no such method.
        TablesError: the tables do not serve it.
    """
    check_method(method)
    if method != "un+uq+sr":
        return hard_phases() if method == "un+q" else plain_phases()
    if tables.alpha == 0:
        raise TablesError("the tables were made without soft rounding; give make_tables an alpha")
    return tables.phases


def quantize(x: Array, n: Array, phases: Array) -> Array:
    """The sender's half: k = round(s(x) - u), int32, of float64 coefficients in steps, Eq. (5).

    Raises:
        InvalidArrayError: one is beyond 32 bits, or not a number.
    """
    if not -FARTHEST < x.min() <= x.max() < FARTHEST:  # also if not a number
        raise InvalidArrayError("y holds numbers that are not finite, or beyond 2**31 steps")
    k = np.empty(x.shape, np.int32)
    look_up_symbols(x, n, phases / PHASE_UNIT, k)
    return k


def reconstructed_dither(tables: Tables, method: str) -> Array:
    """r(u) of each dither value, (256,) float64: the receiver makes k + r(u) of it, Eq. (14)."""
    if method == "un+q":
        return np.zeros(DITHER_LEVELS)
    u = dither_values(np.arange(DITHER_LEVELS), np.float64)
    return u if method == "un+uq" else soft_round_conditional_mean(u, tables.alpha)


def dither_of(block: Block, channels: int, seed: int, tensor: int) -> Array:
    """The dither of a block, (C, rows, columns) uint8."""
    rows, columns = block
    return dither_integers(
        (channels, rows.stop - rows.start, columns.stop - columns.start),
        seed=seed,
        tensor=tensor,
        first_row=rows.start,
        first_column=columns.start,
    )


def check_means(means: Any, shape: tuple[int, ...]) -> Array:
    """The means as an array of a shape, which takes no more memory.

    Raises:
        InvalidArrayError: they are no finite numbers, or do not broadcast to the shape.
        TypeError: they are masked.
    """
    check_unmasked(means, "means")
    means = np.asarray(means)
    ends = (np.min(means, initial=0), np.max(means, initial=0)) if means.dtype.kind in "fiu" else ()
    if not ends or not np.all(np.isfinite(ends)):
        raise InvalidArrayError("means must be finite numbers")
    try:
        return np.broadcast_to(means, shape)
    except ValueError:
        raise InvalidArrayError(
            f"means of shape {means.shape} do not fit an array of shape {shape}"
        ) from None
