"""Draws the training curves that `train_curves.sh` left: Figs. 2B and 5A of the paper.

    python bench/curves.py [--results bench/results]

Both figures show the loss on held-out photographs against the step, from the first validation after
1,000 steps on: before, it falls too fast to be seen beside what follows.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FIRST_STEP = 1000
FIG2B = {
    "low bit rate": {"fig2b-low-e": "expected gradients (E)", "fig2b-low": "sampled gradients"},
    "high bit rate": {"fig2b-high-e": "expected gradients (E)", "fig2b-high": "sampled gradients"},
}
FIG5A = {
    "UN": {"fig5a-un-jpeg": "JPEG", "fig5a-un-orthogonal": "random orthogonal"},
    "UN + SR": {"fig5a-sr-jpeg": "JPEG", "fig5a-sr-orthogonal": "random orthogonal"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    results = parser.parse_args().results
    for name, panels in (("fig2b", FIG2B), ("fig5a", FIG5A)):
        draw(panels, results / "curves", results / f"{name}.png")
        for title, curves in panels.items():
            for curve, label in curves.items():
                steps, losses = read(results / "curves" / f"{curve}.csv")
                print(f"{name}  {title:14} {label:24} {losses[-1]:.4f} after {steps[-1]} steps")


def read(path: Path) -> tuple[list[int], list[float]]:
    """Steps and validation losses of a run."""
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if int(row["step"]) >= FIRST_STEP]
    return [int(row["step"]) for row in rows], [float(row["validation_loss"]) for row in rows]


def draw(panels: dict[str, dict[str, str]], folder: Path, out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(panels), figsize=(9, 3.6), layout="constrained")
    axis: Any
    for axis, (title, curves) in zip(axes, panels.items(), strict=True):
        for curve, label in curves.items():
            axis.plot(*read(folder / f"{curve}.csv"), label=label)
        axis.set(title=title, xlabel="training step", ylabel="loss on held-out photographs")
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(out, dpi=110)
    plt.close(figure)
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
