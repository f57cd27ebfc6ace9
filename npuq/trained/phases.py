"""The phase of each dither value, which says where a symbol's interval lies (Sec. 3.2, Eq. 44).

The dither u has 256 values, u = (n + 1/2)/256 - 1/2. With v = s^-1(u + 1/2) in (0, 1) the symbol k
owns the interval [c_Y(k - 1 + v), c_Y(k + v)): soft rounding changes v, and nothing else. Phases
are made in floating point, once, when a model is; what files and coders know is these integers.
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.coding.dither import DITHER_LEVELS, dither_values
from npuq.coding.tables import FIRST_KNOT, PHASE_UNIT, phase_table
from npuq.paper.soft_round import soft_round_inverse


def hard_phases() -> Array:
    """Phases of hard rounding, v = 1/2 whatever the dither (Eq. 15): (256,) uint16."""
    return np.full(DITHER_LEVELS, PHASE_UNIT // 2, np.uint16)


def plain_phases() -> Array:
    """Phases of the uniform noise channel, v = u + 1/2 = (2n + 1)/512 (Sec. 3.2): (256,) uint16."""
    n = np.arange(DITHER_LEVELS)
    return (FIRST_KNOT * (2 * n + 1)).astype(np.uint16)


def soft_phases(alpha: float) -> Array:
    """Phases under soft rounding, v = s_alpha^-1(u + 1/2) (Eq. 44): (256,) uint16.

    With z = k + u the probability of k is c(s^-1(z + 1/2)) - c(s^-1(z - 1/2)), and as
    s^-1(z + 1) = s^-1(z) + 1 this is c(k + v) - c(k - 1 + v). Computed in floating point, hence
    once, by whoever saves the model.
    """
    u = dither_values(np.arange(DITHER_LEVELS), np.float64)
    return phase_table(soft_round_inverse(u + 0.5, alpha))
