"""`.npz` files: what others' hold is looked at before memory is taken for it; ours have a manifest.

An archive of a few kilobytes can claim any number of bytes, and NumPy takes memory for what the
header of an array says. So all headers are read first, and no array before its reader agreed.

What a file of ours says of itself is its member `manifest`: a JSON object as UTF-8 bytes.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.io.atomic import write_file_atomically

MOST_MEMBERS = 1 << 10
LONGEST_MANIFEST = 1 << 20  # bytes
LARGEST = 1 << 30  # bytes of all arrays that are read: ten times those of the widest model known


class Archive(NamedTuple):
    """An open `.npz`.

    Attributes:
        shapes: of its arrays by name, as arrays of the same type that take no memory.
        file: the ZIP archive.
    """

    shapes: dict[str, Array]
    file: zipfile.ZipFile

    def read(self, name: str) -> Array:
        """An array, in memory.

        Raises:
            Exception: as `opened`; KeyError if there is none of that name.
        """
        with self.file.open(f"{name}.npy") as member:
            array: Array = np.lib.format.read_array(member, allow_pickle=False)
            return array

    def manifest(self) -> dict[str, Any]:
        """What the file says of itself.

        Raises:
            Exception: as `read`; ValueError, it is too long, or no JSON object.
        """
        shape = self.shapes["manifest"]
        if shape.ndim != 1 or shape.dtype != np.uint8 or shape.size > LONGEST_MANIFEST:
            raise ValueError("the manifest is too long, or no text")
        manifest = json.loads(self.read("manifest").tobytes())
        if not isinstance(manifest, dict):
            raise ValueError("the manifest is no JSON object")
        return manifest


def manifest_array(facts: Mapping[str, Any]) -> Array:
    """A manifest as the array that `Archive.manifest` reads."""
    return np.frombuffer(json.dumps(facts, sort_keys=True).encode(), np.uint8)


def write_archive(path: str | Path, arrays: Mapping[str, Array], *, compress: bool) -> None:
    """Write a `.npz`, whole or not at all.

    Raises:
        NpuqError: the folder does not exist or cannot be written.
    """

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            _save(file, arrays, compress)

    write_file_atomically(Path(path), write)


def archive_bytes(arrays: Mapping[str, Array], *, compress: bool) -> bytes:
    """The contents of the `.npz` that `write_archive` writes."""
    file = io.BytesIO()
    _save(file, arrays, compress)
    return file.getvalue()


def _save(file: BinaryIO, arrays: Mapping[str, Array], compress: bool) -> None:
    save: Any = np.savez_compressed if compress else np.savez
    save(file, **arrays)


@contextlib.contextmanager
def opened(path: str | Path | BinaryIO) -> Iterator[Archive]:
    """Open a `.npz` and read the headers of its arrays.

    Raises:
        FileNotFoundError: there is no such file.
        Exception: a damaged archive raises whatever zipfile and zlib come across; ValueError, what
            is none of NumPy.
    """
    with zipfile.ZipFile(path) as file:
        members = file.infolist()
        if len(members) > MOST_MEMBERS or len({m.filename for m in members}) < len(members):
            raise ValueError(f"more than {MOST_MEMBERS} members, or several of one name")
        yield Archive({m.filename.removesuffix(".npy"): _shape(file, m) for m in members}, file)


def read_manifest(path: str | Path | BinaryIO) -> dict[str, Any]:
    """What a `.npz` of ours says of itself; nothing else in it is looked at.

    Raises:
        Exception: as `opened` and `Archive.manifest`.
    """
    with zipfile.ZipFile(path) as file:
        shape = _shape(file, file.getinfo("manifest.npy"))
        return Archive({"manifest": shape}, file).manifest()


def total_bytes(shapes: Mapping[str, Array]) -> int:
    """What arrays of these shapes and types take in memory."""
    return sum(a.size * a.itemsize for a in shapes.values())


def _shape(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    """An array of the type and shape of a member, whose length fits them, without its values."""
    if not member.filename.endswith(".npy"):
        raise ValueError(f"{member.filename} is no array")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename} is not compressed as NumPy does it")
    with file.open(member) as stream:
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[np.lib.format.read_magic(stream)]
        shape, _, dtype = read_header(stream)
        size = member.file_size - stream.tell()
    if dtype.hasobject or size != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{member.filename} is not as long as its header says, or holds objects")
    return np.broadcast_to(np.zeros((), dtype), shape)
