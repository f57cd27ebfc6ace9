"""`npuq decompress`: a file becomes an image again."""

from __future__ import annotations

import argparse
from pathlib import Path

from npuq.cli.common import band_progress, check_not_same, load_model_option, naming


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq decompress`."""
    parser.add_argument("file", metavar="FILE", help="a file made by npuq compress")
    parser.add_argument(
        "image", metavar="IMAGE", help="the image to write: .png, .ppm, .bmp, .tif or .webp"
    )
    parser.add_argument(
        "--model", metavar="PATH", help="the model, if it is not one that comes with npuq"
    )


def run(args: argparse.Namespace) -> None:
    """Decompress; say what came out."""
    from npuq.atomic import check_can_write
    from npuq.codec import decompress
    from npuq.images import check_writable, write_image

    check_writable(args.image)
    check_can_write(args.image)
    check_not_same(args.image, args.file, args.model)
    model = load_model_option(args.model)
    data = Path(args.file).read_bytes()
    with naming(args.file), band_progress() as progress:
        image = decompress(data, model=model, progress=progress)
    write_image(args.image, image)
    print(f"{args.image}: {image.shape[1]} x {image.shape[0]} pixels")
