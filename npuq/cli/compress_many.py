"""`npuq compress` of several images, or of folders of them, into a folder."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from npuq.cli.arrays import is_npy
from npuq.cli.common import (
    DEFAULT_QUALITY,
    FAILURE,
    about,
    check_not_same,
    facts_of_files,
    image_files,
    model_option,
    print_error,
    print_json,
    progress_bar,
)
from npuq.cli.streams import STREAM
from npuq.errors import InvalidImageError, ModelError, NpuqError

if TYPE_CHECKING:
    from npuq.trained.model import Model

SUFFIX = ".npuq"


class Compressed(NamedTuple):
    """What came out of one image: the file's contents, or why there are none."""

    data: bytes
    height: int
    width: int
    error: str | None = None


def is_many(names: Sequence[str], target: str) -> bool:
    """Whether images go into a folder: there are several, or the target is one."""
    return len(names) > 1 or (target != STREAM and Path(target).is_dir())


def compress_many(args: argparse.Namespace) -> int:
    """Compress every image into FOLDER/NAME.npuq, on however many ranks there are.

    An image that cannot be read is reported and left out. Rank 0 writes all files.
    """
    from npuq.codec.files import compress
    from npuq.io.atomic import write_bytes_atomically
    from npuq.io.images import read_image
    from npuq.ranks.launch import world
    from npuq.trained.methods import METHODS

    ranks = world()
    method = args.method or METHODS[-1]
    quality = DEFAULT_QUALITY if args.quality is None else args.quality
    paths, model = _inputs(args)
    targets = ranks.from_lead(lambda: _targets(paths, Path(args.file), args.model))
    of_model = model if isinstance(model, str) else model.hash.hex()
    ranks.check_alike(facts_of_files(paths) | {"model": of_model})

    def work(number: int) -> Compressed:
        try:
            image = read_image(paths[number])
            data = compress(
                image,
                method=method,
                quality=quality,
                model=model,
                seed=args.seed,
                device=args.device,
            )
        except (InvalidImageError, ModelError) as error:
            return Compressed(b"", 0, 0, str(error))
        return Compressed(data, *image.shape[:2])

    facts: list[dict[str, Any]] = []
    failures = 0
    shown = ranks.leads and sys.stderr is not None and sys.stderr.isatty()
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(progress_bar(total=len(paths), unit="image")) if shown else None
        for number, found in enumerate(ranks.in_order(work, len(paths), threads=1)):
            if bar is not None:
                bar.clear()  # or lines would stand behind it
            if found.error is not None:
                failures += 1
                print_error(about(paths[number], found.error))
                facts.append({"image": str(paths[number]), "error": found.error})
            else:
                write_bytes_atomically(targets[number], found.data)
                size = len(found.data)
                bpp = 8 * size / (found.height * found.width)
                facts.append(
                    {"file": str(targets[number]), "height": found.height, "width": found.width,
                     "bytes": size, "bpp": bpp}
                )  # fmt: skip
                if not args.json:
                    print(f"{targets[number]}: {size} bytes, {bpp:.4f} bpp")
            if bar is not None:
                bar.update()
    if args.json and ranks.leads:
        print_json(facts)
    if failures:
        print_error(f"{failures} of {len(paths)} images could not be compressed")
    return FAILURE if failures else 0


def _inputs(args: argparse.Namespace) -> tuple[list[Path], Model | str]:
    """The images and the model.

    Raises:
        NpuqError: what is asked for is for one image, or for one array.
    """
    from npuq.trained.linear import LINEAR

    if STREAM in args.images:
        raise NpuqError(f"standard input is one image: name a file for it, not {args.file}")
    if {args.step, args.density, args.alpha, args.channels, args.tables} != {None}:
        raise NpuqError(
            "--step, --density, --alpha, --channels and --tables are for arrays, .npy files, one "
            "at a time"
        )
    if {args.target_bytes, args.target_bpp} != {None}:
        raise NpuqError("--target-bytes and --target-bpp are for one image at a time")
    paths = image_files(args.images)
    for path in paths:
        if is_npy(str(path), None):
            raise NpuqError(f"{path}: is an array; arrays are compressed one at a time")
    return paths, model_option(LINEAR.name if args.model is None else args.model, args.quality)


def _targets(paths: Sequence[Path], folder: Path, model: str | None) -> list[Path]:
    """Where each image's file goes: no two into one, and none over what it is made of."""
    from npuq.io.atomic import check_can_write

    if not folder.is_dir():
        raise NpuqError(f"{folder}: is no folder, and several images need one; create it first")
    targets: dict[Path, Path] = {}
    for path in paths:
        target = folder / (path.stem + SUFFIX)
        if target in targets:
            raise NpuqError(
                f"{targets[target]} and {path} would both become {target}; compress them apart"
            )
        check_can_write(target)
        check_not_same(target, model, *paths)
        targets[target] = path
    return list(targets)
