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
from npuq.coding.tables import IntegerTables, check_phases, tables_from_arrays
from npuq.errors import NpuqError, TablesError
from npuq.io.archive import Archive, archive_bytes, manifest_array, opened
from npuq.io.atomic import write_bytes_atomically
from npuq.latents.tables import (
    FORMAT,
    MOST_LEVELS,
    Tables,
    check_step,
    check_tables,
    decisive_arrays,
    decisive_facts,
)
from npuq.trained.fingerprint import hash_of
from npuq.trained.model_file import MOST_KNOTS

LONGEST_NAME = 1000
MOST_CHANNELS = 1 << 16
MOST_VALUES = 1 << 25  # of all tables together: zeros compress a thousandfold, and cost a gigabyte


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
    try:
        return _read(path_of(path), str(path))
    except FileNotFoundError:
        raise TablesError(f"{path}: there is no such file of tables") from None


def tables_to_bytes(tables: Tables) -> bytes:
    """The contents of a file of tables.

    Raises:
        TablesError: as `save_tables`.
    """
    check_size(tables.name, tables.integers)
    facts = decisive_facts(tables) | {"name": tables.name, "hash": tables.hash.hex()}
    arrays = decisive_arrays(tables) | {"manifest": manifest_array(facts)}
    return archive_bytes(arrays, compress=True)


def check_size(name: str, tables: IntegerTables) -> None:
    """Check that a reader takes them.

    Raises:
        TablesError: there are too many or too long ones, or their name is too long.
    """
    if len(name) > LONGEST_NAME or tables.first.size > MOST_CHANNELS:
        raise TablesError(
            f"tables: at most {MOST_CHANNELS}, with a name of at most {LONGEST_NAME} characters"
        )
    if tables.values.size > MOST_VALUES:
        raise TablesError(
            f"tables: at most {MOST_VALUES} numbers together, not {tables.values.size}"
        )


def tables_from_bytes(data: bytes) -> Tables:
    """The inverse of `tables_to_bytes`.

    Raises:
        TablesError: as `load_tables`.
    """
    return _read(io.BytesIO(data), "the tables in the stream")


def _read(file: Path | BinaryIO, name: str) -> Tables:
    try:
        with opened(file) as archive:
            tables = _checked(archive, name)
        if hash_of(decisive_facts(tables), decisive_arrays(tables)) != tables.hash:
            raise TablesError(f"{name}: damaged, the contents do not match the hash")
        check_step(tables.step, tables.alpha)
        return tables
    except (NpuqError, FileNotFoundError):
        raise
    except Exception as error:  # damaged archives raise whatever zipfile and zlib come across
        raise TablesError(f"{name}: no tables of npuq, or damaged") from error


def _checked(archive: Archive, name: str) -> Tables:
    """Tables, of whose arrays none is read before its shape was looked at."""
    manifest = archive.manifest()
    if manifest["kind"] == "lattice tables":
        raise TablesError(
            f"{name}: lattice tables, for encode_vectors and decode_vectors of npuq alone"
        )
    if manifest["kind"] != "tables":
        raise TablesError(f"{name}: not tables, but a {manifest['kind']} model")
    if int(manifest["format"]) > FORMAT:
        raise TablesError(f"{name}: the format is newer than this library; update npuq")
    shapes = archive.shapes
    count = shapes["first"].size
    expected: dict[str, tuple[int, ...]] = dict.fromkeys(("first", "last", "log2_knots"), (count,))
    expected |= {"phases": (DITHER_LEVELS,), "differences": (shapes["differences"].size,)}
    if "thresholds" in shapes:
        expected["thresholds"] = (count - 1,)
    most = MOST_LEVELS if "thresholds" in shapes else MOST_CHANNELS
    if not 0 < count <= most or shapes["differences"].size > min(count * MOST_KNOTS, MOST_VALUES):
        raise ValueError("more tables, or longer ones, than npuq makes")
    for member, shape in expected.items():
        if shapes[member].shape != shape or shapes[member].itemsize > 8:
            raise ValueError(f"{member} has shape {shapes[member].shape}, not {shape}")
    arrays = {member: archive.read(member) for member in expected}
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
