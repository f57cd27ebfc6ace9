"""Real processes of MPI, for tests: how to start them, to find one of them, and whether it works.

MPICH's `mpiexec` comes with the wheel `mpich`; Open MPI's would need other options for the same.
None of them outlives its test, nor the tests: where `mpiexec` is killed, it takes its ranks along.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ONE_THREAD = {"NPUQ_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
SECONDS = 120  # after which a test has failed, and nothing hangs

STARTED: list[subprocess.Popen[str]] = []
_PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


@functools.cache
def why_no_mpi() -> str | None:
    """What is missing for processes of MPI, in words; None if two of them find each other."""
    if importlib.util.find_spec("mpi4py") is None:
        return "mpi4py is not installed (the extra [mpi])"
    if launcher() is None:
        return "there is no mpiexec (pip install mpich)"
    code = "from mpi4py import MPI; print(MPI.COMM_WORLD.size)"
    try:
        found = subprocess.run(
            [*command(2), sys.executable, "-c", code],
            capture_output=True, text=True, timeout=60, env=environment(),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"mpiexec does not start: {error}"
    if "".join(found.stdout.split()) != "22":  # lines of two processes may run together
        said = " ".join((found.stdout + found.stderr).split())[:200]
        return f"mpiexec does not start two processes that find each other: {said}"
    return None


def launcher() -> str | None:
    """The `mpiexec` that belongs to this Python, or else to the system."""
    beside = Path(sys.executable).parent
    return shutil.which("mpiexec", path=os.pathsep.join([str(beside), os.environ.get("PATH", "")]))


def command(ranks: int) -> list[str]:
    """How to start so many ranks; what they are to run follows."""
    return [str(launcher()), "-n", str(ranks)]


def environment(**more: str | None) -> dict[str, str]:
    """For ranks of one thread, which import this copy of npuq and what tests share.

    Args:
        more: variables; None for one that is not to be set.
    """
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "support")))
    variables = os.environ | ONE_THREAD | {"PYTHONPATH": path} | more
    return {name: value for name, value in variables.items() if value is not None}


def npuq(*words: str | Path) -> list[str]:
    """The command line as one rank runs it."""
    return [sys.executable, "-m", "npuq", *map(str, words)]


def run(words: Sequence[str], **more: str | None) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    process = _start(words, more)
    output, errors = process.communicate(timeout=SECONDS)
    return subprocess.CompletedProcess(words, process.returncode, output, errors)


def _start(words: Sequence[str], more: dict[str, str | None]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(**more),
        cwd=ROOT / "tests",  # `python -m` looks there first, and is to find no npuq
        preexec_fn=_end_with_the_tests,
    )  # fmt: skip
    STARTED.append(process)
    return process


def _end_with_the_tests() -> None:
    """In a new process, on Linux: be killed where the tests are, who can end nobody then."""
    if _PRCTL is not None:
        _PRCTL(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def end_all() -> None:
    """Kill what was started and is still there, as after a test that failed halfway."""
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            process.kill()
            process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def started(words: Sequence[str], until: Path, **more: str | None) -> subprocess.Popen[str]:
    """Start, and wait for a file to be there."""
    process = _start(words, more)
    deadline = time.monotonic() + SECONDS
    while not until.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"{until.name} did not appear: {process.communicate()}")
        time.sleep(0.02)
    return process


def pid_of(rank: int, word: str) -> int:
    """The process of a rank of MPICH whose arguments hold a word."""
    for folder in Path("/proc").iterdir():
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # no process, or one that is gone or not ours
            continue
        if word.encode() in arguments and f"PMI_RANK={rank}".encode() in variables:
            return int(folder.name)
    raise AssertionError(f"rank {rank} is not there")


def runs(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        return _stat(pid)[0] not in "ZX"
    except OSError:
        return False


def parent_of(pid: int) -> int:
    """Of a rank of MPICH, the process by which `mpiexec` has started it on its machine."""
    return int(_stat(pid)[1])


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
