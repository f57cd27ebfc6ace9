"""How fast npuq is, beside what one would use instead, on this machine.

    python bench [PART ...] [--json PATH]

Every part first checks that both sides compute the same, then times them in turns (A B A B ...) and
prints medians and ratios. The parts are the modules of `speed/`. Peers (PyTorch, CompressAI,
constriction, torchac, Pillow) are optional; what is absent is left out and named. Run it on an idle
machine.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys

# OpenBLAS's threads spin after each product and would steal the cores; as `npuq` itself does it.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

from common import machine, peer, table

PARTS = (
    "step",
    "hyper",
    "gdn",
    "density",
    "products",
    "coder",
    "arrays",
    "images",
    "startup",
    "scaling",
    "ranks",
)
PEERS = ("torch", "compressai", "constriction", "torchac", "PIL")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; or all")
    parser.add_argument("--json", metavar="PATH", help="write the figures there as well")
    args = parser.parse_args()
    for part in args.parts:
        if part not in PARTS:
            parser.error(f"there is no part {part!r}; the parts are {', '.join(PARTS)}")
    absent = [name for name in PEERS if peer(name) is None]
    if absent:
        print(f"not installed, hence left out: {', '.join(absent)}", file=sys.stderr)
    report = {"machine": machine(), "parts": {}}
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    for part in args.parts or PARTS:
        module = importlib.import_module(f"speed.{part}")
        rows = module.rows()
        report["parts"][part] = rows
        print(f"\n{module.TITLE}\n{table(rows)}", flush=True)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(report, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
