"""Trained models as files: parameters, integer tables and a manifest in one `.npz`.

Everything that a decoder needs to find symbols is integers made once, when the model is saved, and
never computed again: the tables of the distribution and the phases of soft rounding. A hash of the
contents names the model in every compressed file.

A file is a NumPy `.npz` without pickled objects. Its member `manifest` is JSON as UTF-8 bytes:
format, name, lmbda, alpha, hash, and under `training` how the model was made.
"""

from __future__ import annotations

import functools
import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npuq.atomic import write_file_atomically
from npuq.backend import Array
from npuq.coding.container import METHODS
from npuq.coding.dither import DITHER_LEVELS, dither_values
from npuq.coding.tables import (
    IntegerTables,
    check_phases,
    phase_table,
    tables_from_arrays,
    tables_to_arrays,
)
from npuq.coding.tabulate import build_tables
from npuq.errors import ModelError, WrongModelError
from npuq.models.linear import LinearParams
from npuq.nn import nonparametric
from npuq.nn.nonparametric import NonparametricParams
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.paper.soft_round import soft_round_inverse

WEIGHTS = Path(__file__).parent / "weights"
FORMAT = 1
HASH_BYTES = 8


class Model(NamedTuple):
    """A trained linear model, ready to code with.

    Attributes:
        params: transforms and density, float32.
        tables: the density as integers, one table per channel.
        phases: (256,) uint16, the phase of each dither value under the model's alpha.
        alpha: softness of s and r at test time; 0 for a model trained with plain uniform noise.
        lmbda: the lambda that it was trained with.
        name: for reports.
        training: how it was made, as JSON holds it.
        hash: 8 bytes that name the contents.
    """

    params: LinearParams
    tables: IntegerTables
    phases: Array
    alpha: float
    lmbda: float
    name: str
    training: dict[str, Any]
    hash: bytes


def plain_phases() -> Array:
    """Phases of the plain uniform noise channel, v = u + 1/2 (Sec. 3.2): (256,) uint16."""
    return soft_phases(0.0)


def soft_phases(alpha: float) -> Array:
    """Phases under soft rounding, v = s_alpha^-1(u + 1/2) (Eq. 44): (256,) uint16.

    With z = k + u the probability of k is c(s^-1(z + 1/2)) - c(s^-1(z - 1/2)), and as
    s^-1(z + 1) = s^-1(z) + 1 this is c(k + v) - c(k - 1 + v). For infinite alpha v is 1/2: hard
    rounding.
    """
    u = dither_values(np.arange(DITHER_LEVELS), np.float64)
    return phase_table(soft_round_inverse(u + 0.5, alpha))


def make_model(
    params: LinearParams,
    *,
    alpha: float,
    lmbda: float,
    name: str,
    training: dict[str, Any] | None = None,
) -> Model:
    """A model of trained parameters: builds the integer tables of Sec. 3.2, once.

    Args:
        params: of the linear model (Sec. 5.1).
        alpha: softness at test time, rounded to float32 as files hold it.
        lmbda: the lambda that it was trained with.
        name: for reports.
        training: anything that JSON can hold about its making.
    """
    alpha = float(np.float32(alpha))  # as compressed files hold it
    density = _as_float64(params.density)
    phases = soft_phases(alpha)
    channels = params.density.H[0].shape[0]
    tables = build_tables(lambda y: nonparametric.cdf(y, density), phases, channels=channels)
    model = Model(params, tables, phases, alpha, lmbda, name, training or {}, b"")
    return model._replace(hash=_hash(_arrays(model), _manifest(model)))


def save_model(path: str | Path, model: Model) -> None:
    """Write a model file, whole or not at all.

    Raises:
        NpuqError: the folder does not exist or cannot be written.
    """
    manifest = _manifest(model) | {"hash": model.hash.hex()}
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
            arrays = dict(file)
        manifest = json.loads(arrays.pop("manifest").tobytes())
        stored, version = bytes.fromhex(manifest.pop("hash")), int(manifest["format"])
        if version > FORMAT:
            raise ModelError(f"{path}: format {version} is newer than this library; update npuq")
        if _hash(arrays, manifest) != stored:
            raise ModelError(f"{path} is damaged: its contents do not match its hash")
        return _from_arrays(arrays, manifest, stored)
    except FileNotFoundError:
        raise ModelError(f"{path}: there is no such model file") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} is not a model file of npuq, or it is damaged") from error


@functools.lru_cache(maxsize=16)
def shipped_model(method: str, quality: int) -> Model:
    """The model that comes with the package for a method and a quality.

    Args:
        method: "un+q", "un+uq" (one model, Sec. 5.1) or "un+uq+sr".
        quality: from 1 (smallest files) up, see `shipped_qualities`.

    Raises:
        ModelError: no such method or quality.
    """
    if method not in METHODS:
        raise ModelError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    if quality not in shipped_qualities():
        known = ", ".join(map(str, shipped_qualities()))
        raise ModelError(f"quality must be one of {known}, not {quality!r}")
    return load_model(WEIGHTS / f"linear-{_family(method)}-{quality}.npz")


@functools.cache
def shipped_qualities() -> tuple[int, ...]:
    """The qualities for which models come with the package."""
    return tuple(sorted(int(path.stem.rpartition("-")[2]) for path in WEIGHTS.glob("*-un-*.npz")))


def find_model(wanted: bytes, model: Model | None = None) -> Model:
    """The model with a hash: the one given, or else one that comes with the package.

    Raises:
        WrongModelError: neither has that hash.
    """
    if model is not None:
        if model.hash != wanted:
            raise WrongModelError(
                f"the file needs model {wanted.hex()}, but the given one ({model.name}) is "
                f"{model.hash.hex()}"
            )
        return model
    for method in ("un+uq", "un+uq+sr"):
        for quality in shipped_qualities():
            if shipped_model(method, quality).hash == wanted:
                return shipped_model(method, quality)
    raise WrongModelError(
        f"the file needs model {wanted.hex()}, which does not come with npuq; give its model file"
    )


def _family(method: str) -> str:
    return "sr" if method == "un+uq+sr" else "un"


def _manifest(model: Model) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "kind": "linear",
        "name": model.name,
        "lmbda": model.lmbda,
        "alpha": model.alpha,
        "training": model.training,
    }


def _arrays(model: Model) -> dict[str, Array]:
    arrays = dict(named_arrays(model.params))
    arrays |= {f"tables.{k}": a for k, a in tables_to_arrays(model.tables).items()}
    return arrays | {"phases": model.phases}


def _from_arrays(arrays: dict[str, Array], manifest: dict[str, Any], stored: bytes) -> Model:
    count = sum(name.startswith("density.H.") for name in arrays)
    density = NonparametricParams(
        *(
            tuple(arrays[f"density.{group}.{k}"] for k in range(size))
            for group, size in (("H", count), ("a", count - 1), ("b", count))
        )
    )
    params = LinearParams(arrays["analysis"], arrays["synthesis"], density)
    prefix = "tables."
    tables = tables_from_arrays(
        {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}
    )
    check_phases(arrays["phases"])
    return Model(
        params,
        tables,
        arrays["phases"],
        float(manifest["alpha"]),
        float(manifest["lmbda"]),
        str(manifest["name"]),
        dict(manifest["training"]),
        stored,
    )


def _hash(arrays: Mapping[str, Array], manifest: Mapping[str, Any]) -> bytes:
    """The first bytes of a SHA-256 over names, types, shapes and little-endian contents."""
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        array = array.astype(array.dtype.newbyteorder("<"))
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.digest()[:HASH_BYTES]


def _as_float64(density: NonparametricParams) -> NonparametricParams:
    return with_arrays(density, {k: a.astype(np.float64) for k, a in named_arrays(density).items()})
