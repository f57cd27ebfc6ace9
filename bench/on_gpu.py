"""A quarter of an hour on a GPU, in two calls, of which nothing is lost.

    python bench/on_gpu.py first  OUT [--seconds S]
    python bench/on_gpu.py second OUT [--seconds S] [--photographs FOLDER]
    python bench/on_gpu.py pack PHOTOGRAPHS FOLDER

`first` says what is there, measures the machine's ceilings, holds every kernel and whole steps
beside the host (`tests/gpu` with a real CuPy), recorded steps beside others, and times and trains a
little. `second` tests again what has changed, takes all figures beside PyTorch, and trains for what
is left. Each part is a process of its own, which ends when its time is over, or fails alone; its
records are lines of OUT/records.jsonl as soon as they are known, and what it printed is in
OUT/log.txt. Where tests of a kernel fail, what follows does without that kernel
(NPUQ_WITHOUT_TWINS). `pack` makes photographs small enough to travel. With `--dry` all of it runs
on the stand-in for CuPy, in tiny sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT)]

MOST = 1 << 26  # bytes that travel
GRACE = 15  # seconds in which a part may save what it has
TRAINED = "training"
CALLS: dict[str, dict[str, float]] = {
    "first": {
        "versions": 15, "ceilings": 15, "parity": 75, "graphs": 25, "short": 20, TRAINED: 20,
    },
    "second": {"versions": 10, "parity": 60, "steps": 150, "alone": 20, TRAINED: 210},
}  # fmt: skip
"""Parts in their order, and seconds that each may take; what one leaves, the last one gets."""
KERNELS = {
    "test_gdn": "gdn", "test_conv": "conv", "test_adam": "adam", "test_rates": "noisy_rate",
    "test_crops": "crops",
}  # fmt: skip
"""What to do without if tests of a file fail."""
OF_THE_STAND_IN = ("test_emulator", "test_standin", "test_compiles", "test_on_gpu")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("call", choices=(*CALLS, "part", "pack"))
    parser.add_argument("names", nargs="+", metavar="OUT")
    parser.add_argument("--seconds", type=float, help="for the whole call")
    parser.add_argument("--photographs", default="dead-leaves")
    parser.add_argument("--dry", action="store_true")
    args = parser.parse_args(arguments)
    if args.call == "pack":
        return pack(*map(Path, args.names))
    if args.call == "part":
        return part(args.names[0], Path(args.names[1]), args)
    return call(args.call, Path(args.names[0]), args)


def call(name: str, out: Path, args: argparse.Namespace) -> int:
    """All parts, each for itself, as long as there is time."""
    out.mkdir(parents=True, exist_ok=True)
    parts = CALLS[name]
    end = time.monotonic() + (args.seconds or sum(parts.values()))
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    if not args.dry:
        environment["NPUQ_TEST_DEVICE"] = "cuda"
    for number, (of, most) in enumerate(parts.items()):
        left = end - time.monotonic()
        later = 0.0 if number + 1 == len(parts) else 5.0 * (len(parts) - number - 1)
        seconds = left - GRACE if number + 1 == len(parts) else min(most, left - later)
        if seconds < 5:
            write(out, of, {"skipped": "no time is left"})
            continue
        command = [sys.executable, str(HERE / "on_gpu.py"), "part", of, str(out)]
        command += ["--seconds", str(seconds), "--photographs", args.photographs]
        command += ["--dry"] if args.dry else []
        begin = time.monotonic()
        with open(out / "log.txt", "ab") as log:
            before = log.tell()
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
            try:
                status: Any = process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.terminate()
                try:
                    status = f"ended after {seconds:.0f} s, status {process.wait(GRACE)}"
                except subprocess.TimeoutExpired:
                    process.kill()
                    status = f"killed after {seconds:.0f} s, status {process.wait()}"
        write(out, of, {"status": status, "seconds": time.monotonic() - begin})
        if of == "parity" and (without := failed_kernels(out / "log.txt", before)):
            environment["NPUQ_WITHOUT_TWINS"] = ",".join(without)
            write(out, of, {"without": without})
    return 0


def part(name: str, out: Path, args: argparse.Namespace) -> int:
    """One part, in this process."""
    if name == "parity":
        tests = ["tests/gpu/test_launch.py"] if args.dry else ["tests/gpu"]
        tests += [f"--ignore=tests/gpu/{name}.py" for name in OF_THE_STAND_IN]
        os.chdir(ROOT)
        os.execv(sys.executable, [
            sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--tb=short", *tests,
        ])  # fmt: skip
    if args.dry:
        stand_in()
    import gpu_parts

    if name == TRAINED:
        records = gpu_parts.training(args.dry, out, args.photographs, args.seconds or 60.0)
    elif name == "short":
        records = gpu_parts.steps(args.dry, short=True)
    else:
        records = getattr(gpu_parts, name)(args.dry)
    for record in records:
        write(out, name, record)
    return 0


def write(out: Path, name: str, record: dict[str, Any]) -> None:
    """A line more, on the disk when this returns."""
    with open(out / "records.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({"part": name} | record, default=str) + "\n")
        file.flush()
        os.fsync(file.fileno())
    print(name, record, flush=True)


def failed_kernels(log: Path, begin: int) -> list[str]:
    """What to do without, by the names of the files whose tests failed, from a place of a log on.

    Also of tests that were ended before they could be summed up.
    """
    said = log.read_bytes()[begin:].decode(errors="replace")
    failed = re.findall(r"^tests/gpu/(\w+)\.py::.* (?:FAILED|ERROR)\b", said, re.M)
    return sorted({KERNELS[name] for name in failed if name in KERNELS})


def stand_in() -> None:
    """The stand-in for CuPy, for this process."""
    import pytest

    sys.path[:0] = [str(ROOT / "tests")]
    from gpu import standin

    standin.install(pytest.MonkeyPatch())


def pack(photographs: Path, folder: Path) -> int:
    """Write photographs small enough to travel, and say whether they are."""
    from trunk import pack as write_small

    write_small(argparse.Namespace(
        photographs=photographs, folder=folder, smaller_side=800, quality=88
    ))  # fmt: skip
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if total > MOST:
        print(f"{total} bytes are more than {MOST}, which travel", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
