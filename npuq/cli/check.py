"""`npuq check`: an implementation of somebody's, judged by the paper's laws."""

from __future__ import annotations

import argparse
import os
import sys

from npuq.cli.common import JSON_LIST_HELP, print_json

FAILED = 1
"""The exit status if a check failed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq check`."""
    parser.add_argument(
        "target",
        metavar="TARGET",
        help="a module (package.module), something in it (package.module:name) or a file (mine.py) "
        "with functions of the list in npuq/checks/README.md; npuq judges itself",
    )
    parser.add_argument(
        "--framework",
        choices=("torch", "jax", "tensorflow"),
        help="whose arrays the functions take (default: NumPy's)",
    )
    parser.add_argument(
        "--only",
        metavar="CHECK",
        action="append",
        default=[],
        help="only checks whose names begin so; may be given again",
    )
    parser.add_argument("--junit", metavar="PATH", help="write a report for CI viewers as well")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help=JSON_LIST_HELP)
    form.add_argument("--markdown", action="store_true", help="print a table in Markdown")


def run(args: argparse.Namespace) -> int:
    """Judge, and say what was found; status 1 if something failed."""
    from npuq.checks import report
    from npuq.checks.door import check
    from npuq.checks.records import as_dict
    from npuq.checks.target import load
    from npuq.io.atomic import write_bytes_atomically

    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as for `python -m`: modules beside the user
    records = check(load(args.target), framework=args.framework, only=args.only)
    if args.junit:
        write_bytes_atomically(args.junit, report.junit(records, args.target).encode())
    if args.json:
        print_json([as_dict(record) for record in records])
    else:
        print(report.markdown(records) if args.markdown else report.text(records))
    return FAILED if any(record.status == "fail" for record in records) else 0
