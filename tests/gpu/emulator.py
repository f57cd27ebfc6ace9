"""`cupy.RawModule` on machines without a GPU: CUDA C is compiled as C++ and run by this processor.

It takes what CuPy takes and is stricter than a GPU:

* every launch runs in three orders of its threads, warps and blocks, whose results must agree bit
  for bit; shared memory begins as NaN; asynchronous copies arrive late, at once, or by chance;
* an array ends, and in one of the orders begins, where the processor refuses memory; what little
  lies between is compared afterwards; what is const must stay as it was;
* an argument is of the type that the kernel declares, where CuPy passes on whatever bytes it gets;
* indices of arrays of fixed size and sums of integers are checked; a barrier is reached by all
  threads of a block, at one line; atomic sums of floats do not compile.

It shows neither speed nor the last digits of a GPU's functions.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import math
import mmap
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

HERE = Path(__file__).parent
COMPILER = shutil.which("g++") or shutil.which("c++")
FLAGS = (
    "-std=c++17", "-O1", "-shared", "-fPIC", "-w", "-march=native", "-ffp-contract=fast",
    "-fvisibility-inlines-hidden",
    "-fsanitize=bounds,signed-integer-overflow,shift", "-fsanitize-undefined-trap-on-error",
)  # fmt: skip
ORDERS = (0, 1, 7)
GUARD = 1 << 20  # bytes beside an array that nobody may touch
FILLED = 0xFF  # between them and the array: NaN
TYPES: dict[str, tuple[Any, Any]] = {
    "float": (np.float32, ctypes.c_float),
    "double": (np.float64, ctypes.c_double),
    "int": (np.int32, ctypes.c_int32),
    "unsigned": (np.uint32, ctypes.c_uint32),
    "long long": (np.int64, ctypes.c_int64),
    "unsigned long long": (np.uint64, ctypes.c_uint64),
    "unsigned char": (np.uint8, ctypes.c_uint8),
    "unsigned short": (np.uint16, ctypes.c_uint16),
}


class Parameter(NamedTuple):
    """One argument of a kernel, as it is declared."""

    name: str
    kind: str
    is_array: bool
    is_const: bool
    is_alone: bool  # __restrict__: no other argument reaches its memory


def signatures(code: str) -> dict[str, list[Parameter]]:
    """The kernels of a file and what they take."""
    pattern = (
        r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?'
        r"(\w+)\s*\(([^)]*)\)"
    )
    code = re.sub(r"//[^\n]*", "", code)
    return {
        found[1]: [_parameter(part) for part in found[2].split(",")]
        for found in re.finditer(pattern, code)
    }


def _parameter(declared: str) -> Parameter:
    words = re.sub(r"\bconst\b|__restrict__|\*", " ", declared).split()
    kind, name = " ".join(words[:-1]), words[-1]
    if kind not in TYPES:
        raise TypeError(f"{name} is a {kind}, which no array of NumPy has")
    return Parameter(name, kind, "*" in declared, "const" in declared, "__restrict__" in declared)


class RawModule:
    """What `cupy.RawModule` is: kernels of one text of CUDA C."""

    def __init__(self, *, code: str, options: tuple[str, ...] = (), **_: Any) -> None:
        self._code, self._options = code, tuple(options)

    def get_function(self, name: str) -> Kernel:
        """The kernel of this name; compiles the text, unless it has been compiled before."""
        return Kernel(_library(self._code, self._options), name, signatures(self._code)[name])


@functools.cache
def _library(code: str, options: tuple[str, ...]) -> ctypes.CDLL:
    if COMPILER is None:
        raise RuntimeError("no C++ compiler")
    include = [option for option in options if option.startswith("-I")]
    source = '#include "cuda_on_cpu.h"\n' + code.replace('extern "C" __global__', "__global__")
    for name, parameters in signatures(code).items():
        declared = "".join(f", {p.kind}{'*' * p.is_array} {p.name}" for p in parameters)
        names = ", ".join(p.name for p in parameters)
        source += (
            f'\nextern "C" const char* launch_{name}(const unsigned* grid, const unsigned* block,'
            f" unsigned order{declared})"
            f" {{ return emulator::launch(grid, block, order, [=] {{ {name}({names}); }}); }}"
        )
    source += '\nextern "C" unsigned long long fault() { return emulator::fault_address; }\n'
    folder = Path(tempfile.gettempdir()) / f"npuq-cuda-on-cpu-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    library = folder / f"{_digest(source, include)}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as work:
            file, made = Path(work) / "kernels.cpp", Path(work) / "kernels.so"
            file.write_text(source, encoding="utf-8")
            command = [COMPILER, *FLAGS, f"-I{HERE}", *include, str(file), "-o", str(made)]
            result = subprocess.run(command, capture_output=True, text=True)
            if result.returncode:
                raise RuntimeError(f"the C++ compiler refuses it:\n{result.stderr[:4000]}")
            os.replace(made, library)
    found = ctypes.CDLL(str(library))
    found.fault.restype = ctypes.c_uint64
    return found


def _digest(source: str, include: list[str]) -> str:
    """Of all that a compiled library depends on, the processor among it."""
    headers = [path for folder in include for path in sorted(Path(folder[2:]).glob("*.cuh"))]
    parts = [source, *FLAGS, *(p.read_text("utf-8") for p in (*sorted(HERE.glob("*.h")), *headers))]
    with contextlib.suppress(OSError):
        cpu = Path("/proc/cpuinfo").read_text("utf-8")
        parts += re.findall(r"^(?:flags|Features)\s*:.*", cpu, re.MULTILINE)[:1]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


class Kernel:
    """A kernel that is launched as CuPy launches it: kernel(grid, block, arguments)."""

    def __init__(self, library: ctypes.CDLL, name: str, parameters: list[Parameter]) -> None:
        self.name, self.parameters, self._library = name, parameters, library
        self._launch = getattr(library, f"launch_{name}")
        self._launch.restype = ctypes.c_char_p

    def __call__(
        self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...]
    ) -> None:
        """Launch it.

        Raises:
            TypeError: an argument that the kernel does not declare so.
            ValueError: a grid or block that no GPU takes.
            RuntimeError: whatever the strictness at the top of this file finds.
        """
        grid, block = (*grid, 1, 1)[:3], (*block, 1, 1)[:3]
        is_grid = 0 < grid[0] < 1 << 31 and all(0 < n < 1 << 16 for n in grid[1:])
        if not is_grid or min(block) < 1 or math.prod(block) > 1024 or block[2] > 64:
            raise ValueError(f"{self.name}: no GPU takes a grid {grid} of blocks {block}")
        values = [getattr(a, "on_host", a) for a in args]
        self._check(values)
        results = [self._run(order, grid, block, values) for order in ORDERS]
        for other in results[1:]:
            for i, now in results[0].items():
                if (now != other[i]).any():
                    name = self.parameters[i].name
                    raise RuntimeError(
                        f"{self.name}: {name} depends on the order of its threads: a race"
                    )
        for i, now in results[0].items():
            values[i].reshape(-1).view(np.uint8)[:] = now

    def _check(self, values: list[Any]) -> None:
        if len(values) != len(self.parameters):
            raise TypeError(
                f"{self.name} takes {len(self.parameters)} arguments, not {len(values)}"
            )
        for p, value in zip(self.parameters, values, strict=True):
            wanted, what = np.dtype(TYPES[p.kind][0]), type(value).__name__
            if p.is_array and not isinstance(value, np.ndarray):
                raise TypeError(f"{self.name}: {p.name} must be an array, not {what}")
            if not p.is_array and not isinstance(value, np.generic):
                raise TypeError(f"{self.name}: {p.name} must be a numpy.{wanted}, not {what}")
            if value.dtype != wanted:
                raise TypeError(f"{self.name}: {p.name} must be {wanted}, not {value.dtype}")
            if p.is_array and not value.flags.c_contiguous:
                raise TypeError(f"{self.name}: {p.name} must be contiguous")
        arrays = [(p, a) for p, a in zip(self.parameters, values, strict=True) if p.is_array]
        for i, (p, a) in enumerate(arrays):
            for q, b in arrays[:i]:
                read_only = p.is_const and q.is_const
                if (p.is_alone or q.is_alone) and not read_only and np.shares_memory(a, b):
                    raise TypeError(f"{self.name}: {q.name} and {p.name} share memory")

    def _run(
        self, order: int, grid: tuple[int, ...], block: tuple[int, ...], values: list[Any]
    ) -> dict[int, Any]:
        """The bytes that one launch leaves in its arrays, by the number of the argument."""
        rooms: dict[int, _Room] = {}
        raw: list[Any] = []
        for i, (p, value) in enumerate(zip(self.parameters, values, strict=True)):
            if not p.is_array:
                raw.append(TYPES[p.kind][1](value.item()))
                continue
            same = next((j for j in rooms if values[j] is value), i)
            if same == i:
                rooms[i] = _Room(value, at_start=order == 1)
            raw.append(ctypes.c_void_p(rooms[same].address))
        uints = ctypes.c_uint * 3
        error = self._launch(uints(*grid), uints(*block), ctypes.c_uint(order), *raw)
        if error:
            raise RuntimeError(f"{self.name}: {error.decode()}{self._nearest(rooms)}")
        for i, room in rooms.items():
            p, before = self.parameters[i], values[i].reshape(-1).view(np.uint8)
            if room.wrote_beside():
                raise RuntimeError(f"{self.name}: wrote beside {p.name}")
            only_read = p.is_const and sum(v is values[i] for v in values) == 1
            if only_read and (room.bytes != before).any():
                raise RuntimeError(f"{self.name}: wrote to {p.name}, which is const")
        return {i: room.bytes.copy() for i, room in rooms.items()}

    def _nearest(self, rooms: dict[int, _Room]) -> str:
        at = int(self._library.fault())
        for i, room in rooms.items():
            if room.address - GUARD <= at < room.address + len(room.bytes) + GUARD:
                return f" ({self.parameters[i].name})"
        return ""


class _Room:
    """A copy of an array in memory that ends, or begins, where the processor refuses to go on."""

    def __init__(self, array: Any, *, at_start: bool) -> None:
        page = mmap.PAGESIZE
        room = -(-array.nbytes // page) * page
        alignment = 16 if array.nbytes % 16 == 0 else array.itemsize  # CuPy's arrays are aligned
        self._start = 0 if at_start else (room - array.nbytes) // alignment * alignment
        self._memory = mmap.mmap(-1, room + 2 * GUARD, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._base = ctypes.addressof(ctypes.c_uint8.from_buffer(self._memory))
        self._view = np.frombuffer(self._memory, np.uint8, room, GUARD)
        self._view[:] = FILLED
        self.address = self._base + GUARD + self._start
        self.bytes = self._view[self._start : self._start + array.nbytes]
        self.bytes[:] = array.reshape(-1).view(np.uint8)
        self._protect(self._base, GUARD, 0)
        self._protect(self._base + GUARD + room, GUARD, 0)

    def wrote_beside(self) -> bool:
        """Whether what lies between the array and the guards has changed."""
        end = self._start + len(self.bytes)
        beside = self._view[: self._start], self._view[end:]
        return any(bool((part != FILLED).any()) for part in beside)

    @staticmethod
    def _protect(address: int, size: int, protection: int) -> None:
        if ctypes.CDLL(None).mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), protection):
            raise OSError("memory cannot be guarded")
