"""`npuq demo`: the three approaches side by side on one picture."""

from __future__ import annotations

import argparse
import warnings

from npuq.cli.common import (
    JSON_LIST_HELP,
    QUALITY_HELP,
    SEED_HELP,
    check_not_same,
    print_json,
    print_table,
    seed,
    whole,
)

BUILT_IN = "lighthouse"
BUILT_IN_SHAPE = (512, 768)
BUILT_IN_SEED = 7
QUALITY = 2
"""At which blocks and grain can be seen, and which both models have."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq demo`."""
    from npuq.trained.shipped import SHIPPED_KINDS

    parser.add_argument(
        "image", metavar="IMAGE", nargs="?", help="a picture of yours instead of the built-in one"
    )
    parser.add_argument(
        "--out",
        metavar="PATH",
        default="npuq-demo.png",
        help="the comparison to draw (default: npuq-demo.png)",
    )
    parser.add_argument(
        "--model",
        choices=SHIPPED_KINDS,
        help="only one of the models (default: both, where they have the quality)",
    )
    parser.add_argument(
        "--quality",
        type=whole,
        default=QUALITY,
        metavar="N",
        help=f"{QUALITY_HELP} (default: {QUALITY}, at which one sees the difference)",
    )
    parser.add_argument("--seed", type=seed, default=0, metavar="S", help=SEED_HELP)
    parser.add_argument("--json", action="store_true", help=JSON_LIST_HELP)


def run(args: argparse.Namespace) -> None:
    """Compress, decode, print the table, draw the comparison."""
    from npuq.evaluation.demo import run_demo, write_comparison
    from npuq.evaluation.figures import check_drawable
    from npuq.evaluation.landscape import landscape
    from npuq.evaluation.rate_distortion import jobs_for
    from npuq.evaluation.records import as_json
    from npuq.io.images import read_image
    from npuq.trained.methods import METHODS

    check_drawable(args.out)
    check_not_same(args.out, args.image)
    kinds = [args.model] if args.model else _kinds(args.quality)
    jobs = {kind: jobs_for(METHODS, [args.quality], kind) for kind in kinds}
    if args.image is None:
        name, image = BUILT_IN, landscape(*BUILT_IN_SHAPE, seed=BUILT_IN_SEED)
    else:
        name, image = args.image, read_image(args.image)
    groups = {
        kind: run_demo(image, of_kind, name=name, seed=args.seed) for kind, of_kind in jobs.items()
    }
    write_comparison(args.out, image, groups)
    records = [evaluation.record for group in groups.values() for evaluation in group]
    if args.json:
        print_json(as_json(records))
        return
    print_table(records)
    print(f"the pictures side by side: {args.out}")


def _kinds(quality: int) -> list[str]:
    """The models that come with this quality; those that do not are named in a warning."""
    from npuq.trained.shipped import SHIPPED_KINDS, shipped_qualities

    kinds = [kind for kind in SHIPPED_KINDS if quality in shipped_qualities(kind)]
    if not kinds:
        return [SHIPPED_KINDS[0]]  # which says what is wrong
    for kind in SHIPPED_KINDS:
        if kind not in kinds:
            known = ", ".join(map(str, shipped_qualities(kind))) or "none"
            warnings.warn(
                f"the {kind} model is left out: it comes with qualities {known}, not {quality}",
                stacklevel=1,
            )
    return kinds
