"""What compressed files, models and checkpoints say of themselves, as JSON can hold it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from npuq.cli.arrays import LATTICE_KIND, describe_arrays, describe_tables, is_array
from npuq.codec.container import VERSION, unpack
from npuq.errors import ModelError, TrainingError, WrongModelError
from npuq.io.archive import opened, read_manifest
from npuq.nn.parameters import named_arrays
from npuq.trained.kinds import kind_of
from npuq.trained.methods import METHODS
from npuq.trained.model import Model
from npuq.trained.model_file import load_model
from npuq.trained.shipped import find_model
from npuq.training.checkpoint import HISTORY
from npuq.training.kinds import TRAINABLE
from npuq.training.options import TrainingOptions
from npuq.training.presets import PRESETS
from npuq.training.schedules import lmbda_at, softness_at

ARCHIVE = b"PK\3\4"
"""How a model and a checkpoint, both `.npz`, begin."""
LONGEST_HISTORY = 1 << 24  # bytes; those of real files have some kB


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a file is: an image, an array, a model, a checkpoint, or tables.

    Raises:
        InvalidFileError: neither an archive nor a sound compressed file.
        ModelError, TrainingError, TablesError: an archive, but none of a sound one of these.
        OSError: it cannot be read.
    """
    path = Path(path)
    with path.open("rb") as file:
        start = file.read(len(ARCHIVE))
    if start != ARCHIVE:
        return describe_data(path.read_bytes())
    manifest = _manifest(path)
    if manifest.get("kind") in ("tables", LATTICE_KIND):
        return describe_tables(path)
    if "step" in manifest:
        return describe_checkpoint(path)
    return describe_model(load_model(path)) | {"bytes": path.stat().st_size}


def describe_data(data: bytes) -> dict[str, Any]:
    """What a compressed file is: an image, or arrays.

    Raises:
        InvalidFileError: not a sound file.
    """
    return describe_arrays(data) if is_array(data) else describe_image(data)


def describe_image(data: bytes) -> dict[str, Any]:
    """The header of a compressed file, its sizes, and the model's name if it comes with npuq.

    Raises:
        InvalidFileError: not a sound file.
    """
    header, streams = unpack(data)
    try:
        name = find_model(header.model_hash).name
    except WrongModelError:
        name = None
    facts = {
        "type": "image",
        "format": VERSION,
        "method": METHODS[header.method],
        "model": name,
        "model_hash": header.model_hash.hex(),
        "height": header.height,
        "width": header.width,
        "alpha": header.alpha,
        "alpha_r": header.alpha_r,
        "seed": header.seed,
        "rows_per_band": header.rows_per_band,
        "tensors": header.tensors,
        "streams": len(streams),
        "bytes": len(data),
        "payload_bytes": sum(map(len, streams)),
        "bpp": 8 * len(data) / (header.height * header.width),
    }
    return dict(_plain(facts))


def describe_model(model: Model) -> dict[str, Any]:
    """Kind, size, lambda, softness and history of a model; `size` is (N, M), or 192 filters."""
    arrays = named_arrays(model.params)
    training = dict(model.training)
    options = training.pop("options", None)
    options = options if isinstance(options, dict) else {}
    # a model may say anything of itself
    with contextlib.suppress(KeyError, TypeError, ValueError, OverflowError):
        training["ranks"] = _ranks(training["ranks"])
    facts = {
        "type": "model",
        "kind": model.kind,
        "name": model.name,
        "hash": model.hash.hex(),
        "size": kind_of(model.params).size(model.params),
        "parameters": sum(int(array.size) for array in arrays.values()),
        "methods": [m for m in METHODS if m != "un+uq+sr" or model.alpha > 0],
        "lmbda": model.lmbda,
        "alpha": model.alpha,
        "alpha_r": model.alpha_r,
        "steps": options.get("steps"),
        "differs_from_preset": _differing(options, training.get("preset")),
    }
    return dict(_plain(facts | training | facts))  # the first for the order, the last for truth


def describe_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """How far a training is, and with which options.

    Raises:
        TrainingError: the file is damaged, or of another version of npuq.
    """
    manifest = _manifest(Path(path))
    try:
        options = TrainingOptions(**_tuples(manifest["options"]))
        step = int(manifest["step"])
        history = _history(Path(path))
        softness, lmbda = softness_at(options, step), lmbda_at(options, step)
        provenance = dict(manifest["provenance"])
        ranks = _ranks(manifest.get("ranks", [[0, 1]]))
    except Exception as error:  # whatever zipfile, NumPy and the options come across
        raise TrainingError(
            f"{path} is not a checkpoint of this version of npuq, or it is damaged"
        ) from error
    last = dict(zip(HISTORY, history[-1], strict=True)) if history else None
    facts = {
        "type": "checkpoint",
        "kind": options.model,
        "name": provenance.pop("name", None),
        "size": TRAINABLE[options.model].size(options),
        "step": step,
        "steps": options.steps,
        "skipped": manifest.get("skipped", 0),
        "ranks": ranks,
        "lmbda": lmbda,
        "alpha": softness.alpha,
        "alpha_r": softness.alpha_r,
        "differs_from_preset": _differing(manifest["options"], provenance.get("preset")),
        "last_row": last,
    }
    return dict(_plain(facts | provenance | facts))  # as in describe_model


def _ranks(pairs: Any) -> list[dict[str, int]]:
    """Of pairs as `TrainingState.ranks` has them; any exception means that they are none."""
    return [{"ranks": int(number), "from_step": int(step)} for step, number in pairs]


def _manifest(path: Path) -> dict[str, Any]:
    """That of an archive, which may be anybody's; nothing else in it is decompressed.

    Raises:
        ModelError: there is none.
    """
    try:
        return read_manifest(path)
    except Exception as error:  # damaged archives raise whatever zipfile and zlib come across
        raise ModelError(
            f"{path}: is neither a model nor a checkpoint of npuq, or it is damaged"
        ) from error


def _history(path: Path) -> list[list[float]]:
    """The rows of a checkpoint's history; any exception means that it is none."""
    with opened(path) as archive:
        shape = archive.shapes["history"]
        if shape.dtype != np.float64 or shape.nbytes > LONGEST_HISTORY:
            raise ValueError("the history is too long, or of another type")
        rows: list[list[float]] = archive.read("history").reshape(-1, len(HISTORY)).tolist()
        return rows


def _differing(options: dict[str, Any], preset: Any) -> dict[str, Any] | None:
    """Options that are not the preset's; None if there is no such preset."""
    if not (isinstance(preset, str) and preset in PRESETS):
        return None
    usual = json.loads(json.dumps(dataclasses.asdict(TrainingOptions(**PRESETS[preset]))))
    return {k: v for k, v in options.items() if k not in usual or usual[k] != v}


def _tuples(options: dict[str, Any]) -> dict[str, Any]:
    """As they were before JSON made them lists."""
    decay = tuple((int(step), float(factor)) for step, factor in options["lmbda_decay"])
    pairs = {name: tuple(options[name]) for name in ("size", "smaller_side")}
    return options | pairs | {"lmbda_decay": decay}


def _plain(value: Any) -> Any:
    """The same without numbers that are not finite, which JSON does not have."""
    if isinstance(value, dict):
        return {name: _plain(v) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
