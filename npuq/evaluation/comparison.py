"""Comparison of rate-distortion curves (Sec. 5.3)."""

from __future__ import annotations

import math
import reprlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from npuq.backend import Array, check_unmasked

OVERLAP_MIN = 0.5
"""Of the PSNRs that two curves cover, the part in common below which `bd_rate` warns."""


def bd_rate(
    rates_a: Sequence[float],
    psnrs_a: Sequence[float],
    rates_b: Sequence[float],
    psnrs_b: Sequence[float],
) -> float:
    """Average difference in rate of curve b from curve a at equal quality, in percent.

    Bjøntegaard's delta rate (VCEG-M33, 2001): the mean of log(rate_b) - log(rate_a) over the
    common range of PSNR. Between its points, the logarithm of the rate is a monotone piecewise
    cubic of the PSNR (PCHIP) rather than one polynomial through all points, which can swing
    between them; with two points this is a straight line. The integral is exact.

    The figure says nothing of what lies outside the common range. Where that is less than half of
    the range of PSNR that the two curves cover together, the mean is over few decibels, at the
    ends of the curves, and can be anything; where a curve has a point of more bits and no more
    quality than another, there is no one rate for a quality, and the order of its points by PSNR
    is not that of its settings. Both are said by a warning: widen the measured ranges, or leave
    such points out. One half is the usual limit (Herglotz et al., "The Bjøntegaard Bible", 2024,
    and their implementation).

    Args:
        rates_a, psnrs_a: the reference curve; two points or more, in any order.
        rates_b, psnrs_b: the other curve.

    Returns:
        Percent; negative if b needs fewer bits.

    Warns:
        UserWarning: a common range of less than half, or a curve that is not monotone.

    Raises:
        ValueError: fewer than two points, rates that are not positive, equal PSNRs within a
            curve, or curves without a common range of PSNR.
        TypeError: no sequences of numbers.

    Example:
        >>> round(bd_rate([0.2, 0.4, 0.8], [30, 33, 36], [0.18, 0.36, 0.72], [30, 33, 36]), 1)
        -10.0
    """
    from scipy.interpolate import PchipInterpolator  # takes longer to import than all the rest

    quality_a, log_rate_a = _sorted(psnrs_a, "psnrs_a", _logs(rates_a, "rates_a"), "rates_a")
    quality_b, log_rate_b = _sorted(psnrs_b, "psnrs_b", _logs(rates_b, "rates_b"), "rates_b")
    low, high = max(quality_a[0], quality_b[0]), min(quality_a[-1], quality_b[-1])
    if low >= high:
        raise ValueError(
            f"the curves have no common range of PSNR: {quality_a[0]:.2f} to {quality_a[-1]:.2f} "
            f"and {quality_b[0]:.2f} to {quality_b[-1]:.2f} dB"
        )
    covered = max(quality_a[-1], quality_b[-1]) - min(quality_a[0], quality_b[0])
    if high - low < OVERLAP_MIN * covered:
        warnings.warn(
            f"the curves have {high - low:.2f} dB in common, of {covered:.2f} dB that they cover: "
            "the difference in rate is that of a small part of them",
            stacklevel=2,
        )
    for name, log_rate in (("first", log_rate_a), ("second", log_rate_b)):
        if (np.diff(log_rate) <= 0).any():
            warnings.warn(
                f"the {name} curve is not monotone: a point of more bits has no more quality",
                stacklevel=2,
            )
    area_a = PchipInterpolator(quality_a, log_rate_a).integrate(low, high)
    area_b = PchipInterpolator(quality_b, log_rate_b).integrate(low, high)
    return 100 * math.expm1(float(area_b - area_a) / float(high - low))


def interpolate_rd(bpp: Sequence[float], psnr: Sequence[float], at_bpp: float) -> float:
    """The PSNR of a rate-distortion curve at a given rate (PCHIP over the logarithm of the rate).

    Args:
        bpp: rates of the measured points, in bits per pixel; two or more, in any order.
        psnr: their quality, in decibels.
        at_bpp: the rate in question.

    Returns:
        Decibels; not a number outside the measured range: curves are not extrapolated.

    Raises:
        ValueError: fewer than two points, rates that are not positive, or two equal rates.
        TypeError: no sequences of numbers.
    """
    from scipy.interpolate import PchipInterpolator

    log_rate, quality = _sorted(_logs(bpp, "bpp"), "bpp", psnr, "psnr")
    if not min(bpp) <= at_bpp <= max(bpp):
        return math.nan
    return float(PchipInterpolator(log_rate, quality)(np.log(at_bpp)))


def _values(x: Any, name: str) -> Array:
    """Numbers in a row."""
    check_unmasked(x, name)
    try:
        values = np.asarray(x)
    except ValueError:  # lists of different lengths
        values = np.empty((), object)
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be a sequence of numbers, not {reprlib.repr(x)}")
    return values.astype(np.float64)


def _logs(rates: Any, name: str) -> Array:
    values = _values(rates, name)
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError(f"{name}: rates must be positive and finite, not {values.tolist()}")
    return np.log(values)


def _sorted(x: Any, name_x: str, y: Any, name_y: str) -> tuple[Array, Array]:
    """A curve's points in the order of x, checked for what an interpolant needs."""
    x, y = _values(x, name_x), _values(y, name_y)
    if x.shape != y.shape or len(x) < 2:
        raise ValueError(
            f"a curve needs two points or more: {name_x} has {len(x)}, {name_y} {len(y)}"
        )
    for name, values in ((name_x, x), (name_y, y)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite (identical pictures have infinite PSNR)")
    order = np.argsort(x)
    x, y = x[order], y[order]
    if (np.diff(x) <= 0).any():
        raise ValueError(f"{name_x}: two points of a curve coincide; leave one of them out")
    return x, y
