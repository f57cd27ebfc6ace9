"""What changes over a training run, as functions of the step: Sec. 5.2.

All settings of a run are one immutable record, `TrainingOptions`; every quantity of a step follows
from the record and the number of the step, so that a resumed run needs nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from npuq.models.older_rate import OLDER_QUANTIZERS

CHOICES = {
    "model": ("linear", "hyperprior"),
    "quantizer": ("noise", *OLDER_QUANTIZERS),
    "rate_schedule": ("drop", "cosine", "constant"),
    "start": ("orthogonal", "jpeg", "random", "klt"),
    "coordinates": ("frequency", "pixel"),
    "noise": ("philox", "pcg64"),
}
"""The fields of `TrainingOptions` that are one of a few words."""


@dataclass(frozen=True)
class TrainingOptions:
    """Settings of a run. The defaults are quick ones; `npuq.training.presets` has the paper's.

    Attributes:
        model: which model of Sec. 5.1, "linear" or "hyperprior".
        size: (N, M) of the hyperprior model, channels of its hidden layers and of its latents.
        quantizer: what stands between encoder and decoder in training: "noise", the channel of the
            paper, or one of OLDER_QUANTIZERS (Sec. 2), for the linear model. "annealed" is for
            softnesses above 0, the other older ones for 0.
        lmbda: lambda at the end of training, bits per pixel per squared grey level.
        lmbda_decay: (step, factor) pairs: from that step on lambda is `factor` of what it was.
        steps: number of training steps.
        batch_size: images a step.
        crop: height and width of the crops, pixels; a multiple of 8, of 64 for the hyperprior.
        smaller_side: range of the smaller side to which images are resized, pixels.
        turns: whether crops are turned by multiples of 90 degrees, at random.
        learning_rate: of Adam, for the transforms.
        density_rate: learning rate of the density relative to that of the transforms.
        rate_schedule: "drop", "cosine" or "constant", see `learning_rates_at`.
        warmup_steps: first steps, over which the learning rates rise linearly; 0 for none.
        cooldown_steps: last steps, over which "constant" falls linearly to 0; 0 for none.
        rate_final: the last learning rate relative to the first.
        rate_drop_at: fraction of the run after which "drop" applies `rate_final`.
        density_only_steps: first steps in which only the densities are trained.
        clip_norm: gradients longer than that, all together, are shortened to it; None for never.
        skip_ratio: steps whose gradient is longer than that many times the median of the steps
            before are left out, see `npuq.nn.clipping.is_outlier`; None for never.
        average_steps: about how many steps the average reaches back that is validated and saved in
            place of the last parameters, see `npuq.training.step.averaged`; 0 for no average.
        alpha_start: softness at the first step; 0 and 0 train plain uniform noise (UN).
        alpha_end: softness at the end, reached linearly.
        alpha_r: softness of r if it is not that of s (Fig. 2B), else None.
        expected_rate: use Eq. (17).
        expected_distortion: use Eq. (20).
        start: initial transforms: of the linear model, "orthogonal" or "jpeg" (Fig. 5A); of the
            hyperprior model, "random" or "klt", see `npuq.training.klt`.
        coordinates: what Adam moves: "frequency" coefficients or "pixel" weights of each filter
            of the linear model and of each kernel of the hyperprior model.
        step_size: initial quantization step, grey levels; None for see `initial_step_size`.
        init_scale: initial scale of the density.
        noise: the generator of the noise: "philox", the same numbers on every device; "pcg64" was
            that of runs with checkpoints of formats 2 and 3.
        seed: of everything random.
    """

    model: str = "linear"
    size: tuple[int, int] = (128, 192)
    quantizer: str = "noise"
    lmbda: float = 0.0125
    lmbda_decay: tuple[tuple[int, float], ...] = ()
    steps: int = 16_000
    batch_size: int = 8
    crop: int = 128
    smaller_side: tuple[int, int] = (533, 1200)
    turns: bool = False
    learning_rate: float = 2e-3
    density_rate: float = 15.0
    rate_schedule: str = "cosine"
    rate_final: float = 0.01
    rate_drop_at: float = 0.8
    warmup_steps: int = 0
    cooldown_steps: int = 0
    density_only_steps: int = 0
    clip_norm: float | None = None
    skip_ratio: float | None = None
    average_steps: int = 0
    alpha_start: float = 0.0
    alpha_end: float = 0.0
    alpha_r: float | None = None
    expected_rate: bool = True
    expected_distortion: bool = True
    start: str = "jpeg"
    coordinates: str = "frequency"
    step_size: float | None = None
    init_scale: float = 1.0
    noise: str = "philox"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained; every comparison is false for a NaN."""

        def check(name: str, holds: bool, rule: str) -> None:
            if not holds:
                raise ValueError(f"{name} must {rule}, not {getattr(self, name)!r}")

        for name in ("lmbda", "learning_rate", "density_rate", "rate_final", "init_scale"):
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
        for name, words in CHOICES.items():
            check(name, getattr(self, name) in words, f"be {' or '.join(words)}")
        starts = CHOICES["start"][2:] if self.model == "hyperprior" else CHOICES["start"][:2]
        check("start", self.start in starts, f"be {' or '.join(starts)} for the {self.model} model")
        if self.model == "hyperprior":
            check("quantizer", self.quantizer == "noise", "be noise for the hyperprior model")
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
        return 64 if self.model == "hyperprior" else 8

    @property
    def initial_step_size(self) -> float:
        """The quantization step to start from, in grey levels.

        With a step D and MSE D^2/12, bits per pixel fall by 3 / (D ln 2) per unit of D if all
        three components of a pixel are coded; the sum with lambda D^2/12 is least at
        D = sqrt(18 / (lambda ln 2)).
        """
        if self.step_size is not None:
            return self.step_size
        return math.sqrt(18 / (self.lmbda * math.log(2)))
