"""`npuq.check`: the laws, asked of a target, and what they found."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from npuq.checks import frameworks
from npuq.checks.catalogue import LAWS, MISTAKES
from npuq.checks.counterexample import line_of, shrunk, worst
from npuq.checks.diagnosis import likeliest
from npuq.checks.frameworks import SPELLINGS, Spelling
from npuq.checks.law import Functions, Law, Observation, scaled
from npuq.checks.laws.asking import WrongResultError
from npuq.checks.names import DIFFERENTIABLE, EXPECTED
from npuq.checks.records import Record
from npuq.checks.target import Target, target_of
from npuq.errors import CheckError


def check(
    target: Any,
    *,
    framework: str | None = None,
    only: Sequence[str] = (),
    expected_failed_checks: Mapping[str, str] | None = None,
    tolerance_scale: float = 1.0,
) -> list[Record]:
    """Judge an implementation of the paper by its laws: a record for each of them.

    What the target has is asked at points that bring faults out, and compared with answers that
    are not npuq's own; where it fails, the report has a line of code that shows it, and the name of
    the mistake that it looks like. All is seeded: the same target has the same records.

    Args:
        target: a module, an object or a dict with functions of the list (npuq/checks/README.md,
            `npuq.checks.names`); what it lacks is absent, which is no failure.
        framework: "torch", "jax" or "tensorflow", of whose arrays the functions are, and which
            then takes their gradients; by default they are NumPy's.
        only: checks whose names begin with one of these; by default all.
        expected_failed_checks: reasons, by the names of checks that are known to fail.
        tolerance_scale: what tolerances are multiplied by, above 0 and up to 1, for who asks more
            of their own code than is fair to ask of everybody's: at 0.01 it may be off by a
            hundredth of what is usual, at 1e-300 by nothing. What bounds chance, or says how
            coarse a dither may be, stays as it is, and false alarms as rare.

    Returns:
        Records (`npuq.checks.records.Record`), in the order of the laws.

    Raises:
        CheckError: the target has no function of the list, no check has such a name, or the
            tolerances cannot be multiplied by that.

    Example:
        >>> def soft_round(y, alpha):  # Eq. 10, with the bracket read as the nearest integer
        ...     n = np.round(y)
        ...     return n + np.tanh(alpha * (y - n - 0.5)) / (2 * np.tanh(alpha / 2)) + 0.5
        >>> records = check({"soft_round": soft_round}, only=["soft_round.values"])
        >>> [(record.status, record.probably) for record in records][0]
        ('fail', 'the nearest integer in place of the floor in Eq. 10 (erratum E5)')
    """
    expected = {} if expected_failed_checks is None else expected_failed_checks
    laws = [scaled(law, tolerance_scale) for law in chosen(only, expected)]
    judged, functions = prepared(target, framework)
    spelling = SPELLINGS[framework or judged.framework]

    found: dict[str, tuple[Law, list[Observation]]] = {}
    records = [_asked(law, functions, judged, spelling, found) for law in laws]
    known: dict[tuple[int, str], list[Observation] | None] = {}  # of mistakes in this target
    for number, (law, record) in enumerate(zip(laws, records, strict=True)):
        if record.status == "fail" and law.name in found:
            line = shrunk(law, found[law.name][1], functions, judged, spelling)
            record = _named(record._replace(counterexample=line), law, functions, found, known)
        records[number] = record
    return [_with_expectation(_inherited(record, records), expected) for record in records]


def prepared(target: Any, framework: str | None) -> tuple[Target, Functions]:
    """A target, and its functions of NumPy arrays with the gradients that a framework takes.

    Raises:
        CheckError: it cannot be judged, or not with this framework.
    """
    judged = target_of(target)
    if framework in tuple(SPELLINGS) and (judged.name == "npuq" or judged.again):
        raise CheckError(f"{judged.name} takes NumPy's arrays: leave the framework {framework} out")
    try:
        library = frameworks.load(framework)
    except (ValueError, ImportError) as error:
        raise CheckError(str(error)) from error
    return judged, frameworks.adapted(judged.functions, library, DIFFERENTIABLE, EXPECTED)


def chosen(only: Sequence[str], expected: Mapping[str, str]) -> list[Law]:
    """The laws whose names begin so.

    Raises:
        CheckError: no name begins with one of `only`, or one of `expected` is no name; or these
            are no sequence and no mapping.
    """
    if isinstance(only, str) or not isinstance(only, Sequence):
        raise CheckError(f"only must be a list of beginnings, as ['soft_round'], not {only!r}")
    if not isinstance(expected, Mapping):
        raise CheckError(f"expected_failed_checks must map names to reasons, not {expected!r}")
    for start in only:
        if not isinstance(start, str) or not any(law.name.startswith(start) for law in LAWS):
            raise CheckError(f"no check has a name that begins with {start!r}")
    for name, why in expected.items():
        if name not in {law.name for law in LAWS}:
            raise CheckError(f"expected_failed_checks names {name!r}, which is no check")
        if not isinstance(why, str):
            raise CheckError(f"expected_failed_checks needs a reason for {name!r}, not {why!r}")
    return [law for law in LAWS if not only or law.name.startswith(tuple(only))]


def _asked(
    law: Law, functions: Functions, target: Target, spelling: Spelling,
    found: dict[str, tuple[Law, list[Observation]]],
) -> Record:  # fmt: skip
    """The record of one law; what it saw goes into `found`."""
    record = Record(
        law.name, law.equation, "absent", law.statement, "", math.nan, math.nan, law.reason, "", "",
        law.cost,
    )  # fmt: skip
    missing = [name for name in law.needs if name not in functions]
    if missing:
        return record._replace(message=f"the target has no {' and no '.join(missing)}")
    calls: list[tuple[str, tuple[Any, ...]]] = []
    try:
        with np.errstate(all="ignore"):  # of what a target gives, as infinity less infinity
            seen = list(law.observe(_remembering(functions, calls)))
    except (Exception, SystemExit) as error:  # whatever the code of others raises is a finding
        line = line_of(law, *calls[-1], target, spelling) if calls else ""
        what = f"{type(error).__name__}: {error}"
        return record._replace(status="fail", message=what, error=math.inf, counterexample=line)
    found[law.name] = law, seen
    return _measured(record, seen)


def _named(
    record: Record, law: Law, functions: Functions,
    found: Mapping[str, tuple[Law, list[Observation]]],
    known: dict[tuple[int, str], list[Observation] | None],
) -> Record:  # fmt: skip
    """The record with the likeliest mistake, and what that costs."""
    if record.error <= record.tolerance / law.scale:
        return record  # as usual; a mistake of the catalogue is more than that
    mistake = likeliest(law, functions, found, MISTAKES, known)
    return record if mistake is None else record._replace(probably=mistake.name, cost=mistake.cost)


def _inherited(record: Record, records: Sequence[Record]) -> Record:
    """A gradient that fails as its function does, with the function's mistake."""
    function, backward, _ = record.check.partition("_backward.")
    if record.status != "fail" or record.probably or not backward:
        return record
    for other in records:
        if other.check.startswith(f"{function}.values") and other.probably:
            named = f"what {function} has: {other.probably}"
            return record._replace(probably=named, cost=other.cost)
    return record


def _with_expectation(record: Record, expected: Mapping[str, str]) -> Record:
    if record.check not in expected or record.status == "absent":
        return record
    if record.status == "fail":
        return record._replace(status="expected", message=f"expected: {expected[record.check]}")
    return record._replace(message="passes, though it was expected to fail")


def _remembering(
    functions: Functions, calls: list[tuple[str, tuple[Any, ...]]]
) -> dict[str, Callable[..., Any]]:
    """The same functions, which write down how they are called."""

    def remembering(name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            calls.append((name, arguments))
            result = functions[name](*arguments)
            parts = result if isinstance(result, tuple) else (result,)
            if any(np.iscomplexobj(part) for part in parts):  # as a root of something negative
                raise WrongResultError(f"{name} returned complex numbers")
            return result

        return call

    return {name: remembering(name) for name in functions}


def _measured(record: Record, found: Sequence[Observation]) -> Record:
    """Whether all is within its tolerance, and the place that is farthest beyond or nearest to."""
    pairs = [np.broadcast_arrays(o.errors(), np.asarray(o.tolerance, np.float64)) for o in found]
    error = np.concatenate([np.ravel(e) for e, _ in pairs])
    tolerance = np.concatenate([np.ravel(t) for _, t in pairs])
    wrong, place = int((error > tolerance).sum()), worst(error, tolerance)
    return record._replace(
        status="fail" if wrong else "pass",
        message=f"{wrong} of {error.size} values are wrong" if wrong else f"{error.size} values",
        error=float(error[place]),
        tolerance=float(tolerance[place]),
    )
