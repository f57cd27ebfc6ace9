"""The state of a training run as a file: everything that the next step depends on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npuq.atomic import write_file_atomically
from npuq.backend import Array, to_host
from npuq.errors import TrainingError
from npuq.nn.adam import AdamState
from npuq.schedules import TrainingOptions

FORMAT = 2


class TrainingState(NamedTuple):
    """What changes from step to step.

    Attributes:
        step: number of steps done.
        params: by name, in the coordinates of the training.
        adam: moments; its own step count equals `step`.
        history: rows of figures, see `npuq.train.HISTORY`.
        sums: of loss, bpp and mse over the steps since the last row of `history`.
        summed: number of these steps.
    """

    step: int
    params: dict[str, Array]
    adam: AdamState
    history: list[list[float]]
    sums: tuple[float, ...] = (0.0, 0.0, 0.0)
    summed: int = 0


def save_checkpoint(
    path: Path, state: TrainingState, options: TrainingOptions, provenance: Mapping[str, Any]
) -> None:
    """Write the state, and what identifies its run, whole or not at all.

    Args:
        path: of the file.
        state: after some step.
        options: of the run.
        provenance: what else the run depends on (data, initial model), as JSON can hold it.
    """
    manifest = {
        "format": FORMAT,
        "step": state.step,
        "sums": state.sums,
        "summed": state.summed,
        "options": dataclasses.asdict(options),
        "provenance": dict(provenance),
    }
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


def load_checkpoint(
    path: Path,
    options: TrainingOptions,
    provenance: Mapping[str, Any],
    like: Mapping[str, Array],
) -> TrainingState:
    """Read the state of a run.

    Args:
        path: of the file.
        options: of the run.
        provenance: of the run, as it was saved.
        like: the run's parameters by name, for their shapes and types.

    Raises:
        TrainingError: the file is missing or damaged, or belongs to another run.
    """
    manifest, arrays = _read(path)
    theirs = manifest["options"] | manifest["provenance"]
    # tuples as JSON has them
    ours = json.loads(json.dumps(dataclasses.asdict(options) | dict(provenance)))
    absent = object()
    differing = sorted(
        name
        for name in theirs.keys() | ours.keys()
        if theirs.get(name, absent) != ours.get(name, absent)
    )
    if differing:
        raise TrainingError(
            f"{path} belongs to a run with another {', '.join(differing)}; "
            "give the same, or train into another folder"
        )
    try:
        return _state(manifest, arrays, like)
    except (KeyError, ValueError, TypeError) as error:
        raise TrainingError(f"{path} does not hold the state of this run: {error}") from error


def saved_provenance(path: Path) -> dict[str, Any]:
    """What a checkpoint says of its run beside the options.

    Raises:
        TrainingError: the file is missing or damaged.
    """
    return dict(_read(path)[0]["provenance"])


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The manifest and the arrays of a file, which may hold anything."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        manifest = json.loads(arrays.pop("manifest").tobytes())
        version = int(manifest["format"])
        sound = all(isinstance(manifest[name], dict) for name in ("options", "provenance"))
    except FileNotFoundError:
        raise TrainingError(f"{path}: there is no checkpoint to resume from") from None
    except Exception as error:  # damaged archives raise whatever zipfile and zlib come across
        raise TrainingError(f"{path} is not a checkpoint of npuq, or it is damaged") from error
    if version != FORMAT or not sound:
        raise TrainingError(f"{path} is a checkpoint of another version of npuq; train anew")
    return manifest, arrays


def _state(
    manifest: Mapping[str, Any], arrays: Mapping[str, Array], like: Mapping[str, Array]
) -> TrainingState:
    """The state in a file; any exception means that the file is not of such a run."""

    def group(prefix: str) -> dict[str, Array]:
        found = {name: arrays[f"{prefix}/{name}"] for name in like}
        for name, array in found.items():
            if (array.shape, array.dtype) != (like[name].shape, like[name].dtype):
                raise ValueError(f"{prefix}/{name} has shape {array.shape}, type {array.dtype}")
        return found

    step = int(manifest["step"])
    loss, bpp, mse = map(float, manifest["sums"])
    return TrainingState(
        step=step,
        params=group("params"),
        adam=AdamState(step=step, m=group("m"), v=group("v")),
        history=arrays["history"].tolist(),
        sums=(loss, bpp, mse),
        summed=int(manifest["summed"]),
    )
