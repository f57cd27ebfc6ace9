"""Non-parametric densities as integers: their medians, and their tables about these (Sec. 3.2)."""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.coding.tables import IntegerTables
from npuq.coding.tabulate import build_tables
from npuq.nn import nonparametric
from npuq.nn.nonparametric import NonparametricParams
from npuq.nn.parameters import cast

MEDIAN_UNIT = 512
"""Medians are held in 1/512, the unit of hyper-latents in the integer network of the scales."""


def medians_of_density(density: NonparametricParams) -> Array:
    """The median of each channel, (C,) int32 in 1/512 (Ballé et al. 2018).

    Rounded about anything else, a narrow density far from an integer has an error that is the same
    everywhere, which no noise in training has.
    """
    exact = nonparametric.inverse_logits(0.0, cast(density, np.float64))
    return np.rint(MEDIAN_UNIT * exact).astype(np.int32)


def density_tables(
    density: NonparametricParams, phases: list[Array], medians: Array
) -> IntegerTables:
    """The density of each channel as integers (Sec. 3.2).

    Args:
        density: of C channels.
        phases: which the tables are good at, (256,) each.
        medians: (C,) int32, in 1/512, which are subtracted from what the tables are of.
    """
    exact = cast(density, np.float64)
    shift = (medians / MEDIAN_UNIT)[:, None]
    return build_tables(
        lambda y: nonparametric.cdf(y + shift, exact), phases, channels=medians.size
    )
