"""Steps of a run on the host, one by one: what the loop goes on with."""

from __future__ import annotations

import math
from typing import Any, Protocol

from npuq.backend import Array, to_device
from npuq.errors import TrainingError
from npuq.models.linear import Loss
from npuq.ranks.alone import ALONE, Ranks
from npuq.training.checkpoint import TrainingState
from npuq.training.options import TrainingOptions
from npuq.training.photographs import BatchSource, batches
from npuq.training.step import noise_of_step, on_host, training_step
from npuq.training.trainable import Objective


class Steps(Protocol):
    """A run that can go on."""

    def state(self) -> TrainingState:
        """After the last step that was done as a whole."""

    def advance(self, stop: int) -> list[Loss]:
        """Do one or more steps, at most up to step `stop`; their losses.

        Raises:
            TrainingError: a loss is not finite.
        """

    def row_made(self, state: TrainingState) -> None:
        """Go on from `state`: the last one, but that a row of figures was made of the sums."""


class HostSteps:
    """Each a pure function of state, batch and noise, which are pure functions of seed and step."""

    def __init__(
        self,
        state: TrainingState,
        like: Any,
        objective: Objective[Any],
        source: BatchSource,
        options: TrainingOptions,
        stop: int,
        ranks: Ranks = ALONE,
        device: str = "cpu",
    ) -> None:
        """Begin at a state; batches are made ahead, up to step `stop`.

        Ranks that share a batch take their steps so on a device, too: they wait for each other.
        """
        self._ranks, self._device = ranks, device

        def moved(arrays: dict[str, Array]) -> dict[str, Array]:
            return {name: to_device(a, device) for name, a in arrays.items()}

        adam = state.adam._replace(m=moved(state.adam.m), v=moved(state.adam.v))
        params, average = moved(state.params), moved(state.average)
        state = state._replace(params=params, adam=adam, average=average)
        self._state, self._like, self._objective, self._options = state, like, objective, options
        self._batches = batches(source, seed=options.seed, first_step=state.step, stop_step=stop)

    def state(self) -> TrainingState:
        """After the last step."""
        return self._state

    def advance(self, stop: int) -> list[Loss]:
        """Do one step."""
        step, batch = next(self._batches)
        options, ranks = self._options, self._ranks
        share = ranks.share(options.batch_size)
        noise = noise_of_step(options.seed, step, share, generator=options.noise)
        made = self._objective.inputs(batch, noise)
        inputs = tuple(to_device(a, self._device) for a in made)
        after, loss = training_step(
            self._state, self._like, self._objective, inputs, options, ranks
        )
        losses = on_host([loss])
        check_finite(losses[0], step, options)
        self._state = after  # not before: a step is interrupted as a whole, and done again
        return losses

    def row_made(self, state: TrainingState) -> None:
        """Go on from `state`."""
        self._state = state


def check_finite(loss: Loss, step: int, options: TrainingOptions) -> None:
    """Check that a training has not diverged.

    Raises:
        TrainingError: it has.
    """
    if not math.isfinite(loss.loss):
        raise diverged(float(loss.loss), step, options)


def diverged(loss: float, step: int, options: TrainingOptions) -> TrainingError:
    """What is said then, and what to do."""
    return TrainingError(
        f"the loss is {loss} at step {step}: the training diverges. Begin a new run, in another "
        "folder, from the last checkpoint if there is one (--branch-from), with a lower "
        f"--learning-rate than {options.learning_rate:g}"
    )
