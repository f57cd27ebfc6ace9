"""Targets on a line whose q/p has one peak, for the methods of linear time, after Sec. 2.

Shapes: numbers or arrays; functions are elementwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from npuq.backend import Array

NODES, WEIGHTS = np.polynomial.legendre.leggauss(96)
NEAREST = 1e-4  # to the peak, in square roots of nats


class PeakedRatio(NamedTuple):
    """r = q/p, rising up to a peak and falling from there on. After Sec. 2."""

    log_ratio: Callable[[float], float]  # log r(z), in nats; -inf where q is 0
    log_max: float
    peak: float  # a z at which r is largest
    superlevel: Callable[[Array], tuple[Array, Array]]  # log h -> the interval with r >= h
    q_cdf: Callable[[Array], Array]
    p_cdf: Callable[[Array], Array]


def gaussian_ratio(mean: float, scale: float) -> PeakedRatio:
    """q = N(mean, scale^2) beside p = N(0, 1), after Sec. 2.

    log r is a parabola, with its peak at mean / (1 - scale^2).

    Raises:
        ValueError: the scale is not in (0, 1), where the ratio would have no peak; the mean is not
            finite.
    """
    if not 0 < scale < 1:
        raise ValueError(f"scale must be between 0 and 1, not {scale}")
    if not math.isfinite(mean):
        raise ValueError(f"mean must be finite, not {mean}")
    rest = 1 - scale**2
    peak, width = mean / rest, scale / math.sqrt(rest)
    log_max = -math.log(scale) + mean**2 / (2 * rest)

    def superlevel(log_h: Array) -> tuple[Array, Array]:
        half = width * np.sqrt(2 * np.maximum(log_max - log_h, 0))
        return peak - half, peak + half

    return PeakedRatio(
        lambda z: log_max - ((z - peak) / width) ** 2 / 2,
        log_max,
        peak,
        superlevel,
        lambda z: ndtr((z - mean) / scale),
        ndtr,
    )


def uniform_ratio(y: float, width: float) -> PeakedRatio:
    """Eq. 4: q uniform on [y - 1/2, y + 1/2) beside p uniform on [0, width), after Sec. 2.

    Raises:
        ValueError: q is not inside of [0, width), where p has no candidates.
    """
    if not 0.5 <= y <= width - 0.5 < math.inf:
        raise ValueError(f"y must be from 1/2 to width - 1/2 for a width of {width}, not {y}")
    log_max = math.log(width)
    return PeakedRatio(
        lambda z: log_max if y - 0.5 <= z < y + 0.5 else -math.inf,
        log_max,
        y,
        lambda log_h: (np.full_like(log_h, y - 0.5), np.full_like(log_h, y + 0.5)),
        lambda z: np.clip(z - y + 0.5, 0, 1),
        lambda z: np.clip(z / width, 0, 1),
    )


def stretched(log_h: float, ratio: PeakedRatio) -> float:
    """sigma(h) = integral from 0 to h of 1 / (w_Q - eta w_P) d eta: Flamich (2023), after Sec. 2.

    w_Q and w_P are the probabilities of r >= eta under q and p. Their difference w_Q - eta w_P is
    the chance that the search is not over at the time sigma(eta).

    Args:
        log_h: log h, in nats.
        ratio: of the target.

    Returns:
        A time, infinite at the peak of the ratio.

    Numerics: with eta = e^(log_max - d^2), w_Q - eta w_P vanishes like d^3 for a smooth peak; by
        steps of log d, 96 points are good to 1e-9, relative. Nearer to the peak than d = 1e-4,
        where digits cancel, it is the value there: a search comes that far once in 1e12 times.
    """
    if log_h == -math.inf:
        return 0.0
    if log_h >= ratio.log_max:
        return math.inf
    start = max(math.sqrt(ratio.log_max - log_h), NEAREST)
    ends = math.log(start), math.log(start**2 + 40) / 2  # e^-40: nothing is left below
    half = (ends[1] - ends[0]) / 2
    d = np.exp(ends[0] + half * (1 + NODES))
    log_eta = ratio.log_max - d**2
    left, right = ratio.superlevel(log_eta)
    w_q = ratio.q_cdf(right) - ratio.q_cdf(left)
    w_p = ratio.p_cdf(right) - ratio.p_cdf(left)
    eta = np.exp(log_eta)
    return float(half * (WEIGHTS * 2 * d**2 * eta / (w_q - eta * w_p)).sum())
