"""Trained models as files: parameters, integer tables and a manifest in one `.npz`.

A hash of what decoding depends on names the model in every compressed file; its name and history
are free. A file is a NumPy `.npz` without pickled objects. Its member `manifest` is JSON as UTF-8
bytes: format, kind, name, lmbda, alpha, alpha_r, hash, and under `training` how the model was made.
Parameters are float32, or float16 where that loses nothing; see `make_model`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.coding.dither import DITHER_LEVELS
from npuq.coding.tables import (
    IntegerTables,
    check_phases,
    tables_from_arrays,
    tables_to_arrays,
)
from npuq.coding.tabulate import MAX_LOG2_KNOTS
from npuq.errors import ModelError, NpuqError
from npuq.io.archive import LARGEST, Archive, opened, total_bytes
from npuq.io.atomic import write_file_atomically
from npuq.models import factorized, hyperprior, linear
from npuq.models.factorized import FactorizedParams
from npuq.models.hyperprior import HyperpriorParams
from npuq.models.linear import LinearParams
from npuq.nn.nonparametric import NonparametricParams
from npuq.nn.parameters import cast, named_arrays, with_arrays
from npuq.trained.integer_scales import LEVELS
from npuq.trained.model import (
    FACTORIZED,
    HYPERPRIOR,
    LINEAR,
    HyperCoding,
    Model,
    check_lambda,
    check_params,
    check_softness,
    factorized_tables,
    hyper_coding,
    integer_scales,
    linear_tables,
    median_offset,
    offset_density,
    scale_tables,
    served_phases,
    shapes_like,
)

FORMAT = 1
HASH_BYTES = 8
LONGEST_MANIFEST = 1 << 20
MOST_KNOTS = 2 << MAX_LOG2_KNOTS  # of a table, at most


def make_model(
    params: LinearParams | HyperpriorParams | FactorizedParams,
    *,
    alpha: float,
    alpha_r: float | None = None,
    lmbda: float,
    name: str,
    training: dict[str, Any] | None = None,
    half: bool = False,
    offset: Array | None = None,
) -> Model:
    """A model of trained parameters: builds the integer tables of Sec. 3.2, once.

    Args:
        params: of any kind of model (Sec. 5.1).
        alpha: softness of s at test time, rounded to float32 as files hold it.
        alpha_r: softness of r, if it is another one (s_7 with r_16 in Fig. 2B).
        lmbda: the lambda that it was trained with.
        name: for reports.
        training: anything that JSON can hold about its making.
        half: round the parameters to half precision, which makes the model file half as long.
        offset: integers, in 1/512, about which the hyperprior model quantizes its hyper-latents,
            (N,), or the factorized model its latents, (M,); by default their medians.

    Raises:
        ModelError: a softness or lmbda is negative or not finite, or the parameters are not those
            of a model of ours, or not finite, or too large for the integers that they are made
            into, or the offset is of another shape or type.
    """
    with np.errstate(over="ignore"):
        alpha = float(np.float32(alpha))  # as compressed files hold it
        alpha_r = alpha if alpha_r is None else float(np.float32(alpha_r))
    check_params(params)
    if half:
        with np.errstate(over="ignore"):
            params = cast(cast(params, np.float16), np.float32)
        check_params(params)  # what is beyond half precision is infinite now
    check_softness(alpha, alpha_r)
    check_lambda(lmbda)
    phases = served_phases(alpha)
    hyper = None
    if isinstance(params, LinearParams):
        tables = linear_tables(params, phases)
    else:
        channels = _coded_channels(params)
        if offset is None:
            offset = median_offset(params)
        if offset.shape != (channels,) or offset.dtype.kind != "i":
            raise ModelError(
                f"offset must be {channels} integers, not {offset.dtype} of shape {offset.shape}"
            )
        offset = offset.astype(np.int32)
        if isinstance(params, FactorizedParams):
            tables = factorized_tables(params, phases, offset)
        else:
            tables, hyper, offset = scale_tables(phases), hyper_coding(params, offset), None
    model = Model(
        params, tables, phases[0], alpha, alpha_r, lmbda, name, training or {}, b"", hyper, offset
    )
    return model._replace(hash=_hash(model))


def save_model(path: str | Path, model: Model) -> None:
    """Write a model file, whole or not at all.

    Raises:
        ModelError: `training` is so long that the file could not be read again.
        NpuqError: the folder does not exist or cannot be written.
    """
    manifest = _decisive(model) | {
        "name": model.name,
        "lmbda": model.lmbda,
        "training": model.training,
        "hash": model.hash.hex(),
    }
    arrays = _arrays(model)
    parameters = named_arrays(model.params)
    with np.errstate(over="ignore"):
        half = {name: a.astype(np.float16) for name, a in parameters.items()}
    if all(np.array_equal(a, half[name]) for name, a in parameters.items()):
        arrays |= half
    text = json.dumps(manifest, sort_keys=True).encode()
    if len(text) > LONGEST_MANIFEST:
        raise ModelError(f"training of model {model.name} is longer than {LONGEST_MANIFEST} bytes")
    arrays["manifest"] = np.frombuffer(text, np.uint8)

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
        with opened(path) as archive:
            manifest = _manifest(path, archive)
            names = _checked_names(archive.shapes, manifest["kind"])
            arrays = {name: archive.read(name) for name in names}
        model = _from_arrays(arrays, manifest)
        if _hash(model) != model.hash:
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
    shape = archive.shapes["manifest"]
    if shape.ndim != 1 or shape.dtype != np.uint8 or shape.size > LONGEST_MANIFEST:
        raise ValueError("the manifest is too long, or no text")
    manifest: dict[str, Any] = json.loads(archive.read("manifest").tobytes())
    if "step" in manifest and "options" in manifest:
        raise ModelError(
            f"{path} is a training checkpoint, not a model; the model is model.npz beside it, "
            "which is written when the training ends (npuq train --resume goes on)"
        )
    if int(manifest["format"]) > FORMAT:
        raise ModelError(f"{path}: the format is newer than this library; update npuq")
    return manifest


def _checked_names(shapes: Mapping[str, Array], kind: str) -> list[str]:
    """The arrays to put into memory, having the shapes that those of a model have.

    Any exception means that the file holds no model. Of other arrays in it nothing is read.
    """
    like: Any = _PARAMS[kind](shapes)
    coded = _coded_channels(like)
    expected = {name: array.shape for name, array in named_arrays(shapes_like(like)).items()}
    expected |= {"phases": (DITHER_LEVELS,)}
    tables = {"tables.": LEVELS if kind == HYPERPRIOR else coded}
    if kind == HYPERPRIOR:
        tables["hyper_tables."] = coded
        expected |= {"thresholds": (LEVELS - 1,)}
    if kind != LINEAR:
        expected |= {"offset": (coded,)}
    for prefix, channels in tables.items():
        knots = shapes[prefix + "differences"].size
        if knots > channels * MOST_KNOTS:
            raise ValueError("tables are longer than npuq makes them")
        expected |= {prefix + name: (channels,) for name in ("first", "last", "log2_knots")}
        expected |= {prefix + "differences": (knots,)}
    for name, shape in expected.items():
        if shapes[name].shape != shape or shapes[name].itemsize > 8:
            raise ValueError(f"{name} has shape {shapes[name].shape}, not {shape}")
    if total_bytes({name: shapes[name] for name in expected}) > LARGEST:
        raise ValueError(f"the arrays take more than {LARGEST} bytes")
    return list(expected)


def _decisive(model: Model) -> dict[str, Any]:
    """What the manifest says that decoding depends on."""
    return {"format": FORMAT, "kind": model.kind, "alpha": model.alpha, "alpha_r": model.alpha_r}


def _arrays(model: Model) -> dict[str, Array]:
    """All that decoding depends on, by name. The integer layers follow from the parameters."""
    arrays = dict(named_arrays(model.params))
    arrays |= {f"tables.{k}": a for k, a in tables_to_arrays(model.tables).items()}
    arrays |= {"phases": model.phases}
    if model.hyper is not None:
        tables = tables_to_arrays(model.hyper.tables)
        arrays |= {f"hyper_tables.{k}": a for k, a in tables.items()}
        arrays |= {"offset": model.hyper.offset, "thresholds": model.hyper.scales.thresholds}
    if model.offset is not None:
        arrays |= {"offset": model.offset}
    return arrays


def _from_arrays(arrays: dict[str, Array], manifest: dict[str, Any]) -> Model:
    """The model of a file's contents; any exception means that they are not those of a model."""
    kind = manifest["kind"]
    arrays = {n: a.astype(np.float32) if a.dtype == np.float16 else a for n, a in arrays.items()}
    params: Any = _PARAMS[kind](arrays)
    check_params(params)
    check_phases(arrays["phases"])
    tables, hyper = _tables(arrays, "tables."), None
    if kind == HYPERPRIOR:
        hyper = HyperCoding(
            _tables(arrays, "hyper_tables."),
            integer_scales(params, arrays["thresholds"]),
            arrays["offset"],
        )
    model = Model(
        params=params,
        tables=tables,
        phases=arrays["phases"],
        alpha=float(manifest["alpha"]),
        alpha_r=float(manifest["alpha_r"]),
        lmbda=float(manifest["lmbda"]),
        name=str(manifest["name"]),
        training=dict(manifest["training"]),
        hash=bytes.fromhex(manifest["hash"]),
        hyper=hyper,
        offset=arrays["offset"] if kind == FACTORIZED else None,
    )
    if not _integers_fit(model):
        raise ValueError("tables or phases do not fit")
    return model


def _tables(arrays: dict[str, Array], prefix: str) -> IntegerTables:
    return tables_from_arrays(
        {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}
    )


def _integers_fit(model: Model) -> bool:
    """Whether the integers of a file have the sizes that the coder reads without another look."""
    if model.phases.dtype != np.uint16:
        return False
    if isinstance(model.params, LinearParams):
        return model.tables.first.size == linear.CHANNELS
    offset = model.offset if model.hyper is None else model.hyper.offset
    channels = _coded_channels(model.params)
    if offset is None or (offset.shape, offset.dtype) != ((channels,), np.dtype(np.int32)):
        return False
    if model.hyper is None:
        return model.tables.first.size == channels
    thresholds = model.hyper.scales.thresholds
    return (
        model.tables.first.size == LEVELS
        and model.hyper.tables.first.size == channels
        and (thresholds.shape, thresholds.dtype) == ((LEVELS - 1,), np.dtype(np.float64))
        and bool(np.all(np.diff(thresholds) > 0) and np.all(thresholds == np.rint(thresholds)))
    )


def _linear_params(arrays: Mapping[str, Array]) -> LinearParams:
    count = sum(name.startswith("density.H.") for name in arrays)
    density = NonparametricParams(
        *(
            tuple(arrays[f"density.{group}.{k}"] for k in range(size))
            for group, size in (("H", count), ("a", count - 1), ("b", count))
        )
    )
    return LinearParams(arrays["analysis"], arrays["synthesis"], density)


def _hyperprior_params(arrays: Mapping[str, Array]) -> HyperpriorParams:
    latents = arrays["analysis.3.w"].shape[0]
    like = hyperprior.shapes(
        channels=arrays["analysis.0.w"].shape[0],
        latents=latents,
        means=arrays["hyper_synthesis.2.w"].shape[0] == 2 * latents,
    )
    return with_arrays(like, {name: arrays[name] for name in named_arrays(like)})


def _factorized_params(arrays: Mapping[str, Array]) -> FactorizedParams:
    like = factorized.shapes(
        channels=arrays["analysis.0.w"].shape[0], latents=arrays["analysis.3.w"].shape[0]
    )
    return with_arrays(like, {name: arrays[name] for name in named_arrays(like)})


_PARAMS = {LINEAR: _linear_params, HYPERPRIOR: _hyperprior_params, FACTORIZED: _factorized_params}


def _coded_channels(params: LinearParams | HyperpriorParams | FactorizedParams) -> int:
    """Of the tensor that a non-parametric density codes."""
    if isinstance(params, LinearParams):
        return linear.CHANNELS
    return int(offset_density(params).H[0].shape[0])


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
