"""A failure, shrunk to one line of Python that shows it by itself."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.checks.frameworks import Framework
from npuq.checks.law import Functions, Observation
from npuq.checks.target import Target

LONG = 12
"""Arrays of more entries are written by a formula, if they have one."""


def shrunk(
    found: Sequence[Observation], functions: Functions, target: Target, framework: Framework
) -> str:
    """The shortest line that fails: one entry of one call, where that fails by itself."""
    lines = []
    for observation in found:
        if not observation.wrong().any():
            continue
        if observation.pointwise:
            lines += list(_entries(observation, functions, target, framework))
        else:
            lines.append(_whole(observation, target, framework))
    return min(lines, key=len)


def line_of(name: str, arguments: tuple[Any, ...], target: Target, framework: Framework) -> str:
    """The line that makes a call and prints what it returns."""
    return _line(name, arguments, "{}", target, framework)


def _entries(
    observation: Observation, functions: Functions, target: Target, framework: Framework
) -> Iterator[str]:
    """The first entry that still fails when it is asked alone; the whole call if none does.

    Where several results are stacked, as gradients, entry n of the arguments is entry n of each.
    """
    size = next(a.size for a in observation.arguments if isinstance(a, np.ndarray))
    lines = []
    for place in np.flatnonzero(observation.wrong()):
        arguments = tuple(
            a.ravel()[place % size : place % size + 1] if isinstance(a, np.ndarray) else a
            for a in observation.arguments
        )
        line = _line(observation.name, arguments, "{}", target, framework)
        lines.append((len(line), line, arguments, place))
    expected, tolerance = np.broadcast_arrays(observation.expected, observation.tolerance)
    for _, line, arguments, place in sorted(lines, key=lambda entry: entry[:2]):
        answer = np.ravel(np.asarray(functions[observation.name](*arguments), np.float64))
        alone = observation._replace(
            observed=answer[place // size],
            expected=expected.ravel()[place],
            tolerance=tolerance.ravel()[place],
        )
        if alone.wrong().all():
            which = f"number {place // size + 1} " if answer.size > 1 else ""
            yield f"{line}  # {which}should be {_number(expected.ravel()[place])}"
            return
    yield _whole(observation, target, framework)


def _whole(observation: Observation, target: Target, framework: Framework) -> str:
    error, tolerance = np.broadcast_arrays(observation.errors(), observation.tolerance)
    place = worst(error, tolerance)
    got, due = (np.ravel(a)[place] for a in (observation.observed, observation.expected))
    entry = f"entry {place} is {_number(got)}, should be {_number(due)}"
    line = _line(observation.name, observation.arguments, observation.read, target, framework)
    return f"{line}  # {entry}"


def worst(error: Array, tolerance: Array) -> int:
    """Where an error exceeds its tolerance most, counted through all entries."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        excess = np.where(error > 0, error / tolerance, 0.0)
    return int(np.argmax(np.nan_to_num(excess, nan=np.inf)))


def _line(
    name: str, arguments: tuple[Any, ...], read: str, target: Target, framework: Framework
) -> str:
    arrays = [_array(a, framework) for a in arguments if isinstance(a, np.ndarray)]
    numbers = [repr(a) for a in arguments if not isinstance(a, np.ndarray)]
    if name in target.functions:
        imports, function = _spelled(name, target)
        wrap = framework.spell.removesuffix("({})").removesuffix("{}")
        others = _Others(target)
        call = f"{function}({', '.join(arrays + numbers)})"
        code = f"print({read.format(call, f=function, w=wrap, of=others)})"
        imports = "; ".join(dict.fromkeys(filter(None, [imports, *others.imports])))
    else:  # a gradient that the framework takes
        forward = name.removesuffix("_backward").replace("_backward_expected", "_expected")
        imports, function = _spelled(forward, target)
        behind = "".join(f", {n}" for n in numbers)
        code = framework.spell_gradient.format(
            f=function, d=arrays[0], x=", ".join(arrays[1:]), numbers=behind
        )
    return "; ".join(filter(None, (framework.imports, imports, code)))


class _Others:
    """Other functions of the target, as {of[soft_round]} spells them, and what imports them."""

    def __init__(self, target: Target) -> None:
        self.target, self.imports = target, list[str]()

    def __getitem__(self, name: str) -> str:
        imports, function = _spelled(name, self.target)
        self.imports.append(imports)
        return function


def _spelled(name: str, target: Target) -> tuple[str, str]:
    """A line that imports a function, if it can be, and how it is called after that."""
    if target.imports:
        return target.imports, target.prefix.format(name)
    function = target.functions[name]
    module = getattr(function, "__module__", None) or ""
    inside = getattr(function, "__qualname__", "<")
    if module in ("", "__main__", "builtins") or "<" in inside:
        return "", name
    found: Any = sys.modules.get(module)
    for part in inside.split("."):
        found = getattr(found, part, None)
    return (f"import {module}", f"{module}.{inside}") if found is function else ("", name)


def _array(a: Array, framework: Framework) -> str:
    return framework.spell.format(_filled(a))


def _filled(a: Array) -> str:
    """An array in few letters, if it is long: one value, or steps of one power of two."""
    flat = a.ravel()
    if a.size > LONG and (flat == flat[0]).all():
        return f"np.full({a.shape}, {_number(flat[0])}, {str(a.dtype)!r})"
    if a.size > LONG and a.ndim == 1:
        step = float(flat[1]) - float(flat[0])
        if step > 0 and math.frexp(step)[0] == 0.5:
            steps = np.arange(a.size) + float(flat[0]) / step
            if np.array_equal(steps * step, flat):
                first = _number(float(flat[0]) / step)
                return f"((np.arange({a.size}) + {first}) * {step!r}).astype({str(a.dtype)!r})"
    return f"np.array({_nested(a)}, {str(a.dtype)!r})"


def _nested(a: Array) -> str:
    if a.ndim == 0:
        return _number(a[()])
    return f"[{', '.join(_nested(part) for part in a)}]"


def _number(x: Any) -> str:
    """The shortest digits that are this number in its own precision."""
    if np.isfinite(x):
        return str(x)
    return f"{'-' * bool(x < 0)}np.{abs(x)}"
