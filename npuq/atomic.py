"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from npuq.errors import NpuqError


def check_can_write(path: str | os.PathLike[str]) -> None:
    """Check, before any work is done, that a file of this name can be written.

    Raises:
        NpuqError: its folder does not exist, or the name is that of a folder or a device.
    """
    path = Path(path)
    folder = Path(os.path.realpath(path)).parent
    if path.is_dir():
        raise NpuqError(f"cannot write {path}: a folder has that name")
    if path.exists() and not path.is_file():
        raise NpuqError(f"cannot write {path}: is not a regular file; name a file")
    if not folder.is_dir():
        raise NpuqError(f"cannot write {path}: the folder {folder} does not exist; create it first")


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

    A symbolic link stays one: the file that it points to is replaced. An existing file's
    permissions are kept.

    The temporary file has the suffix of `path` (many writers choose the format by it) and is in
    the same folder, because only within one file system is a rename atomic. It is flushed to the
    disk before the rename: otherwise a power cut could leave the new name on an empty file.
    It is removed when `write` fails, and `write`'s own errors other than OSError pass through.

    Args:
        path: the file; an existing one is replaced.
        write: called with the temporary path, which does not exist yet.

    Raises:
        NpuqError: see `check_can_write`, or the file cannot be written.
    """
    path = Path(path)
    check_can_write(path)
    target = Path(os.path.realpath(path))
    temporary = target.parent / f".npuq-{os.getpid()}-{secrets.token_hex(4)}{path.suffix}"
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except OSError as error:
        raise NpuqError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
