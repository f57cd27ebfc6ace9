"""The state of a training run as a file: everything that the next step depends on."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npuq.atomic import write_file_atomically
from npuq.backend import Array, to_host
from npuq.errors import TrainingError
from npuq.nn.adam import AdamState
from npuq.schedules import TrainingOptions


class TrainingState(NamedTuple):
    """What changes from step to step.

    Attributes:
        step: number of steps done.
        params: by name, in the coordinates of the training.
        adam: moments; its own step count equals `step`.
        history: rows of figures, see `npuq.train.HISTORY`.
    """

    step: int
    params: dict[str, Array]
    adam: AdamState
    history: list[list[float]]


def save_checkpoint(path: Path, state: TrainingState, options: TrainingOptions) -> None:
    """Write the state and the options of its run, whole or not at all."""
    manifest = {"format": 1, "step": state.step, "options": dataclasses.asdict(options)}
    arrays: dict[str, Array] = {
        "manifest": np.frombuffer(json.dumps(manifest).encode(), np.uint8),
        "history": np.array(state.history, np.float64),
    }
    for group, named in (("params", state.params), ("m", state.adam.m), ("v", state.adam.v)):
        arrays |= {f"{group}/{name}": to_host(array) for name, array in named.items()}

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    write_file_atomically(path, write)


def load_checkpoint(path: Path, options: TrainingOptions) -> TrainingState:
    """Read the state of a run with these options.

    Raises:
        TrainingError: the file is missing or damaged, or belongs to a run with other options.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        manifest = json.loads(arrays.pop("manifest").tobytes())
        history, step = arrays.pop("history").tolist(), int(manifest["step"])
        theirs = manifest["options"]
    except FileNotFoundError:
        raise TrainingError(f"{path}: there is no checkpoint to resume from") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path} is not a checkpoint of npuq, or it is damaged") from error
    ours = json.loads(json.dumps(dataclasses.asdict(options)))  # tuples as JSON has them
    differing = sorted(name for name in ours if ours[name] != theirs.get(name))
    if differing:
        raise TrainingError(
            f"{path} belongs to a run with another {', '.join(differing)}; "
            "give the same options, or train into another folder"
        )
    groups: dict[str, Any] = {"params": {}, "m": {}, "v": {}}
    for name, array in arrays.items():
        group, _, key = name.partition("/")
        groups[group][key] = array
    adam = AdamState(step=step, m=groups["m"], v=groups["v"])
    return TrainingState(step, groups["params"], adam, history)
