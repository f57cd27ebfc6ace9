"""`npuq info`: what a compressed file, a model or a checkpoint says of itself."""

from __future__ import annotations

import argparse
from typing import Any

from npuq.cli.common import JSON_HELP, naming, print_json
from npuq.cli.streams import STREAM, input_name, read_input
from npuq.errors import InvalidFileError, NpuqError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq info`."""
    parser.add_argument(
        "file",
        metavar="FILE",
        help="a file made by npuq compress, or - for standard input; a model or a checkpoint of "
        "npuq train; tables of arrays",
    )
    parser.add_argument("--json", action="store_true", help=JSON_HELP)


def run(args: argparse.Namespace) -> None:
    """Check the file as a whole, and print what it says."""
    from npuq.cli.describe import ARCHIVE, describe, describe_data

    if args.file == STREAM:
        with naming(input_name(args.file)):
            data = read_input(args.file)
            if data.startswith(ARCHIVE):
                raise NpuqError("is no compressed image; name a model or a checkpoint by its file")
            facts = describe_data(data)
    else:
        try:
            facts = describe(args.file)
        except InvalidFileError as error:  # those of bytes, which have no name
            raise type(error)(f"{args.file}: {error}") from error
    if args.json:
        print_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:{width}}  {_text(value)}")


def _text(value: Any) -> str:
    """A value for people, on one line."""
    if value is None or value == {}:
        return "-"
    if isinstance(value, dict) and value.keys() == {"ranks", "from_step"}:
        return f"{value['ranks']} from step {value['from_step']} on"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(v)}" for name, v in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
