"""A training step's last part over one flat buffer of all parameters: clip, judge, and Adam.

On a device nothing of it may need the host: so the length of the gradient, the median of those
before it and the count of steps, by which Adam's moments are corrected, stay where the gradient is.
Everything is changed in place, at addresses that a recorded step can be replayed with.

Shapes, for n parameters in k groups of learning rates:
    p, g, m, v     (n,) parameters, gradient and Adam's moments
    average        (n,) of the parameters, see `npuq.training.step.averaged`; or (0,) for none
    group          (n,) uint8, which rate a parameter has
    numbers        (6 + k,) float64: beta1, beta2, epsilon, the length that gradients are clipped
                   to, how many medians long a gradient is skipped from, the share of the new
                   parameters in the average, and the rates; infinity where there is no clipping or
                   skipping
    lengths        (REMEMBERED,) float64, a ring of the last gradients' lengths
    steps          (3,) int64: steps of Adam, gradients in the ring so far, gradients skipped
"""

from __future__ import annotations

import math

import numpy as np

from npuq.backend import Array, to_array, to_host, xp_of
from npuq.nn.clipping import REMEMBERED, is_outlier
from npuq.runtime.twins import has_twins

NUMBERS = 6  # beside the rates


def _check(
    p: Array, g: Array, m: Array, v: Array, average: Array, group: Array, numbers: Array,
    lengths: Array, steps: Array,
) -> None:  # fmt: skip
    if p.ndim != 1 or len({a.shape for a in (p, g, m, v, group)}) > 1:
        raise ValueError("p, g, m, v and group must be flat and of one length")
    if average.shape not in (p.shape, (0,)):
        raise ValueError("average must be as long as p, or empty")
    if numbers.ndim != 1 or numbers.size <= NUMBERS:
        raise ValueError(f"numbers must be {NUMBERS}, and a rate for each group")
    if lengths.shape != (REMEMBERED,) or steps.shape != (3,):
        raise ValueError(f"lengths must be {REMEMBERED}, and steps 3")


@has_twins(check=_check)
def flat_adam(
    p: Array, g: Array, m: Array, v: Array, average: Array, group: Array, numbers: Array,
    lengths: Array, steps: Array,
) -> None:  # fmt: skip
    """One step of Adam (Kingma & Ba 2015) on a gradient clipped as a whole. It has fast twins.

    A gradient longer than `numbers[4]` times the median of those before it changes nothing but
    `lengths` and `steps`: see `npuq.nn.clipping.is_outlier`. One whose length is no finite number
    changes nothing at all: whoever looks at the loss will end the training.

    Args:
        p, m, v, average: float32, overwritten.
        g, group, numbers: see the top of this file.
        lengths, steps: overwritten.

    Raises:
        ValueError: shapes that do not fit each other.
    """
    beta1, beta2, epsilon, clip, ratio, share = to_host(numbers)[:NUMBERS].tolist()
    done, seen, skipped = to_host(steps).tolist()
    length = math.sqrt((g * g).sum(dtype=np.float64))
    if not math.isfinite(length):
        return
    left_out = is_outlier(length, to_host(lengths)[: min(seen, REMEMBERED)], ratio)
    lengths[seen % REMEMBERED] = length
    to_array(np.array([done + (not left_out), seen + 1, skipped + left_out]), steps)
    if left_out:
        return
    t = done + 1
    clipped = g * np.float32(clip / length) if length > clip else g
    m[:] = beta1 * m + (1 - beta1) * clipped
    v[:] = beta2 * v + (1 - beta2) * (clipped * clipped)
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    p -= numbers[NUMBERS:][group] * m_hat / (xp_of(p).sqrt(v_hat) + epsilon)
    if average.size:
        average += (p - average) * np.float32(share)
