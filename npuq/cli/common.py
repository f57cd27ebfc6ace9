"""What several commands share: types of options, the choice of a model, tables and progress."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from npuq.errors import NpuqError, missing_dependency

if TYPE_CHECKING:
    from npuq.evaluation.records import Record
    from npuq.trained.model import Model

FAILURE = 2
"""The exit status after what a user can mend."""

DEFAULT_QUALITY = 4
"""Of the models that come with npuq, where none is asked for."""
QUALITY_HELP = (
    "which of npuq's own models, 1 (smallest files) to 8, of the hyperprior model 1, 2 or 4"
)
JSON_HELP = "print a JSON object instead of text"
JSON_LIST_HELP = "print a JSON list of records instead of a table"
MODEL_HELP = "linear or hyperprior, which come with npuq, or a file of your own (default: linear)"
TABLES_HELP = "of an array, a file that npuq.save_tables wrote (default: they are in FILE)"
SEED_HELP = "of the dither (default: 0)"


def whole(text: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from None


def seed(text: str) -> int:
    """A number that a file's header can hold."""
    value = whole(text)
    if not 0 <= value < 1 << 64:
        raise argparse.ArgumentTypeError("must be from 0 to 2^64 - 1")
    return value


def positive(text: str) -> int:
    """A whole number above 0."""
    value = whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def number(text: str) -> float:
    """A float that is one: nan and inf pass no comparison and fail later, obscurely."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a finite number, not {text!r}")
    return value


def load_model_option(path: str | None) -> Model | None:
    """The model file of a --model, if it names one: those that come with npuq need no name."""
    from npuq.trained.model_file import load_model
    from npuq.trained.shipped import SHIPPED_KINDS

    return None if path is None or path in SHIPPED_KINDS else load_model(path)


def model_option(name: str, quality: int | str | None) -> Model | str:
    """The model file of --model, or the kind that it names.

    Raises:
        NpuqError: there is no such model file, or a quality was asked of it.
    """
    from npuq.trained.model_file import load_model
    from npuq.trained.shipped import SHIPPED_KINDS

    if name in SHIPPED_KINDS:
        return name
    if isinstance(quality, int):
        raise NpuqError("--quality chooses among the models of npuq: leave it or --model out")
    return load_model(name)


def check_not_same(target: str | Path, *sources: str | Path | None) -> None:
    """Refuse to write a result over what it is made of.

    Raises:
        NpuqError: the target and one of the sources are one file.
    """
    existing = [Path(source) for source in sources if source is not None and Path(source).exists()]
    if Path(target).exists() and any(source.samefile(target) for source in existing):
        raise NpuqError(f"{target}: is an input; give the result another name")


def image_files(names: Sequence[str]) -> list[Path]:
    """The images that are named, and those of folders that are.

    Raises:
        NpuqError: one of them is not there, or a folder of no images.
    """
    from npuq.io.folders import list_images

    paths: list[Path] = []
    for name in names:
        path = Path(name)
        if not path.exists():
            raise NpuqError(f"{path}: there is no such file or folder")
        paths += list_images(path) if path.is_dir() else [path]
    return paths


def about(path: str | Path, error: str) -> str:
    """What is wrong with a file, with its name, which most of the messages begin with."""
    return error if error.startswith(str(path)) else f"{path}: {error}"


def facts_of_files(paths: Sequence[Path]) -> dict[str, Any]:
    """What tells files from others of the same names, without reading them, see `Ranks`."""
    listing = json.dumps([(str(path), path.stat().st_size) for path in paths])
    return {"files": len(paths), "names and sizes": zlib.crc32(listing.encode())}


@contextlib.contextmanager
def naming(path: str) -> Iterator[None]:
    """Put the name of a file before what is wrong with its contents."""
    try:
        yield
    except NpuqError as error:
        raise type(error)(f"{path}: {error}") from error


def print_error(message: str) -> None:
    """One line on stderr."""
    print_line(f"npuq: error: {message}")


def print_line(message: str) -> None:
    """A line on stderr, if that can be written to: what cannot be said is no further error."""
    with contextlib.suppress(OSError):
        print(" ".join(message.split()), file=sys.stderr, flush=True)


def print_json(value: Any, file: TextIO | None = None) -> None:
    """JSON as other programs like it, readable as well; on stdout if nothing else is given."""
    print(json.dumps(value, indent=1, allow_nan=False), file=file)


def say(
    path: str, facts: Mapping[str, Any], text: str, *, as_json: bool, file: TextIO | None = None
) -> None:
    """Say what was written into a file: a line for people, or a JSON object with its name."""
    if as_json:
        print_json({"file": path, **facts}, file)
    else:
        print(f"{path}: {text}", file=file)


def print_table(records: Sequence[Record]) -> None:
    """Records as a table for people; no quality is a dash, and so is MS-SSIM of tiny pictures.

    Images are called by their base names; those that share one, by their paths.
    """
    bases = Counter(Path(image).name for image in {record.image for record in records})
    head = ("image", "model", "method", "quality", "bytes", "bpp", "est. bpp", "PSNR", "MS-SSIM")
    rows = [
        (
            Path(r.image).name if bases[Path(r.image).name] == 1 else r.image,
            r.model,
            r.method,
            "-" if r.quality is None else str(r.quality),
            str(r.bytes),
            f"{r.bpp:.4f}",
            f"{r.bpp_estimated:.4f}",
            f"{r.psnr:.2f}",
            "-" if r.ms_ssim != r.ms_ssim else f"{r.ms_ssim:.5f}",
        )
        for r in records
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        text = [
            cell.ljust(w) if i < 3 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(text).rstrip())


def load_tqdm() -> Any:
    """The class of progress bars.

    Raises:
        MissingDependencyError: tqdm is not installed.
    """
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise missing_dependency("the progress bar", "tqdm", "cli", error) from error
    return tqdm


@contextlib.contextmanager
def band_progress() -> Iterator[Callable[[int, int], None] | None]:
    """What `compress` and `decompress` call: a bar, where somebody watches and it takes a while."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None  # no bar where stderr is a file: its end would be all that one sees of it
        return
    bar: Any = None

    def show(done: int, total: int) -> None:
        nonlocal bar
        if bar is None and done < total:
            bar = progress_bar(total=total, unit="band", delay=0.5)
        if bar is not None:
            bar.update(done - bar.n)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()


def progress_bar(**options: Any) -> Any:
    """A bar of tqdm on stderr."""
    return load_tqdm()(file=sys.stderr, dynamic_ncols=True, **options)
