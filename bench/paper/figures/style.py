"""The look of all figures, and what is said where something to draw is absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from npuq.errors import NpuqError, missing_dependency
from npuq.io.image_writing import write_image

DPI = 200
STYLE = {
    "figure.dpi": DPI,
    "font.size": 8,
    "axes.titlesize": 8.5,
    "mathtext.fontset": "cm",
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.borderpad": 0.2,
    "legend.fontsize": 7.5,
    "legend.handlelength": 1.8,
    "legend.labelspacing": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "hatch.linewidth": 0.5,
}
"""Of every figure; the colours of methods are those of `npuq.evaluation.figures`."""


def in_style() -> Any:
    """The context in which figures are drawn.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise missing_dependency("drawing", "matplotlib", "cli", error) from error
    return matplotlib.rc_context(STYLE)


def write(path: Path, figure: Any) -> None:
    """Write a figure as a PNG file, without alpha, whole or not at all.

    Raises:
        NpuqError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    write_image(path, np.asarray(canvas.buffer_rgba())[..., :3].copy())


def head(axes: Any, letter: str, title: str = "") -> None:
    """The letter of a panel, as in the paper, and what it shows."""
    axes.set_title(letter, loc="left", fontweight="bold", fontsize=10)
    axes.set_title(title, loc="center")


def existing(path: Path, command: str) -> Path:
    """The path of results.

    Raises:
        NpuqError: they are not there; the message has the command that makes them.
    """
    if not path.exists():
        raise NpuqError(f"{path}: there is no such file; `{command}` makes it")
    return path
