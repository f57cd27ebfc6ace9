"""`npuq compress`: an image, or an array, becomes a file; several images, files in a folder."""

from __future__ import annotations

import argparse

from npuq.cli.arrays import DENSITIES, compress_npy, is_npy
from npuq.cli.common import (
    DEFAULT_QUALITY,
    JSON_HELP,
    MODEL_HELP,
    QUALITY_HELP,
    SEED_HELP,
    band_progress,
    model_option,
    number,
    seed,
    whole,
)
from npuq.cli.compress_many import compress_many, is_many
from npuq.cli.device import add_device
from npuq.cli.streams import STREAM, check_output, input_name, read_input, say_written, write_output
from npuq.errors import NpuqError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq compress`."""
    from npuq.trained.methods import METHODS

    parser.add_argument(
        "images",
        metavar="IMAGE",
        nargs="+",
        help="any 8-bit image that Pillow reads, or a .npy file of floats; - is standard input; "
        "where FILE is a folder, several images, and folders of them",
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        help="the compressed file to write; - is standard output; or a folder, which gets "
        "NAME.npuq of each image",
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        help="un+q: rounding; un+uq: universal quantization; un+uq+sr: the same with soft "
        "rounding (default: un+uq+sr; for an array without --alpha, un+uq)",
    )
    parser.add_argument("--model", metavar="NAME|PATH", help=MODEL_HELP)
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
    parser.add_argument(
        "--step", type=number, metavar="D", help="of quantization, for an array, in its units"
    )
    parser.add_argument(
        "--density",
        choices=DENSITIES,
        help="of an array; fit takes the one with the fewest bits (default: fit)",
    )
    parser.add_argument(
        "--alpha",
        type=number,
        metavar="A",
        help="softness of the rounding, for an array (default: none)",
    )
    add_device(parser)
    parser.add_argument("--json", action="store_true", help=JSON_HELP)


def run(args: argparse.Namespace) -> int:
    """Compress; say how many bytes came out."""
    from npuq.ranks.launch import world

    if is_many(args.images, args.file):
        return compress_many(args)
    if world().size > 1:
        raise NpuqError("one image is compressed by one process; start it without mpiexec")
    (args.image,) = args.images
    _compress_one(args)
    return 0


def _compress_one(args: argparse.Namespace) -> None:
    from npuq.codec.files import compress
    from npuq.io.images import read_image
    from npuq.trained.linear import LINEAR
    from npuq.trained.methods import METHODS

    check_output(args.file, args.image, args.model)
    stream = read_input(STREAM) if args.image == STREAM else None
    if is_npy(args.image, stream):
        compress_npy(args, read_input(args.image) if stream is None else stream)
        return
    if {args.step, args.density, args.alpha} != {None}:
        raise NpuqError("--step, --density and --alpha are for arrays, .npy files")
    model = model_option(LINEAR.name if args.model is None else args.model, args.quality)
    image = read_image(input_name(args.image), data=stream)
    with band_progress() as progress:
        data = compress(
            image,
            method=args.method or METHODS[-1],
            quality=DEFAULT_QUALITY if args.quality is None else args.quality,
            model=model,
            seed=args.seed,
            device=args.device,
            progress=progress,
        )
    write_output(args.file, data)
    height, width = image.shape[:2]
    bpp = 8 * len(data) / (height * width)
    facts = {"height": height, "width": width, "bytes": len(data), "bpp": bpp}
    say_written(args.file, facts, f"{len(data)} bytes, {bpp:.4f} bpp", as_json=args.json)
