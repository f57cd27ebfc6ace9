"""Figs. 7 to 12: reconstructions as crops beside each other, with rates of real files.

The paper shows whole photographs, "trained with the same trade-off parameter", at "a low bit-rate".
Ours are of one quality a figure: the one whose three files are nearest to the paper's in rate. A
crop is shown pixel by pixel, each as a square of `ENLARGED` of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from npuq.backend import Array
from npuq.codec.files import compress, decompress
from npuq.errors import NpuqError
from npuq.evaluation.figures import COLOURS, TITLES, new_figure
from npuq.evaluation.metrics import psnr
from npuq.io.images import read_image
from npuq.trained.shipped import shipped_model, shipped_qualities

from .rates import published
from .style import DPI

CROP, ENLARGED, GAP, ABOVE, BELOW = 160, 2, 16, 92, 66
"""Pixels of the photograph a side, of the picture for each, and of the picture around crops."""


class Choice(NamedTuple):
    """What a figure shows; `top` and `left` of the crop are ours, as the paper crops nothing."""

    model: str
    image: str
    top: int
    left: int


PICTURES = {
    7: Choice("linear", "kodim03", 76, 84),  # letters and folds beside a smooth shadow
    8: Choice("linear", "kodim16", 150, 440),  # palms, clouds and waves
    9: Choice("linear", "kodim23", 140, 90),  # feathers beside a smooth background
    10: Choice("hyperprior", "kodim02", 130, 150),  # latch, knob and grain of the wood
    11: Choice("hyperprior", "kodim15", 60, 376),  # eye and paint
    12: Choice("hyperprior", "kodim21", 80, 290),  # lighthouse and sky
}


class File(NamedTuple):
    """A compressed file of an image, and what it decodes to."""

    bpp: float
    psnr: float
    decoded: Array


def nearest_quality(
    rates: Mapping[int, Mapping[str, float]], printed: Sequence[dict[str, Any]]
) -> int:
    """The quality whose rates are nearest to the paper's, by the mean of abs(log(ratio)).

    Args:
        rates: bits per pixel by quality, then by method.
        printed: the paper's points of that image.
    """

    def distance(quality: int) -> float:
        return sum(
            abs(math.log(rates[quality][point["method"].lower()] / point["bpp"]))
            for point in printed
        )

    return min(sorted(rates), key=distance)


def printed_points(model: str, image: str) -> list[dict[str, Any]]:
    """The paper's points of an image."""
    points = published()[f"paper_{model}"]["points"]
    return [point for point in points if point["image"] == image]


def files_of(
    image: Array, model: str, printed: Sequence[dict[str, Any]]
) -> tuple[int, dict[str, File]]:
    """The quality that is shown, and a file of it by each method."""
    pixels = image.shape[0] * image.shape[1]
    made = {
        quality: {
            method: compress(image, model=shipped_model(method, quality, model), method=method)
            for method in TITLES
        }
        for quality in shipped_qualities(model)
    }
    rates = {q: {m: 8 * len(data) / pixels for m, data in of.items()} for q, of in made.items()}
    quality = nearest_quality(rates, printed)
    found = {}
    for method, data in made[quality].items():
        decoded = decompress(data, model=shipped_model(method, quality, model))
        found[method] = File(rates[quality][method], psnr(image, decoded), decoded)
    return quality, found


def read_photograph(kodak: Path | None, name: str) -> Array:
    """A photograph of the Kodak set.

    Raises:
        NpuqError: no folder is given, or it has no such picture.
    """
    if kodak is None:
        raise NpuqError(f"needs {name}.png: give the folder of the Kodak photographs by --kodak")
    if not (kodak / f"{name}.png").exists():
        raise NpuqError(f"{kodak / name}.png: there is no such file; --kodak must have it")
    return read_image(kodak / f"{name}.png")


def draw(number: int, kodak: Path | None) -> Any:
    """One of Figs. 7 to 12.

    Raises:
        NpuqError: the photograph is not there, or is smaller than the crop.
    """
    model, name, top, left = PICTURES[number]
    image, printed = read_photograph(kodak, name), printed_points(model, name)
    if image.shape[0] < top + CROP or image.shape[1] < left + CROP:
        raise NpuqError(f"{name}: is {image.shape[1]} x {image.shape[0]}, not the one of Kodak")
    quality, files = files_of(image, model, printed)
    lmbda = shipped_model("un+q", quality, model).lmbda
    side = CROP * ENLARGED
    width, height = 4 * side + 4 * GAP, ABOVE + side + BELOW
    figure = new_figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    figure.set_layout_engine("none")

    def put(number: int, pixels: Array, above: Sequence[str], below: str, colour: str) -> None:
        x = GAP // 2 + number * (side + GAP)
        crop = pixels[top : top + CROP, left : left + CROP]
        large = crop.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
        figure.figimage(large, x, BELOW, origin="upper")
        for row, text in enumerate(above):
            y = (height - 30 - 28 * row) / height
            style = {"color": colour, "weight": "bold"} if row == 0 else {}
            figure.text(x / width, y, text, **style)
        top_of_line = {"va": "top", "linespacing": 1.25}
        figure.text(x / width, (BELOW - 10) / height, below, color="0.35", **top_of_line)

    about = [f"{name}, original", f"{model} model, quality {quality}", rf"$\lambda$ = {lmbda:g}"]
    put(0, image, about, f"{CROP} x {CROP} pixels\nat ({left}, {top})", "black")
    paper = {point["method"].lower(): point for point in printed}
    for place, (method, file) in enumerate(files.items(), 1):
        percent, point = 100 * file.bpp / files["un+q"].bpp, paper[method]
        lines = [TITLES[method], f"{file.bpp:.3f} bpp ({percent:.0f} %)", f"{file.psnr:.2f} dB"]
        below = f"paper: {point['bpp']:.3f} bpp ({point['percent']} %)\n{point['psnr']:.2f} dB"
        put(place, file.decoded, lines, below, COLOURS[method])
    return figure
