"""Mistakes of rounding, universal quantization and its noise (Eqs. 4 to 8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.checks.mistakes.mistake import Mistake

ROUNDINGS: dict[str, tuple[Callable[[Array], Array], str, str]] = {
    "half to even": (
        np.round,
        "Eq. 8 fails at u = -1/2 for odd integers: nothing on a continuum, other symbols on a grid",
        "ties",
    ),
    "half away from zero": (
        lambda y: np.copysign(np.floor(abs(y) + 0.5), y),
        "ties of negative numbers go down: nothing on a continuum, other symbols on a grid",
        "ties",
    ),
    "floor in place of the nearest integer": (
        np.floor,
        "an error from 0 to 1: a mean square of 1/3 in place of 1/12, four times the distortion",
        "values",
    ),
    "truncation towards zero": (
        np.trunc,
        "a zero bin of twice the width, and a mean square error of 1/3 in place of 1/12",
        "values",
    ),
}


def add_one_half(y: Array) -> Array:
    """floor(y + 1/2), where the sum is rounded."""
    return np.floor(y + y.dtype.type(0.5))


def _of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


SOURCES: dict[str, tuple[Callable[[Any, int], Array], str, str]] = {
    "noise from 0 to 1": (
        lambda shape, seed: _of(seed).random(shape),
        "all that is decoded is half a unit too large",
        "histogram",
    ),
    "noise from -1 to 1": (
        lambda shape, seed: _of(seed).uniform(-1, 1, shape),
        "a mean square error of 1/3 in place of 1/12, four times the distortion",
        "histogram",
    ),
    "normal noise": (
        lambda shape, seed: _of(seed).normal(0, 12**-0.5, shape),
        "no quantizer has this error: rates of training cannot be reached",
        "histogram",
    ),
    "fifteen levels": (
        lambda shape, seed: (_of(seed).integers(0, 15, shape) + 0.5) / 15 - 0.5,
        "an error that has 15 values; distances of 1/15 are seen in smooth areas",
        "resolution",
    ),
    "one shift for all coefficients": (
        lambda shape, seed: np.full(shape, _of(seed).random() - 0.5),
        "no bottleneck: one coefficient that is known tells all others exactly (Sec. 3.2)",
        "independence",
    ),
    "one noise for all channels": (
        lambda shape, seed: np.broadcast_to(_of(seed).random(shape[1:]) - 0.5, shape),
        "channels tell each other's noise: less of a bottleneck than the density says",
        "independence",
    ),
    "one noise for all rows": (
        lambda shape, seed: np.broadcast_to(_of(seed).random(shape[-1]) - 0.5, shape),
        "rows tell each other's noise, and errors are seen as stripes",
        "independence",
    ),
    "the seed is ignored": (
        lambda shape, seed: _of(0).random(shape) - 0.5,
        "one noise for all tensors, images and steps",
        "seeds",
    ),
}

MISTAKES = (
    *(
        Mistake(name, cost, f"{target}.{law}", {target: function})
        for name, (function, cost, law) in ROUNDINGS.items()
        for target in ("round_half_up",)
    ),
    *(
        Mistake(
            name, cost, f"universal_quantize.{law}",
            {"universal_quantize": lambda y, u, function=function: function(y - u)},
        )
        for name, (function, cost, law) in ROUNDINGS.items()
    ),
    Mistake(
        "floor(y + 1/2)",
        "the number just below 1/2 becomes 1, and odd integers from 2^23 (2^52) on change",
        "round_half_up.neighbours",
        {"round_half_up": add_one_half},
    ),
    Mistake(
        "the dither is not subtracted",
        "a mean square error of 1/6 in place of 1/12, and no channel that training knew",
        "universal_quantize.values",
        {"universal_quantize": lambda y, u: np.floor(y + 0.5)},
    ),
    Mistake(
        "the dither is added where it should be subtracted",
        "an error of u twice: a mean square of 1/3 and more in place of 1/12",
        "universal_quantize.values",
        {"universal_quantize": lambda y, u: np.floor(y + u + 0.5)},
    ),
    Mistake(
        "the dither is not added back",
        "a mean square error of 1/6 in place of 1/12",
        "universal_dequantize.values",
        {"universal_dequantize": lambda k, u: +k},
    ),
    Mistake(
        "the dither is subtracted again",
        "an error of u twice",
        "universal_dequantize.values",
        {"universal_dequantize": lambda k, u: k - u},
    ),
    Mistake(
        "a straight-through line that stops the gradient",
        "the encoder learns nothing from the distortion",
        "round_straight_through_backward.values",
        {"round_straight_through_backward": lambda d, y: np.zeros_like(d)},
    ),
    Mistake(
        "a straight-through line whose value is not rounded",
        "training without quantization: rate and distortion of no file",
        "round_straight_through.values",
        {"round_straight_through": lambda y: +y},
    ),
    *(
        Mistake(name, cost, f"{target}.{law}", {target: function})
        for name, (function, cost, law) in SOURCES.items()
        for target in ("uniform_noise", "dither")
    ),
    Mistake(
        "a dither that is drawn anew",
        "the receiver adds another u than was subtracted: a mean square of 1/4 in place of 1/12",
        "dither.repeats",
        {"dither": lambda shape, seed: np.random.default_rng().random(shape) - 0.5},
    ),
)  # fmt: skip
