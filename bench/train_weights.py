"""The grid of models in npuq/weights, lambda by method: commands, seeds, and one command for all.

    python bench/train_weights.py PHOTOGRAPHS RUNS [NAME ...] [--weights FOLDER] [-- OPTIONS]
    mpiexec -n N python bench/train_weights.py PHOTOGRAPHS RUNS ...

PHOTOGRAPHS is a folder of images. Each run gets a folder of its own in RUNS, and `NAME.log` beside
it. Processes of `mpiexec` share the runs, each of which trains on one of them (to have all of them
at one run, start `npuq train` by `mpiexec`). Started again, it goes on: with a run that was stopped
where it was, and one that is finished is left as it is. At the end it prints a table.

NAME chooses among the models, by a part of their names: linear, sr, linear-un-4. --weights copies
the models there. OPTIONS go to every `npuq train`, for a quick try of the whole grid.

On two cores a run of the linear model takes 4 to 5 minutes; one part of one of the hyperprior
model, 350 to 4,400 steps, 2 to 25. Qualities 2, 4 and 5 of the linear model and all but the last
part of the hyperprior model were trained by earlier versions of the kernels, which round
differently: training them again gives models that are as good, but others.
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

from npuq.cli.signals import ending_as_on_ctrl_c
from npuq.errors import NpuqError
from npuq.ranks.launch import ending_together, joined, world

METHODS = ("un", "sr")
LAMBDAS = dict(enumerate((0.1 * 2**i for i in range(-6, 2)), start=1))
"""By quality: the paper's."""


class Run(NamedTuple):
    """One training.

    Attributes:
        folder: its name in RUNS.
        model: the name of what it trains.
        quality: 1 to 8, which says lambda.
        options: of `npuq train`.
        start: the folder of the run whose model it starts from.
    """

    folder: str
    model: str
    quality: int
    options: tuple[str, ...]
    start: str | None = None


def linear(kind: str, quality: int) -> Run:
    """A run of the linear model."""
    options = (f"--preset=fast-{kind}", "--seed=1", "--checkpoint-every=2000")
    return Run(f"{kind}-{quality}", f"linear-{kind}-{quality}", quality, options)


# Part, quality, steps, seed, the part that it starts from, alpha to begin with (where it anneals),
# and crops: first on crops of 128; from part c on, on crops of 256, without which whole pictures
# suffer (see README.md here).
SMALL = ("--batch-size=8", "--crop=128")
SLOW = ("--batch-size=2", "--crop=256", "--learning-rate=3e-4")
LARGE = ("--batch-size=2", "--crop=256", "--learning-rate=5e-4")
HYPERPRIOR: tuple[tuple[str, int, int, str | None, int | None, tuple[str, ...]], ...] = (
    ("4a", 2000, 1, None, None, SMALL),
    ("2a", 1500, 1, "4a", 4, SMALL),
    ("1a", 1500, 1, "2a", 4, SMALL),
    ("1b", 1000, 2, "1a", 8, SMALL),
    ("4c", 350, 3, "4a", 12, SLOW),
    ("4d", 350, 4, "4c", 14, SLOW),
    ("2c", 350, 3, "2a", 12, SLOW),
    ("2d", 350, 4, "2c", 14, SLOW),
    ("1c", 350, 3, "1b", 12, SLOW),
    ("1d", 350, 4, "1c", 14, SLOW),
    ("4e", 4400, 5, "4d", 14, LARGE),
    ("2e", 4000, 5, "4e", 8, LARGE),
    ("1e", 3500, 5, "2e", 8, LARGE),
    ("4f", 2800, 6, "4e", 14, LARGE),
    ("2f", 2000, 6, "2e", 14, LARGE),
    ("1f", 1500, 6, "1e", 14, LARGE),
)


def hyperprior(kind: str) -> list[Run]:
    """The runs of the hyperprior model, small: each starts from one before it."""
    runs = []
    for part, steps, seed, start, alpha, crops in HYPERPRIOR:
        annealed = (f"--alpha-start={alpha}",) if kind == "sr" and alpha is not None else ()
        options = (
            f"--preset=fast-hyperprior-{kind}", f"--steps={steps}", f"--seed={seed}",
            "--validation-crop=256", *crops, *annealed,
        )  # fmt: skip
        folder = f"hyperprior-{kind}-"
        runs.append(
            Run(
                folder + part,
                folder + part[0],
                int(part[0]),
                options,
                None if start is None else folder + start,
            )  # fmt: skip
        )
    return runs


CHAINS = [
    *(hyperprior(kind) for kind in METHODS),  # the longest ones first
    *([linear(kind, quality)] for quality in LAMBDAS for kind in METHODS),
]
"""Runs that follow each other; chains can be trained at the same time."""


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
        chain
        for chain in CHAINS
        if not args.names or any(n in run.model for n in args.names for run in chain)
    ]
    if not chosen:
        parser.error(f"no model is called {' or '.join(args.names)}")
    ranks, sweep = world(), Sweep(args.photographs, args.runs, arguments[cut + 1 :])
    ranks.from_lead(lambda: args.runs.mkdir(parents=True, exist_ok=True))
    rows: list[dict[str, Any]] = []
    try:
        for chain in ranks.in_order(lambda n: sweep.train(chosen[n]), len(chosen), threads=1):
            rows += chain
            print(f"{len(rows)} of {sum(map(len, chosen))} runs", file=sys.stderr, flush=True)
    finally:
        sweep.stop()  # or threads would wait for their runs to end
    if not ranks.leads:
        return 0
    if args.weights is not None:
        for row in rows:  # of several runs of a model the last one stays
            if "error" not in row:
                model = args.runs / row["run"] / "model.npz"
                shutil.copyfile(model, args.weights / f"{row['model']}.npz")
    print_table(rows)
    return int(any("error" in row for row in rows))


class Sweep:
    """Trains chains of runs, each by a process of its own."""

    def __init__(self, photographs: str, runs: Path, options: Sequence[str]) -> None:
        self.photographs, self.runs, self.options = photographs, runs, options
        self.lock, self.stopped = threading.Lock(), False
        self.at_work: set[subprocess.Popen[bytes]] = set()

    def stop(self) -> None:
        """Let runs save what they have and end; none is begun any more."""
        with self.lock:
            self.stopped = True
            for process in self.at_work:
                process.terminate()

    def train(self, chain: Sequence[Run]) -> list[dict[str, Any]]:
        """A row of the table for each run; what follows one that fails is not trained."""
        rows: list[dict[str, Any]] = []
        for run in chain:
            if rows and "error" in rows[-1]:
                rows.append(rows[-1] | {"run": run.folder, "model": run.model})
            else:
                rows.append(self.row(run))
        return rows

    def row(self, run: Run) -> dict[str, Any]:
        """What a run came to, which is trained unless it is done."""
        folder = self.runs / run.folder
        command = [
            "train", self.photographs, str(folder), f"--lmbda={LAMBDAS[run.quality]:g}",
            f"--name={run.model}", *run.options, *self.options,
        ]  # fmt: skip
        if run.start is not None:
            command.append(f"--init-model={self.runs / run.start / 'model.npz'}")
        found: dict[str, Any] = {"run": run.folder, "model": run.model}
        record = folder / "done.json"
        done = json.loads(record.read_text()) if record.exists() else {}
        if done.get("command") != command:
            begun = time.perf_counter()
            begun_before = (folder / "checkpoint.npz").exists()
            error = self.call([*command, "--resume"] if begun_before else command)
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
    print("run                  model               lambda   steps    bpp   PSNR    loss  minutes")
    for row in rows:
        print(f"{row['run']:20} {row['model']:17}", end=" ")
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
