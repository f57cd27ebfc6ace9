"""Writes vectors_v1.json: of each function's golden vectors, how many, their digest, one number.

Run it only for a new version of the vectors, under a new name: versions are for ever.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from npuq.checks.vectors import VERSION, Case, cases, known_answer

PATH = Path(__file__).with_name(f"vectors_v{VERSION}.json")


def digest(found: list[Case]) -> str:
    """Of all arguments, and of results that are integers: those of floats may end otherwise."""
    state = hashlib.sha256()
    for case in found:
        exact = [case.result] if case.result.dtype.kind in "iu" else []
        for value in [*case.arguments, *exact]:
            array = np.asarray(value)
            little = array.astype(array.dtype.newbyteorder("<"))
            state.update(f"{array.dtype.name}{array.shape}".encode() + little.tobytes())
    return state.hexdigest()[:16]


def summary() -> dict[str, Any]:
    by_function: dict[str, list[Case]] = {}
    for case in cases():
        by_function.setdefault(case.function, []).append(case)
    return {
        name: [len(found), digest(found), math.fsum(known_answer(case.result) for case in found)]
        for name, found in by_function.items()
    }


if __name__ == "__main__":
    rows = [f"{json.dumps(name)}: {json.dumps(row)}" for name, row in summary().items()]
    PATH.write_text("{\n" + ",\n".join(rows) + "\n}\n")
