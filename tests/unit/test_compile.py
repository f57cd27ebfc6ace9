"""Numba's cache is a convenience: whatever becomes of its files, code computes the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from npuq.runtime.compile import use_reference

pytestmark = pytest.mark.skipif(use_reference(), reason="nothing is compiled")

PROGRAM = """
import sys, warnings
import numpy as np
if len(sys.argv) > 1:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
from npuq.kernels.cpu.quantizer import _floor_less
for dtype in (np.float32, np.float64):
    k = np.zeros((2, 3), np.int32)
    y, n, table = np.full((2, 3), 1.75, dtype), np.zeros((2, 3), np.uint8), np.ones(1, dtype)
    _floor_less(y, n, table, k)
    assert np.all(k == 1)
hits = sum(_floor_less.stats.cache_hits.values())
print(hits, sum(_floor_less.stats.cache_misses.values()))
"""


def run(folder: Path, *arguments: str) -> tuple[list[int], str]:
    """Cache hits and misses of a process that calls one function with two types; its stderr."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [int(word) for word in result.stdout.split()], result.stderr


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a sound cache, by name."""
    folder = tmp_path_factory.mktemp("cache")
    assert run(folder) == ([0, 2], "")
    assert run(folder) == ([2, 0], "")
    files = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*.nb[ic]")}
    assert len(files) == 3
    return files


def flipped(data: bytes) -> bytes:
    """One bit of the middle, which is machine code in a data file."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda data: b"", lambda data: data[: len(data) // 2], flipped, lambda data: b"garbage" * 99],
    ids=["empty", "half", "a bit flipped", "garbage"],
)
@pytest.mark.parametrize("kind", [".nbi", ".nbc"])
def test_damaged_files_of_the_cache_are_replaced(
    kind: str, damage: object, filled: dict[str, bytes], tmp_path: Path
) -> None:
    for name, data in filled.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(damage(data) if name.endswith(kind) else data)  # type: ignore[operator]
    (_, misses), errors = run(tmp_path)
    assert misses >= 1 and errors == ""
    assert run(tmp_path) == ([2, 0], "")


def test_a_full_disk_is_told_and_no_failure(tmp_path: Path) -> None:
    """No file may grow beyond 1 kB: an index may, machine code may not."""
    pytest.importorskip("resource")
    hits_and_misses, errors = run(tmp_path, "1024")
    assert hits_and_misses == [0, 2]
    assert errors.count(str(tmp_path)) >= 1 and "compiled anew" in errors
    assert run(tmp_path) == ([0, 2], "")
    assert run(tmp_path) == ([2, 0], "")
