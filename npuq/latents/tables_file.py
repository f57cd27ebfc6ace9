"""Tables as a file or as bytes: a `.npz` with a manifest, as models are, checked against its hash.

Members are those of `npuq.coding.tables.tables_to_arrays`, `phases`, and `thresholds` where there
are scales; the `manifest` is JSON: format, kind ("tables"), step, alpha, name and hash.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np

from npuq.arguments import path_of
from npuq.backend import Array
from npuq.coding.dither import DITHER_LEVELS
from npuq.coding.tables import check_phases, tables_from_arrays
from npuq.errors import TablesError
from npuq.io.archive import Archive
from npuq.io.atomic import write_bytes_atomically
from npuq.latents.tables import (
    FORMAT,
    MOST_LEVELS,
    Tables,
    check_step,
    check_tables,
    decisive_arrays,
    decisive_facts,
    with_hash,
)
from npuq.latents.tables_archive import (
    MOST_TABLES,
    archive_of,
    check_format,
    read_archive,
    read_arrays,
)


def save_tables(path: str | Path, tables: Tables) -> None:
    """Write a file of tables, whole or not at all.

    Raises:
        TablesError: there are more than 65,536, or their name is longer than 1000 characters; they
            have more than 2^25 numbers together.
        NpuqError: the folder does not exist or cannot be written.
        TypeError: `path` is no name of a file, or `tables` are none.
    """
    check_tables(tables)
    write_bytes_atomically(path_of(path), tables_to_bytes(tables))


def load_tables(path: str | Path) -> Tables:
    """Read a file of tables and check it against its hash.

    Raises:
        TablesError: the file is missing, damaged, of a newer format, or holds no tables of ours.
        TypeError: `path` is no name of a file.
    """
    return _read(path_of(path), str(path))


def tables_to_bytes(tables: Tables) -> bytes:
    """The contents of a file of tables.

    Raises:
        TablesError: as `save_tables`.
    """
    return archive_of(tables, decisive_facts(tables), decisive_arrays(tables))


def tables_from_bytes(data: bytes) -> Tables:
    """The inverse of `tables_to_bytes`.

    Raises:
        TablesError: as `load_tables`.
    """
    return _read(io.BytesIO(data), "the tables in the stream")


def _read(file: Path | BinaryIO, name: str) -> Tables:
    tables = read_archive(file, name, "tables", _checked, with_hash)
    check_step(tables.step, tables.alpha)
    return tables


def _checked(archive: Archive, name: str) -> Tables:
    """Tables, of whose arrays none is read before its shape was looked at."""
    manifest = archive.manifest()
    if manifest["kind"] == "lattice tables":
        raise TablesError(
            f"{name}: lattice tables, for encode_vectors and decode_vectors of npuq alone"
        )
    if manifest["kind"] != "tables":
        raise TablesError(f"{name}: not tables, but a {manifest['kind']} model")
    check_format(manifest, name, FORMAT)
    with_scales = "thresholds" in archive.shapes
    count = archive.shapes["first"].size
    more: dict[str, tuple[int, ...]] = {"phases": (DITHER_LEVELS,)}
    if with_scales:
        more["thresholds"] = (count - 1,)
    arrays = read_arrays(archive, MOST_LEVELS if with_scales else MOST_TABLES, more)
    phases, thresholds = arrays.pop("phases"), arrays.pop("thresholds", None)
    check_phases(phases)
    if phases.dtype != np.uint16 or not _is_rising(thresholds):
        raise ValueError("phases or thresholds are of another type, or do not rise")
    return Tables(
        integers=tables_from_arrays(arrays),
        phases=phases,
        step=float(manifest["step"]),
        alpha=float(manifest["alpha"]),
        thresholds=thresholds,
        name=str(manifest["name"]),
        hash=bytes.fromhex(manifest["hash"]),
    )


def _is_rising(thresholds: Array | None) -> bool:
    if thresholds is None:
        return True
    return thresholds.dtype == np.int64 and bool(np.all(thresholds[1:] > thresholds[:-1]))
