"""The folder that a training run lives in: one run, and one process at a time."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from npuq.errors import TrainingError

fcntl: Any = None
with contextlib.suppress(ImportError):  # Windows has none: two trainings in one folder go unnoticed
    import fcntl


def check_folder(folder: Path, *, resume: bool) -> None:
    """Check, before any work is done, that a run can live in a folder, which need not be there.

    Raises:
        TrainingError: it cannot be made or written in, or holds a run that is not to be resumed.
    """
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if not nearest.is_dir():
        raise TrainingError(f"{folder} cannot be the folder of a run: {nearest} is a file")
    checkpoint = folder / "checkpoint.npz"
    if checkpoint.exists() and not resume:
        raise TrainingError(f"{checkpoint} exists: resume that run, or train into another folder")
    try:
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        raise TrainingError(f"cannot write in {nearest}: {error.strerror}") from error


@contextlib.contextmanager
def alone_in(folder: Path, *, resume: bool) -> Iterator[None]:
    """Keep other trainings out of a folder, which is made if it is not there.

    The lock is on the folder itself and ends with the process, however that ends; no file is left.

    Raises:
        TrainingError: another training is at work there, or see `check_folder`.
    """
    check_folder(folder, resume=resume)
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainingError(
                f"another training is at work in {folder}; wait for it, or use another folder"
            ) from None
        except OSError:  # a file system without locks
            pass
        check_folder(folder, resume=resume)  # one that has just ended may have left its run
        yield
    finally:
        os.close(handle)
