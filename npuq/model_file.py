"""Trained models as files: parameters, integer tables and a manifest in one `.npz`.

Everything that a decoder needs to find symbols is integers made once, when the model is saved, and
never computed again: the tables of the distribution and the phases of soft rounding. A hash of what
decoding depends on names the model in every compressed file; its name and history are free.

A file is a NumPy `.npz` without pickled objects. Its member `manifest` is JSON as UTF-8 bytes:
format, kind, name, lmbda, alpha, alpha_r, hash, and under `training` how the model was made.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npuq.atomic import write_file_atomically
from npuq.backend import Array
from npuq.coding.dither import DITHER_LEVELS, dither_values
from npuq.coding.tables import (
    FIRST_KNOT,
    PHASE_UNIT,
    IntegerTables,
    check_phases,
    phase_table,
    tables_from_arrays,
    tables_to_arrays,
)
from npuq.coding.tabulate import build_tables
from npuq.errors import ModelError, NpuqError
from npuq.models.linear import BLOCK, CHANNELS, LinearParams
from npuq.nn import nonparametric
from npuq.nn.nonparametric import NonparametricParams
from npuq.nn.parameters import cast, named_arrays
from npuq.paper.soft_round import soft_round_inverse

FORMAT = 1
KIND = "linear"
HASH_BYTES = 8


class Model(NamedTuple):
    """A trained linear model, ready to code with.

    Attributes:
        params: transforms and density, float32.
        tables: the density as integers, one table per channel.
        phases: (256,) uint16, the phase of each dither value under the model's alpha.
        alpha: softness of s at test time; 0 for a model trained with plain uniform noise.
        alpha_r: softness of r at test time.
        lmbda: the lambda that it was trained with.
        name: for reports.
        training: how it was made, as JSON holds it.
        hash: 8 bytes that name what decoding depends on.
    """

    params: LinearParams
    tables: IntegerTables
    phases: Array
    alpha: float
    alpha_r: float
    lmbda: float
    name: str
    training: dict[str, Any]
    hash: bytes


def hard_phases() -> Array:
    """Phases of hard rounding, v = 1/2 whatever the dither (Eq. 15): (256,) uint16."""
    return np.full(DITHER_LEVELS, PHASE_UNIT // 2, np.uint16)


def plain_phases() -> Array:
    """Phases of the uniform noise channel, v = u + 1/2 = (2n + 1)/512 (Sec. 3.2): (256,) uint16."""
    n = np.arange(DITHER_LEVELS)
    return (FIRST_KNOT * (2 * n + 1)).astype(np.uint16)


def soft_phases(alpha: float) -> Array:
    """Phases under soft rounding, v = s_alpha^-1(u + 1/2) (Eq. 44): (256,) uint16.

    With z = k + u the probability of k is c(s^-1(z + 1/2)) - c(s^-1(z - 1/2)), and as
    s^-1(z + 1) = s^-1(z) + 1 this is c(k + v) - c(k - 1 + v). Computed in floating point, hence
    once, by whoever saves the model.
    """
    u = dither_values(np.arange(DITHER_LEVELS), np.float64)
    return phase_table(soft_round_inverse(u + 0.5, alpha))


def make_model(
    params: LinearParams,
    *,
    alpha: float,
    alpha_r: float | None = None,
    lmbda: float,
    name: str,
    training: dict[str, Any] | None = None,
) -> Model:
    """A model of trained parameters: builds the integer tables of Sec. 3.2, once.

    Args:
        params: of the linear model (Sec. 5.1).
        alpha: softness of s at test time, rounded to float32 as files hold it.
        alpha_r: softness of r, if it is another one (s_7 with r_16 in Fig. 2B).
        lmbda: the lambda that it was trained with.
        name: for reports.
        training: anything that JSON can hold about its making.

    Raises:
        ModelError: a softness is negative or not finite, or the parameters are not those of a
            linear model, or not finite.
    """
    alpha = float(np.float32(alpha))  # as compressed files hold it
    alpha_r = alpha if alpha_r is None else float(np.float32(alpha_r))
    _check_params(params)
    density = cast(params.density, np.float64)
    phases = soft_phases(alpha) if alpha > 0 else plain_phases()
    # plain dithering is possible with every model, and asks for the finest tables
    used = [phases, plain_phases()] if alpha > 0 else [phases]
    tables = build_tables(lambda y: nonparametric.cdf(y, density), used, channels=CHANNELS)
    model = Model(params, tables, phases, alpha, alpha_r, lmbda, name, training or {}, b"")
    _check_softness(model)
    return model._replace(hash=_hash(model))


def save_model(path: str | Path, model: Model) -> None:
    """Write a model file, whole or not at all.

    Raises:
        NpuqError: the folder does not exist or cannot be written.
    """
    manifest = _decisive(model) | {
        "name": model.name,
        "lmbda": model.lmbda,
        "training": model.training,
        "hash": model.hash.hex(),
    }
    arrays = _arrays(model)
    arrays["manifest"] = np.frombuffer(json.dumps(manifest, sort_keys=True).encode(), np.uint8)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    write_file_atomically(Path(path), write)


def load_model(path: str | Path) -> Model:
    """Read a model file and check it against its hash.

    Raises:
        ModelError: the file is missing, damaged, of a newer format, or no model of ours.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            manifest = json.loads(file["manifest"].tobytes())
            if int(manifest["format"]) > FORMAT:
                raise ModelError(f"{path}: the format is newer than this library; update npuq")
            model = _from_arrays(dict(file), manifest)
        if _hash(model) != model.hash:
            raise ModelError(f"{path} is damaged: its contents do not match its hash")
        _check_softness(model)
        return model
    except NpuqError:
        raise
    except FileNotFoundError:
        raise ModelError(f"{path}: there is no such model file") from None
    except Exception as error:  # damaged archives raise whatever zipfile and zlib come across
        raise ModelError(f"{path} is not a model file of npuq, or it is damaged") from error


def _decisive(model: Model) -> dict[str, Any]:
    """What the manifest says that decoding depends on."""
    return {"format": FORMAT, "kind": KIND, "alpha": model.alpha, "alpha_r": model.alpha_r}


def _arrays(model: Model) -> dict[str, Array]:
    arrays = dict(named_arrays(model.params))
    arrays |= {f"tables.{k}": a for k, a in tables_to_arrays(model.tables).items()}
    return arrays | {"phases": model.phases}


def _from_arrays(arrays: dict[str, Array], manifest: dict[str, Any]) -> Model:
    """The model of a file's contents; any exception means that they are not those of a model."""
    if manifest["kind"] != KIND:
        raise ValueError(f"unknown kind {manifest['kind']!r}")
    count = sum(name.startswith("density.H.") for name in arrays)
    density = NonparametricParams(
        *(
            tuple(arrays[f"density.{group}.{k}"] for k in range(size))
            for group, size in (("H", count), ("a", count - 1), ("b", count))
        )
    )
    params = LinearParams(arrays["analysis"], arrays["synthesis"], density)
    _check_params(params)
    prefix = "tables."
    tables = tables_from_arrays(
        {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}
    )
    check_phases(arrays["phases"])
    if tables.first.size != CHANNELS or arrays["phases"].dtype != np.uint16:
        raise ValueError("tables or phases do not fit")
    return Model(
        params=params,
        tables=tables,
        phases=arrays["phases"],
        alpha=float(manifest["alpha"]),
        alpha_r=float(manifest["alpha_r"]),
        lmbda=float(manifest["lmbda"]),
        name=str(manifest["name"]),
        training=dict(manifest["training"]),
        hash=bytes.fromhex(manifest["hash"]),
    )


def _check_params(params: LinearParams) -> None:
    shape = (CHANNELS, 3, BLOCK, BLOCK)
    for name, array in named_arrays(params).items():
        fits = (
            array.shape[:1] == (CHANNELS,) if name.startswith("density") else array.shape == shape
        )
        if not fits or array.dtype != np.float32:
            raise ModelError(
                f"{name} has shape {array.shape} and type {array.dtype}, not a linear model's"
            )
        if not np.all(np.isfinite(array)):
            raise ModelError(f"{name} holds values that are not finite")


def _check_softness(model: Model) -> None:
    for name, value in (("alpha", model.alpha), ("alpha_r", model.alpha_r)):
        if not (math.isfinite(value) and value >= 0):
            raise ModelError(f"{name} of a model must be a number from 0 on, not {value}")


def _hash(model: Model) -> bytes:
    """The first bytes of a SHA-256 over what decoding depends on.

    That is the decisive part of the manifest, and names, types, shapes and little-endian contents
    of all arrays.
    """
    digest = hashlib.sha256(json.dumps(_decisive(model), sort_keys=True).encode())
    arrays = _arrays(model)
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        array = array.astype(array.dtype.newbyteorder("<"))
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.digest()[:HASH_BYTES]
