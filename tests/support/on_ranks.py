"""Trainings on however many ranks there are, for tests: what they came to, as JSON.

    mpiexec -n 4 python tests/support/on_ranks.py FOLDER [CASE ...]

Rank 0 writes FOLDER/found.json: for each case the loss of every step, a checksum of the parameters
and the history. A batch of 5 is no multiple of 2 or 4, so that shares are unequal.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ |= {"NPUQ_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

from npuq.ranks.launch import ending_together, world

RANKS = world()

import numpy as np
from models import picture

from npuq.models.linear import Loss
from npuq.nn.parameters import cast, named_arrays
from npuq.ranks.sums import digest
from npuq.training import loop
from npuq.training.checkpoint import saved_run
from npuq.training.kinds import objective_of
from npuq.training.options import TrainingOptions
from npuq.training.photographs import training_batch
from npuq.training.trainable import Objective

LINEAR = TrainingOptions(
    steps=20, batch_size=5, crop=32, smaller_side=(40, 60), alpha_start=1.0, alpha_end=16.0,
    learning_rate=3e-4, seed=3,
)  # fmt: skip
HYPERPRIOR = TrainingOptions(
    model="hyperprior", size=(4, 6), steps=28, batch_size=5, crop=64, smaller_side=(64, 70),
    alpha_start=1.0, alpha_end=7.0, clip_norm=1.0, skip_ratio=1.02, average_steps=5,
    learning_rate=3e-4, start="random", turns=True, seed=5,
)  # fmt: skip
CASES: dict[str, tuple[TrainingOptions, type]] = {
    "linear": (LINEAR, np.float32),
    "hyperprior": (HYPERPRIOR, np.float32),
    "linear in float64": (LINEAR, np.float64),
    "hyperprior in float64": (HYPERPRIOR, np.float64),
}
PHOTOGRAPHS = [picture(72, 80, seed) for seed in range(3)]
VALIDATION = np.stack([picture(64, 64, seed) for seed in (7, 8, 9)])


class InFloat64:
    """An objective whose parameters and inputs are float64."""

    def __init__(self, objective: Objective[Any]) -> None:
        self.objective = objective

    def __getattr__(self, name: str) -> Any:
        return getattr(self.objective, name)

    def initial(self, model: Any) -> Any:
        return cast(self.objective.initial(model), np.float64)

    def inputs(self, *args: Any) -> tuple[Any, ...]:
        return tuple(a.astype(np.float64) for a in self.objective.inputs(*args))


def trained(folder: Path, options: TrainingOptions, dtype: type) -> dict[str, Any]:
    """What one case came to."""
    losses: list[float] = []

    def note(step: int, loss: Loss) -> None:
        losses.append(loss.loss)

    def objective(options: TrainingOptions, device: str) -> Any:
        found = objective_of(options, device)
        return found if dtype == np.float32 else InFloat64(found)

    loop.objective_of = objective
    source = functools.partial(
        training_batch, PHOTOGRAPHS, batch_size=options.batch_size, crop=options.crop,
        smaller_side=options.smaller_side, turns=options.turns,
        part=RANKS.share(options.batch_size).part,
    )  # fmt: skip
    params = loop.train_parameters(
        source, VALIDATION, folder, options, checkpoint_every=7, progress=note, ranks=RANKS
    )
    arrays = named_arrays(params)
    assert all(a.dtype == dtype for a in arrays.values())
    assert len(set(RANKS.gather(digest(arrays)))) == 1  # alike on all ranks
    assert len(set(RANKS.gather(tuple(losses)))) == 1
    rows = (folder / "history.csv").read_text() if RANKS.leads else ""
    skipped = saved_run(folder / "checkpoint.npz").skipped if RANKS.leads else None
    return {"losses": losses, "parameters": digest(arrays), "history": rows, "skipped": skipped}


def main(folder: Path, names: list[str]) -> None:
    found = {
        name: trained(folder / name.replace(" ", "-"), options, dtype)
        for name, (options, dtype) in CASES.items()
        if not names or name in names
    }
    if RANKS.leads:
        (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    with ending_together():
        main(Path(sys.argv[1]), sys.argv[2:])
