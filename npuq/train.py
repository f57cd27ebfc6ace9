"""Training the linear model: the loop of Sec. 5.2.

A step is a pure function of (state, options, batch, noise), and batch and noise are pure functions
of the seed and the step. Hence the same seed gives the same parameters, and a run that was stopped
and resumed gives bit for bit those of a run that was not.

A run lives in a folder: `checkpoint.npz` (to go on from), `history.csv` (curves) and, at its end,
`model.npz` (to compress with; see `npuq.model_file`).
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from npuq.atomic import write_bytes_atomically
from npuq.backend import Array, to_device, to_host
from npuq.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from npuq.data import BatchSource, batches
from npuq.errors import TrainingError
from npuq.models import linear
from npuq.models.coordinates import (
    Coordinates,
    coordinates,
    from_model,
    to_model,
    to_model_backward,
)
from npuq.models.linear import LinearParams, Loss
from npuq.nn.adam import adam_init, adam_step
from npuq.nn.parameters import cast, named_arrays, with_arrays
from npuq.schedules import TrainingOptions, learning_rates_at, lmbda_at, softness_at

HISTORY = (
    "step", "lmbda", "alpha", "loss", "bpp", "mse",
    "validation_loss", "validation_bpp", "validation_mse",
)  # fmt: skip
"""Columns of `history.csv`; the losses are means over the steps since the row before."""

_NOISE, _INIT = 1, 2  # streams of randomness within a seed
_VALIDATION_NOISE = 0x6E6F6973
"""First word of the validation noise's seeds: none that a run has, as it would be in its noise."""

Progress = Callable[[int, Loss], None]


def noise(seed: int, step: int, shape: tuple[int, ...]) -> Array:
    """The uniform noise of a step (Eq. 4): float32 in [-1/2, 1/2), from (seed, step) alone."""
    return _uniform([seed, step, _NOISE], shape)


def validation_noise(number: int, shape: tuple[int, ...]) -> Array:
    """The uniform noise of a held-out image: the same at every step of every run."""
    return _uniform([_VALIDATION_NOISE, number], shape)


def _uniform(seed: list[int], shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(seed).random(shape, np.float32) - np.float32(0.5)


def initial_params(options: TrainingOptions, model: LinearParams | None) -> LinearParams:
    """Where a run starts, in its own coordinates: a given model, or the initialisation it names."""
    frame = coordinates(options.coordinates, options.initial_step_size)
    if model is None:
        rng = np.random.default_rng([options.seed, _INIT])
        model = linear.init(
            rng,
            start=options.start,
            step=options.initial_step_size,
            init_scale=options.init_scale,
            dtype=np.float64,
        )
    return cast(from_model(model, frame), np.float32)


def training_step(
    state: TrainingState,
    like: LinearParams,
    frame: Coordinates,
    blocks: Array,
    u: Array,
    options: TrainingOptions,
) -> tuple[TrainingState, Loss]:
    """One step of Adam on the loss of Eq. (2) or (21).

    Args:
        state: before the step.
        like: any parameters of the model; they give the structure.
        frame: coordinates of the training.
        blocks: (192, n) pixels.
        u: (192, n) noise.
        options: of the run.

    Returns:
        The state after the step, and the loss before it.
    """
    lmbda, softness = lmbda_at(options, state.step), softness_at(options, state.step)
    model = to_model(with_arrays(like, state.params), frame)
    loss, forward = linear.loss_forward(model, blocks, u, lmbda=lmbda, softness=softness)
    gradients = linear.loss_backward(forward, model, blocks, lmbda=lmbda)
    rate, density_rate = learning_rates_at(options, state.step)
    params, adam = adam_step(
        state.params,
        named_arrays(to_model_backward(gradients, frame)),
        state.adam,
        {name: density_rate if name.startswith("density") else rate for name in state.params},
    )
    sums = tuple(total + part for total, part in zip(state.sums, loss, strict=True))
    return TrainingState(state.step + 1, params, adam, state.history, sums, state.summed + 1), loss


def validation_loss(
    params: LinearParams, images: Array, options: TrainingOptions, step: int
) -> Loss:
    """The loss on held-out images, with lambda and alpha of the step and always the same noise."""
    if not len(images):
        return Loss(math.nan, math.nan, math.nan)
    losses = []
    for number, image in enumerate(images):
        blocks = to_device(linear.images_to_blocks(image[None]), _device(params))
        u = to_device(validation_noise(number, blocks.shape), _device(params))
        loss, _ = linear.loss_forward(
            params,
            blocks,
            u,
            lmbda=lmbda_at(options, step),
            softness=softness_at(options, step),
        )
        losses.append(loss)
    return Loss(*np.mean(losses, axis=0).tolist())


def check_folder(folder: Path, *, resume: bool) -> None:
    """Check, before any work is done, that a run can live in a folder, which need not be there.

    Raises:
        TrainingError: it cannot be made, or holds a run that is not to be resumed.
    """
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if not nearest.is_dir():
        raise TrainingError(f"{folder} cannot be the folder of a run: {nearest} is a file")
    checkpoint = folder / "checkpoint.npz"
    if checkpoint.exists() and not resume:
        raise TrainingError(f"{checkpoint} exists: resume that run, or train into another folder")


def train(
    source: BatchSource,
    validation: Array,
    folder: str | Path,
    options: TrainingOptions,
    *,
    model: LinearParams | None = None,
    provenance: Mapping[str, Any] | None = None,
    resume: bool = False,
    device: str = "cpu",
    checkpoint_every: int = 1000,
    stop_after: int | None = None,
    progress: Progress | None = None,
) -> LinearParams:
    """Train the linear model as Sec. 5.2 says.

    Args:
        source: makes the batches, uint8 (N, H, W, 3).
        validation: uint8 (N, H, W, 3) images, possibly none.
        folder: of the run; made if it is not there.
        options: settings.
        model: parameters to start from, instead of a fresh initialisation.
        provenance: what else the run depends on (data, initial model), as JSON can hold it; a run
            is resumed only where it is the same.
        resume: go on from the folder's checkpoint.
        device: "cpu" or "cuda".
        checkpoint_every: steps between checkpoints, rows of the history and validations.
        stop_after: stop, with a checkpoint, before this step; for tests of interruption.
        progress: called with (step, loss) after each step.

    Returns:
        The trained parameters, as pixels see them.

    Raises:
        TrainingError: the folder holds a checkpoint and `resume` is False, or the other way round;
            the checkpoint is of another run; or the loss is not finite any more.
        KeyboardInterrupt: passed on, after a checkpoint was written.
    """
    folder, provenance = Path(folder), provenance or {}
    checkpoint = folder / "checkpoint.npz"
    check_folder(folder, resume=resume)
    like = initial_params(options, model)
    params = named_arrays(like)
    state = TrainingState(0, params, adam_init(params), [])
    if resume:
        state = load_checkpoint(checkpoint, options, provenance, params)
    state = _moved(state, device)
    frame = Coordinates(
        *(to_device(m, device) for m in coordinates(options.coordinates, options.initial_step_size))
    )
    stop = options.steps if stop_after is None else min(stop_after, options.steps)
    steps = batches(source, seed=options.seed, first_step=state.step, stop_step=stop)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # a diverging run ends in one error, without NumPy's warnings on the way
        with np.errstate(all="ignore"):
            for step, batch in steps:
                blocks = linear.images_to_blocks(batch)
                u = to_device(noise(options.seed, step, blocks.shape), device)
                after, loss = training_step(
                    state, like, frame, to_device(blocks, device), u, options
                )
                if not math.isfinite(loss.loss):
                    raise TrainingError(
                        f"the loss is {loss.loss} at step {step}; lower --learning-rate "
                        f"(learning_rate {options.learning_rate:g})"
                    )
                row_due = after.step % checkpoint_every == 0 or after.step == options.steps
                if row_due:
                    now = to_model(with_arrays(like, after.params), frame)
                    after = _with_row(
                        after, options, validation_loss(now, validation, options, step)
                    )
                state = after  # not before: a step is interrupted as a whole, and done again
                if progress is not None:
                    progress(state.step, loss)
                if row_due:
                    _write_history(folder / "history.csv", state.history)
                    save_checkpoint(checkpoint, state, options, provenance)
    except KeyboardInterrupt:
        save_checkpoint(checkpoint, state, options, provenance)
        raise
    if stop < options.steps:
        save_checkpoint(checkpoint, state, options, provenance)
    trained = to_model(with_arrays(like, state.params), frame)
    return with_arrays(trained, {k: to_host(a) for k, a in named_arrays(trained).items()})


def _with_row(state: TrainingState, options: TrainingOptions, held_out: Loss) -> TrainingState:
    """The state with the figures since the last row as a new row of its history."""
    last = state.step - 1
    row = [
        state.step, lmbda_at(options, last), softness_at(options, last).alpha,
        *(total / state.summed for total in state.sums), *held_out,
    ]  # fmt: skip
    return state._replace(history=[*state.history, row], sums=(0.0, 0.0, 0.0), summed=0)


def _moved(state: TrainingState, device: str) -> TrainingState:
    def moved(arrays: dict[str, Array]) -> dict[str, Array]:
        return {name: to_device(a, device) for name, a in arrays.items()}

    adam = state.adam._replace(m=moved(state.adam.m), v=moved(state.adam.v))
    return state._replace(params=moved(state.params), adam=adam)


def _device(params: LinearParams) -> str:
    return "cpu" if isinstance(params.analysis, np.ndarray) else "cuda"


def _write_history(path: Path, history: list[list[float]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HISTORY)
    writer.writerows([[int(row[0]), *(f"{value:.6g}" for value in row[1:])] for row in history])
    write_bytes_atomically(path, text.getvalue().encode())
