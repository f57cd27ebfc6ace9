"""Named settings of a training: the paper's of Sec. 5.2, and quick ones that come close."""

from __future__ import annotations

from typing import Any

_PAPER: dict[str, Any] = {
    "steps": 2_000_000,
    "batch_size": 8,
    "crop": 256,
    "learning_rate": 1e-4,
    "density_rate": 1.0,
    "rate_schedule": "drop",
    "rate_final": 0.1,
    "rate_drop_at": 0.8,
    "density_only_steps": 5000,
    "init_scale": 10.0,
}
_PAPER_LINEAR = _PAPER | {
    "lmbda_decay": ((100_000, 0.5), (200_000, 0.5)),
    "start": "orthogonal",
}
_PAPER_HYPERPRIOR = _PAPER | {
    "model": "hyperprior",
    "lmbda_decay": ((200_000, 0.1),),
    "start": "random",
    "coordinates": "pixel",
}
_FAST_HYPERPRIOR: dict[str, Any] = {
    "model": "hyperprior",
    "size": (64, 96),
    "batch_size": 4,
    "crop": 256,
    "learning_rate": 5e-4,
    "density_rate": 3.0,
    "clip_norm": 1.0,
    "start": "klt",
    "init_scale": 10.0,
    "coordinates": "pixel",
}
_ANNEALED = {"alpha_start": 1.0, "alpha_end": 16.0}
_SAMPLED = {"expected_rate": False, "expected_distortion": False}


def _fixed(alpha: float) -> dict[str, Any]:
    return {"alpha_start": alpha, "alpha_end": alpha}


PRESETS: dict[str, dict[str, Any]] = {
    "fast-un": {},
    "fast-sr": _ANNEALED,
    "paper-linear-un": _PAPER_LINEAR,
    "paper-linear-sr": _PAPER_LINEAR | _ANNEALED,
    "paper-linear-un-jpeg": _PAPER_LINEAR | {"start": "jpeg"},
    "paper-linear-sr-jpeg": _PAPER_LINEAR | {"start": "jpeg"} | _ANNEALED,
    "paper-fig2b": _PAPER_LINEAR | _fixed(7.0) | {"alpha_r": 16.0},
    "fast-hyperprior-un": _FAST_HYPERPRIOR,
    "fast-hyperprior-sr": _FAST_HYPERPRIOR | _ANNEALED,
    "paper-hyperprior-un": _PAPER_HYPERPRIOR,
    "paper-hyperprior-sr": _PAPER_HYPERPRIOR | _ANNEALED,
    "paper-hyperprior-sr-sampled": _PAPER_HYPERPRIOR | _ANNEALED | _SAMPLED,
    "paper-hyperprior-7": _PAPER_HYPERPRIOR | _fixed(7.0),
    "paper-hyperprior-7-sampled": _PAPER_HYPERPRIOR | _fixed(7.0) | _SAMPLED,
    "paper-hyperprior-13": _PAPER_HYPERPRIOR | _fixed(13.0),
    "paper-hyperprior-13-sampled": _PAPER_HYPERPRIOR | _fixed(13.0) | _SAMPLED,
}
"""Named settings: the paper's (Sec. 5.2, Figs. 2B, 3B and 5A), and quick ones that come close."""
