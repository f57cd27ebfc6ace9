"""What the presets of `npuq train` set, for people."""

from __future__ import annotations

import argparse
import dataclasses
import textwrap
from collections.abc import Sequence
from typing import Any

LAYOUT: dict[str, Any] = {"width": 96, "initial_indent": "    ", "subsequent_indent": "    "}


class ListPresets(argparse.Action):
    """`--list-presets`: print them and end, as --help does."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print and end."""
        print(preset_text())
        parser.exit()


def preset_text() -> str:
    """Every preset as the options that make it: the first in full, then by what is different.

    Each is told by the last one before it from which it differs least.
    """
    from npuq.training.options import TrainingOptions
    from npuq.training.presets import PRESETS

    told: dict[str, dict[str, Any]] = {}
    parts = []
    for name, preset in PRESETS.items():
        values = dataclasses.asdict(TrainingOptions(**preset))
        differing = {
            other: {k: v for k, v in values.items() if before[k] != v}
            for other, before in told.items()
        }
        if differing:
            nearest = min(reversed(differing), key=lambda other: len(differing[other]))
            head, shown = f"{name}: {nearest} with", differing[nearest]
        else:
            head, shown = f"{name}:", values
        text = "  ".join(_option(k, v) for k, v in shown.items())
        parts.append(head)
        parts.append(textwrap.fill(text, break_on_hyphens=False, **LAYOUT))
        told[name] = values
    return "\n".join(parts)


def _option(name: str, value: Any) -> str:
    """As on the command line, with spaces that are not broken at."""
    flag = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return flag if value else flag.replace("--", "--no-", 1)
    if isinstance(value, tuple):
        pairs = (":".join(map(_number, v)) if isinstance(v, tuple) else _number(v) for v in value)
        value = ",".join(pairs)
    elif value is None:
        return f"({name.replace('_', '-')}=none)"
    return f"{flag}={value if isinstance(value, str) else _number(value)}"


def _number(value: float) -> str:
    return f"{value:.12g}"
