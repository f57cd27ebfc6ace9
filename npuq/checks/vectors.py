"""Golden vectors: what every function should give, as files that any language can read.

A folder holds `index.json`, `schema.json`, a file of JSON for each function, and `.npy` files for
arrays of more than INLINE numbers. Versions are for ever: another choice of points is another
VERSION.

A case is {"name", "function", "equation", "arguments", "result", "tolerance", "known_answer"}.
Arguments are numbers, lists of them, or arrays; an array is {"dtype", "shape"} with "data", its
numbers, the last axis fastest, or "npy", the name of a file. A number that is not finite is "inf",
"-inf" or "nan". The tolerance is absolute, for each entry or for all. `known_answer` is one number
to compare first (`known_answer` below). Several results, as gradients, are one behind the other.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.checks.catalogue import LAWS
from npuq.checks.format_vectors import formats
from npuq.checks.law import Law
from npuq.checks.ours import FUNCTIONS

VERSION = 1
INLINE = 128
ABSOLUTE = (
    "values", "values.float32", "values.float64", "tails", "large_alpha", "identity", "infinite",
    "ties", "neighbours", "small_scale", "small_alpha", "infinite_alpha",
)  # fmt: skip
"""Laws that know the answer; the others ask a function of itself, or draw."""
WHOLE = ("{}", "np.stack({})", "np.concatenate([np.ravel(a) for a in {}])")
"""Readings of an answer that leave nothing out."""

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["version", "function", "cases"],
    "properties": {
        "version": {"const": VERSION},
        "function": {"type": "string"},
        "cases": {"type": "array", "items": {"$ref": "#/$defs/case"}},
    },
    "$defs": {
        "number": {"oneOf": [{"type": "number"}, {"enum": ["inf", "-inf", "nan"]}]},
        "array": {
            "type": "object",
            "required": ["dtype", "shape"],
            "oneOf": [{"required": ["data"]}, {"required": ["npy"]}],
            "properties": {
                "dtype": {"enum": ["float32", "float64", "int32", "int64", "uint8", "uint16"]},
                "shape": {"type": "array", "items": {"type": "integer"}},
                "data": {"type": "array", "items": {"$ref": "#/$defs/number"}},
                "npy": {"type": "string"},
            },
        },
        "value": {
            "oneOf": [
                {"$ref": "#/$defs/number"},
                {"$ref": "#/$defs/array"},
                {"type": "array", "items": {"$ref": "#/$defs/number"}},
            ]
        },
        "case": {
            "type": "object",
            "required": [
                "name", "function", "equation", "arguments", "result", "tolerance", "known_answer",
            ],
            "properties": {
                "arguments": {"type": "array", "items": {"$ref": "#/$defs/value"}},
                "result": {"$ref": "#/$defs/array"},
                "tolerance": {"$ref": "#/$defs/value"},
                "known_answer": {"$ref": "#/$defs/number"},
            },
        },
    },
}  # fmt: skip


class Case(NamedTuple):
    """A call, and what it should give."""

    name: str
    function: str
    equation: str
    arguments: tuple[Any, ...]
    result: Array
    tolerance: Any


def cases() -> Iterator[Case]:
    """All of them: of functions in the order of the laws, then of dither, tables and files."""
    for law in LAWS:
        if law.name.partition(".")[2] in ABSOLUTE:
            yield from _of_law(law)
    for name, function, arguments, result in formats():
        yield Case(name, function, "format 1", arguments, result, 0.0)


def _of_law(law: Law) -> Iterator[Case]:
    for number, seen in enumerate(law.observe(FUNCTIONS)):
        if seen.arguments and seen.read in WHOLE and seen.since <= VERSION:
            tolerance = np.asarray(seen.tolerance, np.float64)
            yield Case(
                f"{law.name}.{number}", seen.name, law.equation, seen.arguments, seen.expected,
                float(tolerance) if tolerance.ndim == 0 else tolerance,
            )  # fmt: skip


def known_answer(result: Array) -> float:
    """The mean of the finite numbers, the first of each three taken once, then twice, thrice."""
    flat = np.ravel(np.asarray(result, np.float64))
    weights = 1 + np.arange(flat.size) % 3
    finite = np.isfinite(flat)
    return math.fsum((flat * weights)[finite].tolist()) / max(flat.size, 1)


def files() -> Iterator[tuple[str, bytes]]:
    """The name and the contents of every file of the folder."""
    by_function: dict[str, list[dict[str, Any]]] = {}
    for case in cases():
        arrays: dict[str, Array] = {}

        def put(what: str, value: Any, case: Case = case, arrays: Any = arrays) -> Any:
            return _json(value, f"{case.name}.{what}.npy", arrays)

        by_function.setdefault(case.function, []).append({
            "name": case.name,
            "function": case.function,
            "equation": case.equation,
            "arguments": [put(f"argument{i}", a) for i, a in enumerate(case.arguments)],
            "result": put("result", case.result),
            "tolerance": put("tolerance", case.tolerance),
            "known_answer": known_answer(case.result),
        })  # fmt: skip
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            yield name, buffer.getvalue()
    for function, listed in by_function.items():
        content = {"version": VERSION, "function": function, "cases": listed}
        yield f"{function}.json", _text(content)
    index = {
        "version": VERSION,
        "generator": "npuq vectors",
        "functions": {name: f"{name}.json" for name in by_function},
        "cases": sum(map(len, by_function.values())),
    }
    yield "index.json", _text(index)
    yield "schema.json", _text(SCHEMA)


def _text(content: Any) -> bytes:
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


def _json(value: Any, name: str, arrays: dict[str, Array]) -> Any:
    """A value for JSON; what is too long for it goes into `arrays` under its name."""
    if isinstance(value, np.ndarray):
        head = {"dtype": value.dtype.name, "shape": list(value.shape)}
        if value.size > INLINE:
            arrays[name] = value
            return {**head, "npy": name}
        return {**head, "data": [_number(x) for x in value.ravel().tolist()]}
    if isinstance(value, (tuple, list)):
        return [_number(x) for x in value]
    return _number(value)


def _number(x: Any) -> Any:
    return str(x) if isinstance(x, float) and not math.isfinite(x) else x
