"""The figures of several panels, 2, 3, 5 and 6, put together."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from npuq.errors import NpuqError
from npuq.evaluation.figures import new_figure
from npuq.evaluation.records import Record

from . import courses, rates
from .style import head


def figure_2(results: Path) -> Any:
    """The linear model, and its expected gradients."""
    figure, axes = with_rates(results, "linear", "AI;LH")
    for letter, panel, rate in (("B", "L", "low"), ("", "H", "high")):  # each has its own scale
        courses.draw_courses([axes[panel]], results, [courses.FIG2B[rate]])
        head(axes[panel], letter, f"$s_7$, $r_{{16}}$, {rate} bit rate")
    return figure


def figure_3(results: Path, losses: str) -> Any:
    """The hyperprior model, and its expected gradients."""
    figure, axes = with_rates(results, "hyperprior", "AAAIII;115577")
    titles = {"anneal": r"$\alpha = 1, \ldots, 16$", "7": r"$\alpha = 7$", "13": r"$\alpha = 13$"}
    panels = [axes[panel] for panel in "157"]
    courses.draw_courses(panels, results, list(courses.FIG3B.values()), losses)
    for panel, letter, alpha in zip(panels, ("B", "", ""), courses.FIG3B, strict=True):
        head(panel, letter, titles[alpha])
    return figure


def figure_5(results: Path) -> Any:
    """The linear model: its start, MSE, MS-SSIM."""
    records = rates.read_records(results, "linear")
    figure = new_figure(figsize=(7.4, 5.6))
    axes = figure.subplot_mosaic("AI;BC")
    rates.draw_means(axes["A"], records, "linear")
    courses.draw_courses([axes["I"]], results, [courses.FIG5A])
    rates.draw_means(axes["B"], records, "linear", "mse")
    rates.draw_means(axes["C"], records, "linear", "ms_ssim")
    head(axes["A"], "A", "linear, started at JPEG's transforms")
    head(axes["I"], "", "by the transforms to begin with")
    head(axes["B"], "B", mean_of(records))
    head(axes["C"], "C", mean_of(records))
    rates.legend_of(figure, axes["A"])
    return figure


def figure_6(results: Path) -> Any:
    """The hyperprior model: MSE, MS-SSIM, and expected gradients at all rates."""
    records = rates.read_records(results, "hyperprior")
    try:
        rows = courses.read_gradients(results)
    except NpuqError as error:
        print(f"figure 6: C is left out: {error}", file=sys.stderr)
        rows = []
    panels = "ABC" if rows else "AB"
    figure = new_figure(figsize=(2.5 * len(panels), 2.9))
    axes = figure.subplot_mosaic(panels)
    rates.draw_means(axes["A"], records, "hyperprior", "mse")
    rates.draw_means(axes["B"], records, "hyperprior", "ms_ssim")
    head(axes["A"], "A", mean_of(records))
    head(axes["B"], "B", mean_of(records))
    if rows:
        courses.draw_gradients(axes["C"], rows)
        head(axes["C"], "C", f"mean of {rows[0]['pictures']} photographs")
    rates.legend_of(figure, axes["B"])
    return figure


def with_rates(results: Path, model: str, mosaic: str) -> tuple[Any, Any]:
    """A figure and its panels, of which A shows means over the images, and I single ones."""
    records = rates.read_records(results, model)
    figure = new_figure(figsize=(7.4, 5.6))
    axes = figure.subplot_mosaic(mosaic)
    rates.draw_means(axes["A"], records, model)
    rates.draw_images(axes["I"], records, model)
    head(axes["A"], "A", f"{model}, {mean_of(records)}")
    head(axes["I"], "", "single images")
    rates.legend_of(figure, axes["A"])
    return figure, axes


def mean_of(records: Sequence[Record]) -> str:
    """How many images curves are means of."""
    return f"mean of {len({record.image for record in records})} images"
