"""Training either model: the loop of Sec. 5.2.

A step is a pure function of (state, options, batch, noise), and batch and noise are pure functions
of the seed and the step. Hence the same seed gives the same parameters, and a run that was stopped
and resumed gives bit for bit those of a run that was not.

A run lives in a folder: `checkpoint.npz` (to go on from), `history.csv` (curves) and, at its end,
`model.npz` (to compress with), which `npuq.training.train` writes.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array, to_device, to_host, xp_of
from npuq.errors import RankError
from npuq.models.linear import Loss
from npuq.nn.adam import adam_init
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.ranks.alone import ALONE, Ranks
from npuq.ranks.sums import digest
from npuq.training.checkpoint import (
    TrainingState,
    load_branch,
    load_checkpoint,
    save_checkpoint,
)
from npuq.training.kinds import objective_of
from npuq.training.options import TrainingOptions
from npuq.training.photographs import BatchSource
from npuq.training.records import on_ranks, write_history
from npuq.training.run_folder import alone_in
from npuq.training.schedules import lmbda_at, softness_at
from npuq.training.step import noise_of_validation, on_host
from npuq.training.steps import HostSteps, Steps, diverged
from npuq.training.trainable import Objective

Progress = Callable[[int, Loss], None]


def validation_loss(
    objective: Objective[Any], model: Any, images: Array, options: TrainingOptions, step: int,
    ranks: Ranks = ALONE,
) -> Loss:  # fmt: skip
    """The loss on held-out images, with lambda and alpha of the step and always the same noise.

    Each rank takes some of the images; the mean is that of a process alone, bit for bit.
    """
    if not len(images):
        return Loss(math.nan, math.nan, math.nan)
    device = _device(model)
    losses = {}
    for number in range(ranks.rank, len(images), ranks.size):
        noise = noise_of_validation(number, generator=options.noise)
        inputs = objective.inputs(images[number][None], noise)
        losses[number] = objective.loss(
            model,
            tuple(to_device(a, device) for a in inputs),
            lmbda_at(options, step),
            softness_at(options, step),
        )
    seen = dict(zip(losses, on_host(list(losses.values())), strict=True))
    every = {number: loss for part in ranks.gather(seen) for number, loss in part.items()}
    rows = np.array([every[number] for number in range(len(images))], np.float64)
    return Loss(*rows.mean(axis=0).tolist())


def train_parameters(
    source: BatchSource,
    validation: Array,
    folder: str | Path,
    options: TrainingOptions,
    *,
    model: Any | None = None,
    branch_from: str | Path | None = None,
    provenance: Mapping[str, Any] | None = None,
    resume: bool = False,
    device: str = "cpu",
    precision: str = "float32",
    checkpoint_every: int = 1000,
    stop_after: int | None = None,
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> Any:
    """Train the parameters of a model as Sec. 5.2 says; `npuq.training.train` makes them a model.

    Args:
        source: makes the batches, uint8 (N, H, W, 3); of each, this rank's share, where there are
            several: `ranks.share(options.batch_size)`.
        validation: uint8 (N, H, W, 3) images, possibly none.
        folder: of the run; made if it is not there.
        options: settings.
        model: parameters to start from, LinearParams or HyperpriorParams as the options say,
            instead of a fresh initialisation.
        branch_from: checkpoint of another run whose parameters and moments are the start, whatever
            its other options were; the steps are counted anew.
        provenance: what else the run depends on (data, initial model), as JSON can hold it; a run
            is resumed only where it is the same.
        resume: go on from the folder's checkpoint.
        device: "cpu" or "cuda".
        precision: of products on a CUDA device, "float32" or "tf32", which is faster and rougher.
        checkpoint_every: steps between checkpoints, rows of the history and validations.
        stop_after: stop, with a checkpoint, before this step; for tests of interruption.
        progress: called with (step, loss) for each step; on a CUDA device for some at once.
        ranks: that train together, see `npuq.ranks`; rank 0 alone reads and writes in the folder.

    Returns:
        The model's trained parameters, of the type of `model`.

    Raises:
        TrainingError: the folder holds a checkpoint and `resume` is False, or the other way round;
            the checkpoint is of another run; another training is at work in the folder; or the
            loss is not finite any more.
        RankError: more ranks than images in a batch, or another rank failed; rank 0 has written a
            checkpoint then.
        ValueError: `model` is not what the options say.
        KeyboardInterrupt: passed on, after a checkpoint was written.
    """
    folder, provenance = Path(folder), provenance or {}
    objective = objective_of(options, device)
    like = objective.initial(model)
    params = named_arrays(like)

    def start() -> TrainingState:
        if resume:
            return load_checkpoint(folder / "checkpoint.npz", options, provenance, params)
        if branch_from is not None:
            return load_branch(Path(branch_from), params)
        return TrainingState(0, params, adam_init(params), {}, [])

    with contextlib.ExitStack() as stack:
        ranks.from_lead(lambda: stack.enter_context(alone_in(folder, resume=resume)))
        state = on_ranks(ranks.from_lead(start), ranks.size)
        run = _Run(objective, like, validation, folder, options, provenance, ranks)
        stop = options.steps if stop_after is None else min(stop_after, options.steps)
        begin = like, objective, source, options, stop
        steps: Steps
        if device == "cpu" or ranks.size > 1:
            steps = HostSteps(state, *begin, ranks, device)
        else:
            from npuq.training.device_steps import DeviceSteps

            steps = DeviceSteps(state, *begin, precision=precision)
        state = run.train(steps, stop, checkpoint_every, progress)
    trained = objective.to_model(with_arrays(like, _result(state, options)))
    return with_arrays(trained, {k: to_host(a) for k, a in named_arrays(trained).items()})


class _Run(NamedTuple):
    """What stays the same from step to step."""

    objective: Objective[Any]
    like: Any
    validation: Array
    folder: Path
    options: TrainingOptions
    provenance: Mapping[str, Any]
    ranks: Ranks

    def train(
        self, steps: Steps, stop: int, checkpoint_every: int, progress: Progress | None
    ) -> TrainingState:
        """The state at step `stop`, or at an interruption, which is passed on once it is saved."""
        begun = steps.state()
        done, summed, last = begun.step, begun.summed, self.options.steps
        try:
            # a diverging run ends in one error, without NumPy's warnings on the way
            with np.errstate(all="ignore"), self.ranks.stopping_together():
                while True:
                    # also one that an interruption has kept from being made
                    if summed and (done % checkpoint_every == 0 or done == last):
                        state, summed = self.with_row(steps.state(), done - 1), 0
                        steps.row_made(state)
                        if self.ranks.leads:
                            write_history(self.folder / "history.csv", state.history)
                        self.save(state)
                    if done >= stop:
                        break
                    next_row = (done // checkpoint_every + 1) * checkpoint_every
                    losses = steps.advance(min(next_row, stop))
                    done, summed = done + len(losses), summed + len(losses)
                    if progress is not None:
                        for number, loss in enumerate(losses, done + 1 - len(losses)):
                            progress(number, loss)
        except (KeyboardInterrupt, RankError):
            self.save(steps.state())
            raise
        if stop < last:
            self.save(steps.state())
        return steps.state()

    def with_row(self, state: TrainingState, step: int) -> TrainingState:
        """The state with the figures since the last row as a new row of its history.

        Raises:
            TrainingError: the step has left parameters that are no numbers, not worth saving.
        """
        options = self.options
        if not all(bool(xp_of(a).isfinite(a).all()) for a in state.params.values()):
            raise diverged(math.nan, step, options)
        if self.ranks.size > 1:  # unlike machines may round unlike
            self.ranks.check_alike({"parameters": digest(state.params)})
        now = self.objective.to_model(with_arrays(self.like, _result(state, options)))
        held_out = validation_loss(self.objective, now, self.validation, options, step, self.ranks)
        row = [
            state.step, lmbda_at(options, step), softness_at(options, step).alpha,
            *(float(total) / state.summed for total in state.sums), *map(float, held_out),
        ]  # fmt: skip
        return state._replace(history=[*state.history, row], sums=(0.0, 0.0, 0.0), summed=0)

    def save(self, state: TrainingState) -> None:
        """Write the checkpoint, on rank 0.

        Raises:
            TrainingError: a loss was not finite; nothing is written.
        """
        if not self.ranks.leads:
            return
        if not all(math.isfinite(total) for total in state.sums):
            raise diverged(float(state.sums[0]), state.step - 1, self.options)
        save_checkpoint(self.folder / "checkpoint.npz", state, self.options, self.provenance)


def _result(state: TrainingState, options: TrainingOptions) -> dict[str, Array]:
    """What is validated and saved: the average where one is kept, or else the last parameters."""
    return state.average if options.average_steps and state.average else state.params


def _device(params: Any) -> str:
    first = next(iter(named_arrays(params).values()))
    return "cpu" if isinstance(first, np.ndarray) else "cuda"
