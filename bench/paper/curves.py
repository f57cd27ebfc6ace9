"""Draws the training curves that `train_curves.sh` left: Figs. 2B, 3B and 5A of the paper.

    python bench/paper/curves.py [--results bench/results]

The figures show the loss against the step, after the first steps, in which it falls too fast to be
seen beside what follows: on held-out photographs, for Fig. 3B in training, as means over the steps
between two rows (all runs see the same batches). In so short runs of the hyperprior model a few
latents far beyond their scales decide the rate of the held-out photographs.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"
FIG2B = {
    "low bit rate": {"fig2b-low-e": "expected gradients (E)", "fig2b-low": "sampled gradients"},
    "high bit rate": {"fig2b-high-e": "expected gradients (E)", "fig2b-high": "sampled gradients"},
}
FIG3B = {
    title: {f"fig3b-{alpha}-e": "expected gradients (E)", f"fig3b-{alpha}": "sampled gradients"}
    for title, alpha in (("alpha = 1 ... 16", "anneal"), ("alpha = 7", "7"), ("alpha = 13", "13"))
}
FIG5A = {
    "UN": {"fig5a-un-jpeg": "JPEG", "fig5a-un-orthogonal": "random orthogonal"},
    "UN + SR": {"fig5a-sr-jpeg": "JPEG", "fig5a-sr-orthogonal": "random orthogonal"},
}


FIGURES = {
    "fig2b": (FIG2B, 1000, "validation_loss"),
    "fig3b": (FIG3B, 200, "loss"),
    "fig5a": (FIG5A, 1000, "validation_loss"),
}
"""Panels, the first step that is shown, and the column of the history."""
LABELS = {"validation_loss": "loss on held-out photographs", "loss": "loss in training"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS)
    results = parser.parse_args().results
    for name, (panels, first, column) in FIGURES.items():
        draw(panels, results / "curves", results / f"{name}.png", first, column)
        for title, curves in panels.items():
            for curve, label in curves.items():
                steps, losses = read(results / "curves" / f"{curve}.csv", first, column)
                print(f"{name}  {title:18} {label:24} {losses[-1]:.4f} after {steps[-1]} steps")


def read(path: Path, first: int, column: str) -> tuple[list[int], list[float]]:
    """Steps, from the first to be shown on, and losses of a run."""
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if int(row["step"]) >= first]
    return [int(row["step"]) for row in rows], [float(row[column]) for row in rows]


def draw(
    panels: dict[str, dict[str, str]], folder: Path, out: Path, first: int, column: str
) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    width = 4.5 * len(panels)
    figure, axes = plt.subplots(1, len(panels), figsize=(width, 3.6), layout="constrained")
    axis: Any
    for axis, (title, curves) in zip(axes, panels.items(), strict=True):
        for curve, label in curves.items():
            axis.plot(*read(folder / f"{curve}.csv", first, column), label=label)
        axis.set(title=title, xlabel="training step", ylabel=LABELS[column])
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(out, dpi=110)
    plt.close(figure)
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
