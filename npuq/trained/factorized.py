"""The factorized-prior model as a kind: a table for each channel of latents, about its median."""

from __future__ import annotations

from collections.abc import Mapping

from npuq.backend import Array
from npuq.coding.tables import IntegerTables
from npuq.models import factorized
from npuq.models.factorized import FactorizedParams
from npuq.nn.nonparametric import NonparametricParams
from npuq.trained.density_tables import density_tables
from npuq.trained.kind import Kind, Params, as_params


def _size(params: Params) -> tuple[int, int]:
    analysis = as_params(params, FactorizedParams).analysis
    return len(analysis[0].b), len(analysis[-1].b)


def _shapes_of(arrays: Mapping[str, Array]) -> FactorizedParams:
    N, M = (int(arrays[f"analysis.{layer}.w"].shape[0]) for layer in (0, 3))
    return factorized.shapes(channels=N, latents=M)


def _density(params: Params) -> NonparametricParams:
    return as_params(params, FactorizedParams).density


def _tables(params: Params, phases: list[Array], medians: Array | None) -> IntegerTables:
    assert medians is not None, "latents are quantized about their medians"
    return density_tables(_density(params), phases, medians)


FACTORIZED = Kind(
    name="factorized",
    params=FactorizedParams,
    size=_size,
    shapes_of=_shapes_of,
    table_count=lambda params: _size(params)[1],
    tables=_tables,
    density=_density,
)
