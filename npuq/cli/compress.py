"""`npuq compress`: an image becomes a file."""

from __future__ import annotations

import argparse

from npuq.cli.common import (
    DEFAULT_QUALITY,
    JSON_HELP,
    MODEL_HELP,
    QUALITY_HELP,
    SEED_HELP,
    band_progress,
    model_option,
    seed,
    whole,
)
from npuq.cli.streams import STREAM, check_output, input_name, read_input, say_written, write_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq compress`."""
    from npuq.trained.methods import METHODS

    parser.add_argument(
        "image", metavar="IMAGE", help="any 8-bit image that Pillow reads; - is standard input"
    )
    parser.add_argument(
        "file", metavar="FILE", help="the compressed file to write; - is standard output"
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="un+uq+sr",
        help="un+q: rounding; un+uq: universal quantization; un+uq+sr: the same with soft "
        "rounding (default: un+uq+sr)",
    )
    parser.add_argument("--model", metavar="NAME|PATH", default="linear", help=MODEL_HELP)
    parser.add_argument(
        "--quality",
        type=whole,
        metavar="N",
        help=f"{QUALITY_HELP} (default: {DEFAULT_QUALITY})",
    )
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        metavar="S",
        help=f"{SEED_HELP}; the same seed gives the same file",
    )
    parser.add_argument("--json", action="store_true", help=JSON_HELP)


def run(args: argparse.Namespace) -> None:
    """Compress; say how many bytes came out."""
    from npuq.codec.files import compress
    from npuq.io.images import read_image

    check_output(args.file, args.image, args.model)
    model = model_option(args.model, args.quality)
    stream = read_input(STREAM) if args.image == STREAM else None
    image = read_image(input_name(args.image), data=stream)
    with band_progress() as progress:
        data = compress(
            image,
            method=args.method,
            quality=DEFAULT_QUALITY if args.quality is None else args.quality,
            model=model,
            seed=args.seed,
            progress=progress,
        )
    write_output(args.file, data)
    height, width = image.shape[:2]
    bpp = 8 * len(data) / (height * width)
    facts = {"height": height, "width": width, "bytes": len(data), "bpp": bpp}
    say_written(args.file, facts, f"{len(data)} bytes, {bpp:.4f} bpp", as_json=args.json)
