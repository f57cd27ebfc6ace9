"""The options of `npuq train` that stand for fields of `TrainingOptions`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from npuq.cli.common import number, positive, seed, whole
from npuq.training.kinds import TRAINABLE
from npuq.training.options import CHOICES


def size_range(text: str) -> tuple[int, int]:
    """LOW,HIGH."""
    low, comma, high = text.partition(",")
    if not comma:
        raise argparse.ArgumentTypeError(f"must be two whole numbers, LOW,HIGH, not {text!r}")
    return whole(low), whole(high)


def size(text: str) -> tuple[int, int]:
    """A name of a size, or N,M."""
    named = {name: pair for kind in TRAINABLE.values() for name, pair in kind.sizes.items()}
    if text in named:
        return named[text]
    channels, comma, latents = text.partition(",")
    if not comma:
        raise argparse.ArgumentTypeError(f"must be {', '.join(named)} or N,M, not {text!r}")
    return whole(channels), whole(latents)


def decay(text: str) -> tuple[tuple[int, float], ...]:
    """STEP:FACTOR,..., possibly none."""
    pairs = [part.partition(":") for part in text.split(",") if part]
    if not all(colon for _, colon, _ in pairs):
        raise argparse.ArgumentTypeError(f"must be STEP:FACTOR, ..., not {text!r}")
    return tuple((whole(step), number(factor)) for step, _, factor in pairs)


LMBDA_HELP = (
    "lambda, bits per pixel per squared grey level, at the end of training (the paper's presets "
    "start at 4 times that and halve it twice, for the hyperprior model at 10 times that)"
)

SIZES = "; ".join(
    f"of the {name} model: {', '.join(f'{word} ({N},{M})' for word, (N, M) in kind.sizes.items())}"
    for name, kind in TRAINABLE.items()
    if kind.sizes
)
MULTIPLES = ", of ".join(
    f"{kind.crop_multiple} for the {name} model" for name, kind in TRAINABLE.items()
)
STARTS = ", ".join(
    f"{' or '.join(kind.starts)} for the {name} model" for name, kind in TRAINABLE.items()
)

SETTINGS: tuple[tuple[str, Callable[[str], Any], str | None, str], ...] = (
    ("model", str, None, "which model of Sec. 5.1"),
    (
        "size",
        size,
        "NAME|N,M",
        f"{SIZES}, or channels of its hidden layers and of its latents",
    ),
    (
        "quantizer",
        str,
        None,
        "of the linear model in training: noise, the channel of the paper, or an older one of "
        "Sec. 2, for comparison",
    ),
    ("lmbda", number, "X", LMBDA_HELP),
    (
        "lmbda_decay",
        decay,
        "STEP:FACTOR,...",
        "from STEP on, lambda is FACTOR of what it was; empty: always the same",
    ),
    ("steps", positive, "N", "training steps"),
    ("batch_size", positive, "N", "crops a step"),
    (
        "crop",
        positive,
        "N",
        f"height and width of the crops, a multiple of {MULTIPLES}",
    ),
    ("smaller_side", size_range, "LOW,HIGH", "range of sizes to which images are resized, pixels"),
    ("turns", bool, None, "crops turned by multiples of 90 degrees"),
    ("learning_rate", number, "X", "of Adam, for the transforms"),
    ("density_rate", number, "X", "learning rate of the density relative to that"),
    ("hyper_rate", number, "X", "likewise, of the hyperprior's transforms of hyper-latents"),
    ("rate_schedule", str, None, "how the learning rate falls"),
    ("rate_final", number, "X", "last learning rate relative to the first"),
    ("rate_drop_at", number, "X", "fraction of the run after which it drops"),
    ("warmup_steps", whole, "N", "first steps, over which it rises linearly"),
    ("cooldown_steps", whole, "N", "last steps, over which a constant one falls linearly to 0"),
    ("density_only_steps", whole, "N", "first steps in which the transforms rest"),
    ("clip_norm", number, "X", "longer gradients are shortened to that"),
    ("skip_ratio", number, "X", "steps with gradients of X times the usual length are left out"),
    ("average_steps", whole, "N", "average the parameters over some N steps; 0: the last ones"),
    ("alpha_start", number, "X", "softness at first; 0 and 0: plain uniform noise"),
    ("alpha_end", number, "X", "softness at the end, reached linearly"),
    ("alpha_r", number, "X", "softness of r, if it is not that of s (Fig. 2B)"),
    ("expected_rate", bool, None, "gradient of the rate by Eq. (17)"),
    ("expected_distortion", bool, None, "gradient of the distortion by Eq. (20)"),
    (
        "start",
        str,
        None,
        f"initial transforms (Fig. 5A): {STARTS}",
    ),
    ("coordinates", str, None, "what Adam moves: frequency or pixel weights of each kernel"),
    ("step_size", number, "X", "initial quantization step, grey levels"),
    ("init_scale", number, "X", "initial scale of the density"),
    (
        "noise",
        str,
        None,
        "generator of the noise: philox, the same on every device, or pcg64, that of older runs",
    ),
    ("seed", seed, "S", "of everything random"),
)
"""Every field of `TrainingOptions`: its type, its place holder (None where the choices are
listed), its help."""


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Declare an option for every field; what is not given stays None, as the preset has it."""
    group = parser.add_argument_group(
        "settings of Sec. 5.2; the defaults are the preset's, see npuq train --list-presets"
    )
    for name, kind, metavar, text in SETTINGS:
        flag = "--" + name.replace("_", "-")
        if kind is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            group.add_argument(
                flag, type=kind, metavar=metavar, choices=CHOICES.get(name), default=None, help=text
            )


def given_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The fields that the command line sets."""
    values = {name: getattr(args, name) for name, *_ in SETTINGS}
    return {name: value for name, value in values.items() if value is not None}
