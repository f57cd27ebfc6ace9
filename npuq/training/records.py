"""What a run says of its course: `history.csv`, and how many ranks it ran on."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from npuq.io.atomic import write_bytes_atomically
from npuq.training.checkpoint import HISTORY, TrainingState


def write_history(path: Path, history: list[list[float]]) -> None:
    """Write the rows of a run's figures, see `HISTORY`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HISTORY)
    writer.writerows([[int(row[0]), *(f"{value:.6g}" for value in row[1:])] for row in history])
    write_bytes_atomically(path, text.getvalue().encode())


def on_ranks(state: TrainingState, ranks: int) -> TrainingState:
    """The state, which notes that the run goes on with so many ranks."""
    before = tuple(entry for entry in state.ranks if entry[0] < state.step)
    if before and before[-1][1] == ranks:
        return state._replace(ranks=before)
    return state._replace(ranks=(*before, (state.step, ranks)))
