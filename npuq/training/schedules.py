"""What changes over a training run, as functions of the options and the step: Sec. 5.2."""

from __future__ import annotations

import math
from typing import NamedTuple

from npuq.models.noisy_rate import Softness
from npuq.training.options import TrainingOptions


def lmbda_at(options: TrainingOptions, step: int) -> float:
    """Lambda at a step: the final one, divided by the factors still to come (Sec. 5.2)."""
    to_come = (factor for when, factor in options.lmbda_decay if step < when)
    return options.lmbda / math.prod(to_come)


def softness_at(options: TrainingOptions, step: int) -> Softness:
    """Soft rounding at a step: alpha moves linearly over the whole run (Sec. 5.2)."""
    progress = step / options.steps
    alpha = options.alpha_start + (options.alpha_end - options.alpha_start) * progress
    return Softness(
        alpha=alpha,
        alpha_r=alpha if options.alpha_r is None else options.alpha_r,
        expected_rate=options.expected_rate and alpha > 0,
        expected_distortion=options.expected_distortion and alpha > 0,
    )


class LearningRates(NamedTuple):
    """Of encoder and decoder, of the transforms of hyper-latents, and of the density models."""

    transform: float
    hyper: float
    density: float


def learning_rates_at(options: TrainingOptions, step: int) -> LearningRates:
    """Learning rates at a step (Sec. 5.2).

    "drop" is the paper's: constant, then `rate_final` of it from `rate_drop_at` of the run on.
    "cosine" falls from 1 to `rate_final` along half a cosine. "constant" is constant, and falls
    linearly to 0 over the last `cooldown_steps` (Hägele et al. 2024): a run need not know its
    length in advance, since another one can begin at any of its steps and cool down. With
    `warmup_steps` all three rise linearly at first, so that Adam has gathered its moments when the
    steps are large. In the first `density_only_steps` encoder and decoder rest. What turns latents
    into hyper-latents and these into scales and means belongs to the density of the latents, and
    does not.
    """
    progress = step / options.steps
    if options.rate_schedule == "drop":
        factor = 1.0 if progress < options.rate_drop_at else options.rate_final
    elif options.rate_schedule == "cosine":
        factor = options.rate_final + (1 - options.rate_final) * (
            0.5 + 0.5 * math.cos(math.pi * progress)
        )
    else:
        left = options.steps - step
        factor = 1.0 if left > options.cooldown_steps else left / (options.cooldown_steps + 1)
    if step < options.warmup_steps:
        factor *= (step + 1) / (options.warmup_steps + 1)
    rate = options.learning_rate * factor
    resting = step < options.density_only_steps
    return LearningRates(
        transform=0.0 if resting else rate,
        hyper=rate * options.hyper_rate,
        density=rate * options.density_rate,
    )
