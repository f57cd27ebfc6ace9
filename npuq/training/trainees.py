"""What training must know of a model: one class for each of the two of Sec. 5.1.

Training moves parameters in coordinates of its own (`npuq.training.coordinates`). A batch is made
into arrays once, `inputs`; everything else is a pure function of parameters and inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from npuq.backend import Array, to_device
from npuq.models import hyperprior, linear
from npuq.models.hyperprior import HyperpriorParams
from npuq.models.linear import LinearParams, Loss
from npuq.models.noisy_rate import Softness
from npuq.models.older_rate import SHARED
from npuq.nn.parameters import cast
from npuq.training.coordinates import (
    Coordinates,
    coordinates,
    from_model,
    kernel_frequencies,
    kernels_of_frequencies,
    to_model,
    to_model_backward,
)
from npuq.training.grow import grow_latents
from npuq.training.klt import start_at_klt
from npuq.training.options import TrainingOptions

Noise = Callable[[int, tuple[int, ...]], Array]
"""The noise of a tensor, by its number and its shape: uniform, float32, in [-1/2, 1/2)."""

_INIT = 2  # stream of randomness within a seed


class Trainee(Protocol):
    """A model as the loop sees it. Parameters are trees of arrays, see `npuq.nn.parameters`."""

    def initial(self, model: Any | None) -> Any:
        """Where a run starts, in its coordinates: a given model, or a fresh initialisation."""

    def to_model(self, trained: Any) -> Any:
        """The model's parameters."""

    def inputs(self, images: Array, noise: Noise) -> tuple[Array, ...]:
        """The arrays that `losses` takes, on the host, of uint8 (N, H, W, 3) images."""

    def losses(
        self, trained: Any, inputs: tuple[Array, ...], lmbda: float, softness: Softness
    ) -> tuple[Loss, Any]:
        """The loss of Eq. (2) or (21), and its gradient in the run's coordinates."""

    def loss(self, model: Any, inputs: tuple[Array, ...], lmbda: float, softness: Softness) -> Loss:
        """The loss alone, of a model's parameters."""

    def group(self, name: str) -> str:
        """The field of `LearningRates` that a parameter follows."""


class LinearTrainee(NamedTuple):
    """The linear model, in the coordinates that its options name."""

    options: TrainingOptions
    frame: Coordinates

    def initial(self, model: LinearParams | None) -> LinearParams:
        """See Trainee."""
        options = self.options
        if model is not None:
            check_start(model, options)
        if model is None:
            model = linear.init(
                np.random.default_rng([options.seed, _INIT]),
                start=options.start,
                step=options.initial_step_size,
                init_scale=options.init_scale,
                dtype=np.float64,
            )
        return cast(from_model(model, coordinates_of(options)), np.float32)

    def to_model(self, trained: LinearParams) -> LinearParams:
        """See Trainee."""
        return to_model(trained, self.frame)

    def inputs(self, images: Array, noise: Noise) -> tuple[Array, ...]:
        """Pixels and noise, (192, n) each; the noise is one number per image where it is shared."""
        blocks = linear.images_to_blocks(images)
        if self.options.quantizer not in SHARED:
            return blocks, noise(0, blocks.shape)
        shift = np.repeat(noise(0, (len(images),)), blocks.shape[1] // len(images))
        return blocks, np.tile(shift, (linear.CHANNELS, 1))

    def losses(
        self, trained: LinearParams, inputs: tuple[Array, ...], lmbda: float, softness: Softness
    ) -> tuple[Loss, LinearParams]:
        """See Trainee."""
        blocks, u = inputs
        model = self.to_model(trained)
        loss, forward = self._forward(model, (blocks, u), lmbda, softness)
        gradients = linear.loss_backward(forward, model, blocks, lmbda=lmbda)
        return loss, to_model_backward(gradients, self.frame)

    def loss(
        self, model: LinearParams, inputs: tuple[Array, ...], lmbda: float, softness: Softness
    ) -> Loss:
        """See Trainee."""
        return self._forward(model, inputs, lmbda, softness)[0]

    def group(self, name: str) -> str:
        """See Trainee."""
        return "density" if name.startswith("density") else "transform"

    def _forward(
        self, model: LinearParams, inputs: tuple[Array, ...], lmbda: float, softness: Softness
    ) -> tuple[Loss, linear.Forward]:
        quantizer = self.options.quantizer
        return linear.loss_forward(
            model, *inputs, lmbda=lmbda, softness=softness, quantizer=quantizer
        )


class HyperpriorTrainee(NamedTuple):
    """The hyperprior model."""

    options: TrainingOptions

    def initial(self, model: HyperpriorParams | None) -> HyperpriorParams:
        """The start of a run, in its coordinates; a model of fewer latents is grown to its size."""
        options = self.options
        rng = np.random.default_rng([options.seed, _INIT])
        channels, latents = options.size
        if model is not None:
            check_start(model, options)
            model = grow_latents(model, latents, rng)
        else:
            model = hyperprior.init(
                rng, channels=channels, latents=latents, init_scale=options.init_scale
            )
            if options.start == "klt":
                model = start_at_klt(model, options.initial_step_size)
        model = cast(model, np.float32)
        return kernel_frequencies(model) if options.coordinates == "frequency" else model

    def to_model(self, trained: HyperpriorParams) -> HyperpriorParams:
        """The model's parameters, of those in the run's coordinates."""
        if self.options.coordinates == "frequency":
            return kernels_of_frequencies(trained)
        return trained

    def inputs(self, images: Array, noise: Noise) -> tuple[Array, ...]:
        """Pixels (B, H, W, 3) of 0..1, noise of the hyper-latents and noise of the latents."""
        count, height, width, _ = images.shape
        channels, latents = self.options.size
        x = images.astype(np.float32) / np.float32(hyperprior.PEAK)
        u_1 = noise(1, (count, height // 64, width // 64, channels))
        return x, u_1, noise(0, (count, height // 16, width // 16, latents))

    def losses(
        self, trained: HyperpriorParams, inputs: tuple[Array, ...], lmbda: float, softness: Softness
    ) -> tuple[Loss, HyperpriorParams]:
        """See Trainee."""
        model = self.to_model(trained)
        loss, forward = hyperprior.loss_forward(model, *inputs, lmbda=lmbda, softness=softness)
        gradients = hyperprior.loss_backward(forward, model, lmbda=lmbda)
        if self.options.coordinates == "frequency":
            gradients = kernel_frequencies(gradients)
        return _total(loss), gradients

    def loss(
        self, model: HyperpriorParams, inputs: tuple[Array, ...], lmbda: float, softness: Softness
    ) -> Loss:
        """See Trainee."""
        return _total(hyperprior.loss_forward(model, *inputs, lmbda=lmbda, softness=softness)[0])

    def group(self, name: str) -> str:
        """See Trainee."""
        if name.startswith("hyper_density"):
            return "density"
        return "hyper" if name.startswith("hyper") else "transform"


def check_start(model: Any, options: TrainingOptions) -> None:
    """Check that a run with these options can start from a model's parameters.

    Raises:
        ValueError: they are of another kind or size.
    """
    kind = HyperpriorParams if options.model == "hyperprior" else LinearParams
    if not isinstance(model, kind):
        raise ValueError(f"model must be {kind.__name__} for the {options.model} model")
    if isinstance(model, HyperpriorParams):
        channels, latents = model.analysis[0].w.shape[0], model.analysis[-1].w.shape[0]
        N, M = options.size
        if channels != N or latents > M or not hyperprior.has_means(model):
            raise ValueError(
                f"model must have means, {N} channels and at most {M} latents, not {channels} "
                f"and {latents}"
            )


def trainee_of(options: TrainingOptions, device: str = "cpu") -> Trainee:
    """The model that options are for, with what it needs on a device."""
    if options.model == "hyperprior":
        return HyperpriorTrainee(options)
    frame = coordinates_of(options)
    return LinearTrainee(options, Coordinates(*(to_device(m, device) for m in frame)))


def coordinates_of(options: TrainingOptions) -> Coordinates:
    """The coordinates of a run of the linear model."""
    return coordinates(options.coordinates, options.initial_step_size)


def _total(loss: hyperprior.Loss) -> Loss:
    """Without the share of the hyper-latents."""
    return Loss(loss.loss, loss.bpp, loss.mse)
