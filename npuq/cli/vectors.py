"""`npuq vectors`: golden vectors of every function, for any language."""

from __future__ import annotations

import argparse
from pathlib import Path

from npuq.cli.common import JSON_HELP, say
from npuq.errors import NpuqError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq vectors`."""
    parser.add_argument(
        "folder",
        metavar="DIR",
        help="a folder to write JSON and .npy files into, new or empty; npuq/checks/README.md says "
        "what is in them",
    )
    parser.add_argument("--json", action="store_true", help=JSON_HELP)


def run(args: argparse.Namespace) -> int:
    """Write them, and say how many files there are."""
    from npuq.checks.vectors import files
    from npuq.io.atomic import write_bytes_atomically

    folder = Path(args.folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NpuqError(f"{folder} is there already and not an empty folder; name another one")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise NpuqError(f"cannot make the folder {folder}: {error.strerror or error}") from error
    count = 0
    for name, content in files():
        write_bytes_atomically(folder / name, content)
        count += 1
    say(str(folder), {"files": count}, f"{count} files", as_json=args.json)
    return 0
