"""Files of tables, of either kind: a `.npz` of arrays and a manifest, checked against its hash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from npuq.backend import Array
from npuq.coding.tables import IntegerTables
from npuq.errors import NpuqError, TablesError
from npuq.io.archive import Archive, archive_bytes, manifest_array, opened
from npuq.trained.model_file import MOST_KNOTS

LONGEST_NAME = 1000
MOST_TABLES = 1 << 16
MOST_VALUES = 1 << 25  # of all tables together: zeros compress a thousandfold, and cost a gigabyte


class AnyTables(Protocol):
    """Tables of either kind, these and those of lattices."""

    @property
    def integers(self) -> IntegerTables:
        """What the coder reads."""

    @property
    def name(self) -> str:
        """For reports."""

    @property
    def hash(self) -> bytes:
        """Of all that decoding depends on."""


T = TypeVar("T", bound=AnyTables)


def archive_of(tables: AnyTables, facts: dict[str, Any], arrays: dict[str, Array]) -> bytes:
    """The contents of a file, of the facts and arrays that decoding depends on.

    Raises:
        TablesError: there are too many or too long tables, or their name is too long.
    """
    if len(tables.name) > LONGEST_NAME or tables.integers.first.size > MOST_TABLES:
        raise TablesError(
            f"tables: at most {MOST_TABLES}, with a name of at most {LONGEST_NAME} characters"
        )
    if tables.integers.values.size > MOST_VALUES:
        raise TablesError(
            f"tables: at most {MOST_VALUES} numbers together, not {tables.integers.values.size}"
        )
    facts = facts | {"name": tables.name, "hash": tables.hash.hex()}
    return archive_bytes(arrays | {"manifest": manifest_array(facts)}, compress=True)


def read_archive(
    file: Path | BinaryIO,
    name: str,
    kind: str,
    checked: Callable[[Archive, str], T],
    with_hash: Callable[[T], T],
) -> T:
    """Tables of a file, whose contents match their hash.

    Args:
        file: to read.
        name: of it, for messages.
        kind: "tables" or "lattice tables".
        checked: makes tables of an archive and its name, or raises whatever it comes across.
        with_hash: the same tables with the hash of their contents.

    Raises:
        TablesError: the file is missing or damaged, or what `checked` says.
    """
    try:
        with opened(file) as archive:
            tables = checked(archive, name)
        if with_hash(tables).hash != tables.hash:
            raise TablesError(f"{name}: damaged, the contents do not match the hash")
        return tables
    except FileNotFoundError:
        raise TablesError(f"{name}: there is no such file of {kind}") from None
    except NpuqError:
        raise
    except Exception as error:  # damaged archives raise whatever zipfile and zlib come across
        raise TablesError(f"{name}: no {kind} of npuq, or damaged") from error


def check_format(manifest: dict[str, Any], name: str, newest: int) -> None:
    """Check that this library can read the rest.

    Raises:
        TablesError: the format is newer.
    """
    if int(manifest["format"]) > newest:
        raise TablesError(f"{name}: the format is newer than this library; update npuq")


def read_arrays(
    archive: Archive, most: int, more: Mapping[str, tuple[int, ...]]
) -> dict[str, Array]:
    """The arrays of at most so many tables, of which none is read before its shape was looked at.

    Args:
        archive: to read from.
        most: tables.
        more: shapes of the members beside those of `npuq.coding.tables.tables_to_arrays`.

    Raises:
        ValueError: the shapes are not those that npuq makes.
    """
    shapes = archive.shapes
    count, differences = shapes["first"].size, shapes["differences"].size
    if not 0 < count <= most or differences > min(count * MOST_KNOTS, MOST_VALUES):
        raise ValueError("more tables, or longer ones, than npuq makes")
    expected = dict.fromkeys(("first", "last", "log2_knots"), (count,)) | dict(more)
    expected["differences"] = (differences,)
    for member, shape in expected.items():
        if shapes[member].shape != shape or shapes[member].itemsize > 8:
            raise ValueError(f"{member} has shape {shapes[member].shape}, not {shape}")
    return {member: archive.read(member) for member in expected}
