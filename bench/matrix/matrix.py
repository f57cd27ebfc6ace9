"""The matrix: what `npuq check` finds in npuq and in other people's libraries.

    python bench/matrix/matrix.py [--python PATH ...] [--only ROW ...] [--json PATH]

A row is a library, by the short file beside this one that gives its functions the names of the
list. It is judged in the first interpreter that has the library: this one, or one of `--python`.
What none of them has is left out and named. Prints the table in Markdown; `--json` keeps it, with
a line of code for each failure (to be run where this checkout is the working directory).
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from npuq.checks import door, interpreter
from npuq.checks.records import Record
from npuq.errors import CheckError

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Row(NamedTuple):
    """A line of the table."""

    title: str
    packages: tuple[str, ...]
    """As registries name them; the first is what the row is about."""
    target: str
    framework: str | None = None
    environment: tuple[tuple[str, str], ...] = ()


def _file(name: str) -> str:
    return str((HERE / name).relative_to(ROOT))


OURS = "npuq.checks.ours:FUNCTIONS"
TWINS = "examples/expected_gradients"
ROWS = (
    Row("npuq, compiled", ("npuq", "numba"), OURS),
    Row("npuq, plain", ("npuq", "numpy"), OURS, None, (("NPUQ_KERNELS", "reference"),)),
    Row("npuq, CUDA", ("npuq", "pytest"), _file("npuq_on_cuda.py:FUNCTIONS")),
    Row("npuq's example in PyTorch", ("torch",), f"{TWINS}_pytorch.py", "torch"),
    Row("npuq's example in JAX", ("jax",), f"{TWINS}_jax.py", "jax"),
    Row("tensorflow-compression", ("tensorflow-compression", "tensorflow"), _file("in_tfc.py"),
        "tensorflow"),
    Row("CompressAI", ("compressai", "torch"), _file("in_compressai.py"), "torch"),
    Row("NeuralCompression", ("neuralcompression", "torch"), _file("in_neuralcompression.py"),
        "torch"),
    Row("constriction, range coder", ("constriction",), _file("in_constriction.py:Range")),
    Row("constriction, ANS", ("constriction",), _file("in_constriction.py:Ans")),
    Row("torchac", ("torchac", "torch", "ninja"), _file("in_torchac.py"), "torch"),
    Row("YAECL, arithmetic coder", ("yaecl",), _file("in_yaecl.py:Arithmetic")),
    Row("YAECL, rANS", ("yaecl",), _file("in_yaecl.py:Rans")),
    Row("range-coder", ("range-coder",), _file("in_range_coder.py")),
    Row("CarryLessRangeCoder", ("carrylessrangecoder",), _file("in_carryless_rangecoder.py")),
    Row("PyTorch", ("torch",), _file("in_torch.py"), "torch"),
    Row("JAX and Optax", ("jax", "optax"), _file("in_jax.py"), "jax"),
    Row("TensorFlow and Keras", ("tensorflow", "keras"), _file("in_tensorflow.py"), "tensorflow"),
)  # fmt: skip

GROUPS = {
    "rounding": ("round_", "universal_"),
    "soft rounding": ("soft_round",),
    "densities": ("logistic_", "normal_", "nonparametric_"),
    "gradients": (),
    "noise, dither": ("uniform_noise", "dither", "batch_dither"),
    "coder": ("entropy_", "escape_"),
    "GDN": ("gdn", "inverse_gdn"),
    "conv": ("conv",),
    "Adam": ("adam",),
    "codec": ("codec",),
}
"""Columns, and how the names of their checks begin; gradients are whatever is a `_backward`."""


def group_of(check: str) -> str:
    """The column of a check."""
    if "_backward" in check:
        return "gradients"
    return next(group for group, starts in GROUPS.items() if starts and check.startswith(starts))


def versions(python: str, packages: Sequence[str]) -> dict[str, str] | None:
    """Those that are installed there; None if one is not."""
    code = (
        "import importlib.metadata as m, json, sys; "
        "print(json.dumps({p: m.version(p) for p in sys.argv[1:]}))"
    )
    found = subprocess.run([python, "-c", code, *packages], capture_output=True, text=True)
    return json.loads(found.stdout) if found.returncode == 0 else None


def judged(row: Row, python: str) -> list[Record]:
    """The records of one row.

    Raises:
        CheckError: its library does not load, or ends the process.
    """
    with (
        _environment(row.environment),
        interpreter.running(python, row.target, row.framework) as target,
    ):
        records = door.check(target)
    if any("the program has ended" in record.message for record in records):
        raise CheckError(f"{row.title}: its process has ended")
    return [_from_here(record, python) for record in records]


@contextlib.contextmanager
def _environment(variables: Sequence[tuple[str, str]]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update({"TF_CPP_MIN_LOG_LEVEL": "3", **dict(variables)})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _from_here(record: Record, python: str) -> Record:
    """Lines of code of any checkout, and any interpreter with the library."""
    line = record.counterexample.replace(f"{ROOT}{os.sep}", "").replace(python, "PYTHON")
    return record._replace(counterexample=line)


def line_of(row: Row, python: str, found: dict[str, str]) -> dict[str, Any]:
    """What the table and the file say of a row."""
    begin = time.perf_counter()
    records = judged(row, python)
    counts = {group: {"pass": 0, "fail": 0, "absent": 0} for group in GROUPS}
    for record in records:
        counts[group_of(record.check)][record.status] += 1
    failures = [
        {name: getattr(record, name) for name in ("check", "message", "probably", "counterexample")}
        for record in records
        if record.status == "fail"
    ]
    seconds = round(time.perf_counter() - begin, 1)
    return {"row": row.title, "versions": found, "counts": counts, "failures": failures,
            "seconds": seconds}  # fmt: skip


def markdown(lines: Sequence[dict[str, Any]]) -> str:
    """The table: how many checks pass, and how many fail, in each column."""
    head = ["| library | version |", *(f" {group} |" for group in GROUPS)]
    rows = ["".join(head), "|---|---|" + "---|" * len(GROUPS)]
    for line in lines:
        cells = [_cell(count) for count in line["counts"].values()]
        version = next(iter(line["versions"].values()))
        rows.append(f"| {line['row']} | {version} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(count: dict[str, int]) -> str:
    parts = [str(count["pass"])] * bool(count["pass"])
    parts += [f"**{count['fail']} fail**"] * bool(count["fail"])
    return ", ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", action="append", default=[], help="another interpreter")
    parser.add_argument("--only", action="append", default=[], help="rows that begin so")
    parser.add_argument("--json", help="keep the table in this file")
    args = parser.parse_args()
    os.chdir(ROOT)
    begin = time.perf_counter()
    lines, absent = [], []
    for row in ROWS:
        if args.only and not row.title.startswith(tuple(args.only)):
            continue
        homes = (
            (python, versions(python, row.packages)) for python in [sys.executable, *args.python]
        )
        python, found = next((home for home in homes if home[1]), ("", None))
        if found is None:
            absent.append(row.title)
            continue
        print(f"{row.title} ...", file=sys.stderr)
        lines.append(line_of(row, python, found))
    seconds = round(time.perf_counter() - begin)
    print(markdown(lines))
    print(f"\n{datetime.date.today()}, {seconds} s, Python {platform.python_version()}.")
    if absent:
        print(f"Not installed here: {', '.join(absent)}.")
    if args.json:
        facts = {"date": str(datetime.date.today()), "seconds": seconds, "rows": lines}
        Path(args.json).write_text(json.dumps(facts, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
