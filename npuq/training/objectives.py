"""What training minimises: the loss of each of the two models of Sec. 5.1, as the loop sees it.

An objective is a loss as a function of parameters, with its gradient. Training moves parameters in
coordinates of its own (`npuq.training.coordinates`); those are called `trained` here, and `model`
are the parameters of the model itself, which is what is saved. A batch is made into arrays once,
`inputs`; everything else is a pure function of parameters and inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

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

Params = TypeVar("Params")
"""A model's parameters, a tree of arrays (`npuq.nn.parameters`)."""

_INIT = 2  # stream of randomness within a seed


class Objective(Protocol[Params]):
    """A model's loss as the loop sees it."""

    def initial(self, model: Params | None) -> Params:
        """Where a run starts, in its coordinates: a given model, or a fresh initialisation.

        Raises:
            ValueError: the model is not what the options say.
        """

    def to_model(self, trained: Params) -> Params:
        """The model's parameters, of those in the run's coordinates."""

    def inputs(self, images: Array, noise: Noise) -> tuple[Array, ...]:
        """The arrays that a loss takes beside parameters, on the host, of uint8 (N, H, W, 3)."""

    def loss(
        self, model: Params, inputs: tuple[Array, ...], lmbda: float, softness: Softness
    ) -> Loss:
        """The loss of Eq. (2) or (21), of a model's parameters."""

    def loss_and_gradient(
        self, trained: Params, inputs: tuple[Array, ...], lmbda: float, softness: Softness
    ) -> tuple[Loss, Params]:
        """The same of parameters in the run's coordinates, and its gradient in these."""

    def group(self, name: str) -> str:
        """The field of `LearningRates` that the parameter of this name follows."""


class LinearObjective(NamedTuple):
    """The loss of the linear model, in the coordinates that its options name."""

    options: TrainingOptions
    basis: Coordinates

    def initial(self, model: LinearParams | None) -> LinearParams:
        """A given model, or transforms as the options say, in the run's coordinates."""
        options = self.options
        if model is not None:
            check_start(model, options)
        else:
            model = linear.init(
                np.random.default_rng([options.seed, _INIT]),
                start=options.start,
                step=options.initial_step_size,
                init_scale=options.init_scale,
                dtype=np.float64,
            )
        return cast(from_model(model, coordinates_of(options)), np.float32)

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


class HyperpriorObjective(NamedTuple):
    """The loss of the hyperprior model, its kernels as such or as their DCTs."""

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
        """Kernels of their DCTs, where these are trained."""
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

    def loss(
        self, model: HyperpriorParams, inputs: tuple[Array, ...], lmbda: float, softness: Softness
    ) -> Loss:
        """Eq. (21) with Eqs. (23) and (24); the rate of the hyper-latents is not told apart."""
        return _total(hyperprior.loss_forward(model, *inputs, lmbda=lmbda, softness=softness)[0])

    def loss_and_gradient(
        self, trained: HyperpriorParams, inputs: tuple[Array, ...], lmbda: float, softness: Softness
    ) -> tuple[Loss, HyperpriorParams]:
        """The loss, and its gradient with respect to kernels or their DCTs, and all the rest."""
        model = self.to_model(trained)
        static: dict[str, Any] = {"lmbda": lmbda, "softness": softness}
        loss, kept = hyperprior.loss_forward(model, *inputs, **static)
        gradients = hyperprior.loss_backward(1.0, kept, model, *inputs, **static)
        if self.options.coordinates == "frequency":
            gradients = kernel_frequencies(gradients)
        return _total(loss), gradients

    def group(self, name: str) -> str:
        """One of "density", that of the hyper-latents, "hyper" and "transform", for layers."""
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


def objective_of(options: TrainingOptions, device: str = "cpu") -> Objective[Any]:
    """The loss of the model that options are for, with what it needs on a device."""
    if options.model == "hyperprior":
        return HyperpriorObjective(options)
    basis = (m.astype(np.float32) for m in coordinates_of(options))  # as the parameters are
    return LinearObjective(options, Coordinates(*(to_device(m, device) for m in basis)))


def coordinates_of(options: TrainingOptions) -> Coordinates:
    """The coordinates of a run of the linear model."""
    return coordinates(options.coordinates, options.initial_step_size)


def _total(loss: hyperprior.Loss) -> Loss:
    """Without the share of the hyper-latents."""
    return Loss(loss.loss, loss.bpp, loss.mse)
