"""What the parts of the benchmark share: fair timing, the peers that are installed, the machine.

A part is a module with a `TITLE` and a function `rows() -> list[dict]`. Each of its comparisons
first shows that both sides compute the same, and only then times them.
"""

from __future__ import annotations

import importlib
import os
import platform
import statistics
import sys
import time
import types
from collections.abc import Callable, Mapping
from typing import Any

ROUNDS = 7
PAUSE = 0.01  # seconds


def machine() -> dict[str, Any]:
    """Where and with what the figures were made."""
    found: dict[str, Any] = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "python": platform.python_version(),
    }
    for name in (
        "npuq", "numpy", "scipy", "numba", "PIL", "torch", "compressai", "constriction", "torchac",
    ):  # fmt: skip
        if peer(name) is not None:
            found[name] = _version(name)
    return found


def peer(name: str) -> Any:
    """A module, or None where it is not installed; bench compares with what there is."""
    if name == "compressai":
        _stand_in_for_torchvision()
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def median_seconds(
    functions: Mapping[str, Callable[[], Any]], *, rounds: int = ROUNDS
) -> dict[str, float]:
    """Medians over rounds in which each function runs once: A B C A B C ...

    Interleaved, because a machine's speed drifts; each runs once before, to load what it loads. The
    pause between is for worker threads that still spin, waiting for more to do: they would take
    their cores from the next.
    """
    for function in functions.values():
        function()
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            time.sleep(PAUSE)
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as text in columns; numbers with three or four digits."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_cell(row.get(name)) for name in columns] for row in rows]
    widths = [max(len(line[i]) for line in [columns, *cells]) for i in range(len(columns))]
    numeric = [any(isinstance(row.get(name), (int, float)) for row in rows) for name in columns]

    def line(texts: list[str]) -> str:
        padded = (
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(texts, widths, numeric, strict=True)
        )
        return "  ".join(padded).rstrip()

    return "\n".join(map(line, [columns, *cells]))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("pillow" if name == "PIL" else name)
    except PackageNotFoundError:
        return str(getattr(sys.modules[name], "__version__", "?"))


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line for line in file if line.startswith("model name")]
        return lines[0].partition(":")[2].strip()
    except (OSError, IndexError):
        return platform.processor()


def _stand_in_for_torchvision() -> None:
    """CompressAI imports four names of torchvision that are not needed here."""
    try:
        importlib.import_module("torchvision")
    except Exception:  # absent, or built for another PyTorch
        torchvision = types.ModuleType("torchvision")
        transforms = types.ModuleType("torchvision.transforms")
        for name in ("ToTensor", "ToPILImage", "Compose", "Normalize"):
            setattr(transforms, name, object)
        torchvision.transforms = transforms  # type: ignore[attr-defined]
        sys.modules |= {"torchvision": torchvision, "torchvision.transforms": transforms}
