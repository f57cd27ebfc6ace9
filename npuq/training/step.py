"""One step of training, a pure function of state, inputs and options: Sec. 5.2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npuq.backend import Array, to_host, xp_of
from npuq.coding.noise import noise_place, uniform_noise
from npuq.models.linear import Loss
from npuq.nn.adam import adam_step
from npuq.nn.clipping import REMEMBERED, clipped, gradient_length, is_outlier
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.ranks.alone import ALONE, WHOLE, Ranks, Share
from npuq.ranks.noise import part_of_uniform
from npuq.training.checkpoint import TrainingState
from npuq.training.options import TrainingOptions
from npuq.training.schedules import learning_rates_at, lmbda_at, softness_at
from npuq.training.trainable import Noise, Objective

_NOISE = 1  # stream of randomness within a seed, of PCG64
_VALIDATION_NOISE = 0x6E6F6973
"""The seed of the validation noise, or its first word."""
_VALIDATION_TENSORS = 1 << 31
"""Added to the numbers of tensors in validation, so that no run has the same noise."""


def noise_of_step(
    seed: int, step: int, share: Share = WHOLE, *, generator: str = "philox"
) -> Noise:
    """The uniform noise of a step (Eq. 4), from (seed, step) alone, for tensors by number.

    With a share of the batch, that of its images: the noise of a part is the part of the noise.

    Args:
        seed, step: of the run.
        share: of the batch.
        generator: "philox", of `npuq.coding.noise`, the same on every device; "pcg64", NumPy's, in
            runs that began before there was that choice.
    """
    if generator == "pcg64":
        return _pcg64([seed, step, _NOISE], share)
    return lambda tensor, shape: part_of_noise(noise_place(seed, step, tensor), shape, share)


def noise_of_validation(number: int, *, generator: str = "philox") -> Noise:
    """The uniform noise of a held-out image: the same at every step of every run."""
    if generator == "pcg64":
        return _pcg64([_VALIDATION_NOISE, number], WHOLE)

    def uniform(tensor: int, shape: tuple[int, ...]) -> Array:
        place = noise_place(_VALIDATION_NOISE, number, _VALIDATION_TENSORS + tensor)
        return uniform_noise(place, shape)

    return uniform


def part_of_noise(place: Array, shape: tuple[int, ...], share: Share) -> Array:
    """A share of what `npuq.coding.noise.uniform_noise` gives a batch.

    Args:
        place: of the tensor.
        shape: of the part; images lie as in `npuq.ranks.noise.part_of_uniform`.
        share: which images.
    """
    if share.weight == 1:
        return uniform_noise(place, shape)
    axis = 1 if len(shape) == 2 else 0
    one_image = shape[axis] // (share.stop - share.first)
    whole = uniform_noise(place, (*shape[:axis], one_image * share.of, *shape[axis + 1 :]))
    part = slice(one_image * share.first, one_image * share.stop)
    return np.ascontiguousarray(whole[:, part] if axis else whole[part])


def _pcg64(seed: list[int], share: Share) -> Noise:
    def uniform(tensor: int, shape: tuple[int, ...]) -> Array:
        words = [*seed, tensor] if tensor else seed
        return part_of_uniform(words, shape, share) - np.float32(0.5)

    return uniform


def training_step(
    state: TrainingState,
    like: Any,
    objective: Objective[Any],
    inputs: tuple[Array, ...],
    options: TrainingOptions,
    ranks: Ranks = ALONE,
) -> tuple[TrainingState, Loss]:
    """One step of Adam on the loss of Eq. (2) or (21).

    Args:
        state: before the step.
        like: any parameters of the model; they give the structure.
        objective: the loss to minimise.
        inputs: what it takes, see `npuq.training.trainable`.
        options: of the run.
        ranks: that have a share of the batch each; all of them return the same.

    Returns:
        The state after the step, and the loss before it.
    """
    loss, gradients = objective.loss_and_gradient(
        with_arrays(like, state.params),
        inputs,
        lmbda_at(options, state.step),
        softness_at(options, state.step),
    )
    weight = ranks.share(options.batch_size).weight
    figures, named = ranks.mean(loss, named_arrays(gradients), weight)
    loss = Loss(*figures)
    length = gradient_length(named) if options.clip_norm or options.skip_ratio else 0.0
    sums = tuple(total + part for total, part in zip(state.sums, loss, strict=True))
    after = state._replace(step=state.step + 1, sums=sums, summed=state.summed + 1)
    if options.skip_ratio is not None:
        after = after._replace(lengths=(*state.lengths, length)[-REMEMBERED:])
        if is_outlier(length, state.lengths, options.skip_ratio):
            return after._replace(skipped=state.skipped + 1), loss
    rates = learning_rates_at(options, state.step)
    params, adam = adam_step(
        state.params,
        clipped(named, length, options.clip_norm),
        state.adam,
        {name: getattr(rates, objective.group(name)) for name in state.params},
    )
    average = state.average
    if options.average_steps:
        average = averaged(average, params, min(after.step, options.average_steps))
    return after._replace(params=params, adam=adam, average=average), loss


def on_host(losses: Sequence[Loss]) -> list[Loss]:
    """The same losses in numbers of Python's; the host waits for a device once for all."""
    parts = [part for loss in losses for part in loss]
    if not parts:
        return []
    numbers = to_host(xp_of(*parts).stack(parts)).reshape(-1, len(Loss._fields))
    return [Loss(*row) for row in numbers.tolist()]


def averaged(average: dict[str, Array], params: dict[str, Array], steps: int) -> dict[str, Array]:
    """The average of the parameters after one more step: average + (params - average) / steps.

    With `steps` the number of steps done it is their mean; held at a number, it is an exponential
    average that forgets what is older (Polyak & Juditsky 1992 average all steps alike).
    """
    if not average:
        return params
    return {name: a + (params[name] - a) * a.dtype.type(1 / steps) for name, a in average.items()}
