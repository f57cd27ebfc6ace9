"""Figs. 1 and 4, in which nothing is trained: they are panels of two examples."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from npuq.evaluation.figures import new_figure

from .style import head

EXAMPLES = Path(__file__).parents[3] / "examples"


def example(name: str) -> Any:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def soft_rounding() -> Any:
    """Fig. 1: A, s_alpha; B, sampled and expected derivatives of a log-density."""
    panels = example("fig1_soft_rounding")
    figure = new_figure(figsize=(7.4, 3.4))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    panels.draw_soft_rounding(left)
    panels.draw_derivatives(right)
    for axes, letter in ((left, "A"), (right, "B")):
        axes.grid(False)
        head(axes, letter)
    return figure


def lattice() -> Any:
    """Fig. 4: a lattice, its Voronoi cells, a vector, and what the receiver gets of it."""
    figure = new_figure(figsize=(3.6, 3.8))
    axes = figure.subplots()
    axes.grid(False)
    example("lattice_quantization").draw_figure_4(axes, np.random.default_rng(0))
    return figure
