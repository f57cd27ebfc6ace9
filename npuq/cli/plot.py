"""`npuq plot`: the course of a training as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from npuq.cli.common import JSON_HELP, check_not_same, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq plot`."""
    parser.add_argument(
        "folder", metavar="RUN", help="the folder of a training, or its history.csv"
    )
    parser.add_argument(
        "out", metavar="OUT", nargs="?", help="the picture to draw (default: RUN/history.png)"
    )
    parser.add_argument("--json", action="store_true", help=JSON_HELP)


def run(args: argparse.Namespace) -> None:
    """Draw, and say up to which step."""
    from npuq.evaluation.figures import check_drawable, draw_training

    history = Path(args.folder)
    if history.is_dir():
        history /= "history.csv"
    out = args.out or str(history.with_suffix(".png"))
    check_drawable(out)
    check_not_same(out, history)
    steps = draw_training(out, history)
    say(out, {"steps": steps}, f"{steps} steps", as_json=args.json)
