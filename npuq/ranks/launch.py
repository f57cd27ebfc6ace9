"""How a process learns that `mpiexec` started it, and of the others. The one importer of mpi4py."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import Any

from npuq.errors import NpuqError, RankError, SettingError, missing_dependency
from npuq.ranks.alone import ALONE, Ranks

SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
"""Where launchers say how many processes they started: MPICH's and Intel's, and Open MPI's."""
MARKS = (*SIZES, "PMI_RANK", "PMIX_RANK")
"""What at least one of which every launcher sets, Slurm's `srun --mpi=...` as well."""

TIMEOUT = 600.0
"""Seconds that a rank waits for another one, unless NPUQ_MPI_TIMEOUT says otherwise."""


def is_launched() -> bool:
    """Whether a launcher of MPI started this process; NPUQ_MPI=off denies it.

    Raises:
        SettingError: NPUQ_MPI is something else.
    """
    setting = os.environ.get("NPUQ_MPI", "")
    if setting not in ("", "off"):
        raise SettingError(f"NPUQ_MPI must be off, or not set, not {setting!r}")
    return not setting and any(name in os.environ for name in MARKS)


@functools.cache
def world() -> Ranks:
    """All ranks that one `mpiexec` started, as this one sees them; `ALONE` without it.

    Ranks that share cores share them out: it sets NPUQ_THREADS, where that is not set.

    Raises:
        MissingDependencyError: `mpiexec` started several processes, and mpi4py is not there.
        RankError: `mpiexec` belongs to another MPI than mpi4py does: each process would take
            itself for the only one, and all would write the same files.
        SettingError: NPUQ_MPI_TIMEOUT is not a positive number.
    """
    mpi = _mpi()
    if mpi is None:
        return ALONE
    from npuq.ranks.mpi import MpiRanks  # and NumPy

    return MpiRanks(mpi, _timeout())


@functools.cache
def _mpi() -> Any:
    """`mpi4py.MPI`, of several processes; None for one alone. Cores are shared out then."""
    if not is_launched():
        return None
    _timeout()
    started = max(int(os.environ.get(name, "1")) for name in SIZES)
    try:
        import mpi4py

        mpi4py.rc.thread_level = "funneled"  # threads of ours compute; only the main one sends
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: there is no library of MPI
        if started == 1 and "PMIX_RANK" not in os.environ:
            return None
        if not isinstance(error, ImportError):
            error = ImportError(str(error))
        raise missing_dependency("a start by mpiexec", "mpi4py", "mpi", error) from error
    size = MPI.COMM_WORLD.Get_size()
    if size < started:
        library = MPI.Get_library_version().split("\n")[0].strip()
        raise RankError(
            f"mpiexec started {started} processes, of which mpi4py sees {size}: it was made for "
            f"another MPI ({library}); start by the mpiexec of that one"
        )
    if size == 1:
        return None
    _share_cores(MPI.COMM_WORLD)
    return MPI


def joined() -> Ranks:
    """The same, or `ALONE` where the ranks have not found each other: for what cannot fail."""
    try:
        return world()
    except NpuqError:
        return ALONE


@contextlib.contextmanager
def ending_together() -> Iterator[None]:
    """Within it, an error that nobody expected ends the other ranks too; at its end all wait."""
    try:
        yield
    except Exception as error:
        joined().fail(f"{type(error).__name__}: {error}")
        raise
    finally:
        joined().leave()


def _timeout() -> float:
    setting = os.environ.get("NPUQ_MPI_TIMEOUT") or str(TIMEOUT)
    try:
        seconds = float(setting)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise SettingError(f"NPUQ_MPI_TIMEOUT must be a positive number of seconds: {setting!r}")
    return seconds


def share_blas() -> None:
    """Let NumPy's BLAS, too, run as many threads as this rank has cores.

    Only before `world`, which imports NumPy. And only for training: the number of its threads
    decides how it rounds, and files and figures are to be those of one process.
    """
    if _mpi() is not None:
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, os.environ["NPUQ_THREADS"])


def _share_cores(comm: Any) -> None:
    """Let ranks that run on the same cores of a machine have a part of them each.

    A launcher that binds ranks to cores has done it already: such ranks share with nobody.
    """
    if not hasattr(os, "sched_getaffinity"):
        cores = frozenset(range(os.cpu_count() or 1))
    else:
        cores = frozenset(os.sched_getaffinity(0))
    machine = os.uname().nodename if hasattr(os, "uname") else ""
    sharing = comm.allgather((machine, cores)).count((machine, cores))
    os.environ.setdefault("NPUQ_THREADS", str(max(len(cores) // sharing, 1)))
