"""Training on two ranks beside one process of two threads, and on many ranks as arithmetic.

A step of B crops is taken by one process on one core, by one of two threads on two cores, and by
two ranks of one core with B / 2 crops each, which first are shown to have the same losses. What is
of one core is bound to it, with the threads that make batches. Efficiency is the time of one core,
over twice the time of two. Of a step, waiting is the time until the slowest rank is there, and sums
are the exchange of gradients, on rank 0.

On paper, for N ranks with k crops each: a step takes one process N k c + f, where c is the time of
a crop and f what does not shrink, Adam above all (from steps of B and B / 2 crops on one core), and

    N ranks    k c + f + 2 (N - 1) / N S / b + (2 (N - 1) + log2 N) a,

S bytes of gradients over a network of b bytes and a seconds a message: each rank sends 1 / N of its
gradients to every other one, adds what it gets, and sends the sum to every other one. Efficiency is
(N k c + f) / N over that. Ranks that wait for the slowest, and traffic of others, are not in it.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TITLE = "Training on ranks, ms a step"
ROUNDS = 3
CASES: dict[str, dict[str, Any]] = {
    "hyperprior 64,192, 2 crops of 256": {
        "model": "hyperprior", "size": (64, 192), "start": "random", "crop": 256,
        "batch_size": 2, "steps": 12, "learning_rate": 1e-4,
    },
    "linear, 8 crops of 256": {"crop": 256, "batch_size": 8, "steps": 40, "learning_rate": 1e-3},
}  # fmt: skip
NETWORKS = {10: 20e-6, 100: 2e-6}
"""Seconds of a message, by Gbit/s: usual ones of Ethernet by TCP, and of InfiniBand."""
RANKS, CROPS = (8, 64, 512), (1, 4)
WARM = 3  # steps that are not counted


def rows() -> list[dict[str, Any]]:
    launcher = shutil.which("mpiexec")
    if launcher is None:
        print("there is no mpiexec (pip install 'npuq[mpi]' mpich)", file=sys.stderr)
        return []
    found = []
    for case, settings in CASES.items():
        whole, half = settings["batch_size"], settings["batch_size"] // 2
        starts: dict[str, tuple[list[str], int, int]] = {
            "1 core": ([], 1, whole),
            "2 threads": ([], 2, whole),
            "2 ranks of 1 core": ([launcher, "-n", "2"], 1, whole),
            "half the batch": ([], 1, half),
        }
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in starts}
        for _ in range(ROUNDS):  # in turns, as a machine's speed drifts
            for name, (start, threads, batch) in starts.items():
                runs[name].append(_started(start, threads, case, batch))
        one, two = (runs[name][0]["losses"] for name in ("1 core", "2 ranks of 1 core"))
        assert all(abs(a / b - 1) < 1e-4 for a, b in zip(one, two, strict=True)), (one, two)
        found += _rows_of(case, settings["batch_size"], runs)
    return found


def _started(start: list[str], threads: int, case: str, batch: int) -> dict[str, Any]:
    one = {name: str(threads) for name in ("NPUQ_THREADS", "OPENBLAS_NUM_THREADS")}
    command = [*start, sys.executable, __file__, case, str(batch)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | one)
    return json.loads(done.stdout)


def _rows_of(case: str, batch: int, runs: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    def median(name: str, figure: str) -> float:
        return statistics.median(run[figure] for run in runs[name])

    alone = median("1 core", "step")
    rows = []
    for name in ("1 core", "2 threads", "2 ranks of 1 core"):
        step = median(name, "step")
        rows.append(
            {
                "training": case, "by": name, "ms": 1e3 * step,
                "efficiency": alone / step / (1 if name == "1 core" else 2),
                "waiting": median(name, "waiting") / step, "sums": median(name, "sending") / step,
            }
        )  # fmt: skip
    crop = (alone - median("half the batch", "step")) / (batch - batch // 2)
    fixed = max(alone - batch * crop, 0.0)
    size = int(median("2 ranks of 1 core", "bytes"))
    rows.append(
        {"training": case, "by": f"c {1e3 * crop:.1f} ms, f {1e3 * fixed:.1f} ms, S {size}"}
    )
    for gbit, latency in NETWORKS.items():
        for ranks, crops in itertools.product(RANKS, CROPS):
            network = (gbit * 1e9 / 8, latency)
            step, efficiency = on_paper(crops * crop, fixed, size, ranks, *network)
            by = f"{ranks} ranks of {crops} crops, {gbit} Gbit/s, on paper"
            rows.append(
                {
                    "training": case, "by": by,
                    "ms": 1e3 * step, "efficiency": efficiency,
                    "sums": 1 - (crops * crop + fixed) / step,
                }
            )  # fmt: skip
    return rows


def on_paper(
    crops: float, fixed: float, size: int, ranks: int, bandwidth: float, latency: float
) -> tuple[float, float]:
    """Seconds of a step, and the efficiency, where crops take a rank so long; see the top."""
    sending = 2 * (ranks - 1) / ranks * size / bandwidth
    messages = 2 * (ranks - 1) + math.log2(ranks)
    step = crops + fixed + sending + messages * latency
    return step, (crops + fixed / ranks) / step


def one_training(case: str, batch: int) -> dict[str, Any]:
    """On one rank: a training, and how long its steps took."""
    from npuq.ranks.launch import world

    ranks = world()
    if os.environ["NPUQ_THREADS"] == "1":
        os.sched_setaffinity(0, {ranks.rank})
    import numpy as np

    from npuq.nn.parameters import named_arrays
    from npuq.training.dead_leaves import dead_leaves
    from npuq.training.loop import train_parameters
    from npuq.training.options import TrainingOptions
    from npuq.training.photographs import training_batch

    options = TrainingOptions(**(CASES[case] | {"batch_size": batch}), smaller_side=(400, 512))
    pictures = [dead_leaves(512, 512, seed=seed) for seed in range(2)]
    losses: list[float] = []
    clocks: list[dict[str, float]] = []  # after each step

    def note(step: int, loss: Any) -> None:
        losses.append(loss.loss)
        seconds = getattr(ranks, "seconds", {"waiting": 0.0, "sending": 0.0})
        clocks.append({"step": time.perf_counter()} | seconds)

    source = functools.partial(
        training_batch, pictures, batch_size=batch, crop=options.crop,
        smaller_side=options.smaller_side, part=ranks.share(batch).part,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        params = train_parameters(
            source, np.empty((0, 256, 256, 3), np.uint8), Path(folder) / "run", options,
            checkpoint_every=10**9, progress=note, ranks=ranks,
        )  # fmt: skip
    # the last step has a row of the history as well
    counted = list(zip(clocks[WARM:-2], clocks[WARM + 1 : -1], strict=True))
    return {
        "losses": losses,
        "bytes": sum(array.nbytes for array in named_arrays(params).values()),
        **{name: statistics.median(b[name] - a[name] for a, b in counted) for name in clocks[0]},
    }


if __name__ == "__main__":
    from npuq.ranks.launch import ending_together, world

    with ending_together():
        result = one_training(sys.argv[1], int(sys.argv[2]))
        if world().leads:
            print(json.dumps(result))
