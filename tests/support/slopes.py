"""Gradients of the parts of a model's loss against differences, each part and array by itself.

In a sum of rate and distortion the larger can hide that the smaller has no gradient or one of the
wrong sign, and so can an absolute tolerance. So parts are checked apart, and an error is measured
against the size of the very gradient that it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from npuq.backend import Array

Parts = Mapping[str, float]
"""The loss's parts by name, such as "rate" and "distortion"."""

TOLERANCE = 1e-6
STEP = 1e-5


def check_slopes(
    parts: Callable[[dict[str, Array]], Parts],
    arrays: dict[str, Array],
    gradients: Mapping[str, Mapping[str, Array]],
    *,
    sizes: Mapping[str, float] | None = None,
) -> None:
    """Assert that `gradients` are those of `parts`, along a random direction in each array.

    Args:
        parts: of the loss, as a function of all arrays by name.
        arrays: where to differentiate.
        gradients: for each part, by the names of `arrays`.
        sizes: of the directions, where 1 is too much or too little.

    Central differences of steps h and h/2 with one Richardson step: truncation of order h^4, and
    rounding of some eps / h of the part, at most 5e-6 of the gradient: else this says so.
    """
    rng = np.random.default_rng(1)
    for name, array in arrays.items():
        direction = (sizes or {}).get(name, 1.0) * rng.standard_normal(array.shape)

        def central(h: float, name: str = name, direction: Array = direction) -> dict[str, float]:
            up, down = (parts(arrays | {name: arrays[name] + t * direction}) for t in (h, -h))
            return {part: (up[part] - down[part]) / (2 * h) for part in up}

        coarse, fine = central(STEP), central(STEP / 2)
        here = parts(arrays)
        assert gradients.keys() == here.keys()
        for part, of_part in gradients.items():
            assert of_part.keys() == arrays.keys() and of_part[name].shape == array.shape
            slope = (4 * fine[part] - coarse[part]) / 3
            terms = of_part[name] * direction
            # the norm of the terms, and not their sum, which may be near 0 by chance
            tolerance = TOLERANCE * float(np.linalg.norm(terms))
            rounding = 8 * np.finfo(np.float64).eps * abs(here[part]) / STEP
            if not np.any(terms):  # as the rate's with respect to the decoder
                assert abs(slope) <= rounding, (part, name, slope)
                continue
            assert rounding <= 5 * tolerance, (part, name, "is too flat for differences")
            error = abs(slope - terms.sum())
            assert error <= tolerance + rounding, (part, name, slope, terms.sum())
