"""The settings of a training run that can be trained, Sec. 5.2: the rules.

All settings of a run are one immutable record, `TrainingOptions`; every quantity of a step follows
from the record and the number of the step, so that a resumed run needs nothing else. What differs
between kinds of model is asked of the table of kinds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from npuq.models.older_rate import OLDER_QUANTIZERS
from npuq.training.kinds import TRAINABLE
from npuq.training.settings import Settings

CHOICES = {
    "model": tuple(TRAINABLE),
    "quantizer": ("noise", *OLDER_QUANTIZERS),
    "rate_schedule": ("drop", "cosine", "constant"),
    "start": tuple(start for kind in TRAINABLE.values() for start in kind.starts),
    "coordinates": ("frequency", "pixel"),
    "noise": ("philox", "pcg64"),
}
"""The fields of `TrainingOptions` that are one of a few words."""


@dataclass(frozen=True)
class TrainingOptions(Settings):
    """Settings that can be trained; what they are is at `Settings`, field by field.

    Raises:
        ValueError: they cannot be; the message names the field and what it must be.
    """

    def __post_init__(self) -> None:
        """Refuse what cannot be trained; every comparison is false for a NaN."""

        def check(name: str, holds: bool, rule: str) -> None:
            if not holds:
                raise ValueError(f"{name} must {rule}, not {getattr(self, name)!r}")

        for name, words in CHOICES.items():
            check(name, getattr(self, name) in words, f"be {' or '.join(words)}")
        rates = ("learning_rate", "density_rate", "hyper_rate", "rate_final")
        for name in ("lmbda", *rates, "init_scale"):
            check(name, 0 < getattr(self, name) < math.inf, "be positive and finite")
        for name in ("steps", "batch_size", "crop"):
            check(name, getattr(self, name) >= 1, "be at least 1")
        for name in ("alpha_start", "alpha_end"):
            check(name, 0 <= getattr(self, name) < math.inf, "be finite and not negative")
        if self.alpha_r is not None:
            check("alpha_r", 0 <= self.alpha_r < math.inf, "be finite and not negative")
        if self.step_size is not None:
            check("step_size", 0 < self.step_size < math.inf, "be positive and finite")
        if self.clip_norm is not None:
            check("clip_norm", 0 < self.clip_norm < math.inf, "be positive and finite")
        if self.skip_ratio is not None:
            check("skip_ratio", 1 < self.skip_ratio < math.inf, "be above 1 and finite")
        check("warmup_steps", self.warmup_steps >= 0, "not be negative")
        check("average_steps", self.average_steps >= 0, "not be negative")
        check("cooldown_steps", 0 <= self.cooldown_steps <= self.steps, "be from 0 to steps")
        if self.rate_schedule != "constant":
            rule = "be 0 where the rate schedule is not constant"
            check("cooldown_steps", self.cooldown_steps == 0, rule)
        channels, latents = self.size
        check("size", channels >= 1 and latents >= 2, "be (N, M) with N >= 1 and M >= 2")
        check("size", latents % 2 == 0, "have an even M")
        low, high = self.smaller_side
        check("smaller_side", 1 <= low <= high, "be (low, high) with 1 <= low <= high")
        check("rate_drop_at", 0 <= self.rate_drop_at <= 1, "be a fraction of the run, 0 to 1")
        multiple = self.crop_multiple
        check("crop", self.crop % multiple == 0, f"be a multiple of {multiple}")
        check("seed", self.seed >= 0, "not be negative")
        if self.noise == "philox":
            check("seed", self.seed < 1 << 64, "be below 2^64 for philox noise")
        for name in ("start", "quantizer"):
            words = getattr(TRAINABLE[self.model], f"{name}s")
            rule = f"be {' or '.join(words)} for the {self.model} model"
            check(name, getattr(self, name) in words, rule)
        if self.quantizer != "noise":
            check("alpha_r", self.alpha_r is None, f"be None for the {self.quantizer} quantizer")
        if self.quantizer == "annealed":
            rule = "be above 0 at both ends for the annealed quantizer"
            check("alpha_start", self.alpha_start > 0, rule)
            check("alpha_end", self.alpha_end > 0, rule)
        elif self.quantizer != "noise":
            rule = f"be 0 for the {self.quantizer} quantizer"
            check("alpha_start", self.alpha_start == 0, rule)
            check("alpha_end", self.alpha_end == 0, rule)
        check(
            "density_only_steps",
            0 <= self.density_only_steps < self.steps,
            f"be from 0 to below steps = {self.steps} (lower it, or raise steps)",
        )
        check(
            "lmbda_decay",
            all(0 < when < self.steps for when, _ in self.lmbda_decay),
            f"name steps from 1 to below steps = {self.steps} (lower them, or raise steps)",
        )
        check(
            "lmbda_decay",
            all(0 < factor < math.inf for _, factor in self.lmbda_decay),
            "have factors that are positive and finite",
        )

    @property
    def crop_multiple(self) -> int:
        """What the sides of pictures must be multiples of: the coarsest grid of latents."""
        return TRAINABLE[self.model].crop_multiple
