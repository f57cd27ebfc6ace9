"""Mistakes of soft rounding, its inverse and the conditional mean (Eqs. 10 and 14)."""

from __future__ import annotations

import math

import numpy as np

from npuq.backend import Array
from npuq.checks.mistakes.mistake import Mistake


def nearest_for_floor(y: Array, alpha: float) -> Array:
    """Eq. 10 with its bracket read as the nearest integer (erratum E5)."""
    n = np.floor(y + 0.5)
    return n + 0.5 * np.tanh(alpha * (y - n - 0.5)) / math.tanh(alpha / 2) + 0.5


def without_normalization(y: Array, alpha: float) -> Array:
    """tanh(alpha r) / 2, which is not divided by tanh(alpha / 2)."""
    r = y - np.floor(y) - 0.5
    return np.floor(y) + 0.5 * np.tanh(alpha * r) + 0.5


def alpha_halved(y: Array, alpha: float) -> Array:
    """tanh(alpha r / 2): the alpha of another parametrization."""
    r = y - np.floor(y) - 0.5
    return np.floor(y) + 0.5 * np.tanh(alpha / 2 * r) / math.tanh(alpha / 4) + 0.5


def literal(y: Array, alpha: float) -> Array:
    """Eq. 10, as it is printed, of which 0 / 0 is made at alpha = 0."""
    r = y - np.floor(y) - 0.5
    return np.floor(y) + np.tanh(alpha * r) / (2 * np.tanh(alpha / 2)) + 0.5


def single_tanh(y: Array, alpha: float) -> Array:
    """Eq. 10 with tanh(alpha / 2) in float32, as of a tensor that was made of a number."""
    r = y - np.floor(y) - y.dtype.type(0.5)
    height = 2 * np.tanh(np.float32(alpha / 2))
    return np.floor(y) + np.tanh(alpha * r) / height + y.dtype.type(0.5)


def no_soft_rounding(y: Array, alpha: float) -> Array:
    """y itself, whatever alpha."""
    return +y


def hard(y: Array, alpha: float) -> Array:
    """Rounding, whatever alpha."""
    return np.floor(y + 0.5)


def slope_of_one(d: Array, y: Array, alpha: float) -> Array:
    """The gradient of rounding by straight-through in place of s'."""
    return +d


def textbook_inverse(z: Array, alpha: float) -> Array:
    """floor(z) + 1/2 + artanh(2 tanh(alpha/2) r) / alpha."""
    r = z - np.floor(z) - z.dtype.type(0.5)
    return np.floor(z) + z.dtype.type(0.5) + np.arctanh(2 * math.tanh(alpha / 2) * r) / alpha


def widened_inverse(z: Array, alpha: float) -> Array:
    """The same, where a float64 tanh(alpha / 2) makes float64 of what came after r."""
    r = z - np.floor(z) - z.dtype.type(0.5)
    return np.floor(z) + 0.5 + np.arctanh(2 * np.tanh(np.float64(alpha / 2)) * r) / alpha


def single_inverse(z: Array, alpha: float) -> Array:
    """The same with tanh(alpha / 2) in float32, as of a tensor that was made of a number."""
    r = z - np.floor(z) - z.dtype.type(0.5)
    inside = 2 * np.tanh(np.float32(alpha / 2)) * r
    return np.floor(z) + z.dtype.type(0.5) + np.arctanh(inside) / alpha


def clipped_inverse(z: Array, alpha: float) -> Array:
    """The same, with what artanh takes kept 1e-6 away from -1 and 1."""
    r = z - np.floor(z) - z.dtype.type(0.5)
    inside = np.clip(2 * math.tanh(alpha / 2) * r, -1 + 1e-6, 1 - 1e-6)
    return np.floor(z) + z.dtype.type(0.5) + np.arctanh(inside) / alpha


def unscaled_inverse(z: Array, alpha: float) -> Array:
    """artanh(2 r) / alpha, without tanh(alpha / 2): infinite at integers."""
    r = z - np.floor(z) - 0.5
    return np.floor(z) + 0.5 + np.arctanh(2 * r) / alpha


def textbook_mean(z: Array, alpha: float) -> Array:
    """Eq. 14 by the textbook inverse."""
    half = z.dtype.type(0.5)
    return textbook_inverse(z - half, alpha) + half


def inverse_for_mean(z: Array, alpha: float) -> Array:
    """s^-1(z): without the halves."""
    n = np.floor(z)
    f = np.float64(1) * (z - n)
    return n + np.log1p(2 * f * np.sinh(alpha) / (1 - f + f * np.exp(-alpha))) / (2 * alpha)


def identity_mean(z: Array, alpha: float) -> Array:
    """z itself: the receiver does not know of soft rounding."""
    return +z


def rounded_mean(z: Array, alpha: float) -> Array:
    """The receiver rounds."""
    return np.floor(z + 0.5)


def plus_for_minus(z: Array, alpha: float) -> Array:
    """s^-1(z + 1/2) + 1/2: one too much."""
    return inverse_for_mean(z + 0.5, alpha) + 0.5


_TEXTBOOK = (
    "up to 0.3 of a unit in float32 at alpha 16 near integers (the third digit of s^-1 and more), "
    "infinite for alpha above 18 in float32 and 37 in float64; log1p forms have no such limit"
)

MISTAKES = (
    Mistake(
        "the nearest integer in place of the floor in Eq. 10 (erratum E5)",
        "s jumps by almost one at half-integers: half of all coefficients are sent a unit off",
        "soft_round.values.float64",
        {"soft_round": nearest_for_floor},
    ),
    Mistake(
        "no case for alpha = 0 in Eq. 10",
        "NaN where a schedule begins at 0, nothing above",
        "soft_round.identity",
        {"soft_round": literal},
    ),
    Mistake(
        "tanh(alpha/2) in float32 amid float64",
        "seven digits where sixteen were asked for: nothing in training, all of a gradient check",
        "soft_round.values.float64",
        {"soft_round": single_tanh},
    ),
    Mistake(
        "no division by tanh(alpha/2)",
        "s jumps at integers, by 1 - tanh(alpha/2): 0.24 at alpha 2, nothing to see at alpha 16",
        "soft_round.values.float64",
        {"soft_round": without_normalization},
    ),
    Mistake(
        "alpha halved",
        "softer than it says, by a factor of two in alpha",
        "soft_round.values.float64",
        {"soft_round": alpha_halved},
    ),
    Mistake(
        "no soft rounding at all",
        "plain noise, and none of the bits that soft rounding saves",
        "soft_round.values.float64",
        {"soft_round": no_soft_rounding},
    ),
    Mistake(
        "hard rounding in place of soft rounding",
        "no gradient; in training, symbols of another quantizer than the density's",
        "soft_round.values.float64",
        {"soft_round": hard},
    ),
    Mistake(
        "a derivative of 1 for s'",
        "a bias in the encoder's gradient: s is before the noise and keeps its slope (Sec. 4.2)",
        "soft_round_backward.values",
        {"soft_round_backward": slope_of_one},
    ),
    Mistake(
        "the textbook artanh inverse",
        _TEXTBOOK,
        "soft_round_inverse.values.float32",
        {"soft_round_inverse": textbook_inverse},
    ),
    Mistake(
        "the textbook artanh inverse",
        _TEXTBOOK,
        "soft_round_inverse.values.float32",
        {"soft_round_inverse": widened_inverse},
    ),
    Mistake(
        "the textbook artanh inverse, with tanh(alpha/2) in float32",
        f"in float64 as in float32: {_TEXTBOOK}",
        "soft_round_inverse.values.float64",
        {"soft_round_inverse": single_inverse},
    ),
    Mistake(
        "the artanh inverse, clipped",
        "finite, but wrong near integers: by 0.04 of a unit at alpha 16",
        "soft_round_inverse.values.float64",
        {"soft_round_inverse": clipped_inverse},
    ),
    Mistake(
        "no tanh(alpha/2) in the inverse",
        "infinite at integers, where most quantized values are",
        "soft_round_inverse.values.float64",
        {"soft_round_inverse": unscaled_inverse},
    ),
    Mistake(
        "r by the textbook artanh inverse",
        "nothing up to alpha 16, where rounding z does as much; infinite for alpha above 18 in "
        "float32 and 37 in float64",
        "soft_round_conditional_mean.large_alpha",
        {"soft_round_conditional_mean": textbook_mean},
    ),
    Mistake(
        "s^-1(z) in place of s^-1(z - 1/2) + 1/2",
        "reconstructions up to half a unit off, the more the larger alpha",
        "soft_round_conditional_mean.values.float64",
        {"soft_round_conditional_mean": inverse_for_mean},
    ),
    Mistake(
        "no conditional mean at all",
        "the distortion of plain noise, 1/12 a coefficient, for the bits of soft rounding",
        "soft_round_conditional_mean.values.float64",
        {"soft_round_conditional_mean": identity_mean},
    ),
    Mistake(
        "rounding in place of the conditional mean",
        "distortion of coefficients near half-integers, which r would keep there",
        "soft_round_conditional_mean.values.float64",
        {"soft_round_conditional_mean": rounded_mean},
    ),
    Mistake(
        "s^-1(z + 1/2) + 1/2",
        "every reconstruction is one unit too large",
        "soft_round_conditional_mean.values.float64",
        {"soft_round_conditional_mean": plus_for_minus},
    ),
)
