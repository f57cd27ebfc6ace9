"""The paper's Figures 1 to 12 from our own runs.

    python bench/paper/figure.py NUMBER [NUMBER ...] [--kodak FOLDER] [--results FOLDER]
                                 [--out FOLDER] [--losses held-out]

Draws fig01.png ... fig12.png. Figs. 1 and 4 are computed; 2, 3, 5 and 6 are drawn from the results
of `kodak.py` and `train_curves.sh`; 7 to 12 compress three photographs of the Kodak set each, with
the models that come with the package. Where results are absent, the message has the command that
makes them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from figures import formulas, layout, pictures
from figures.courses import LOSSES
from figures.style import in_style, write

from npuq.errors import NpuqError

RESULTS = Path(__file__).parents[1] / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("numbers", type=int, choices=range(1, 13), nargs="+", metavar="NUMBER")
    parser.add_argument("--kodak", type=Path, help="the Kodak photographs, for 7 to 12")
    parser.add_argument("--results", type=Path, default=RESULTS, help="what is drawn")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where pictures go")
    parser.add_argument(
        "--losses", choices=LOSSES, default="held-out", help="of Fig. 3B (default: %(default)s)"
    )
    args = parser.parse_args(arguments)
    for number in args.numbers:
        try:
            with in_style():
                figure = draw(number, args)
                args.out.mkdir(parents=True, exist_ok=True)
                path = args.out / f"fig{number:02}.png"
                write(path, figure)
        except NpuqError as error:
            print(f"figure {number}: {error}", file=sys.stderr)
            return 2
        print(f"wrote {path}")
    return 0


def draw(number: int, args: argparse.Namespace) -> Any:
    """One figure, not yet written."""
    match number:
        case 1:
            return formulas.soft_rounding()
        case 2:
            return layout.figure_2(args.results)
        case 3:
            return layout.figure_3(args.results, args.losses)
        case 4:
            return formulas.lattice()
        case 5:
            return layout.figure_5(args.results)
        case 6:
            return layout.figure_6(args.results)
        case _:
            return pictures.draw(number, args.kodak)


if __name__ == "__main__":
    sys.exit(main())
