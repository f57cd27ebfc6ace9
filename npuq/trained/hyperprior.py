"""The hyperprior model as a kind: a table for each scale, found by integers (Eq. 23).

The tables of latents are those of 64 normal distributions; `npuq.trained.integer_scales` says which
of them a latent has. Hyper-latents have a table for each channel, and are quantized about their
medians.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from npuq.backend import Array, scipy_special_of
from npuq.coding.tables import IntegerTables
from npuq.coding.tabulate import build_tables
from npuq.models import hyperprior
from npuq.models.hyperprior import HyperpriorParams, has_means
from npuq.nn.nonparametric import NonparametricParams
from npuq.trained.density_tables import density_tables
from npuq.trained.integer_scales import (
    LEVELS,
    SLOPE,
    IntegerScales,
    integer_layers,
    scale_levels,
)
from npuq.trained.kind import Kind, Params, as_params
from npuq.trained.phases import plain_phases


def _size(params: Params) -> tuple[int, int]:
    analysis = as_params(params, HyperpriorParams).analysis
    return len(analysis[0].b), len(analysis[-1].b)


def _shapes_of(arrays: Mapping[str, Array]) -> HyperpriorParams:
    N, M = (int(arrays[f"analysis.{layer}.w"].shape[0]) for layer in (0, 3))
    means = arrays["hyper_synthesis.2.w"].shape[0] == 2 * M
    return hyperprior.shapes(channels=N, latents=M, means=means)


def _density(params: Params) -> NonparametricParams:
    return as_params(params, HyperpriorParams).hyper_density


def _tables(params: Params, phases: list[Array], medians: Array | None) -> IntegerTables:
    ndtr: Callable[[Array], Array] = scipy_special_of(phases[0]).ndtr
    sigma = scale_levels()[:, None]
    return build_tables(lambda y: ndtr(y / sigma), phases, channels=LEVELS)


def _hyper_tables(params: Params, medians: Array | None) -> IntegerTables:
    assert medians is not None, "hyper-latents are quantized about their medians"
    return density_tables(_density(params), [plain_phases()], medians)


def integer_scales(params: Params, thresholds: Array) -> IntegerScales:
    """The integer network of the scales; it follows from the parameters (Eq. 23).

    Args:
        params: HyperpriorParams.
        thresholds: between the levels of scales, see `npuq.trained.integer_scales`.

    Raises:
        ModelError: weights are too large for exact sums.
    """
    trained = as_params(params, HyperpriorParams)
    layers = integer_layers(trained.hyper_synthesis, _size(params)[1])
    return IntegerScales(layers, thresholds, SLOPE if has_means(trained) else 0)


HYPERPRIOR = Kind(
    name="hyperprior",
    params=HyperpriorParams,
    size=_size,
    shapes_of=_shapes_of,
    table_count=lambda params: LEVELS,
    tables=_tables,
    density=_density,
    hyper_tables=_hyper_tables,
    scales=integer_scales,
    is_halved=True,
)
