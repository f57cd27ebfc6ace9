"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from npuq.errors import NpuqError


def write_bytes_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that whoever looks sees the old file or the new one, never a part.

    Args:
        path: the file; an existing one is replaced.
        data: its contents.

    Raises:
        NpuqError: the folder does not exist, or the file cannot be written.
    """

    def write(temporary: Path) -> None:
        temporary.write_bytes(data)

    write_file_atomically(path, write)


def write_file_atomically(path: str | os.PathLike[str], write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then move it there.

    The temporary file has the suffix of `path` (many writers choose the format by it) and is in
    the same folder, because only within one file system is a rename atomic. It is flushed to the
    disk before the rename: otherwise a power cut could leave the new name on an empty file.
    It is removed when `write` fails, and `write`'s own errors other than OSError pass through.

    Args:
        path: the file; an existing one is replaced.
        write: called with the temporary path, which does not exist yet.

    Raises:
        NpuqError: the folder does not exist, or the file cannot be written.
    """
    path = Path(path)
    folder = path.parent
    if not folder.is_dir():
        raise NpuqError(f"cannot write {path}: the folder {folder} does not exist; create it first")
    if path.is_dir():
        raise NpuqError(f"cannot write {path}: a folder has that name")
    temporary = folder / f".npuq-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}"
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise NpuqError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
