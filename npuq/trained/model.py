"""A trained model with all that coding takes: parameters, and integers made of them once.

Everything that a decoder needs to find symbols is integers that are made when a model is, and never
computed again: tables of distributions, phases of soft rounding, thresholds between scales. What is
named `kind` in files:

    linear       one table for each of 192 channels
    hyperprior   one table for each of 64 scales, one for each channel of hyper-latents, and the
                 network of integers that finds the scales (`npuq.trained.integer_scales`)
    factorized   one table for each channel of latents
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array, scipy_special_of
from npuq.coding.tables import IntegerTables
from npuq.coding.tabulate import build_tables
from npuq.errors import ModelError
from npuq.models import factorized, hyperprior, linear
from npuq.models.factorized import FactorizedParams
from npuq.models.hyperprior import HyperpriorParams, has_means
from npuq.models.linear import LinearParams
from npuq.nn import nonparametric
from npuq.nn.nonparametric import NonparametricParams
from npuq.nn.parameters import cast, named_arrays
from npuq.trained.integer_scales import (
    SLOPE,
    IntegerScales,
    integer_layers,
    level_thresholds,
    scale_levels,
)
from npuq.trained.phases import plain_phases, soft_phases

LINEAR, HYPERPRIOR, FACTORIZED = "linear", "hyperprior", "factorized"
KINDS = {LinearParams: LINEAR, HyperpriorParams: HYPERPRIOR, FactorizedParams: FACTORIZED}
"""By type of the parameters."""


class HyperCoding(NamedTuple):
    """What the hyperprior model codes with beside the tables of its latents.

    Attributes:
        tables: of hyper-latents, one per channel.
        scales: the integer network of the scales.
        offset: (N,) int32, in 1/512: hyper-latents are quantized about it, their medians.
    """

    tables: IntegerTables
    scales: IntegerScales
    offset: Array


class Model(NamedTuple):
    """A trained model, ready to code with.

    Attributes:
        params: of one of KINDS, float32.
        tables: of latents, one per channel or per scale.
        phases: (256,) uint16, the phase of each dither value under the model's alpha.
        alpha: softness of s at test time; 0 for a model trained with plain uniform noise.
        alpha_r: softness of r at test time.
        lmbda: the lambda that it was trained with.
        name: for reports.
        training: how it was made, as JSON holds it.
        hash: 8 bytes that name what decoding depends on; empty until `npuq.trained.file` knows it.
        hyper: of the hyperprior model.
        offset: of the factorized model, (M,) int32, in 1/512: latents are quantized about it.
    """

    params: Any
    tables: IntegerTables
    phases: Array
    alpha: float
    alpha_r: float
    lmbda: float
    name: str
    training: dict[str, Any]
    hash: bytes
    hyper: HyperCoding | None = None
    offset: Array | None = None

    @property
    def kind(self) -> str:
        """One of KINDS."""
        return KINDS[type(self.params)]


def linear_tables(params: LinearParams, phases: list[Array]) -> IntegerTables:
    """The density of each channel as integers, good at each of `phases` (Sec. 3.2)."""
    return _density_tables(params.density, phases, np.zeros(linear.CHANNELS))


def factorized_tables(
    params: FactorizedParams, phases: list[Array], offset: Array
) -> IntegerTables:
    """The same of latents less their offset, see Model."""
    return _density_tables(params.density, phases, offset / 512)


def scale_tables(phases: list[Array]) -> IntegerTables:
    """Normal distributions of the 64 levels of scales as integers (Eq. 23)."""
    ndtr: Callable[[Array], Array] = scipy_special_of(phases[0]).ndtr
    sigma = scale_levels()[:, None]
    return build_tables(lambda y: ndtr(y / sigma), phases, channels=sigma.size)


def offset_density(params: FactorizedParams | HyperpriorParams) -> NonparametricParams:
    """The density of what is quantized about an offset: of latents, or of hyper-latents."""
    return params.density if isinstance(params, FactorizedParams) else params.hyper_density


def median_offset(params: FactorizedParams | HyperpriorParams) -> Array:
    """The medians of that density, (C,) int32 in 1/512, see Model (Ballé et al. 2018).

    Rounded about anything else, a narrow density far from an integer has an error that is the same
    everywhere, which no noise in training has.
    """
    density = cast(offset_density(params), np.float64)
    return np.rint(512 * nonparametric.inverse_logits(0.0, density)).astype(np.int32)


def hyper_coding(params: HyperpriorParams, offset: Array) -> HyperCoding:
    """Tables of the hyper-latents, and the integer network of the scales (Eq. 23).

    Args:
        params: of the model.
        offset: (N,) int32, see HyperCoding.

    Raises:
        ModelError: weights are too large for exact sums.
    """
    return HyperCoding(
        _density_tables(params.hyper_density, [plain_phases()], offset / 512),
        integer_scales(params, level_thresholds()),
        offset.astype(np.int32),
    )


def integer_scales(params: HyperpriorParams, thresholds: Array) -> IntegerScales:
    """The integer network of the scales; it follows from the parameters (Eq. 23).

    Raises:
        ModelError: weights are too large for exact sums.
    """
    layers = integer_layers(params.hyper_synthesis, latents_of(params))
    return IntegerScales(layers, thresholds, SLOPE if has_means(params) else 0)


def latents_of(params: HyperpriorParams | FactorizedParams) -> int:
    """M."""
    return int(params.analysis[-1].w.shape[0])


def served_phases(alpha: float) -> list[Array]:
    """The model's own phases, then those of plain dithering, which every model can do.

    The latter ask for the finest tables.
    """
    return [soft_phases(alpha), plain_phases()] if alpha > 0 else [plain_phases()]


def check_softness(alpha: float, alpha_r: float) -> None:
    """Check what a file or a caller says.

    Raises:
        ModelError: a softness is negative, or not a finite number, or no float32, which is how
            compressed files hold it.
    """
    for name, value in (("alpha", alpha), ("alpha_r", alpha_r)):
        with np.errstate(over="ignore"):
            held = float(np.float32(value))
        if not (math.isfinite(held) and value >= 0 and value == held):
            raise ModelError(f"{name} of a model must be a float32 number from 0 on, not {value}")


def check_lambda(lmbda: float) -> None:
    """Check what a file or a caller says.

    Raises:
        ModelError: lambda is negative, or not a finite number.
    """
    if not (math.isfinite(lmbda) and lmbda >= 0):
        raise ModelError(f"lmbda of a model must be a number from 0 on, not {lmbda}")


def shapes_like(params: Any) -> Any:
    """The shapes of a model of the same kind and widths, to compare with, taking no memory.

    Raises:
        ModelError: no model of ours has such widths.
    """
    try:
        if isinstance(params, LinearParams):
            return linear.shapes(tuple(int(b.shape[1]) for b in params.density.b[:-1]))
        channels, latents = params.analysis[0].w.shape[0], latents_of(params)
        if isinstance(params, FactorizedParams):
            return factorized.shapes(channels=channels, latents=latents)
        return hyperprior.shapes(channels=channels, latents=latents, means=has_means(params))
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ModelError("the parameters are not those of a model of ours") from error


def check_params(params: Any) -> None:
    """Check the arrays of a model against the shapes of its kind and widths.

    Raises:
        ModelError: a shape or type differs, or a value is not finite.
    """
    expected = named_arrays(shapes_like(params))
    try:
        arrays = named_arrays(params)
    except TypeError as error:
        raise ModelError(f"the parameters are not those of a model of ours: {error}") from error
    if different := sorted(expected.keys() ^ arrays.keys()):
        raise ModelError(f"{different[0]} is missing, or is no parameter of such a model")
    for name, array in arrays.items():
        if array.shape != expected[name].shape or array.dtype != np.float32:
            raise ModelError(
                f"{name} has shape {array.shape} and type {array.dtype}, "
                f"not {expected[name].shape} and float32"
            )
        if not np.all(np.isfinite(array)):
            raise ModelError(f"{name} holds values that are not finite")


def _density_tables(
    density: NonparametricParams, phases: list[Array], offset: Array
) -> IntegerTables:
    density = cast(density, np.float64)
    return build_tables(
        lambda y: nonparametric.cdf(y + offset[:, None], density), phases, channels=offset.size
    )
