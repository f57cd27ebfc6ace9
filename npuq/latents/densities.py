"""A density for an array whose own is not known: normal, Laplace or logistic, or the best of them.

Locations and scales are those of maximum likelihood, but for the logistic scale, which is that of
the standard deviation (Johnson, Kotz & Balakrishnan 1994, ch. 13, and 1995, chs. 23 and 24).
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import scipy.stats

from npuq.backend import Array
from npuq.errors import InvalidArrayError, TablesError
from npuq.nn.scipy_cdf import from_scipy
from npuq.paper.density import interval_bits

FAMILIES = ("normal", "laplace", "logistic")
SAMPLE = 1 << 20  # coefficients that are looked at, evenly spread
MOST_CHANNELS = 1 << 11  # with tables of 16,384 knots at first: 270 MB
NARROWEST = 1 / 64  # scale in steps: what is constant has a density too


def fit_density(y: Array, step: float, family: str = "fit") -> tuple[Any, str]:
    """A frozen distribution of SciPy's that fits an array, and what to call it.

    Args:
        y: floats of any shape.
        step: of quantization.
        family: one of FAMILIES, or "fit": the one with the fewest bits for y + U (Eq. 43).

    Raises:
        InvalidArrayError: y holds what is not finite.
        TablesError: no such family.
    """
    if family not in (*FAMILIES, "fit"):
        raise TablesError(f"density must be one of {', '.join(FAMILIES)} or fit, not {family!r}")
    flat = y.reshape(-1)
    sample = flat[:: max(1, -(-flat.size // SAMPLE))].astype(np.float64)
    if not np.all(np.isfinite(sample)):
        raise InvalidArrayError("holds numbers that are not finite")
    if sample.size == 0:
        sample = np.zeros(1)
    found = [_fitted(sample, step, one) for one in (FAMILIES if family == "fit" else (family,))]
    return min(found, key=lambda fit: _bits(sample, step, fit[0])) if len(found) > 1 else found[0]


def fit_channels(y: Array, axis: int, step: float, family: str = "fit") -> tuple[list[Any], str]:
    """A density for each channel of an array, and what to call them all; see `fit_density`.

    Args:
        axis: of the channels.

    Raises:
        InvalidArrayError: there is no such axis; no channels, or more than MOST_CHANNELS.
    """
    if not -y.ndim <= axis < y.ndim:
        raise InvalidArrayError(f"has shape {y.shape}, and no axis {axis}")
    if not 0 < y.shape[axis] <= MOST_CHANNELS:
        raise InvalidArrayError(
            f"has {y.shape[axis]} channels along axis {axis}; there must be 1 to {MOST_CHANNELS}"
        )
    channels = np.moveaxis(y, axis, 0)
    densities, names = zip(*(fit_density(one, step, family) for one in channels), strict=True)
    counts = Counter(name.partition("(")[0] for name in names)
    kinds = ", ".join(f"{counts[name]} {name}" for name in FAMILIES if counts[name])
    return list(densities), f"{len(densities)} channels: {kinds}"


def _fitted(y: Array, step: float, family: str) -> tuple[Any, str]:
    location = float(np.median(y) if family == "laplace" else np.mean(y))
    spread = abs(y - location).mean() if family == "laplace" else y.std()
    unit = math.sqrt(3) / math.pi if family == "logistic" else 1.0
    scale = max(float(spread) * unit, NARROWEST * step)
    distribution = {
        "normal": scipy.stats.norm,
        "laplace": scipy.stats.laplace,
        "logistic": scipy.stats.logistic,
    }[family]
    return distribution(loc=location, scale=scale), f"{family}({location:.6g}, {scale:.6g})"


def _bits(y: Array, step: float, distribution: Any) -> float:
    cdf = from_scipy(distribution)
    bits = interval_bits(cdf.logits(y - step / 2), cdf.logits(y + step / 2))
    return float(np.minimum(bits, 64.0).mean())  # beyond, it is an escape that is sent
