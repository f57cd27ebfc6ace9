"""The state of a training run as a file: everything that the next step depends on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array, Scalar, to_host
from npuq.errors import TrainingError
from npuq.io.archive import manifest_array, opened, write_archive
from npuq.nn.adam import AdamState
from npuq.training.kinds import TRAINABLE
from npuq.training.options import TrainingOptions

HISTORY = (
    "step", "lmbda", "alpha", "loss", "bpp", "mse",
    "validation_loss", "validation_bpp", "validation_mse",
)  # fmt: skip
"""Columns of `history.csv`; the losses are means over the steps since the row before."""

FORMAT = 4
"""Formats 2 and 3, which still are read, were of runs whose noise came from NumPy's PCG64. Format 2
had neither average nor lengths, nor all settings, see `Trainable.unwritten`."""
_SINCE = {"hyper_rate": 1.0}  # settings that began within format 4, and what runs did before


class TrainingState(NamedTuple):
    """What changes from step to step.

    Attributes:
        step: number of steps done.
        params: by name, in the coordinates of the training.
        adam: moments; its own step count is below `step` where steps were skipped, and above it
            where the run began at the moments of another one.
        average: of the parameters, by name; empty where the run keeps none.
        history: rows of figures, see `HISTORY`.
        sums: of loss, bpp and mse over the steps since the last row of `history`.
        summed: number of these steps.
        lengths: of the gradients of the last steps, see `npuq.nn.clipping.is_outlier`.
        skipped: number of steps that were left out.
        ranks: (step, number of ranks) wherever the number changed, from step 0 on; sums over
            another number of ranks are rounded otherwise.
    """

    step: int
    params: dict[str, Array]
    adam: AdamState
    average: dict[str, Array]
    history: list[list[float]]
    sums: tuple[Scalar, ...] = (0.0, 0.0, 0.0)
    summed: int = 0
    lengths: tuple[float, ...] = ()
    skipped: int = 0
    ranks: tuple[tuple[int, int], ...] = ((0, 1),)


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
        "adam_step": state.adam.step,
        "sums": [float(total) for total in state.sums],
        "summed": state.summed,
        "lengths": state.lengths,
        "skipped": state.skipped,
        **({"ranks": state.ranks} if state.ranks != ((0, 1),) else {}),
        "options": dataclasses.asdict(options),
        "provenance": dict(provenance),
    }
    arrays = {
        "manifest": manifest_array(manifest),
        "history": np.array(state.history, np.float64),
    }
    groups = {
        "params": state.params, "m": state.adam.m, "v": state.adam.v, "average": state.average,
    }  # fmt: skip
    for group, named in groups.items():
        arrays |= {f"{group}/{name}": to_host(array) for name, array in named.items()}
    write_archive(path, arrays, compress=False)


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
    ours = json.loads(json.dumps(dataclasses.asdict(options) | dict(provenance)))  # tuples as lists
    differing = [
        f"{name} {theirs.get(name, 'absent')}, not {ours.get(name, 'absent')}"
        for name in sorted(theirs.keys() | ours.keys())
        if theirs.get(name) != ours.get(name)
    ]
    if differing:
        raise TrainingError(
            f"{path} belongs to a run with {'; '.join(differing)}. Give the same to go on; to go "
            "on with other settings, begin a new run from it, in another folder (--branch-from)"
        )
    try:
        return _state(manifest, arrays, like)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise TrainingError(f"{path} does not hold the state of this run: {error}") from error


def load_branch(path: Path, like: Mapping[str, Array]) -> TrainingState:
    """The state that a new run begins with: parameters and moments of another run, at step 0.

    Args:
        path: of the other run's checkpoint.
        like: the new run's parameters by name, for their shapes and types.

    Raises:
        TrainingError: the file is missing or damaged, or holds other parameters.
    """
    manifest, arrays = _read(path)
    try:
        state = _state(manifest, arrays, like)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise TrainingError(f"{path} does not hold the state of such a run: {error}") from error
    return TrainingState(0, state.params, state.adam, state.average, [], lengths=state.lengths)


class SavedRun(NamedTuple):
    """What a checkpoint says of its run, without the arrays."""

    options: dict[str, Any]
    provenance: dict[str, Any]
    step: int
    skipped: int
    ranks: list[list[int]]


def saved_run(path: Path) -> SavedRun:
    """What a checkpoint says of its run; options as JSON has them.

    Raises:
        TrainingError: the file is missing or damaged.
    """
    manifest, _ = _read(path)
    return SavedRun(
        manifest["options"], manifest["provenance"], manifest["step"], manifest["skipped"],
        manifest.get("ranks", [[0, 1]]),
    )  # fmt: skip


def file_hash(path: Path) -> str:
    """What tells one checkpoint from another: the first 16 digits of its SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The manifest, as today's format has it, and the arrays of a file, which may hold anything."""
    try:
        with opened(path) as archive:
            manifest = archive.manifest()
            arrays = {name: archive.read(name) for name in archive.shapes if name != "manifest"}
        version = int(manifest["format"])
        sound = all(isinstance(manifest[name], dict) for name in ("options", "provenance"))
    except FileNotFoundError:
        raise TrainingError(f"{path}: there is no checkpoint to resume from") from None
    except Exception as error:  # damaged archives raise whatever zipfile and zlib come across
        raise TrainingError(f"{path} is not a checkpoint of npuq, or it is damaged") from error
    if not 2 <= version <= FORMAT or not sound:
        raise TrainingError(f"{path} is a checkpoint of another version of npuq; train anew")
    manifest = manifest | {"options": _SINCE | manifest["options"]}
    return (manifest if version == FORMAT else _upgraded(manifest, version)), arrays


def _upgraded(manifest: dict[str, Any], version: int) -> dict[str, Any]:
    """The manifest of an older format with what has been added since, as such runs behaved."""
    options = manifest["options"] | {"noise": "pcg64"}
    if version == 3:
        return manifest | {"options": options}
    for model, kind in TRAINABLE.items():
        if options.get("model") == model:
            options = options | kind.unwritten
    defaults = json.loads(json.dumps(dataclasses.asdict(TrainingOptions())))
    added = {"adam_step": manifest.get("step"), "lengths": (), "skipped": 0}
    return manifest | added | {"options": defaults | options}


def _state(
    manifest: Mapping[str, Any], arrays: Mapping[str, Array], like: Mapping[str, Array]
) -> TrainingState:
    """The state in a file; a KeyError, ValueError, TypeError or OverflowError means that the file
    is not of such a run."""

    def group(prefix: str) -> dict[str, Array]:
        found = {name: arrays[f"{prefix}/{name}"] for name in like}
        for name, array in found.items():
            if (array.shape, array.dtype) != (like[name].shape, like[name].dtype):
                raise ValueError(f"{prefix}/{name} has shape {array.shape}, type {array.dtype}")
        return found

    def count(name: str) -> int:
        value = manifest[name]
        if type(value) is not int or value < 0:
            raise ValueError(f"{name} is {value!r}")
        return value

    step, steps = count("step"), int(manifest["options"]["steps"])
    if step > steps:
        raise ValueError(f"step is {step}, in a run of {steps} steps")
    loss, bpp, mse = map(float, manifest["sums"])
    if count("summed") > step or count("skipped") > step:
        raise ValueError("more steps were counted than done")
    history = arrays["history"]
    if history.size and (history.ndim, history.shape[-1]) != (2, len(HISTORY)):
        raise ValueError(f"history has shape {history.shape}")
    return TrainingState(
        step=step,
        params=group("params"),
        adam=AdamState(step=count("adam_step"), m=group("m"), v=group("v")),
        average=group("average") if any(n.startswith("average/") for n in arrays) else {},
        history=history.astype(np.float64).tolist(),
        sums=(loss, bpp, mse),
        summed=count("summed"),
        lengths=tuple(map(float, manifest["lengths"])),
        skipped=count("skipped"),
        ranks=tuple((int(at), int(size)) for at, size in manifest.get("ranks", ((0, 1),))),
    )
