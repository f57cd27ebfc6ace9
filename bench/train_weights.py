"""The grid of models in npuq/weights, lambda by method: commands, seeds, and one command for all.

    python bench/train_weights.py PHOTOGRAPHS RUNS [NAME ...] [--weights FOLDER] [-- OPTIONS]
    mpiexec -n N python bench/train_weights.py PHOTOGRAPHS RUNS ...

PHOTOGRAPHS is a folder of images. Each run gets a folder of its own in RUNS, and `NAME.log` beside
it. Processes of `mpiexec` share the runs, each of which trains on one of them (to have all of them
at one run, start `npuq train` by `mpiexec`). Started again, it goes on: with a run that was stopped
where it was, and one that is finished is left as it is. At the end it prints a table.

NAME chooses among the models, by a part of their names: linear, sr, linear-un-4. --weights copies
the models there. OPTIONS go to every `npuq train`, for a quick try of the whole grid.

The hyperprior models branch off a trunk, one long training (`trunk.py`), whose run must lie in
RUNS/trunk: each takes over its parameters and moments and has its own lambda and softness, 800
steps at the trunk's learning rate and 1,700 in which it falls to zero.

On two cores a run of the linear model takes 4 to 5 minutes, two branches side by side take a
quarter of an hour. Qualities 2, 4 and 5 of the linear model were trained by earlier versions of the
kernels, which round differently: training them again gives models that are as good, but others.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from recipe import RECIPE, words

from npuq.cli.signals import ending_as_on_ctrl_c
from npuq.errors import NpuqError
from npuq.ranks.launch import ending_together, joined, world

METHODS = ("un", "sr")
LAMBDAS = dict(enumerate((0.1 * 2**i for i in range(-6, 2)), start=1))
"""By quality: the paper's."""


class Run(NamedTuple):
    """One training.

    Attributes:
        model: the name of what it trains, and of its folder in RUNS.
        quality: 1 to 8, which says lambda.
        options: of `npuq train`.
        branches: whether it branches off the trunk.
    """

    model: str
    quality: int
    options: tuple[str, ...]
    branches: bool = False


def linear(kind: str, quality: int) -> Run:
    """A run of the linear model."""
    options = (f"--preset=fast-{kind}", "--seed=1", "--checkpoint-every=2000")
    return Run(f"linear-{kind}-{quality}", quality, options)


def hyperprior(kind: str, quality: int) -> Run:
    """A branch of the trunk: the two kinds see the same crops."""
    own = {"--preset": f"fast-hyperprior-{kind}", "--seed": str(quality)}
    return Run(f"hyperprior-{kind}-{quality}", quality, tuple(words(BRANCH | own)), branches=True)


BRANCH = RECIPE | {
    "--rate-schedule": "constant",
    "--warmup-steps": "100",
    "--steps": "2500",
    "--cooldown-steps": "1700",
    "--average-steps": "50",
    "--checkpoint-every": "500",
}
RUNS = [
    *(hyperprior(kind, quality) for quality in (4, 6, 2, 1) for kind in METHODS),  # the longest
    *(linear(kind, quality) for quality in LAMBDAS for kind in METHODS),
]


def main() -> int:
    arguments = sys.argv[1:]
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs")
    parser.add_argument("runs", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--weights", type=Path, metavar="FOLDER")
    args = parser.parse_args(arguments[:cut])
    chosen = [
        run for run in RUNS if not args.names or any(name in run.model for name in args.names)
    ]
    if not chosen:
        parser.error(f"no model is called {' or '.join(args.names)}")
    ranks, sweep = world(), Sweep(args.photographs, args.runs, arguments[cut + 1 :])
    if any(run.branches for run in chosen) and not sweep.trunk.exists():
        raise NpuqError(
            f"{sweep.trunk} is what hyperprior models branch off, and is not there: train it by "
            f"python bench/trunk.py train {args.photographs} {sweep.trunk.parent}"
        )
    ranks.from_lead(lambda: args.runs.mkdir(parents=True, exist_ok=True))
    rows: list[dict[str, Any]] = []
    try:
        for row in ranks.in_order(lambda n: sweep.row(chosen[n]), len(chosen), threads=1):
            rows.append(row)
            print(f"{len(rows)} of {len(chosen)} runs", file=sys.stderr, flush=True)
    finally:
        sweep.stop()  # or threads would wait for their runs to end
    if not ranks.leads:
        return 0
    if args.weights is not None:
        for name in (row["model"] for row in rows if "error" not in row):
            shutil.copyfile(args.runs / name / "model.npz", args.weights / f"{name}.npz")
    print_table(rows)
    return int(any("error" in row for row in rows))


class Sweep:
    """Trains, each run by a process of its own."""

    def __init__(self, photographs: str, runs: Path, options: Sequence[str]) -> None:
        self.photographs, self.runs, self.options = photographs, runs, options
        self.trunk = runs / "trunk" / "checkpoint.npz"
        self.lock, self.stopped = threading.Lock(), False
        self.at_work: set[subprocess.Popen[bytes]] = set()

    def stop(self) -> None:
        """Let runs save what they have and end; none is begun any more."""
        with self.lock:
            self.stopped = True
            for process in self.at_work:
                process.terminate()

    def row(self, run: Run) -> dict[str, Any]:
        """What a run came to, which is trained unless it is done."""
        folder = self.runs / run.model
        command = [
            "train", self.photographs, str(folder), f"--lmbda={LAMBDAS[run.quality]:g}",
            f"--name={run.model}", *run.options, *self.options,
        ]  # fmt: skip
        start = [f"--branch-from={self.trunk}"] if run.branches else []
        found: dict[str, Any] = {"model": run.model}
        record = folder / "done.json"
        done = json.loads(record.read_text()) if record.exists() else {}
        if done.get("command") != command:
            begun = time.perf_counter()
            begun_before = (folder / "checkpoint.npz").exists()
            error = self.call([*command, *(["--resume"] if begun_before else start)])
            if error is not None:
                return found | {"error": error}
            done = {"command": command, "seconds": time.perf_counter() - begun}
            record.write_text(json.dumps(done) + "\n")
        head, *_, last = (folder / "history.csv").read_text().split()
        figures = dict(zip(head.split(","), map(float, last.split(",")), strict=True))
        return found | figures | {"seconds": done["seconds"]}

    def call(self, command: Sequence[str]) -> str | None:
        """Run `npuq`, in one process; the last line that it said if it failed."""
        log = Path(f"{command[2]}.log")
        with log.open("a") as file:
            with self.lock:
                if self.stopped:
                    return "stopped"
                process = subprocess.Popen(
                    [sys.executable, "-m", "npuq", *command],
                    stdout=file, stderr=file, env=os.environ | {"NPUQ_MPI": "off"},
                )  # fmt: skip
                self.at_work.add(process)
            status = process.wait()
            with self.lock:
                self.at_work.remove(process)
        return None if status == 0 else log.read_text().splitlines()[-1]


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Losses of held-out photographs, at the end of each run."""
    print("model               lambda   steps    bpp   PSNR    loss  minutes")
    for row in rows:
        print(f"{row['model']:17}", end=" ")
        if "error" in row:
            print(row["error"])
            continue
        mse = row["validation_mse"]
        psnr = 10 * math.log10(255**2 / mse) if mse > 0 else math.nan
        print(
            f"{row['lmbda']:9.7f} {row['step']:7.0f} {row['validation_bpp']:6.3f} {psnr:6.2f} "
            f"{row['validation_loss']:7.4f} {row['seconds'] / 60:8.1f}"
        )


def status() -> int:
    """That of the program; what a user can mend is one line."""
    try:
        with ending_as_on_ctrl_c():
            return main()
    except KeyboardInterrupt:
        text, number = "interrupted; the same command goes on", 130
    except NpuqError as error:
        text, number = str(error), 2
    if joined().fail(text):
        print(f"train_weights: {text}", file=sys.stderr)
    return number


if __name__ == "__main__":
    with ending_together():
        number = status()
    sys.exit(number)
