"""`npuq info`: what a compressed file says of itself."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from npuq.cli.common import naming, print_json
from npuq.errors import WrongModelError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npuq info`."""
    parser.add_argument("file", metavar="FILE", help="a file made by npuq compress")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> None:
    """Check the file as a whole, and print its header and sizes."""
    data = Path(args.file).read_bytes()
    with naming(args.file):
        facts = _facts(data)
    if args.json:
        print_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:{width}}  {'-' if value is None else value}")


def _facts(data: bytes) -> dict[str, Any]:
    from npuq.coding.container import METHODS, VERSION, unpack

    header, streams = unpack(data)
    return {
        "format": VERSION,
        "method": METHODS[header.method],
        "model": _model_name(header.model_hash),
        "model_hash": header.model_hash.hex(),
        "height": header.height,
        "width": header.width,
        "alpha": _number(header.alpha),
        "alpha_r": _number(header.alpha_r),
        "seed": header.seed,
        "rows_per_band": header.rows_per_band,
        "tensors": header.tensors,
        "streams": len(streams),
        "bytes": len(data),
        "payload_bytes": sum(map(len, streams)),
        "bpp": 8 * len(data) / (header.height * header.width),
    }


def _number(value: float) -> float | str:
    """JSON has no infinity."""
    return value if abs(value) < float("inf") else str(value)


def _model_name(model_hash: bytes) -> str | None:
    """The name of the model if it comes with npuq."""
    from npuq.shipped import find_model

    try:
        return find_model(model_hash).name
    except WrongModelError:
        return None
