"""`npuq decompress`: a file becomes an image, or an array, again."""

from __future__ import annotations

import argparse
from pathlib import Path

from npuq.cli.arrays import decompress_npy, is_array
from npuq.cli.common import JSON_HELP, TABLES_HELP, band_progress, load_model_option, naming
from npuq.cli.device import add_device
from npuq.cli.streams import STREAM, check_output, input_name, read_input, say_written, write_output
from npuq.errors import NpuqError

FORMATS = ("png", "ppm", "bmp", "tif", "webp")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq decompress`."""
    parser.add_argument(
        "file", metavar="FILE", help="a file made by npuq compress; - is standard input"
    )
    parser.add_argument(
        "image",
        metavar="IMAGE",
        help="the image to write: .png, .ppm, .bmp, .tif or .webp; .npy for an array; - is "
        "standard output",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="of the image (default: what the end of its name says, and png for -)",
    )
    parser.add_argument(
        "--model", metavar="PATH", help="the model, if it is not one that comes with npuq"
    )
    parser.add_argument("--tables", metavar="PATH", help=TABLES_HELP)
    add_device(parser)
    parser.add_argument("--json", action="store_true", help=JSON_HELP)


def run(args: argparse.Namespace) -> None:
    """Decompress; say what came out."""
    from npuq.codec.files import decompress
    from npuq.io.image_writing import check_writable, encode_image, write_image

    suffix, is_npy = _suffix(args), Path(args.image).suffix.lower() == ".npy"
    if suffix is None and not is_npy:
        check_writable(args.image)
    check_output(args.image, args.file, args.model, args.tables)
    model = load_model_option(args.model)
    data = read_input(args.file)
    if is_array(data):
        decompress_npy(args, data)
        return
    if args.tables is not None:
        raise NpuqError(f"{input_name(args.file)}: is no array; leave out --tables")
    if is_npy:
        raise NpuqError(f"{input_name(args.file)}: is no array; name an image to write it to")
    with naming(input_name(args.file)), band_progress() as progress:
        image = decompress(data, model=model, device=args.device, progress=progress)
    if suffix is None:
        write_image(args.image, image)
    else:
        write_output(args.image, encode_image(image, suffix))
    height, width = image.shape[:2]
    facts = {"height": height, "width": width}
    say_written(args.image, facts, f"{width} x {height} pixels", as_json=args.json)


def _suffix(args: argparse.Namespace) -> str | None:
    """That of the format, where the name of the image does not say it.

    Raises:
        NpuqError: the name says another one than --format.
    """
    from npuq.io.image_writing import WRITE_OPTIONS

    if args.image == STREAM:
        return f".{args.format or FORMATS[0]}"
    if args.format is None:
        return None
    suffix = f".{args.format}"
    named = WRITE_OPTIONS.get(Path(args.image).suffix.lower(), WRITE_OPTIONS[suffix])
    if named != WRITE_OPTIONS[suffix]:
        raise NpuqError(f"{args.image}: its name says another format than --format {args.format}")
    return suffix
