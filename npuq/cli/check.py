"""`npuq check`: an implementation of somebody's, judged by the paper's laws."""

from __future__ import annotations

import argparse

from npuq.cli.common import JSON_LIST_HELP, number, print_json

FAILED = 1
"""The exit status if a check failed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq check`."""
    parser.add_argument(
        "target",
        metavar="TARGET",
        nargs="?",
        help="a module (package.module), something in it (package.module:name) or a file (mine.py) "
        "with functions of the list in npuq/checks/README.md; npuq judges itself",
    )
    parser.add_argument(
        "--command",
        dest="program",
        metavar="PROGRAM",
        help="in place of TARGET: a program in any language that answers lines of JSON, "
        "see npuq/checks/README.md",
    )
    parser.add_argument(
        "--python",
        metavar="PATH",
        help="the interpreter in which TARGET lives: it needs NumPy and what TARGET imports, but "
        "not npuq (default: this one, in a process of its own)",
    )
    parser.add_argument(
        "--framework",
        choices=("torch", "jax", "tensorflow"),
        help="whose arrays the functions take (default: NumPy's)",
    )
    parser.add_argument(
        "--dtypes",
        choices=("float32", "float64"),
        help="the one precision in which the functions compute (default: both)",
    )
    parser.add_argument(
        "--only",
        metavar="CHECK",
        action="append",
        default=[],
        help="only checks whose names begin so; may be given again",
    )
    parser.add_argument(
        "--timeout",
        type=number,
        metavar="SECONDS",
        help="for a call; one that gives no answer has failed (default: 120)",
    )
    parser.add_argument(
        "--tolerance-scale",
        metavar="FACTOR",
        type=number,
        default=1.0,
        help="what tolerances are multiplied by, from 1e-300 to 1; what bounds chance stays as "
        "it is (default: 1)",
    )
    parser.add_argument("--junit", metavar="PATH", help="write a report for CI viewers as well")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help=JSON_LIST_HELP)
    form.add_argument("--markdown", action="store_true", help="print a table in Markdown")


def run(args: argparse.Namespace) -> int:
    """Judge, and say what was found; status 1 if something failed."""
    from npuq.checks import report
    from npuq.checks.door import check
    from npuq.checks.interpreter import opened
    from npuq.checks.law import DTYPES
    from npuq.checks.records import as_dict
    from npuq.io.atomic import write_bytes_atomically

    dtypes = DTYPES if args.dtypes is None else (args.dtypes,)
    with opened(
        args.target,
        command=args.program,
        python=args.python,
        framework=args.framework,
        timeout=args.timeout,
    ) as target:
        records = check(target, dtypes=dtypes, only=args.only, tolerance_scale=args.tolerance_scale)
    if args.junit:
        name = args.target or args.program
        write_bytes_atomically(args.junit, report.junit(records, name).encode())
    if args.json:
        print_json([as_dict(record) for record in records])
    else:
        print(report.markdown(records) if args.markdown else report.text(records))
    return FAILED if any(record.status == "fail" for record in records) else 0
