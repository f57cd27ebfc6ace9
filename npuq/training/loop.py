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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array, to_device, to_host, xp_of
from npuq.errors import RankError, TrainingError
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
from npuq.training.objectives import Objective, objective_of
from npuq.training.options import TrainingOptions
from npuq.training.photographs import BatchSource, batches
from npuq.training.records import on_ranks, write_history
from npuq.training.run_folder import alone_in
from npuq.training.schedules import lmbda_at, softness_at
from npuq.training.step import noise_of_step, noise_of_validation, on_host, training_step

Progress = Callable[[int, Loss], None]
STEPS_PER_WAIT = 50
"""On a device, so many losses are fetched at once, and only then looked at; on the host each is."""


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
        inputs = objective.inputs(images[number][None], noise_of_validation(number))
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
        checkpoint_every: steps between checkpoints, rows of the history and validations.
        stop_after: stop, with a checkpoint, before this step; for tests of interruption.
        progress: called with (step, loss) for each step; on a device for some at once.
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
        state = run.train(_moved(state, device), source, stop, device, checkpoint_every, progress)
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
        self,
        state: TrainingState,
        source: BatchSource,
        stop: int,
        device: str,
        checkpoint_every: int,
        progress: Progress | None,
    ) -> TrainingState:
        """The state at step `stop`, or at an interruption, which is passed on once it is saved."""
        options, ranks = self.options, self.ranks
        share = ranks.share(options.batch_size)
        steps = batches(source, seed=options.seed, first_step=state.step, stop_step=stop)
        at_once = 1 if device == "cpu" else STEPS_PER_WAIT
        unseen: list[Loss] = []  # of the last steps, which nobody has looked at yet
        try:
            # a diverging run ends in one error, without NumPy's warnings on the way
            with np.errstate(all="ignore"), ranks.stopping_together():
                for step, batch in steps:
                    noise = noise_of_step(options.seed, step, share)
                    inputs = tuple(
                        to_device(a, device) for a in self.objective.inputs(batch, noise)
                    )
                    after, loss = training_step(
                        state, self.like, self.objective, inputs, options, ranks
                    )
                    losses, seen = [*unseen, loss], []
                    row_due = after.step % checkpoint_every == 0 or after.step == options.steps
                    if row_due or len(losses) == at_once or after.step == stop:
                        losses, seen = [], self.finite(losses, after.step)
                    if row_due:
                        after = self.with_row(after, step)
                    # not before: a step is interrupted as a whole, and done again
                    state, unseen = after, losses
                    for number, loss in enumerate(seen, state.step + 1 - len(seen)):
                        if progress is not None:
                            progress(number, loss)
                    if row_due:
                        if ranks.leads:
                            write_history(self.folder / "history.csv", state.history)
                        self.save(state)
        except (KeyboardInterrupt, RankError):
            self.finite(unseen, state.step)
            self.save(state)
            raise
        if stop < options.steps:
            self.save(state)
        return state

    def finite(self, losses: Sequence[Loss], step: int) -> list[Loss]:
        """The losses of the last steps, `step` of them done by now, as numbers on the host.

        Raises:
            TrainingError: one is not finite.
        """
        found = on_host(losses)
        for number, loss in enumerate(found, step - len(found)):
            if not math.isfinite(loss.loss):
                raise TrainingError(_diverged(float(loss.loss), number, self.options))
        return found

    def with_row(self, state: TrainingState, step: int) -> TrainingState:
        """The state with the figures since the last row as a new row of its history.

        Raises:
            TrainingError: the step has left parameters that are no numbers, not worth saving.
        """
        options = self.options
        if not all(bool(xp_of(a).isfinite(a).all()) for a in state.params.values()):
            raise TrainingError(_diverged(math.nan, step, options))
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
        """Write the checkpoint, on rank 0."""
        if not self.ranks.leads:
            return
        save_checkpoint(self.folder / "checkpoint.npz", state, self.options, self.provenance)


def _diverged(loss: float, step: int, options: TrainingOptions) -> str:
    return (
        f"the loss is {loss} at step {step}: the training diverges. Begin a new run, in another "
        "folder, from the last checkpoint if there is one (--branch-from), with a lower "
        f"--learning-rate than {options.learning_rate:g}"
    )


def _result(state: TrainingState, options: TrainingOptions) -> dict[str, Array]:
    """What is validated and saved: the average where one is kept, or else the last parameters."""
    return state.average if options.average_steps and state.average else state.params


def _moved(state: TrainingState, device: str) -> TrainingState:
    def moved(arrays: dict[str, Array]) -> dict[str, Array]:
        return {name: to_device(a, device) for name, a in arrays.items()}

    adam = state.adam._replace(m=moved(state.adam.m), v=moved(state.adam.v))
    return state._replace(params=moved(state.params), adam=adam, average=moved(state.average))


def _device(params: Any) -> str:
    first = next(iter(named_arrays(params).values()))
    return "cpu" if isinstance(first, np.ndarray) else "cuda"
