"""Faults in layers, densities and models."""

from __future__ import annotations

from mutant import Mutant

HYPERPRIOR = "npuq/models/hyperprior.py"
CHECKS = "tests/gradcheck/test_hyperprior.py"

MODEL_MUTANTS = [
    Mutant(
        "hyperprior: the hyper-latents' rate has no gradient",
        HYPERPRIOR,
        "d_v = d_w + _from_rows(hyper.d_y, d_w.shape) * per_pixel",
        "d_v = d_w",
        (CHECKS,),
    ),
]
