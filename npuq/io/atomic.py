"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from npuq.errors import NpuqError

fcntl: Any = None
with contextlib.suppress(ImportError):  # Windows has none: what killed processes left stays there
    import fcntl


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


def write_bytes_atomically(path: str | os.PathLike[str], *data: bytes | memoryview) -> None:
    """Write a file so that whoever looks sees the old file or the new one, never a part.

    Args:
        path: the file; an existing one is replaced.
        data: its contents, in any number of parts.

    Raises:
        NpuqError: the folder does not exist, or the file cannot be written.
    """

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.writelines(data)

    write_file_atomically(path, write)


def write_file_atomically(path: str | os.PathLike[str], write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then move it there.

    A symbolic link stays one: the file that it points to is replaced. An existing file's
    permissions are kept.

    The temporary file has the suffix of `path` (many writers choose the format by it) and is in
    the same folder, because only within one file system is a rename atomic. It is flushed to the
    disk before the rename: otherwise a power cut could leave the new name on an empty file.
    It is removed when `write` fails, and `write`'s own errors other than OSError pass through.
    The temporary files that killed processes left in the folder are removed first.

    `write` must raise where the disk is full. Python's file objects do; a library that is given a
    name, or the descriptor of a file, may take a short write for a whole one.

    Args:
        path: the file; an existing one is replaced.
        write: called with the temporary path, an empty file.

    Raises:
        NpuqError: see `check_can_write`, or the file cannot be written.
    """
    path = Path(path)
    check_can_write(path)
    target = Path(os.path.realpath(path))
    _remove_abandoned(target.parent)
    try:
        temporary, held = _new_temporary(target.parent, path.suffix)
    except OSError as error:
        raise NpuqError(f"cannot write {path}: {error.strerror or error}") from error
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
        held.close()


def _new_temporary(folder: Path, suffix: str) -> tuple[Path, BinaryIO]:
    """An empty file, and what marks it as in use until it is closed or the process ends.

    The mark is a lock, which no end of a process can leave behind, unlike a number of a process.
    """
    while True:
        name = f"{_prefix()}{os.getpid()}-{secrets.token_hex(4)}{suffix}"
        path = folder / name
        file = path.open("xb")
        if fcntl is None:
            file.close()  # an open file could not be moved
            return path, file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists():
                return path, file
        except BlockingIOError:
            pass
        except OSError:  # a file system without locks: there nobody removes anything
            return path, file
        file.close()  # another process found it before it was marked, and removes it


@functools.cache  # once in a process: a folder can hold very many files
def _remove_abandoned(folder: Path) -> None:
    """Remove temporary files of ours that no process has in use.

    Only those of this machine: over a network, locks of others need not be seen.
    """
    if fcntl is None:
        return
    for path in folder.glob(f"{_prefix()}*"):
        # BlockingIOError: it is in use; PermissionError: it is someone else's
        with contextlib.suppress(OSError), path.open("rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _prefix() -> str:
    """How the names of temporary files begin on this machine."""
    machine = os.uname().nodename if hasattr(os, "uname") else ""
    return f".npuq-{zlib.crc32(os.fsencode(machine)):08x}-"
