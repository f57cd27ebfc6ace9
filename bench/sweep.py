"""How to train the hyperprior model: each choice of the recipe, on a fixed budget of crops.

    python bench/sweep.py PHOTOGRAPHS RUNS [NAME ...] [--processes 2] [--out bench/results]

Trains every row of `TRIALS` (or those named) at a lambda of 0.0125 from the same start, on
2,400 crops of 256 pixels, its learning rate falling to nothing at the end (rankings before that
mislead), and ranks them by `bpp + lambda MSE` of whole photographs kept apart (`held_out.py`).
Runs are processes of one thread; one that was stopped goes on, one that is finished is not done
again. Writes sweep.json and prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from held_out import held_out_loss
from recipe import LMBDA, RECIPE, words

from npuq.trained.model_file import load_model

HERE = Path(__file__).parent
CROPS = 2400
BASE = RECIPE | {
    "--preset": "fast-hyperprior-un",
    "--lmbda": str(LMBDA),
    "--warmup-steps": "100",
    "--rate-schedule": "cosine",
    "--rate-final": "0.001",
    "--seed": "0",
}
TRIALS: dict[str, dict[str, str]] = {
    "base": {},
    "another seed": {"--seed": "1"},
    "constant, then linear": {"--rate-schedule": "constant", "--cooldown-steps": "240"},
    "linear over the last half": {"--rate-schedule": "constant", "--cooldown-steps": "600"},
    "linear from the warm-up on": {"--rate-schedule": "constant", "--cooldown-steps": "1100"},
    "average of 12 steps": {"--average-steps": "12"},
    "turns": {"--turns": ""},
    "no warm-up": {"--warmup-steps": "0"},
    "pixels, 3e-4": {"--coordinates": "pixel", "--learning-rate": "3e-4"},
    "pixels, 5e-4": {"--coordinates": "pixel", "--learning-rate": "5e-4"},
    "pixels, 8e-4": {"--coordinates": "pixel"},
    "3e-4": {"--learning-rate": "3e-4"},
    "1.2e-3": {"--learning-rate": "1.2e-3"},
    "2e-3": {"--learning-rate": "2e-3"},
    "hyper-transforms, 1.6e-3": {"--hyper-rate": "2"},
    "hyper-transforms, 2e-4": {"--hyper-rate": "0.25"},
    "batch 1": {"--batch-size": "1"},
    "batch 4": {"--batch-size": "4", "--warmup-steps": "50"},
    "batch 8": {"--batch-size": "8", "--warmup-steps": "25"},
    "96 latents": {"--size": "64,96"},
    "96 channels": {"--size": "96,192"},
    "128 channels": {"--size": "128,192"},
}
"""What differs from `BASE`, by the name of the row."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("trials", nargs="*", metavar="NAME", help=f"of {', '.join(TRIALS)}")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    args = parser.parse_args()
    names = args.trials or list(TRIALS)
    for name in names:
        if name not in TRIALS:
            parser.error(f"there is no trial {name!r}")
    args.runs.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(args.processes) as pool:
        found = list(pool.map(lambda name: trial(name, args.photographs, args.runs), names))
    path = args.out / "sweep.json"
    rows = json.loads(path.read_text()) if path.exists() else {}
    rows |= dict(zip(names, found, strict=True))
    path.write_text(json.dumps(rows, indent=1) + "\n")
    print("trial                    loss    median  training  crops/s  skipped")
    for name, row in sorted(rows.items(), key=lambda item: item[1]["loss"]):
        print(
            f"{name:22} {row['loss']:8.4f} {row['loss_median']:8.4f} {row['training_loss']:8.4f} "
            f"{row['crops_per_second']:8.2f} {row['skipped']:8d}"
        )


def trial(name: str, photographs: Path, runs: Path) -> dict[str, Any]:
    """One row: a training, if it is not done yet, and what it came to."""
    run = runs / re.sub(r"[^a-z0-9.]+", "-", name)
    record = run / "trial.json"
    if record.exists():
        return json.loads(record.read_text())
    settings = BASE | TRIALS[name]
    steps = CROPS // int(settings["--batch-size"])
    command = [
        sys.executable, "-m", "npuq", "train", str(photographs), str(run), *words(settings),
        "--steps", str(steps), "--checkpoint-every", str(steps // 4),
    ]  # fmt: skip
    resume = (run / "checkpoint.npz").exists()
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "NPUQ_THREADS": "1"}
    start = time.perf_counter()
    subprocess.run(
        [*command, "--resume"] if resume else command,
        check=True,
        env=os.environ | one_thread,
        stderr=(runs / f"{run.name}.log").open("w"),
    )
    seconds = time.perf_counter() - start
    model = load_model(run / "model.npz")
    last_row = (run / "history.csv").read_text().splitlines()[-1].split(",")
    found = held_out_loss(photographs, model) | {
        "training_loss": float(last_row[3]),
        "crops_per_second": CROPS / seconds,
        "skipped": model.training["skipped"],
        "settings": {key: value.rpartition("/")[2] for key, value in settings.items()},
    }
    record.write_text(json.dumps(found) + "\n")
    return found


if __name__ == "__main__":
    main()
