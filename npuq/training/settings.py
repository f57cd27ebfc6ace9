"""What can be set of a training run, Sec. 5.2: fields and their defaults, without rules.

The rules differ between kinds of model. So they are in `npuq.training.options`, above the table of
kinds, whose functions take settings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
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
        hyper_rate: likewise, of what turns latents into hyper-latents and these into scales and
            means, in the hyperprior model.
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
    hyper_rate: float = 1.0
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
