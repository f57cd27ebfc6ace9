"""Rate and distortion on Kodak: Figs. 2A, 3A, 5, 6A and 6B, from what `kodak.py` found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from npuq.evaluation.figures import COLOURS, TITLES
from npuq.evaluation.records import Record, mean_records

from .style import existing

PUBLISHED = Path(__file__).parents[1] / "published.json"
FILES = {"linear": "kodak.json", "hyperprior": "kodak_hyperprior.json"}
NAMES = {"psnr": "PSNR [dB]", "mse": "MSE [grey levels$^2$]", "ms_ssim": "MS-SSIM"}
MARKERS = ("^", "s", "D")
Points = list[tuple[float, float]]


def published() -> dict[str, Any]:
    """What others published, with the sources."""
    found: dict[str, Any] = json.loads(PUBLISHED.read_text())
    return found


def read_records(results: Path, model: str) -> list[Record]:
    """The records that `kodak.py` left, of a kind of model.

    Raises:
        NpuqError: it left none.
    """
    command = f"python bench/paper/kodak.py KODAK --model {model} --out {results}"
    path = existing(results / FILES[model], command)
    return [Record(**record) for record in json.loads(path.read_text())["records"]]


def curve(records: Sequence[Record], method: str, key: str = "psnr") -> Points:
    """(bpp, PSNR or so) of a method, from small to large files."""
    return sorted((r.bpp, getattr(r, key)) for r in records if r.method == method)


def draw_means(axes: Any, records: Sequence[Record], model: str, key: str = "psnr") -> None:
    """Means over the images of the three methods, beside what others published.

    Hatched is what quantization gains over the uniform noise channel, shaded what soft rounding
    gains over quantization, as in Figs. 2A and 3A.
    """
    means = mean_records(records)
    curves = {method: curve(means, method, key) for method in TITLES}
    if key == "psnr":
        between = [*curves["un+uq"], *reversed(curves["un+q"])]
        axes.fill(*columns(between), fc="none", ec="0.75", hatch="/////", lw=0)
        between = [*curves["un+q"], *reversed(curves["un+uq+sr"])]
        axes.fill(*columns(between), fc=COLOURS["un+uq+sr"], alpha=0.15, lw=0)
    for method, points in curves.items():
        axes.plot(*columns(points), "o-", color=COLOURS[method], label=TITLES[method])
    others = published()
    if key != "mse":
        jpeg, name = others["jpeg420"], key.replace("_", "")
        style = {"color": "0.5", "lw": 1, "label": "JPEG 4:2:0"}
        axes.plot(jpeg[f"bpp_{name}"], jpeg[name], ls=(0, (4, 2)), **style)
    if key == "psnr" and model == "hyperprior":
        minnen = others["minnen2018_no_context"]
        style = {"color": "black", "lw": 1, "label": "Minnen et al. 2018, no context"}
        axes.plot(minnen["bpp_psnr"], minnen["psnr"], ls=(0, (1, 1.5)), **style)
    right = 1.05 * max(r.bpp for r in means)
    values = [value for points in curves.values() for _, value in points]
    if model == "hyperprior" and key == "psnr":  # what is above ours is not to leave the axes
        values += [v for x, v in zip(minnen["bpp_psnr"], minnen["psnr"], strict=True) if x < right]
    margin = 0.05 * (max(values) - min(values))
    axes.set(xlim=(0, right), xlabel="bits per pixel", ylabel=NAMES[key])
    top = max(values) + margin
    axes.set_ylim(min(values) - margin, min(top, 1) if key == "ms_ssim" else top)
    if key == "psnr":
        axes.yaxis.get_major_locator().set_params(integer=True)


def draw_images(axes: Any, records: Sequence[Record], model: str) -> None:
    """Curves of the images of which the paper prints points, and these points."""
    points = published()[f"paper_{model}"]["points"]
    images = sorted({point["image"] for point in points})
    for image, marker in zip(images, MARKERS, strict=True):
        of_image = [record for record in records if record.image == image]
        for method in TITLES:
            axes.plot(*columns(curve(of_image, method)), ".-", lw=0.9, color=COLOURS[method])
        axes.plot([], [], marker, mfc="none", color="black", label=f"paper, {image}")
        for point in points:
            if point["image"] == image:
                style = {"mfc": "white", "ms": 6, "zorder": 3, "lw": 0}
                colour = COLOURS[point["method"].lower()]
                axes.plot(point["bpp"], point["psnr"], marker, color=colour, **style)
    axes.plot([], [], ".-", lw=0.9, color="black", label="npuq, the same images")
    axes.set(xlabel="bits per pixel", ylabel=NAMES["psnr"])
    axes.set_xlim(left=0)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="best")


def legend_of(figure: Any, axes: Any) -> None:
    """What the lines of all panels are, above them."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(handles))


def columns(points: Points) -> tuple[list[float], list[float]]:
    """Rates, and what belongs to them."""
    return [x for x, _ in points], [y for _, y in points]
