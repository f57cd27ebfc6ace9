"""`npuq compress`: an image, or an array, becomes a file; several images, files in a folder."""

from __future__ import annotations

import argparse
from math import floor, isfinite
from typing import TYPE_CHECKING

from npuq.cli.arrays import DENSITIES, compress_npy, is_npy
from npuq.cli.common import (
    DEFAULT_QUALITY,
    JSON_HELP,
    MODEL_HELP,
    QUALITY_HELP,
    SEED_HELP,
    TABLES_HELP,
    band_progress,
    model_option,
    naming,
    number,
    positive,
    seed,
    whole,
)
from npuq.cli.compress_many import compress_many, is_many
from npuq.cli.device import add_device
from npuq.cli.streams import STREAM, check_output, input_name, read_input, say_written, write_output
from npuq.errors import NpuqError

if TYPE_CHECKING:
    from npuq.backend import Array
    from npuq.evaluation.targets import Fit

MOST_BPP = 1e6  # more is no other target


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
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        "--target-bytes",
        type=positive,
        metavar="N",
        help="take the quality, and the method unless one is named, with the least squared error "
        "of an image among files of at most N bytes",
    )
    target.add_argument(
        "--target-bpp", type=number, metavar="X", help="the same, in bits per pixel"
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
    parser.add_argument(
        "--channels",
        type=whole,
        metavar="AXIS",
        help="an array has a density for each index along this axis (default: one for all)",
    )
    parser.add_argument("--tables", metavar="PATH", help=TABLES_HELP)
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

    check_output(args.file, args.image, args.model, args.tables)
    stream = read_input(STREAM) if args.image == STREAM else None
    if is_npy(args.image, stream):
        if {args.target_bytes, args.target_bpp} != {None}:
            raise NpuqError("--target-bytes and --target-bpp are for images")
        compress_npy(args, read_input(args.image) if stream is None else stream)
        return
    if {args.step, args.density, args.alpha, args.channels, args.tables} != {None}:
        raise NpuqError(
            "--step, --density, --alpha, --channels and --tables are for arrays, .npy files"
        )
    if {args.target_bytes, args.target_bpp} != {None}:
        _compress_to_fit(args, stream)
        return
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
    _write(args, image, data)


def _write(args: argparse.Namespace, image: Array, data: bytes, fit: Fit | None = None) -> None:
    """Write the file; say how many bytes it has, and how it was chosen if it was."""
    write_output(args.file, data)
    height, width = image.shape[:2]
    bpp = 8 * len(data) / (height * width)
    facts = {"height": height, "width": width, "bytes": len(data), "bpp": bpp}
    text = f"{len(data)} bytes, {bpp:.4f} bpp"
    if fit is not None:
        from npuq.evaluation.targets import named

        job = fit.job
        facts |= {"model": job.model.name, "method": job.method, "quality": job.quality}
        facts |= {"psnr": fit.psnr if isfinite(fit.psnr) else None, "fitting": fit.fitting}
        text += f", {fit.psnr:.2f} dB by {named(job)}, the best of {fit.fitting} that fit"
    say_written(args.file, facts, text, as_json=args.json)


def _compress_to_fit(args: argparse.Namespace, stream: bytes | None) -> None:
    """Compress in all ways, and write the best file that fits.

    Raises:
        NpuqError: a quality was asked for as well; no file is as small.
    """
    from npuq.evaluation.rate_distortion import all_qualities, jobs_for, jobs_for_model
    from npuq.evaluation.targets import compress_to_fit
    from npuq.io.images import read_image
    from npuq.trained.linear import LINEAR
    from npuq.trained.methods import METHODS

    if args.quality is not None:
        raise NpuqError("--target-bytes and --target-bpp choose the quality: leave --quality out")
    if args.target_bpp is not None and args.target_bpp <= 0:
        raise NpuqError("--target-bpp must be above 0")
    model = model_option(LINEAR.name if args.model is None else args.model, None)
    methods = None if args.method is None else [args.method]
    jobs = (
        jobs_for(methods or METHODS, all_qualities(model), model)
        if isinstance(model, str)
        else jobs_for_model(model, methods)
    )
    name = input_name(args.image)
    image = read_image(name, data=stream)
    largest = args.target_bytes
    if largest is None:
        largest = floor(min(args.target_bpp, MOST_BPP) * image.shape[0] * image.shape[1] / 8)
    with naming(name):
        fit = compress_to_fit(image, jobs, largest, seed=args.seed, device=args.device)
    _write(args, image, fit.data, fit)
