"""`npuq compress`: an image becomes a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from npuq.cli.common import (
    DEFAULT_QUALITY,
    MODEL_HELP,
    QUALITY_HELP,
    band_progress,
    check_not_same,
    model_option,
    seed,
    whole,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq compress`."""
    from npuq.coding.container import METHODS

    parser.add_argument("image", metavar="IMAGE", help="any 8-bit image that Pillow reads")
    parser.add_argument("file", metavar="FILE", help="the compressed file to write")
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="un+uq+sr",
        help="un+q: rounding; un+uq: universal quantization; un+uq+sr: the same with soft "
        "rounding (default)",
    )
    parser.add_argument("--model", metavar="NAME|PATH", default="linear", help=MODEL_HELP)
    parser.add_argument("--quality", type=whole, metavar="N", help=QUALITY_HELP)
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        metavar="S",
        help="of the dither (default 0); the same seed gives the same file",
    )


def run(args: argparse.Namespace) -> None:
    """Compress; say how many bytes came out."""
    from npuq.atomic import check_can_write, write_bytes_atomically
    from npuq.codec import compress
    from npuq.images import read_image

    check_can_write(args.file)
    check_not_same(args.file, args.image, args.model)
    model = model_option(args.model, args.quality)
    image = read_image(args.image)
    with band_progress() as progress:
        data = compress(
            image,
            method=args.method,
            quality=DEFAULT_QUALITY if args.quality is None else args.quality,
            model=model,
            seed=args.seed,
            progress=progress,
        )
    write_bytes_atomically(Path(args.file), data)
    pixels = image.shape[0] * image.shape[1]
    print(f"{args.file}: {len(data)} bytes, {8 * len(data) / pixels:.4f} bpp")
