"""The linear model as a kind: a table for each of its 192 channels, quantized about 0."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from npuq.backend import Array
from npuq.coding.tables import IntegerTables
from npuq.models import linear
from npuq.models.linear import CHANNELS, LinearParams
from npuq.trained.density_tables import density_tables
from npuq.trained.kind import Kind, Params, as_params


def _shapes_of(arrays: Mapping[str, Array]) -> LinearParams:
    layers = sum(name.startswith("density.b.") for name in arrays)
    widths = (arrays[f"density.b.{layer}"].shape[1] for layer in range(layers - 1))
    return linear.shapes(tuple(map(int, widths)))


def _tables(params: Params, phases: list[Array], medians: Array | None) -> IntegerTables:
    density = as_params(params, LinearParams).density
    return density_tables(density, phases, np.zeros(CHANNELS, np.int32))


LINEAR = Kind(
    name="linear",
    params=LinearParams,
    size=lambda params: (CHANNELS,),
    shapes_of=_shapes_of,
    table_count=lambda params: CHANNELS,
    tables=_tables,
)
