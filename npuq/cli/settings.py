"""The options of `npuq train` that stand for fields of `TrainingOptions`."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

from npuq.cli.common import positive, seed


def number(text: str) -> float:
    """A float that is one: nan and inf pass no comparison and fail later, obscurely."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError("must be a finite number")
    return value


def size_range(text: str) -> tuple[int, int]:
    low, _, high = text.partition(",")
    return int(low), int(high)


def decay(text: str) -> tuple[tuple[int, float], ...]:
    pairs = (part.partition(":") for part in text.split(",") if part)
    return tuple((int(step), number(factor)) for step, _, factor in pairs)


SETTINGS: tuple[tuple[str, Callable[[str], Any], str | None, str], ...] = (
    ("lmbda", number, "X", "lambda: bits per pixel per squared grey level"),
    ("lmbda_decay", decay, "STEP:FACTOR,...", "from STEP on, lambda is FACTOR of what it was"),
    ("steps", positive, "N", "training steps"),
    ("batch_size", positive, "N", "crops a step"),
    ("crop", positive, "N", "height and width of the crops, a multiple of 8"),
    ("smaller_side", size_range, "LOW,HIGH", "range of sizes to which images are resized, pixels"),
    ("learning_rate", number, "X", "of Adam, for the transforms"),
    ("density_rate", number, "X", "learning rate of the density relative to that"),
    ("rate_schedule", str, "NAME", "drop or cosine"),
    ("rate_final", number, "X", "last learning rate relative to the first"),
    ("rate_drop_at", number, "X", "fraction of the run after which it drops"),
    ("density_only_steps", int, "N", "first steps in which the transforms rest"),
    ("alpha_start", number, "X", "softness at first; 0 and 0: plain uniform noise"),
    ("alpha_end", number, "X", "softness at the end, reached linearly"),
    ("alpha_r", number, "X", "softness of r, if it is not that of s (Fig. 2B)"),
    ("expected_rate", bool, None, "gradient of the rate by Eq. (17)"),
    ("expected_distortion", bool, None, "gradient of the distortion by Eq. (20)"),
    ("start", str, "NAME", "initial transforms: orthogonal or jpeg (Fig. 5A)"),
    ("coordinates", str, "NAME", "what Adam moves: frequency or pixel weights"),
    ("step_size", number, "X", "initial quantization step, grey levels"),
    ("init_scale", number, "X", "initial scale of the density"),
    ("seed", seed, "S", "of everything random"),
)
"""Every field of `TrainingOptions`: its type, its place holder, its help."""


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Declare an option for every field; what is not given stays None, as the preset has it."""
    group = parser.add_argument_group("settings of Sec. 5.2; the defaults are the preset's")
    for name, kind, metavar, text in SETTINGS:
        flag = "--" + name.replace("_", "-")
        if kind is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            group.add_argument(flag, type=kind, metavar=metavar, default=None, help=text)


def given_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The fields that the command line sets."""
    values = {name: getattr(args, name) for name, *_ in SETTINGS}
    return {name: value for name, value in values.items() if value is not None}
