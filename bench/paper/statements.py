"""What the paper says in numbers outside its figures, or finds by its experiments, and ours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from figures import courses
from figures.rates import columns, curve, read_records
from kodak import bd_rates

from npuq.evaluation.comparison import interpolate_rd
from npuq.evaluation.records import Record, mean_records
from npuq.paper.soft_round import soft_round, soft_round_inverse

TRAINED = "[4 to 5 minutes](#training) on two cores, linear; [hyperprior](#the-hyperprior-model)"
RATIO = 15  # of the widths of two uniform distributions


def statements(results: Path, losses: str) -> list[tuple[str, str, str]]:
    """Where the paper says it, what, and what it is here; losses are those of Fig. 3B."""
    linear, hyper = (mean_records(read_records(results, m)) for m in ("linear", "hyperprior"))
    bd = {"linear": bd_rates(linear), "hyperprior": bd_rates(hyper)}

    def percent(model: str, method: str) -> str:
        return f"{signed(bd[model][method], 1)} % bits at equal PSNR (BD-rate)"

    return [
        ("Eq. 3", "at most I + log₂(I + 1) + 4 bits for a message", bits_of_a_message()),
        ("Sec. 4.2", "the expected derivatives of s_α and of its inverse are 1", mean_slopes()),
        ("Sec. 5.2", "with α = 16, nearly rounding", distance_from_rounding()),
        ("Sec. 5.2", "linear models train for 30 h, hyperprior ones for 60 h, on a V100", TRAINED),
        ("Fig. 2A", "UN + UQ is worse than UN + Q", percent("linear", "un+uq")),
        ("Fig. 2A", "UN + UQ + SR is better than UN + Q", percent("linear", "un+uq+sr")),
        ("Fig. 3A", "UN + UQ is worse than UN + Q", percent("hyperprior", "un+uq")),
        (
            "Fig. 3A",
            "UN + UQ + SR is better than UN + Q at low rates, no longer at high ones",
            f"{percent('hyperprior', 'un+uq+sr')}; {gains(hyper)}",
        ),
        (
            "Fig. 2B",
            "expected gradients gain much at high rates, little at low ones",
            ends(results, courses.FIG2B),
        ),
        (
            "Fig. 3B",
            "expected gradients help, most with α beyond 7",
            ends(results, courses.FIG3B, losses),
        ),
        ("Fig. 6C", "expected gradients help at all rates", losses_of_files(results)),
    ]


def bits_of_a_message() -> str:
    """By the Poisson functional representation, for one uniform distribution inside a wider one.

    The index is that of the first candidate inside, hence geometric.
    """
    p, information = 1 / RATIO, math.log2(RATIO)
    entropy = -(p * math.log2(p) + (1 - p) * math.log2(1 - p)) / p
    bound = information + math.log2(information + 1) + 4
    found = f"I = {information:.2f}: {entropy:.2f}, at most {bound:.2f}"
    return f"{found}; [measured](#the-rest-of-the-paper)"


def mean_slopes() -> str:
    """How far s(y + 1/2) - s(y - 1/2) is from 1 (Eq. 17), and that of the inverse."""
    y = np.linspace(-3, 3, 1001)
    furthest = max(
        float(abs(f(y + 0.5, alpha) - f(y - 0.5, alpha) - 1).max())
        for f in (soft_round, soft_round_inverse)
        for alpha in (1.0, 7.0, 16.0)
    )
    return "1, to 1e-12" if furthest < 1e-12 else f"1, to {furthest:.0e}"


def distance_from_rounding() -> str:
    """The root mean square of s_16(y) - round(y), y uniform."""
    y = (np.arange(100_000) + 0.5) / 100_000
    rounded = np.floor(y + 0.5)
    soft, identity = (float(np.sqrt(np.mean((s - rounded) ** 2))) for s in (soft_round(y, 16.0), y))
    return f"rms of s₁₆(y) − ⌊y⌉: {soft:.3f}, where y − ⌊y⌉ has {identity:.3f}"


def gains(means: Sequence[Record]) -> str:
    """Decibels of UN + UQ + SR above UN + Q, at the rates of the former."""
    rates, psnrs = columns(curve(means, "un+q"))
    found = [
        f"{signed(psnr - at)} dB at {bpp:.2f} bpp"
        for bpp, psnr in curve(means, "un+uq+sr")
        if np.isfinite(at := float(interpolate_rd(rates, psnrs, bpp)))
    ]
    return ", ".join(found)


def ends(results: Path, panels: dict[str, list[courses.Run]], losses: str = "held-out") -> str:
    """Last losses, with and without expected gradients."""
    names = {"low": "low rate", "high": "high rate", "anneal": "α = 1 to 16"}
    found = []
    for panel, (expected, sampled) in panels.items():
        with_e, without = (
            courses.read_course(results, run.name, losses)[-1][1] for run in (expected, sampled)
        )
        found.append(f"{names.get(panel, f'α = {panel}')} {with_e:.3f}, without {without:.3f}")
    where = "held-out losses" if losses == "held-out" else "losses in training"
    return f"{where}: {'; '.join(found)}"


def losses_of_files(results: Path) -> str:
    """By real files of held-out photographs, with and without expected gradients."""
    rows = courses.read_gradients(results) if (results / courses.GRADIENTS).exists() else []
    found = []
    for lmbda in sorted({row["lmbda"] for row in rows}):
        of = {row["expected_gradients"]: row["loss"] for row in rows if row["lmbda"] == lmbda}
        if len(of) < 2:
            continue
        more = 100 * (of[False] / of[True] - 1)
        found.append(f"λ = {lmbda:g} {of[True]:.3f}, without {of[False]:.3f} (+{more:.0f} %)")
    return f"losses of files: {'; '.join(found)}" if found else "not run"


def signed(value: float, digits: int = 2) -> str:
    """With its sign, as print has it."""
    return f"{value:+.{digits}f}".replace("-", "−")
