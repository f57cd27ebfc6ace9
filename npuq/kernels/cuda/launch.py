"""Kernels of this folder: compiled by CuPy when they are first launched, then kept."""

from __future__ import annotations

import functools
import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np

from npuq.backend import Array

HERE = Path(__file__).parent
THREADS = 256  # of a block, where a thread has one number
MULTIPROCESSORS = 132  # blocks that loop over more than they are: some for each of an H100's


def launch(
    file: str, kernel: str, grid: tuple[int, ...], block: tuple[int, ...], *args: Any
) -> None:
    """Launch a kernel of `file`.cu on the current stream.

    Args:
        file, kernel: names.
        grid, block: how many blocks, and how many threads in each.
        args: contiguous arrays of the types that the kernel declares, and NumPy's scalars: CuPy
            hands on the bytes as they are.
    """
    import cupy

    _function(cupy, file, kernel)(grid, block, args)


def launch_each(file: str, kernel: str, count: int, *args: Any) -> None:
    """Launch a kernel with a thread for each of `count` numbers; none where there are none."""
    if count:
        launch(file, kernel, (-(-count // THREADS),), (THREADS,), *args)


def contiguous(*arrays: Array) -> list[Array]:
    """The arrays, or copies in the order of C: kernels step through memory as it lies."""
    import cupy

    return [cupy.ascontiguousarray(array) for array in arrays]


def size(shape: tuple[int, ...]) -> Any:
    """The number of elements as kernels take it.

    Raises:
        ValueError: there are 2^31 or more.
    """
    count = math.prod(shape)
    if count >= 1 << 31:
        raise ValueError(f"an array of shape {shape} has 2^31 numbers or more, and must have fewer")
    return np.int32(count)


@functools.cache
def _function(cupy: Any, file: str, kernel: str) -> Any:
    return _module(cupy, file).get_function(kernel)


@functools.cache
def _module(cupy: Any, file: str) -> Any:
    code = (HERE / f"{file}.cu").read_text(encoding="utf-8")
    return cupy.RawModule(code=code, options=options())


@functools.cache
def options() -> tuple[str, ...]:
    """What the compiler is told. CuPy does not look into included files when it looks for code that
    it has compiled before; so their digest is an option."""
    headers = b"".join(path.read_bytes() for path in sorted(HERE.glob("*.cuh")))
    digest = hashlib.sha256(headers).hexdigest()[:16]
    return "--std=c++17", f"-I{HERE}", f"-DNPUQ_HEADERS=0x{digest}ull"
