"""The linear model as a kind that can be trained: both matrices in coordinates of their own."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array, to_device
from npuq.models import linear
from npuq.models.linear import LinearParams, Loss
from npuq.models.noisy_rate import Softness
from npuq.models.older_rate import OLDER_QUANTIZERS, SHARED
from npuq.nn.parameters import cast
from npuq.trained.linear import LINEAR
from npuq.training.coordinates import (
    Coordinates,
    coordinates,
    from_model,
    to_model,
    to_model_backward,
)
from npuq.training.settings import Settings
from npuq.training.trainable import INIT, Noise, Trainable, check_kind


class LinearObjective(NamedTuple):
    """The loss of the linear model, in the coordinates that its options name."""

    options: Settings
    basis: Coordinates

    def initial(self, model: LinearParams | None) -> LinearParams:
        """A given model, or transforms as the options say, in the run's coordinates."""
        options = self.options
        if model is not None:
            check_kind(model, LINEAR)
        else:
            model = linear.init(
                np.random.default_rng([options.seed, INIT]),
                start=options.start,
                step=options.initial_step_size,
                init_scale=options.init_scale,
                dtype=np.float64,
            )
        return cast(from_model(model, _coordinates(options)), np.float32)

    def to_model(self, trained: LinearParams) -> LinearParams:
        """W and V of W' and V', see `npuq.training.coordinates`."""
        return to_model(trained, self.basis)

    def inputs(self, images: Array, noise: Noise) -> tuple[Array, ...]:
        """Pixels and noise, (192, n) each; the noise is one number per image where it is shared."""
        blocks = linear.images_to_blocks(images)
        if self.options.quantizer not in SHARED:
            return blocks, noise(0, blocks.shape)
        shift = np.repeat(noise(0, (len(images),)), blocks.shape[1] // len(images))
        return blocks, np.tile(shift, (linear.CHANNELS, 1))

    def loss(
        self, model: LinearParams, inputs: tuple[Array, ...], lmbda: float, softness: Softness
    ) -> Loss:
        """Eq. (2) or (21), or the loss with the options' older quantizer."""
        return linear.loss_forward(model, *inputs, **self._static(lmbda, softness))[0]

    def loss_and_gradient(
        self, trained: LinearParams, inputs: tuple[Array, ...], lmbda: float, softness: Softness
    ) -> tuple[Loss, LinearParams]:
        """The loss, and its gradient with respect to W', V' and the density."""
        model, static = self.to_model(trained), self._static(lmbda, softness)
        loss, kept = linear.loss_forward(model, *inputs, **static)
        d_model = linear.loss_backward(1.0, kept, model, *inputs, **static)
        return loss, to_model_backward(d_model, trained, self.basis)

    def group(self, name: str) -> str:
        """One of "density", for its parameters, and "transform", for both matrices."""
        return "density" if name.startswith("density") else "transform"

    def _static(self, lmbda: float, softness: Softness) -> dict[str, Any]:
        return {"lmbda": lmbda, "softness": softness, "quantizer": self.options.quantizer}


def _objective(options: Settings, device: str) -> LinearObjective:
    basis = (m.astype(np.float32) for m in _coordinates(options))  # as the parameters are
    return LinearObjective(options, Coordinates(*(to_device(m, device) for m in basis)))


def _coordinates(options: Settings) -> Coordinates:
    return coordinates(options.coordinates, options.initial_step_size)


TRAINABLE = Trainable(
    kind=LINEAR,
    objective=_objective,
    check_start=lambda model, options: check_kind(model, LINEAR),
    size=lambda options: (linear.CHANNELS,),
    starts=("orthogonal", "jpeg"),
    quantizers=("noise", *OLDER_QUANTIZERS),
    crop_multiple=8,
    preset="fast-sr",
    sizes={},
    own=(),
    unwritten={},
)
