"""A trained model with all that coding takes: parameters, and integers made of them once.

Everything that a decoder needs to find symbols is integers that are made when a model is
(`npuq.trained.make`), and never computed again: tables of distributions, phases of soft rounding,
medians, thresholds between scales.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array, device_of, to_device
from npuq.coding.tables import IntegerTables
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.trained.density_tables import MEDIAN_UNIT
from npuq.trained.integer_scales import IntegerScales
from npuq.trained.kind import Params
from npuq.trained.kinds import kind_of


class HyperCoding(NamedTuple):
    """What a model with a hyperprior codes with beside the tables of its latents.

    Attributes:
        tables: of hyper-latents, one per channel.
        scales: the integer network of the scales.
    """

    tables: IntegerTables
    scales: IntegerScales


class Model(NamedTuple):
    """A trained model, ready to code with.

    Attributes:
        params: float32, of the type of one of KINDS (`npuq.trained.kinds`).
        tables: of latents, one per channel or per scale.
        phases: (256,) uint16, the phase of each dither value under the model's alpha.
        alpha: softness of s at test time; 0 for a model trained with plain uniform noise.
        alpha_r: softness of r at test time.
        lmbda: the lambda that it was trained with.
        name: for reports.
        training: how it was made, as JSON holds it.
        hash: 8 bytes that name what decoding depends on; empty while a model is being made.
        hyper: of the hyperprior model.
        medians: (C,) int32, in 1/512: what hyper-latents are quantized about, or the latents of the
            factorized model. None where that is 0.
    """

    params: Params
    tables: IntegerTables
    phases: Array
    alpha: float
    alpha_r: float
    lmbda: float
    name: str
    training: dict[str, Any]
    hash: bytes
    hyper: HyperCoding | None = None
    medians: Array | None = None

    @property
    def kind(self) -> str:
        """The name of its kind, one of KINDS."""
        return kind_of(self.params).name


def device_of_model(model: Model) -> str:
    """Where a model's transforms are computed, "cpu" or "cuda"."""
    return device_of(next(iter(named_arrays(model.params).values())))


def on_device(model: Model, device: str) -> Model:
    """The same model, whose transforms and integer scales are computed on a device.

    What codes symbols stays on the host: tables, phases and medians.

    Args:
        model: wherever it is.
        device: "cpu" or "cuda".

    Raises:
        ValueError, NoDeviceError: as `npuq.backend.usable_device`.
    """
    if device_of_model(model) == device:
        return model
    arrays = {name: to_device(a, device) for name, a in named_arrays(model.params).items()}
    hyper = model.hyper
    if hyper is not None:
        a, b, c = (
            layer._replace(w=to_device(layer.w, device), b=to_device(layer.b, device))
            for layer in hyper.scales.layers
        )
        thresholds = to_device(hyper.scales.thresholds, device)
        hyper = hyper._replace(
            scales=hyper.scales._replace(layers=(a, b, c), thresholds=thresholds)
        )
    return model._replace(params=with_arrays(model.params, arrays), hyper=hyper)


def hyper_of(model: Model) -> HyperCoding:
    """What a hyperprior model codes its hyper-latents and finds its scales with."""
    assert model.hyper is not None, "not a hyperprior model"
    return model.hyper


def medians_of(model: Model) -> Array:
    """What a model quantizes about, as (C, 1, 1) float32; exact, as 512 is a power of two."""
    assert model.medians is not None, "a model that quantizes about 0"
    return (model.medians / np.float32(MEDIAN_UNIT)).astype(np.float32)[:, None, None]
