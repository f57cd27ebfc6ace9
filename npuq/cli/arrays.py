"""What `compress`, `decompress` and `info` do with arrays: .npy files, and streams of `NPUA`."""

from __future__ import annotations

import argparse
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npuq.cli.common import naming
from npuq.cli.streams import STREAM, input_name, say_written, write_output
from npuq.errors import CorruptFileError, NpuqError, TablesError

if TYPE_CHECKING:
    from npuq.backend import Array
    from npuq.latents.lattice_tables import LatticeTables
    from npuq.latents.tables import Tables

DENSITIES = ("normal", "laplace", "logistic", "fit")
LATTICE_KIND = "lattice tables"
"""What the manifest of lattice tables calls them."""


def is_npy(path: str, data: bytes | None) -> bool:
    """Whether an input is a .npy file, by how it begins: `data` if that was read, else a file."""
    from npuq.io.npy import MAGIC

    if data is not None:
        return data.startswith(MAGIC)
    if not Path(path).is_file():
        return False  # the reader of images says what is wrong with it
    with Path(path).open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def is_array(data: bytes) -> bool:
    """Whether data begin as those of an array that `npuq compress` coded."""
    from npuq.latents.container import MAGIC

    return data.startswith(MAGIC)


def compress_npy(args: argparse.Namespace, data: bytes) -> None:
    """Code the array of a .npy file, with its tables inside unless they have a file of their own.

    Say how many bytes came out.

    Raises:
        NpuqError: options of images, or neither a step nor tables; the array cannot be coded.
    """
    from npuq.io.npy import array_of_npy
    from npuq.latents.arrays import encode_array

    name = input_name(args.image)
    if args.model is not None or args.quality is not None:
        raise NpuqError(f"{name}: is an array; leave out --model and --quality")
    if args.tables is None and args.step is None:
        raise NpuqError(f"{name}: is an array; give --step, of quantization, or --tables")
    if args.tables is not None and {args.step, args.density, args.alpha} != {None}:
        raise NpuqError("--tables hold a step, densities and a softness: leave these options out")
    tables = load_tables_option(args.tables)
    with naming(name):
        y = array_of_npy(data)
        if y.dtype.kind != "f":
            raise NpuqError(f"holds {y.dtype}; arrays must be of floats")
        tables = _fit(y, args) if tables is None else tables
        coded = encode_array(
            y, tables, method=args.method, axis=args.channels or 0, seed=args.seed,
            embed=args.tables is None,
        )  # fmt: skip
    write_output(args.file, coded)
    bits = 8 * len(coded) / max(y.size, 1)
    facts = {"shape": y.shape, "density": tables.name, "bytes": len(coded), "bits_each": bits}
    text = f"{len(coded)} bytes, {bits:.4f} bits each, {tables.name}"
    say_written(args.file, facts, text, as_json=args.json)


def load_tables_option(path: str | None) -> Tables | None:
    """The tables of a --tables, if there is one.

    Raises:
        TablesError: the file is missing or damaged, or its tables are of scales.
    """
    from npuq.latents.tables_file import load_tables

    tables = None if path is None else load_tables(path)
    if tables is not None and tables.thresholds is not None:
        raise TablesError(f"{path}: are tables of scales; code with them by npuq.encode_array")
    return tables


def _fit(y: Array, args: argparse.Namespace) -> Tables:
    """Tables of a density that fits an array, or of one for each channel."""
    from npuq.latents.densities import fit_channels, fit_density
    from npuq.latents.tables import make_tables

    family, alpha = args.density or "fit", args.alpha or 0.0
    if args.channels is None:
        density, name = fit_density(y, args.step, family)
    else:
        density, name = fit_channels(y, args.channels, args.step, family)
    return make_tables(density, step=args.step, alpha=alpha, name=name)


def decompress_npy(args: argparse.Namespace, data: bytes) -> None:
    """Write the array of a stream as a .npy file; say what came out.

    Raises:
        NpuqError: options of images; no sound stream, or without its tables; others follow it.
    """
    from npuq.io.npy import npy_of_array
    from npuq.latents.arrays import decode_array

    if args.image != STREAM and Path(args.image).suffix.lower() != ".npy":
        raise NpuqError(f"{input_name(args.file)}: is an array; name a .npy file to write it to")
    if args.format is not None or args.model is not None:
        raise NpuqError(f"{input_name(args.file)}: is an array; leave out --format and --model")
    tables = load_tables_option(args.tables)
    with naming(input_name(args.file)):
        array, end = decode_array(data, tables)
        if end != len(data):
            raise CorruptFileError(f"{len(data) - end} bytes follow the end of the array")
    write_output(args.image, *npy_of_array(array))
    text = f"{array.dtype} of shape {array.shape}"
    facts = {"shape": array.shape, "dtype": str(array.dtype)}
    say_written(args.image, facts, text, as_json=args.json)


def describe_arrays(data: bytes) -> dict[str, Any]:
    """The headers of one array, or of several that follow one another, checked.

    Raises:
        InvalidFileError: one is not sound.
    """
    found: list[dict[str, Any]] = []
    end = 0
    while end < len(data) or not found:
        facts, end = _describe_one(data, end)
        found.append(facts)
    return found[0] if len(found) == 1 else {"type": "arrays", "arrays": found}


def _describe_one(data: bytes, start: int) -> tuple[dict[str, Any], int]:
    from npuq.latents.container import DTYPES, VERSION, unpack
    from npuq.trained.methods import METHODS

    parts = unpack(data, start)
    header = parts.header
    tables = _tables_inside(parts.tables) if parts.tables else None
    size = parts.end - start
    facts = {
        "type": "array",
        "format": VERSION,
        "method": METHODS[header.method],
        "shape": list(header.shape),
        "dtype": DTYPES[header.dtype],
        "channel_axis": header.axis,
        "has_scales": header.has_scales,
        "tables_hash": header.tables_hash.hex(),
        "tables": tables.name if tables else None,
        "lattice": _lattice(tables),
        "channels": 1 if header.axis is None else header.shape[header.axis],
        "levels": _levels(tables),
        "step": tables.step if tables else None,
        "alpha": getattr(tables, "alpha", None),
        "seed": header.seed,
        "tensor": header.tensor,
        "blocks": len(parts.blocks),
        "bytes": size,
        "tables_bytes": len(parts.tables),
        "payload_bytes": sum(map(len, parts.blocks)),
        "bits_each": 8 * size / max(math.prod(header.shape), 1),
    }
    return facts, parts.end


def describe_tables(path: Path) -> dict[str, Any]:
    """What a file of tables, or of lattice tables, says of itself.

    Raises:
        TablesError: it is damaged.
    """
    from npuq.io.archive import read_manifest
    from npuq.latents.lattice_tables_file import load_lattice_tables
    from npuq.latents.tables_file import load_tables

    is_plain = read_manifest(path).get("kind") == "tables"
    tables = load_tables(path) if is_plain else load_lattice_tables(path)
    return {
        "type": "tables",
        "name": tables.name,
        "hash": tables.hash.hex(),
        "lattice": _lattice(tables),
        "step": tables.step,
        "alpha": getattr(tables, "alpha", None),
        "channels": tables.channels,
        "levels": _levels(tables),
        "bytes": path.stat().st_size,
    }


def _tables_inside(data: bytes) -> Tables | LatticeTables:
    """The tables inside of a stream, of either kind."""
    from npuq.io.archive import read_manifest
    from npuq.latents.lattice_tables_file import lattice_tables_from_bytes
    from npuq.latents.tables_file import tables_from_bytes

    try:
        kind = read_manifest(io.BytesIO(data)).get("kind")
    except Exception:  # damaged, as the reader of tables will say
        kind = None
    return lattice_tables_from_bytes(data) if kind == LATTICE_KIND else tables_from_bytes(data)


def _levels(tables: Tables | LatticeTables | None) -> int | None:
    """Of scales, if there are such."""
    thresholds = getattr(tables, "thresholds", None)
    return None if thresholds is None else len(thresholds) + 1


def _lattice(tables: Tables | LatticeTables | None) -> str | None:
    """The name of the lattice, if there is one."""
    lattice = getattr(tables, "lattice", None)
    return None if lattice is None else str(lattice.name)
