"""`npuq demo`: the three approaches side by side on one picture."""

from __future__ import annotations

import argparse

from npuq.cli.common import DEFAULT_QUALITY, check_not_same, print_json, print_table, seed, whole

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
        "--quality",
        type=whole,
        default=DEFAULT_QUALITY,
        metavar="N",
        help=f"of the models, 1 (smallest files) to 8 (default: {DEFAULT_QUALITY})",
    )
    parser.add_argument("--seed", type=seed, default=0, metavar="S", help="of the dither")
    parser.add_argument("--json", action="store_true", help="print the table as a JSON list")


def run(args: argparse.Namespace) -> None:
    """Compress, decode, print the table, draw the comparison."""
    from npuq.coding.container import METHODS
    from npuq.dead_leaves import dead_leaves
    from npuq.demo import check_drawable, run_demo, write_comparison
    from npuq.evaluate import as_json, jobs_for
    from npuq.images import read_image

    check_drawable(args.out)
    check_not_same(args.out, args.image)
    jobs = jobs_for(METHODS, [args.quality])
    if args.image is None:
        name, image = BUILT_IN, dead_leaves(*BUILT_IN_SHAPE, seed=BUILT_IN_SEED)
    else:
        name, image = args.image, read_image(args.image)
    evaluations = run_demo(image, jobs, name=name, seed=args.seed)
    records = [evaluation.record for evaluation in evaluations]
    write_comparison(args.out, image, evaluations)
    if args.json:
        print_json(as_json(records))
        return
    print_table(records)
    print(f"the pictures side by side: {args.out}")
