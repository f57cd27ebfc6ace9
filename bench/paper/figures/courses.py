"""Courses of training, with expected gradients (E) and without: Figs. 2B, 3B, 5A and 6C.

Results are histories of `npuq train` in `results/curves`, such as `train_curves.sh` leaves, and for
Fig. 6C lines of `held_out.py --json` in `results/expected_gradients.jsonl`, one for each model; the
models without E are trained with `--no-expected-rate --no-expected-distortion`.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npuq.errors import NpuqError
from npuq.evaluation.figures import COLOURS

from .style import existing

E, SAMPLED = "expected gradients (E)", "sampled gradients"
SOFT, PLAIN = COLOURS["un+uq+sr"], COLOURS["un+q"]
TRAIN = "bash bench/paper/train_curves.sh PHOTOGRAPHS RUNS"
EVALUATE = (
    "python bench/held_out.py PHOTOGRAPHS MODEL [MODEL ...] --method un+uq+sr --json > {path}"
)
GRADIENTS = "expected_gradients.jsonl"
SETTLED = 0.1  # of a training, after which its curves fit between the axes
SPIKE = 3.0  # times the lowest loss of a run: that of a step at which it was not stable
LOSSES = {"held-out": "validation_loss", "training": "loss"}
"""Columns of a history."""


class Run(NamedTuple):
    """One line: the name of a history, and how it is drawn."""

    name: str
    label: str
    colour: str
    dashed: bool


def with_and_without(name: str) -> list[Run]:
    """Two runs that differ in nothing but expected gradients."""
    return [Run(f"{name}-e", E, SOFT, False), Run(name, SAMPLED, "0.3", True)]


FIG2B = {rate: with_and_without(f"fig2b-{rate}") for rate in ("low", "high")}
FIG3B = {alpha: with_and_without(f"fig3b-{alpha}") for alpha in ("anneal", "7", "13")}
FIG5A = [
    Run("fig5a-un-jpeg", "UN, JPEG's", PLAIN, False),
    Run("fig5a-un-orthogonal", "UN, random orthogonal", PLAIN, True),
    Run("fig5a-sr-jpeg", "UN + SR, JPEG's", SOFT, False),
    Run("fig5a-sr-orthogonal", "UN + SR, random orthogonal", SOFT, True),
]


def read_course(results: Path, name: str, losses: str = "held-out") -> list[tuple[int, float]]:
    """(step, loss) of a run.

    Raises:
        NpuqError: it left no history, or one without such numbers.
    """
    path = existing(results / "curves" / f"{name}.csv", TRAIN)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        found = [(int(row["step"]), float(row[LOSSES[losses]])) for row in rows]
    except (KeyError, TypeError, ValueError):
        found = []
    if not any(math.isfinite(loss) for _, loss in found):
        raise NpuqError(f"{path}: is no history of `npuq train`; `{TRAIN}` makes it")
    return found


def draw_courses(
    axes: Sequence[Any], results: Path, panels: Sequence[Sequence[Run]], losses: str = "held-out"
) -> None:
    """Loss against the step, in panels that share one scale.

    What falls fast at first is not to flatten all that follows, nor is a training that is not
    stable: the top is what 95 % of losses stay below once a run has settled, those of more than
    SPIKE times the lowest left out, and at most three times as far up as that of the panel in which
    it is lowest.
    """
    lowest, highest = [], []
    for panel, runs in zip(axes, panels, strict=True):
        tops = []
        for run in runs:
            steps, values = np.array(read_course(results, run.name, losses)).T
            style = {"ls": (0, (4, 2)) if run.dashed else "-", "color": run.colour}
            panel.plot(steps, values, label=run.label, **style)
            is_spike = ~(values <= SPIKE * np.nanmin(values))  # also what is not finite
            settled = values[(steps >= SETTLED * steps[-1]) & ~is_spike]
            if settled.size:
                lowest.append(float(settled.min()))
                tops.append(float(np.quantile(settled, 0.95)))
        highest.append(max(tops, default=math.inf))
        panel.set(xlabel="training step", xlim=(0, None))
    bottom = min(lowest, default=0.0)
    height = min(max(highest) - bottom, 3 * (min(highest) - bottom)) or abs(bottom)
    for panel in axes:
        panel.set_ylim(bottom - 0.05 * height, bottom + 1.1 * height)
    where = "held-out loss" if losses == "held-out" else "loss in training"
    axes[0].set_ylabel(f"{where} [bit/pixel]")
    axes[0].legend(loc="upper right")


def read_gradients(results: Path) -> list[dict[str, Any]]:
    """Models with expected gradients and without, on held-out photographs.

    Raises:
        NpuqError: there are none, or lines that are none of `held_out.py`.
    """
    path = results / GRADIENTS
    command = EVALUATE.format(path=path)
    rows = [json.loads(line) for line in existing(path, command).read_text().splitlines()]
    wanted = {"expected_gradients", "lmbda", "loss", "bpp", "psnr", "pictures"}
    if not rows or not all(wanted <= row.keys() for row in rows):
        raise NpuqError(f"{path}: each line must have {', '.join(sorted(wanted))}; `{command}`")
    return rows


def draw_gradients(axes: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Fig. 6C: rate and PSNR at several lambdas."""
    for expected, label, style in (
        (True, E, {"color": SOFT, "ls": "-"}),
        (False, SAMPLED, {"color": "0.3", "ls": (0, (4, 2)), "mfc": "white"}),
    ):
        points = [(r["bpp"], r["psnr"]) for r in rows if r["expected_gradients"] == expected]
        if points:
            axes.plot(*zip(*sorted(points), strict=True), marker="o", label=label, **style)
    axes.set(xlabel="bits per pixel", ylabel="PSNR [dB]")
    axes.set_xlim(left=0)
    axes.legend(loc="upper left")
