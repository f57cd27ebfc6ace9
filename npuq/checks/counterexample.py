"""A failure, shrunk to one line of Python that shows it by itself."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.checks.catalogue import LAWS
from npuq.checks.frameworks import Spelling
from npuq.checks.law import Functions, Law, Observation
from npuq.checks.patience import RAISED_BY_OTHERS
from npuq.checks.spelling import number, spelled
from npuq.checks.target import Target

LONGEST = 2000
"""Letters of a line; a call that needs more is shown by the check that makes it."""


def shrunk(
    law: Law,
    found: Sequence[Observation],
    functions: Functions,
    target: Target,
    spelling: Spelling,
) -> str:
    """The shortest line that fails: one entry of one call, where that fails by itself."""
    lines = []
    for observation in found:
        if not observation.wrong().any():
            continue
        if observation.pointwise:
            lines += list(_entries(observation, functions, target, spelling))
        elif _can_be_spelled(observation, target):
            lines.append(_whole(observation, target, spelling))
    lines = [line for line in lines if len(line) <= LONGEST]
    return min(lines, key=len) if lines else _by_check(law, target, spelling)


def line_of(
    law: Law, name: str, arguments: tuple[Any, ...], target: Target, spelling: Spelling
) -> str:
    """The line that makes a call and prints what it returns."""
    line = _line(name, arguments, "{}", target, spelling)
    return line if len(line) <= LONGEST else _by_check(law, target, spelling)


def _can_be_spelled(observation: Observation, target: Target) -> bool:
    """Not if it needs several functions, of which the framework makes one."""
    others = re.findall(r"\{of\[(\w+)\]\}", observation.read)
    return not others or set([*others, observation.name]) <= set(target.own)


def _by_check(law: Law, target: Target, spelling: Spelling) -> str:
    """The line that makes the check again."""
    all_dtypes = next((known.dtypes for known in LAWS if known.name == law.name), law.dtypes)
    if target.again:
        options = f" --dtypes {law.dtypes[0]}" if law.dtypes != all_dtypes else ""
        options += f" --tolerance-scale {law.scale!r}" * (law.scale != 1)
        return f"{target.again} --only {law.name}{options}"
    options = f", framework={spelling.name!r}" * bool(spelling.name)
    options += f", dtypes={law.dtypes!r}" * (law.dtypes != all_dtypes)
    options += f", tolerance_scale={law.scale!r}" * (law.scale != 1)
    imports = "; ".join(filter(None, ("import npuq", target.imports)))
    return f"{imports}; print(npuq.check({target.itself}{options}, only=[{law.name!r}]))"


def _entries(
    observation: Observation, functions: Functions, target: Target, spelling: Spelling
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
        line = _line(observation.name, arguments, "{}", target, spelling)
        lines.append((len(line), line, arguments, place))
    expected, tolerance = np.broadcast_arrays(observation.expected, observation.tolerance)
    for _, line, arguments, place in sorted(lines, key=lambda entry: entry[:2]):
        try:
            answer = np.ravel(np.asarray(functions[observation.name](*arguments), np.float64))
            observed = answer[place // size]
        except RAISED_BY_OTHERS:  # not every function takes arrays of one entry
            continue
        alone = observation._replace(
            observed=observed,
            expected=expected.ravel()[place],
            tolerance=tolerance.ravel()[place],
        )
        if alone.wrong().all():
            which = f"number {place // size + 1} " if answer.size > 1 else ""
            yield f"{line}  # {which}should be {number(expected.ravel()[place])}"
            return
    yield _whole(observation, target, spelling)


def _whole(observation: Observation, target: Target, spelling: Spelling) -> str:
    error, tolerance = np.broadcast_arrays(observation.errors(), observation.tolerance)
    place = worst(error, tolerance)
    got, due = (np.ravel(a)[place] for a in (observation.observed, observation.expected))
    entry = f"entry {place} is {number(got)}, should be {number(due)}"
    line = _line(observation.name, observation.arguments, observation.read, target, spelling)
    return f"{line}  # {entry}"


def worst(error: Array, tolerance: Array) -> int:
    """Where an error exceeds its tolerance most, counted through all entries."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        excess = np.where(error > 0, error / tolerance, 0.0)
    return int(np.argmax(np.nan_to_num(excess, nan=np.inf)))


def _line(
    name: str, arguments: tuple[Any, ...], read: str, target: Target, spelling: Spelling
) -> str:
    spelt = [_argument(a, spelling) for a in arguments]
    if name in target.own:
        imports, function = _spelled(name, target)
        wrap = spelling.array.removesuffix("({})").removesuffix("{}")
        others = _Others(target)
        call = f"{function}({', '.join(spelt)})"
        code = f"print({read.format(call, f=function, w=wrap, of=others)})"
        imports = "; ".join(dict.fromkeys(filter(None, [imports, *others.imports])))
    else:  # a gradient that the framework takes
        forward = name.removesuffix("_backward").replace("_backward_expected", "_expected")
        imports, function = _spelled(forward, target)
        arrays = sum(isinstance(a, np.ndarray) for a in arguments)  # numbers come behind
        code = spelling.gradient.format(
            f=function, d=spelt[0], x=", ".join(spelt[1:arrays]),
            numbers="".join(f", {n}" for n in spelt[arrays:]),
        )  # fmt: skip
    return "; ".join(filter(None, (spelling.imports, imports, code)))


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


def _argument(a: Any, spelling: Spelling) -> str:
    """A number that is not finite has no repr that is code."""
    if isinstance(a, np.ndarray):
        return spelling.array.format(spelled(a))
    return number(a) if isinstance(a, float) else repr(a)
