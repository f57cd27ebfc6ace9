"""A quarter of an hour on a GPU, in two calls, of which nothing is lost.

    python bench/on_gpu.py first  OUT [--seconds S]
    python bench/on_gpu.py second OUT [--seconds S] [--photographs FOLDER] [--trunk FILE]
    python bench/on_gpu.py pack PHOTOGRAPHS FOLDER

`first` says what is there, measures the machine's ceilings, holds every kernel and whole steps
beside the host (`tests/gpu` with a real CuPy), recorded steps beside others, and times and trains a
little. `second` tests again what has changed, takes all figures beside PyTorch, and trains for what
is left: a new model, or on from the snapshot of a trunk (`bench/trunk/trunk.npz`), of which the
last OUT/model-*.npz is the next. Each part is a process of its own, which ends when its time is
over, or fails alone; its records are lines of OUT/records.jsonl as soon as they are known, and what
it printed is in OUT/log.txt. Where tests of a kernel fail, what follows does without that kernel
(NPUQ_WITHOUT_TWINS). SIGTERM ends the part that is at work, which saves what it has, and the call.
`pack` makes photographs small enough to travel beside the project, less its shipped models. With
`--dry` all of it runs on the stand-in for CuPy, in tiny sizes.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import signal
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
SHIPPED = "npuq/weights"  # to be removed there, before a call
GRACE = 15  # seconds in which a part may save what it has
TRAINED = "training"
DEAD_LEAVES = "dead-leaves"  # `npuq.training.train` has it, which is not to be loaded here
CALLS: dict[str, dict[str, float]] = {
    "first": {
        "versions": 15, "ceilings": 15, "parity": 75, "graphs": 25, "short": 20, TRAINED: 20,
    },
    "second": {"versions": 10, "parity": 60, "steps": 150, "alone": 20, TRAINED: 210},
}  # fmt: skip
"""Parts in their order, and seconds that each may take; what one leaves, the last one gets."""
KERNELS: dict[str, tuple[str, ...]] = {
    "test_gdn": ("gdn",), "test_conv": ("conv",), "test_adam": ("adam", "flat_adam"),
    "test_rates": ("noisy_rate", "conditional_rate"), "test_crops": ("crops",),
    "test_elementwise": ("activations", "non_negative", "noise", "dither", "quantizer"),
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
    parser.add_argument("--photographs", default=DEAD_LEAVES)
    parser.add_argument("--trunk", metavar="FILE", help="snapshot to train on from")
    parser.add_argument("--dry", action="store_true")
    args = parser.parse_args(arguments)
    if args.call == "pack":
        return pack(*map(Path, args.names))
    if args.call == "part":
        return part(args.names[0], Path(args.names[1]).resolve(), args)
    if args.photographs != DEAD_LEAVES:
        args.photographs = str(Path(args.photographs).resolve())  # parts begin elsewhere
    args.trunk = args.trunk and str(Path(args.trunk).resolve())
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return call(args.call, Path(args.names[0]).resolve(), args)
    finally:
        signal.signal(signal.SIGTERM, before)


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
        command += ["--trunk", args.trunk] if args.trunk else []
        begin = time.monotonic()
        with open(out / "log.txt", "ab") as log:
            before = log.tell()
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
            stopped = False
            try:
                status: Any = process.wait(seconds)
            except (subprocess.TimeoutExpired, KeyboardInterrupt) as why:
                stopped = isinstance(why, KeyboardInterrupt)
                status = ended(process, time.monotonic() - begin)
        write(out, of, {"status": status, "seconds": time.monotonic() - begin})
        if stopped:
            return 1
        if of == "parity" and (without := failed_kernels(out / "log.txt", before)):
            environment["NPUQ_WITHOUT_TWINS"] = ",".join(without)
            write(out, of, {"without": without})
    return 0


def ended(process: subprocess.Popen[bytes], seconds: float) -> str:
    """End a part, which may save what it has first; and say how that went."""
    process.terminate()
    try:
        return f"ended after {seconds:.0f} s, status {process.wait(GRACE)}"
    except subprocess.TimeoutExpired:
        process.kill()
        return f"killed after {seconds:.0f} s, status {process.wait()}"


def part(name: str, out: Path, args: argparse.Namespace) -> int:
    """One part, in this process."""
    if name == "parity":
        tests = ["tests/gpu/test_launch.py"] if args.dry else ["tests/gpu"]
        tests += [f"--ignore=tests/gpu/{name}.py" for name in OF_THE_STAND_IN]
        # the host's kernels, which nobody has compiled there yet, take minutes one by one
        together = importlib.util.find_spec("xdist") is not None and not args.dry
        how = ["-n", str(min(os.cpu_count() or 1, 12))] if together else []
        # what a library says of its own is no fault of a kernel
        how += ["-v", "-W", "default", "-p", "no:cacheprovider", "--tb=short"]
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *how, *tests])
    if args.dry:
        stand_in()
    import gpu_parts

    if name == TRAINED:
        records = gpu_parts.training(
            args.dry, out, args.photographs, args.seconds or 60.0, trunk=args.trunk
        )
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
    failed += re.findall(r"\b(?:FAILED|ERROR) tests/gpu/(\w+)\.py\b", said)  # of several workers
    return sorted({kernel for name in failed for kernel in KERNELS.get(name, ())})


def stand_in() -> None:
    """The stand-in for CuPy, for this process."""
    import pytest

    sys.path[:0] = [str(ROOT / "tests")]
    from gpu import standin

    standin.install(pytest.MonkeyPatch())


def bytes_in(folder: Path) -> int:
    """Of all files, without those that are left out: shipped models, and what was compiled."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return sum(
        path.stat().st_size
        for path in paths
        if path.parent != ROOT / SHIPPED and "__pycache__" not in path.parts
    )


def bytes_of_the_project() -> int:
    return sum(bytes_in(ROOT / name) for name in ("npuq", "tests", "bench", "examples"))


def pack(photographs: Path, folder: Path) -> int:
    """Write photographs small enough to travel, and say whether they are."""
    from trunk import pack as write_small

    write_small(argparse.Namespace(
        photographs=photographs, folder=folder, smaller_side=800, quality=88
    ))  # fmt: skip
    total, project = bytes_in(folder), bytes_of_the_project()
    print(f"{total} bytes of photographs, {project} of the project without {SHIPPED}")
    if total + project > MOST:
        print(f"together more than {MOST}, which travel", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
