"""Mistakes of densities and rates (Eqs. 22, 43, 44) and of their expected gradients (Sec. 4.2)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.checks import exact
from npuq.checks.mistakes.mistake import Mistake
from npuq.checks.mistakes.wrong_bits import (
    Bits,
    as_printed,
    next_interval,
    other_alpha,
    stopped_in_tails,
    twice_as_wide,
    upper_tail,
    with_a_jacobian,
    with_floor,
    with_loc,
    with_scale,
    without_noise,
    without_soft_rounding,
)
from npuq.checks.names import DISTRIBUTIONS, KINDS


def _answers(
    bits: Bits, *, plain: bool = True, soft: bool = True, laws: tuple[str, ...] = DISTRIBUTIONS,
    kinds: tuple[str, ...] = tuple(KINDS), change: Callable[[str, Array], Array] = exact.of_kind,
    widened: bool = True,
) -> dict[str, Callable[..., Any]]:  # fmt: skip
    """The mistake in every function that can have it."""

    def answer(law: str, kind: str, z: Array, loc: Array, scale: Array, alpha: float = 0.0) -> Any:
        if widened:
            z, loc, scale = (np.asarray(a, np.float64) for a in (z, loc, scale))
        return change(kind, bits(law, z, loc, scale, alpha))

    return {
        f"{law}{'_soft_rounded' * is_soft}_{kind}": functools.partial(answer, law, kind)
        for law in laws
        for is_soft in [False] * plain + [True] * soft
        for kind in kinds
    }


def _other_unit(kind: str, bits: Array) -> Array:
    """Nats where bits are due, and the other way round."""
    return bits * math.log(2) if kind == "bits" else -bits


def _common_logarithm(kind: str, bits: Array) -> Array:
    """log10 where log2 or the natural logarithm is due."""
    return bits * math.log10(2) * (1 if kind == "bits" else -1)


_TAILED = ("bits", "log_density")
_VALUES, _SOFT = "logistic_bits.values.float64", "logistic_soft_rounded_bits.values.float64"

MISTAKES = (
    Mistake(
        "Eqs. 22 and 44 as printed (erratum E1)",
        "0.048 bit a coefficient at alpha 4, 0.136 at 8, 0.212 at 16 (logistic, scale 0.4)",
        _SOFT, _answers(as_printed, plain=False),
    ),
    Mistake(
        "the density of plain noise for soft-rounded coefficients",
        "as many bits as the two densities diverge by; it grows with alpha",
        _SOFT, _answers(without_soft_rounding, plain=False),
    ),
    Mistake(
        "another alpha in the density than in s",
        "as many bits as the two densities diverge by; more for an alpha that is too large",
        _SOFT, _answers(other_alpha, plain=False),
    ),
    Mistake(
        "a Jacobian r'(z) too many",
        "it is the density of z that is coded, not that of r(z): log2 r'(z) a coefficient",
        _SOFT, _answers(with_a_jacobian, plain=False),
    ),
    Mistake(
        "the noise is left out of the density",
        "negative bits, without a bound, for small scales",
        _VALUES, _answers(without_noise),
    ),
    Mistake(
        "the interval from z to z + 1", "a density that is moved by half a unit",
        _VALUES, _answers(next_interval),
    ),
    Mistake(
        "an interval of width two", "probabilities that sum to 2: up to 1 bit too few is reported",
        _VALUES, _answers(twice_as_wide),
    ),
    Mistake(
        "the scale taken for a variance",
        "bits by a scale that is the square root of the right one",
        _VALUES, _answers(with_scale(np.sqrt)),
    ),
    Mistake(
        "the scale squared", "bits by a scale that is the square of the right one",
        _VALUES, _answers(with_scale(np.square)),
    ),
    Mistake(
        "a floor of 0.11 under the scale",
        "2e-5 bit for a coefficient that is known to be 0, and up to 0.7 near half-integers",
        "logistic_bits.small_scale",
        _answers(with_scale(lambda s: np.maximum(s, 0.11)), soft=False),
    ),
    Mistake(
        "the scale taken for its logarithm", "bits by a scale of e^scale, at least 1",
        _VALUES, _answers(with_scale(np.exp)),
    ),
    Mistake(
        "the scale taken for a standard deviation", "bits by a scale that is too small by 0.55",
        _VALUES, _answers(with_scale(lambda s: s * math.sqrt(3) / math.pi), laws=("logistic",)),
    ),
    Mistake(
        "erf without the root of two", "bits by a scale that is too small by 0.71",
        "normal_bits.values.float64",
        _answers(with_scale(lambda s: s / math.sqrt(2)), laws=("normal",)),
    ),
    Mistake(
        "the location is ignored", "bits as if every mean were 0",
        _VALUES, _answers(with_loc(np.zeros_like)),
    ),
    Mistake(
        "the location has the wrong sign", "bits by a density that lies on the other side of 0",
        _VALUES, _answers(with_loc(np.negative)),
    ),
    Mistake(
        "nats for bits, or bits for nats",
        "rates that are wrong by a factor of 0.69, and lambda too",
        _VALUES, _answers(exact.bits, kinds=_TAILED, change=_other_unit),
    ),
    Mistake(
        "log10 in place of the logarithm",
        "rates that are wrong by a factor of 0.30, and lambda too",
        _VALUES, _answers(exact.bits, kinds=_TAILED, change=_common_logarithm),
    ),
    Mistake(
        "the wrong sign of the logarithm", "a loss that asks for more bits",
        _VALUES,
        _answers(exact.bits, kinds=_TAILED, change=lambda kind, b: -exact.of_kind(kind, b)),
    ),
    Mistake(
        "a floor of 1e-9 under the density",
        "outliers seem to cost 30 bits whatever they cost, and no gradient brings them back",
        "logistic_bits.tails", _answers(with_floor(1e-9), kinds=_TAILED),
    ),
    Mistake(
        "a floor of 1e-6 under the density",
        "outliers seem to cost 20 bits whatever they cost, and no gradient brings them back",
        "logistic_bits.tails", _answers(with_floor(1e-6), kinds=_TAILED),
    ),
    Mistake(
        "1 less 1 in the upper tail",
        "infinite bits from some 37 scales out (8 of a normal distribution), in float32 from 17 "
        "(5), on one side only",
        "logistic_bits.tails", _answers(upper_tail, kinds=_TAILED, widened=False),
    ),
    *(
        Mistake(
            "a floor under the density, which stops the gradient",
            "outliers stay where they are: nothing brings them back",
            f"{law}{soft}_bits_backward.tails",
            {f"{law}{soft}_bits_backward": functools.partial(stopped_in_tails, law)},
        )
        for law in DISTRIBUTIONS
        for soft in ("", "_soft_rounded")
    ),
    *(
        Mistake(name, cost, f"{stem}.values", {stem: functools.partial(function, law)})
        for law in DISTRIBUTIONS
        for stem in [f"{law}_soft_rounded_bits_backward_expected"]
        for name, cost, function in (
            (
                "the sampled derivative in place of the expected one",
                "spikes near integers: the variance that Eq. 17 takes out",
                lambda law, d, y, loc, scale, alpha: d * _difference(
                    functools.partial(exact.bits, law), y, 1e-6, loc, scale, alpha),
            ),
            (
                "plain bits at y in place of s^-1(y)", "a biased gradient of the rate",
                lambda law, d, y, loc, scale, alpha: d * _difference(
                    functools.partial(exact.bits, law), y, 0.5, loc, scale),
            ),
            (
                "s' taken along", "the slope of s twice, once it is multiplied by it again",
                lambda law, d, y, loc, scale, alpha: d * _difference(
                    functools.partial(exact.bits, law), exact.soft_round_inverse(y, alpha), 0.5,
                    loc, scale) / exact.soft_round_inverse_slope(y, alpha),
            ),
        )
    ),
    Mistake(
        "the sampled derivative of r in place of 1",
        "spikes of sinh(alpha)/alpha at half-integers: the variance that Eq. 20 takes out",
        "soft_round_conditional_mean_backward_expected.values",
        {"soft_round_conditional_mean_backward_expected": lambda d, z, alpha:
         d * exact.soft_round_conditional_mean_slope(z, alpha)},
    ),
)  # fmt: skip


def _difference(h: Callable[..., Array], y: Array, step: float, *rest: Any) -> Array:
    return (h(y + step, *rest) - h(y - step, *rest)) / (2 * step)
