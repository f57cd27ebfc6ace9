"""The hyperprior model as a kind that can be trained: its kernels as such or as their DCTs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.models import hyperprior
from npuq.models.hyperprior import SIZES, HyperpriorParams
from npuq.models.linear import Loss
from npuq.models.noisy_rate import Softness
from npuq.nn.parameters import cast
from npuq.trained.hyperprior import HYPERPRIOR
from npuq.training.coordinates import kernel_frequencies, kernels_of_frequencies
from npuq.training.grow import grow_latents
from npuq.training.klt import start_at_klt
from npuq.training.settings import Settings
from npuq.training.trainable import INIT, Noise, Trainable, check_kind


class HyperpriorObjective(NamedTuple):
    """The loss of the hyperprior model, its kernels as such or as their DCTs."""

    options: Settings

    def initial(self, model: HyperpriorParams | None) -> HyperpriorParams:
        """The start of a run, in its coordinates; a model of fewer latents is grown to its size."""
        options = self.options
        rng = np.random.default_rng([options.seed, INIT])
        channels, latents = options.size
        if model is not None:
            _check_start(model, options)
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


def _check_start(model: HyperpriorParams, options: Settings) -> None:
    check_kind(model, HYPERPRIOR)
    channels, latents = HYPERPRIOR.size(model)
    N, M = options.size
    if channels != N or latents > M or not hyperprior.has_means(model):
        raise ValueError(
            f"model must have means, {N} channels and at most {M} latents, not {channels} "
            f"and {latents}"
        )


def _total(loss: hyperprior.Loss) -> Loss:
    """Without the share of the hyper-latents."""
    return Loss(loss.loss, loss.bpp, loss.mse)


TRAINABLE = Trainable(
    kind=HYPERPRIOR,
    objective=lambda options, device: HyperpriorObjective(options),
    check_start=_check_start,
    size=lambda options: options.size,
    starts=("random", "klt"),
    quantizers=("noise",),
    crop_multiple=64,
    preset="fast-hyperprior-sr",
    sizes=SIZES,
    own=("size",),
    unwritten={"coordinates": "pixel"},
)
