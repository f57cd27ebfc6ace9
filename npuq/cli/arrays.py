"""What `compress`, `decompress` and `info` do with arrays: .npy files, and streams of `NPUA`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from npuq.cli.common import naming
from npuq.cli.streams import STREAM, input_name, say_written, write_output
from npuq.errors import CorruptFileError, NpuqError

DENSITIES = ("normal", "laplace", "logistic", "fit")


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
    """Code the array of a .npy file, with its tables inside; say how many bytes came out.

    Raises:
        NpuqError: options of images, or none of the step; the array cannot be coded.
    """
    from npuq.io.npy import array_of_npy
    from npuq.latents.arrays import encode_array
    from npuq.latents.densities import fit_density
    from npuq.latents.tables import make_tables

    if args.step is None:
        raise NpuqError(f"{input_name(args.image)}: is an array; give --step, of quantization")
    if args.model is not None or args.quality is not None:
        raise NpuqError(f"{input_name(args.image)}: is an array; leave out --model and --quality")
    with naming(input_name(args.image)):
        y = array_of_npy(data)
        if y.dtype.kind != "f":
            raise NpuqError(f"holds {y.dtype}; arrays must be of floats")
        density, name = fit_density(y, args.step, args.density or "fit")
        tables = make_tables(density, step=args.step, alpha=args.alpha or 0.0, name=name)
        coded = encode_array(y, tables, method=args.method, seed=args.seed, embed=True)
    write_output(args.file, coded)
    bits = 8 * len(coded) / max(y.size, 1)
    facts = {"shape": y.shape, "density": name, "bytes": len(coded), "bits_each": bits}
    text = f"{len(coded)} bytes, {bits:.4f} bits each, {name}"
    say_written(args.file, facts, text, as_json=args.json)


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
    with naming(input_name(args.file)):
        array, end = decode_array(data)
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
    from npuq.latents.tables_file import tables_from_bytes
    from npuq.trained.methods import METHODS

    parts = unpack(data, start)
    header = parts.header
    tables = tables_from_bytes(parts.tables) if parts.tables else None
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
        "step": tables.step if tables else None,
        "alpha": tables.alpha if tables else None,
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
    """What a file of tables says of itself.

    Raises:
        TablesError: it is damaged.
    """
    from npuq.latents.tables_file import load_tables

    tables = load_tables(path)
    return {
        "type": "tables",
        "name": tables.name,
        "hash": tables.hash.hex(),
        "step": tables.step,
        "alpha": tables.alpha,
        "channels": tables.channels,
        "levels": None if tables.thresholds is None else len(tables.thresholds) + 1,
        "bytes": path.stat().st_size,
    }
