"""Lattice tables as a file or as bytes: a `.npz` with a manifest, as `tables_file` has it.

Members are those of `npuq.coding.tables.tables_to_arrays` and `weights`; the `manifest` is JSON:
format, kind ("lattice tables"), lattice, step, name and hash.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np

from npuq.arguments import path_of
from npuq.coding.dither import DITHER_LEVELS
from npuq.coding.tables import tables_from_arrays
from npuq.errors import TablesError
from npuq.io.archive import Archive
from npuq.io.atomic import write_bytes_atomically
from npuq.latents.lattice_points import WEIGHT, lattice_named
from npuq.latents.lattice_tables import (
    FORMAT,
    LatticeTables,
    check_lattice_tables,
    decisive_arrays,
    decisive_facts,
    with_hash,
)
from npuq.latents.tables import check_step
from npuq.latents.tables_archive import (
    MOST_TABLES,
    archive_of,
    check_format,
    read_archive,
    read_arrays,
)


def save_lattice_tables(path: str | Path, tables: LatticeTables) -> None:
    """Write a file of lattice tables, whole or not at all.

    Raises:
        TablesError: there are more than 65,536, or their name is longer than 1000 characters.
        NpuqError: the folder does not exist or cannot be written.
        TypeError: `path` is no path, or `tables` are none.
    """
    check_lattice_tables(tables)
    write_bytes_atomically(path_of(path), lattice_tables_to_bytes(tables))


def load_lattice_tables(path: str | Path) -> LatticeTables:
    """Read a file of lattice tables and check it against its hash.

    Raises:
        TablesError: the file is missing, damaged, of a newer format, or holds no lattice tables.
        TypeError: `path` is no path.
    """
    return _read(path_of(path), str(path))


def lattice_tables_to_bytes(tables: LatticeTables) -> bytes:
    """The contents of a file of lattice tables.

    Raises:
        TablesError: as `save_lattice_tables`.
    """
    return archive_of(tables, decisive_facts(tables), decisive_arrays(tables))


def lattice_tables_from_bytes(data: bytes) -> LatticeTables:
    """The inverse of `lattice_tables_to_bytes`.

    Raises:
        TablesError: as `load_lattice_tables`.
    """
    return _read(io.BytesIO(data), "the tables in the stream")


def _read(file: Path | BinaryIO, name: str) -> LatticeTables:
    tables = read_archive(file, name, "lattice tables", _checked, with_hash)
    check_step(tables.step, 0.0)
    return tables


def _checked(archive: Archive, name: str) -> LatticeTables:
    """Tables, of whose arrays none is read before its shape was looked at."""
    manifest = archive.manifest()
    if manifest["kind"] == "tables":
        raise TablesError(f"{name}: no lattice tables, but those of encode_array and decode_array")
    if manifest["kind"] != "lattice tables":
        raise TablesError(f"{name}: not lattice tables, but {manifest['kind']}")
    check_format(manifest, name, FORMAT)
    lattice = lattice_named(str(manifest["lattice"]))
    count = archive.shapes["first"].size
    if count % lattice.sides.size:
        raise ValueError("a table for each side is missing")
    more = {"weights": (count, DITHER_LEVELS)}
    arrays = read_arrays(archive, MOST_TABLES, more)
    weights = arrays.pop("weights")
    if weights.dtype != np.uint16 or weights.min() < 1 or weights.max() >= WEIGHT:
        raise ValueError("weights must be 16-bit integers from 1 to 2**12 - 1")
    return LatticeTables(
        lattice=lattice,
        integers=tables_from_arrays(arrays),
        weights=weights,
        step=float(manifest["step"]),
        name=str(manifest["name"]),
        hash=bytes.fromhex(manifest["hash"]),
    )
