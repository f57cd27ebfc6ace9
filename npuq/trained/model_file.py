"""Trained models as files: parameters, integer tables and a manifest in one `.npz`.

A hash of what decoding depends on names the model in every compressed file; its name and history
are free. A file is a NumPy `.npz` without pickled objects. Its member `manifest` is JSON as UTF-8
bytes: format, kind, name, lmbda, alpha, alpha_r, hash, and under `training` how the model was made.
Parameters are float32, or float16 where that loses nothing; see `npuq.trained.make`. The names of
the other arrays are in `npuq.trained.fingerprint`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from npuq.arguments import path_of
from npuq.backend import Array
from npuq.coding.dither import DITHER_LEVELS
from npuq.coding.tables import IntegerTables, check_phases, tables_from_arrays
from npuq.coding.tabulate import MAX_LOG2_KNOTS
from npuq.errors import ModelError, NpuqError
from npuq.io.archive import (
    LARGEST,
    LONGEST_MANIFEST,
    Archive,
    manifest_array,
    opened,
    total_bytes,
    write_archive,
)
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.trained.checks import check_lambda, check_params, check_softness
from npuq.trained.fingerprint import FORMAT, decisive_arrays, decisive_facts, model_hash
from npuq.trained.integer_scales import LEVELS
from npuq.trained.kind import Kind, Params
from npuq.trained.kinds import KINDS
from npuq.trained.model import HyperCoding, Model

MOST_KNOTS = 2 << MAX_LOG2_KNOTS  # of a table, at most


def save_model(path: str | Path, model: Model) -> None:
    """Write a model file, whole or not at all.

    Raises:
        ModelError: `training` is so long that the file could not be read again.
        NpuqError: the folder does not exist or cannot be written.
    """
    manifest = manifest_array(
        decisive_facts(model)
        | {
            "name": model.name,
            "lmbda": model.lmbda,
            "training": model.training,
            "hash": model.hash.hex(),
        }
    )
    if manifest.size > LONGEST_MANIFEST:
        raise ModelError(f"training of model {model.name} is longer than {LONGEST_MANIFEST} bytes")
    arrays = decisive_arrays(model)
    parameters = named_arrays(model.params)
    with np.errstate(over="ignore"):
        half = {name: a.astype(np.float16) for name, a in parameters.items()}
    if all(np.array_equal(a, half[name]) for name, a in parameters.items()):
        arrays |= half
    write_archive(path, arrays | {"manifest": manifest}, compress=True)


def load_model(path: str | Path) -> Model:
    """Read a model file and check it against its hash.

    Raises:
        ModelError: the file is missing, damaged, of a newer format, or no model of ours.
        TypeError: `path` is no name of a file.
    """
    path = path_of(path)
    try:
        with opened(path) as archive:
            manifest = _manifest(path, archive)
            kind = KINDS[manifest["kind"]]
            like = kind.shapes_of(archive.shapes)
            names = _checked_names(archive.shapes, kind, like)
            arrays = {name: archive.read(name) for name in names}
        model = _model(kind, like, arrays, manifest)
        if model_hash(model) != model.hash:
            raise ModelError(f"{path} is damaged: its contents do not match its hash")
        check_softness(model.alpha, model.alpha_r)
        check_lambda(model.lmbda)
        return model
    except NpuqError:
        raise
    except FileNotFoundError:
        raise ModelError(f"{path}: there is no such model file") from None
    except Exception as error:  # damaged archives raise whatever zipfile and zlib come across
        raise ModelError(f"{path} is not a model file of npuq, or it is damaged") from error


def _manifest(path: str | Path, archive: Archive) -> dict[str, Any]:
    """What the file says of itself; any other error means that it is no model."""
    manifest = archive.manifest()
    if "step" in manifest and "options" in manifest:
        raise ModelError(
            f"{path} is a training checkpoint, not a model; the model is model.npz beside it, "
            "which is written when the training ends (npuq train --resume goes on)"
        )
    if int(manifest["format"]) > FORMAT:
        raise ModelError(f"{path}: the format is newer than this library; update npuq")
    return manifest


def _checked_names(shapes: Mapping[str, Array], kind: Kind, like: Params) -> list[str]:
    """The arrays to put into memory, having the shapes that those of a model have.

    Any exception means that the file holds no model. Of other arrays in it nothing is read.
    """
    expected = {name: array.shape for name, array in named_arrays(like).items()}
    expected["phases"] = (DITHER_LEVELS,)
    tables = {"tables.": kind.table_count(like)}
    if kind.density is not None:
        channels = int(kind.density(like).H[0].shape[0])
        expected["offset"] = (channels,)
        if kind.hyper_tables is not None:
            tables["hyper_tables."] = channels
    if kind.scales is not None:
        expected["thresholds"] = (LEVELS - 1,)
    for prefix, channels in tables.items():
        knots = shapes[prefix + "differences"].size
        if knots > channels * MOST_KNOTS:
            raise ValueError("tables are longer than npuq makes them")
        expected |= {prefix + name: (channels,) for name in ("first", "last", "log2_knots")}
        expected[prefix + "differences"] = (knots,)
    for name, shape in expected.items():
        if shapes[name].shape != shape or shapes[name].itemsize > 8:
            raise ValueError(f"{name} has shape {shapes[name].shape}, not {shape}")
    if total_bytes({name: shapes[name] for name in expected}) > LARGEST:
        raise ValueError(f"the arrays take more than {LARGEST} bytes")
    return list(expected)


def _model(kind: Kind, like: Params, arrays: dict[str, Array], manifest: dict[str, Any]) -> Model:
    """The model of a file's contents, which have the right shapes; errors as `_checked_names`."""
    parameters = {name: arrays[name] for name in named_arrays(like)}
    params = with_arrays(
        like,
        {n: a.astype(np.float32) if a.dtype == np.float16 else a for n, a in parameters.items()},
    )
    check_params(params)
    check_phases(arrays["phases"])
    _check_type(arrays, "phases", np.uint16)
    medians = hyper = None
    if kind.density is not None:
        medians = _check_type(arrays, "offset", np.int32)
    if kind.hyper_tables is not None and kind.scales is not None:
        thresholds = _check_type(arrays, "thresholds", np.float64)
        if not (np.all(np.diff(thresholds) > 0) and np.all(thresholds == np.rint(thresholds))):
            raise ValueError("thresholds are no rising integers")
        hyper = HyperCoding(_tables(arrays, "hyper_tables."), kind.scales(params, thresholds))
    return Model(
        params=params,
        tables=_tables(arrays, "tables."),
        phases=arrays["phases"],
        alpha=float(manifest["alpha"]),
        alpha_r=float(manifest["alpha_r"]),
        lmbda=float(manifest["lmbda"]),
        name=str(manifest["name"]),
        training=dict(manifest["training"]),
        hash=bytes.fromhex(manifest["hash"]),
        hyper=hyper,
        medians=medians,
    )


def _tables(arrays: dict[str, Array], prefix: str) -> IntegerTables:
    return tables_from_arrays(
        {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}
    )


def _check_type(arrays: dict[str, Array], name: str, dtype: type) -> Array:
    """An array that the coder reads without another look at its type."""
    if arrays[name].dtype != dtype:
        raise ValueError(f"{name} is of type {arrays[name].dtype}")
    return arrays[name]
