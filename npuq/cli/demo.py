"""`npuq demo`: the three approaches side by side on one picture."""

from __future__ import annotations

import argparse

from npuq.cli.common import (
    DEFAULT_QUALITY,
    QUALITY_HELP,
    check_not_same,
    print_json,
    print_table,
    seed,
    whole,
)

BUILT_IN = "dead leaves"
BUILT_IN_SHAPE = (512, 768)
BUILT_IN_SEED = 7


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq demo`."""
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
        "--model", choices=("linear", "hyperprior"), help="only one of the models (default: both)"
    )
    parser.add_argument(
        "--quality", type=whole, default=DEFAULT_QUALITY, metavar="N", help=QUALITY_HELP
    )
    parser.add_argument("--seed", type=seed, default=0, metavar="S", help="of the dither")
    parser.add_argument("--json", action="store_true", help="print the table as a JSON list")


def run(args: argparse.Namespace) -> None:
    """Compress, decode, print the table, draw the comparison."""
    from npuq.coding.container import METHODS
    from npuq.dead_leaves import dead_leaves
    from npuq.demo import run_demo, write_comparison
    from npuq.evaluate import as_json, jobs_for
    from npuq.figures import check_drawable
    from npuq.images import read_image
    from npuq.shipped import KINDS, shipped_qualities

    check_drawable(args.out)
    check_not_same(args.out, args.image)
    kinds = (
        [args.model]
        if args.model
        else [kind for kind in KINDS if args.quality in shipped_qualities(kind)] or KINDS[:1]
    )
    jobs = {kind: jobs_for(METHODS, [args.quality], kind) for kind in kinds}
    if args.image is None:
        name, image = BUILT_IN, dead_leaves(*BUILT_IN_SHAPE, seed=BUILT_IN_SEED)
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
