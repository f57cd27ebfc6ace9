"""From trained parameters to a model that can code: phases, medians, tables and integer scales."""

from __future__ import annotations

from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.errors import ModelError
from npuq.nn.nonparametric import NonparametricParams
from npuq.nn.parameters import cast
from npuq.trained.checks import check_lambda, check_params, check_softness
from npuq.trained.density_tables import medians_of_density
from npuq.trained.fingerprint import model_hash
from npuq.trained.integer_scales import level_thresholds
from npuq.trained.kind import Params
from npuq.trained.kinds import kind_of
from npuq.trained.model import HyperCoding, Model
from npuq.trained.phases import plain_phases, soft_phases


def make_model(
    params: Params,
    *,
    alpha: float,
    alpha_r: float | None = None,
    lmbda: float,
    name: str,
    training: dict[str, Any] | None = None,
    half: bool = False,
    medians: Array | None = None,
) -> Model:
    """A model of trained parameters: builds the integer tables of Sec. 3.2, once.

    Args:
        params: float32, of any kind of model (Sec. 5.1).
        alpha: softness of s at test time, rounded to float32 as files hold it.
        alpha_r: softness of r, if it is another one (s_7 with r_16 in Fig. 2B).
        lmbda: the lambda that it was trained with.
        name: for reports.
        training: anything that JSON can hold about its making.
        half: round the parameters to half precision, which makes the model file half as long.
        medians: integers, in 1/512, about which the hyperprior model quantizes its hyper-latents,
            (N,), or the factorized model its latents, (M,); by default those of their density.

    Raises:
        ModelError: a softness or lmbda is negative or not finite, or the parameters are not those
            of a model of ours, or not finite, or too large for the integers that they are made
            into, or the medians are of another shape or type.
    """
    with np.errstate(over="ignore"):
        alpha = float(np.float32(alpha))  # as compressed files hold it
        alpha_r = alpha if alpha_r is None else float(np.float32(alpha_r))
    check_params(params)
    if half:
        with np.errstate(over="ignore"):
            params = cast(cast(params, np.float16), np.float32)
        check_params(params)  # what is beyond half precision is infinite now
    check_softness(alpha, alpha_r)
    check_lambda(lmbda)
    kind, phases = kind_of(params), _served_phases(alpha)
    medians = None if kind.density is None else _checked_medians(medians, kind.density(params))
    hyper = None
    if kind.hyper_tables is not None and kind.scales is not None:
        scales = kind.scales(params, level_thresholds())
        hyper = HyperCoding(kind.hyper_tables(params, medians), scales)
    tables = kind.tables(params, phases, medians)
    model = Model(
        params=params,
        tables=tables,
        phases=phases[0],
        alpha=alpha,
        alpha_r=alpha_r,
        lmbda=lmbda,
        name=name,
        training=training or {},
        hash=b"",
        hyper=hyper,
        medians=medians,
    )
    return model._replace(hash=model_hash(model))


def _served_phases(alpha: float) -> list[Array]:
    """The model's own phases, then those of plain dithering, which every model can do.

    The latter ask for the finest tables.
    """
    return [soft_phases(alpha), plain_phases()] if alpha > 0 else [plain_phases()]


def _checked_medians(medians: Array | None, density: NonparametricParams) -> Array:
    """The given medians, or else those of the density, (C,) int32."""
    if medians is None:
        return medians_of_density(density)
    channels = density.H[0].shape[0]
    if medians.shape != (channels,) or medians.dtype.kind != "i":
        raise ModelError(
            f"medians must be {channels} integers, not {medians.dtype} of shape {medians.shape}"
        )
    return medians.astype(np.int32)
