"""Curves as pictures: rate and distortion (Figs. 2A and 3A), and the course of a training."""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from npuq.errors import NpuqError, TrainingError, missing_dependency
from npuq.evaluation.records import Record, mean_records
from npuq.io.atomic import check_can_write, write_bytes_atomically

TITLES = {"un+q": "UN + Q", "un+uq": "UN + UQ", "un+uq+sr": "UN + UQ + SR"}
COLOURS = {"un+q": "tab:blue", "un+uq": "tab:green", "un+uq+sr": "tab:red"}
GREYS = ("black", "0.6", "0.35", "0.75")  # of what others published
PUBLISHED = ("name", "bpp", "psnr")
"""Columns of the file that `read_published` takes."""
SETTLED = 0.1  # of a training, after which its curves fit between the axes

Curves = Mapping[str, Sequence[tuple[float, float]]]


def check_drawable(path: str | Path) -> None:
    """Check, before any work is done, that a figure can be written into a file.

    Raises:
        NpuqError: it cannot be written there, or matplotlib does not know the suffix.
        MissingDependencyError: matplotlib is not installed.
    """
    path = Path(path)
    known = new_figure().canvas.get_supported_filetypes()
    if path.suffix.lower().removeprefix(".") not in known:
        raise NpuqError(f"{path}: the name must end in one of .{', .'.join(sorted(known))}")
    check_can_write(path)


def new_figure(**options: Any) -> Any:
    """matplotlib's Figure itself, which draws without pyplot, without windows and global state.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_dependency("drawing", "matplotlib", "cli", error) from error
    return Figure(**options, layout="constrained")


def write_figure(path: str | Path, figure: Any) -> None:
    """Write a figure, whole or not at all; the suffix chooses the format.

    Raises:
        NpuqError: the file cannot be written.
    """
    drawn = io.BytesIO()
    # in memory, for Pillow, which writes some of the formats, does not notice a full disk
    figure.savefig(drawn, format=Path(path).suffix.lower().removeprefix("."))
    write_bytes_atomically(path, drawn.getvalue())


def rate_distortion_curves(records: Sequence[Record], key: str) -> Curves:
    """(bpp, distortion) of each method, from small to large files.

    Args:
        records: of any number of images; their means are what counts, as in Fig. 2A.
        key: "psnr" or "ms_ssim"; points where it is no number are left out.
    """
    curves: dict[str, list[tuple[float, float]]] = {}
    for record in sorted(mean_records(records), key=lambda r: r.bpp):
        value = getattr(record, key)
        if math.isfinite(value):
            curves.setdefault(record.method, []).append((record.bpp, value))
    return {method: curves[method] for method in TITLES if method in curves}


def draw_rate_distortion(
    path: str | Path, records: Sequence[Record], published: Curves | None = None
) -> None:
    """PSNR and, of large enough pictures, MS-SSIM against bits per pixel (Figs. 2A, 5C).

    Args:
        path: of the picture.
        records: of one image or of several, which are averaged.
        published: curves of others by name, (bpp, PSNR) each, see `read_published`.

    Raises:
        NpuqError: there is nothing to draw, or the file cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    names = {"psnr": "PSNR [dB]", "ms_ssim": "MS-SSIM"}
    found = {key: rate_distortion_curves(records, key) for key in names}
    shown = [key for key in names if found[key]]
    if not shown:
        raise NpuqError(f"{path}: no picture was measured, so that there is nothing to draw")
    figure = new_figure(figsize=(6.4 * len(shown), 4.8), dpi=100)
    for axes, key in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        for method, points in found[key].items():
            style = {"color": COLOURS[method], "label": TITLES[method]}
            axes.plot(*zip(*points, strict=True), "o-", **style)
        others = (published or {}) if key == "psnr" else {}
        for (name, points), colour in zip(others.items(), itertools.cycle(GREYS)):
            axes.plot(*zip(*points, strict=True), "--", marker=".", color=colour, label=name)
        axes.set(xlabel="bits per pixel (real files)", ylabel=names[key])
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")
    images = sorted({record.image for record in records})
    what = Path(images[0]).name if len(images) == 1 else f"mean of {len(images)} images"
    kinds = sorted({r.model if r.quality is None else r.model.split("-")[0] for r in records})
    figure.suptitle(f"{', '.join(kinds)}: {what}")
    write_figure(path, figure)


def read_published(path: str | Path) -> dict[str, list[tuple[float, float]]]:
    """Curves of others, to draw beside ours: a CSV file with the columns name, bpp and psnr.

    Returns:
        (bpp, PSNR) points of each name, from small to large rates.

    Raises:
        NpuqError: there is no such file, or not such columns, or no numbers in them.
    """
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in _rows(Path(path), PUBLISHED, NpuqError):
        point = float(row["bpp"]), float(row["psnr"])
        if not all(map(math.isfinite, point)):
            raise NpuqError(f"{path}: {row['name']}: bpp and psnr must be finite, not {point}")
        curves.setdefault(row["name"], []).append(point)
    return {name: sorted(points) for name, points in curves.items()}


def draw_training(path: str | Path, history: str | Path) -> int:
    """Loss, rate and distortion of a training against its steps, in training and in validation.

    Args:
        path: of the picture.
        history: the `history.csv` of a run.

    Returns:
        The last step.

    Raises:
        TrainingError: there is no such history, or it has no rows yet.
        NpuqError: the picture cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    names = {"loss": "loss", "bpp": "bits per pixel", "mse": "mean squared error"}
    columns = ["step", *names, *(f"validation_{name}" for name in names)]
    rows = [
        {name: float(row[name]) for name in columns}
        for row in _rows(Path(history), columns, TrainingError)
    ]
    steps = [row["step"] for row in rows]
    settled = [row for row in rows if row["step"] >= SETTLED * steps[-1]]
    figure = new_figure(figsize=(15, 4.4), dpi=100)
    for axes, (name, label) in zip(figure.subplots(1, len(names)), names.items(), strict=True):
        inside = []
        for column, what in ((name, "training"), (f"validation_{name}", "held-out pictures")):
            values = [row[column] for row in rows]
            if any(map(math.isfinite, values)):
                axes.plot(steps, values, marker="." if len(rows) < 40 else "", label=what)
                inside += [row[column] for row in settled if math.isfinite(row[column])]
        margin = 0.05 * (max(inside) - min(inside)) if inside else 0
        if margin:  # what falls fast at first is not to flatten all that follows
            axes.set_ylim(min(inside) - margin, max(inside) + margin)
        axes.set(xlabel="training step", ylabel=label)
        axes.grid(alpha=0.3)
        axes.legend(loc="upper right")
    write_figure(path, figure)
    return int(steps[-1])


def _rows(path: Path, columns: Sequence[str], error: type[NpuqError]) -> list[dict[str, str]]:
    """Rows of a CSV file that has these columns, all but `name` numbers."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise error(f"{path}: there is no such file") from None
    except (UnicodeDecodeError, csv.Error) as reason:
        raise error(f"{path}: is not a CSV file ({reason})") from reason
    if not rows:
        raise error(f"{path}: has no rows yet")
    for number, row in enumerate(rows, 2):
        for column in columns:
            try:
                if column != "name":
                    float(row[column])
            except (KeyError, TypeError, ValueError):
                raise error(
                    f"{path}: line {number} has no number under {column}; the columns must be "
                    f"{', '.join(columns)}"
                ) from None
    return rows
