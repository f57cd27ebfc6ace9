"""`npuq.check`: the laws, asked of a target, and what they found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from npuq.checks import frameworks
from npuq.checks.calls import Calls
from npuq.checks.catalogue import LAWS, MISTAKES
from npuq.checks.counterexample import line_of, shrunk, worst
from npuq.checks.diagnosis import likeliest
from npuq.checks.frameworks import SPELLINGS, Spelling
from npuq.checks.law import DTYPES, Functions, Law, Observation, scale_of, scaled
from npuq.checks.names import DIFFERENTIABLE, EXPECTED
from npuq.checks.patience import RAISED_BY_OTHERS, impatient
from npuq.checks.records import Record
from npuq.checks.target import Target, target_of
from npuq.errors import CheckError


def check(
    target: Any,
    *,
    framework: str | None = None,
    dtypes: Sequence[str] = DTYPES,
    only: Sequence[str] = (),
    expected_failed_checks: Mapping[str, str] | None = None,
    timeout: float | None = None,
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
        dtypes: ("float32",) or ("float64",) of a target that computes in one precision only; what
            is asked in the other one alone is absent.
        only: checks whose names begin with one of these; by default all.
        expected_failed_checks: reasons, by the names of checks that are known to fail.
        timeout: seconds after which a call that gives no answer is interrupted and has failed
            (default: 120); a call that does not come back to Python cannot be, and outside of the
            main thread of a POSIX system none can. The command ends them all.
        tolerance_scale: what tolerances are multiplied by, from 1e-300 to 1, for who asks more
            of their own code than is fair to ask of everybody's: at 0.01 it may be off by a
            hundredth of what is usual, at 1e-300 by nothing. What bounds chance, or says how
            coarse a dither may be, stays as it is, and false alarms as rare.

    Returns:
        Records (`npuq.checks.records.Record`), in the order of the laws.

    Raises:
        CheckError: the target has no function of the list, no check has such a name, there is no
            such precision, or not in the target, or the tolerances cannot be multiplied by that; or
            no call can be interrupted here, or not after such a time.

    Example:
        >>> def soft_round(y, alpha):  # Eq. 10, with the bracket read as the nearest integer
        ...     n = np.round(y)
        ...     return n + np.tanh(alpha * (y - n - 0.5)) / (2 * np.tanh(alpha / 2)) + 0.5
        >>> records = check({"soft_round": soft_round}, only=["soft_round.values"])
        >>> [(record.status, record.probably) for record in records][0]
        ('fail', 'the nearest integer in place of the floor in Eq. 10 (erratum E5)')
    """
    expected = {} if expected_failed_checks is None else expected_failed_checks
    scale = scale_of(tolerance_scale)
    laws = [scaled(law, scale) for law in chosen(only, expected)]
    judged, functions = prepared(target, framework, timeout)
    spelling = SPELLINGS[framework or judged.framework]
    precisions = chosen_dtypes(dtypes, judged)

    found: dict[str, tuple[Law, list[Observation]]] = {}
    calls = Calls(functions)
    records = [_asked(law, precisions, calls, judged, spelling, found) for law in laws]
    known: dict[tuple[int, str], list[Observation] | None] = {}  # of mistakes in this target
    for number, (law, record) in enumerate(zip(laws, records, strict=True)):
        if record.status == "fail":
            asked, seen = found.get(law.name, (law, []))
            line = shrunk(asked, seen, functions, judged, spelling) if seen else ""
            # what fails by a tightened tolerance only: a mistake of the catalogue is more than that
            is_large = record.error > record.tolerance / law.scale
            probably, cost = (
                (likeliest(asked, functions, found, MISTAKES, known) if seen and is_large else None)
                or calls.of_one_precision(asked, seen)
                or _inherited(record, records)
                or (calls.amid_float64(asked, seen) if is_large else None)
                or ("", record.cost)
            )
            records[number] = record._replace(
                counterexample=line or record.counterexample, probably=probably, cost=cost
            )
    return [_with_expectation(record, expected) for record in records]


def prepared(target: Any, framework: str | None, timeout: float | None) -> tuple[Target, Functions]:
    """A target, and its functions of NumPy arrays with the gradients that a framework takes.

    Raises:
        CheckError: it cannot be judged, or not with this framework, or not with this timeout.
    """
    judged = target_of(target)
    if framework in tuple(SPELLINGS) and (judged.name == "npuq" or judged.again):
        raise CheckError(f"{judged.name} takes NumPy's arrays: leave the framework {framework} out")
    try:
        library = frameworks.load(framework)
    except (ValueError, ImportError) as error:
        raise CheckError(str(error)) from error
    functions = frameworks.adapted(judged.functions, library, DIFFERENTIABLE, EXPECTED)
    if judged.again:  # a process, which has a timeout of its own
        if timeout is not None:
            raise CheckError(f"{judged.name} runs already: give the timeout to what started it")
        return judged, functions
    return judged, {name: impatient(function, timeout) for name, function in functions.items()}


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


def chosen_dtypes(dtypes: Sequence[str], target: Target) -> list[str]:
    """Those of the precisions that the target has.

    Raises:
        CheckError: it has none of them, or they are none.
    """
    if isinstance(dtypes, str) or not isinstance(dtypes, Sequence) or not dtypes:
        raise CheckError(f"dtypes must be a list, as ['float32'], not {dtypes!r}")
    for dtype in dtypes:
        if not isinstance(dtype, (str, np.dtype)) or dtype not in DTYPES:
            raise CheckError(f"dtypes must be float32 and float64, or one of them, not {dtype!r}")
    kept = [dtype for dtype in target.dtypes if dtype in dtypes]
    if not kept:
        raise CheckError(f"{target.name} computes in {target.dtypes[0]} only, not in {dtypes[0]}")
    return kept


def _asked(
    asked: Law, dtypes: Sequence[str], calls: Calls, target: Target, spelling: Spelling,
    found: dict[str, tuple[Law, list[Observation]]],
) -> Record:  # fmt: skip
    """The record of one law; what it saw goes into `found`."""
    record = Record(
        asked.name, asked.equation, "absent", asked.statement, "", math.nan, math.nan, asked.reason,
        "", "", asked.cost,
    )  # fmt: skip
    missing = [name for name in asked.needs if name not in calls.functions]
    if missing:
        return record._replace(message=f"the target has no {' and no '.join(missing)}")
    law = asked.asked_in(dtypes)
    if law is None:
        return record._replace(message=f"it is asked in {asked.dtypes[0]}, not in {dtypes[0]}")
    calls.last = None
    try:
        with np.errstate(all="ignore"):  # of what a target gives, as infinity less infinity
            seen = list(law.observe(calls.functions))
    except RAISED_BY_OTHERS as error:  # which is a finding
        line = line_of(law, *calls.last, target, spelling) if calls.last else ""
        what = f"{type(error).__name__}: {error}"
        return record._replace(status="fail", message=what, error=math.inf, counterexample=line)
    found[law.name] = law, seen
    return _measured(record, seen)


def _inherited(record: Record, records: Sequence[Record]) -> tuple[str, str] | None:
    """The mistake of a function whose gradient fails as well, and its cost."""
    function, backward, _ = record.check.partition("_backward.")
    if backward:
        for other in records:
            if other.check.startswith(f"{function}.values") and other.probably:
                return f"what {function} has: {other.probably}", other.cost
    return None


def _with_expectation(record: Record, expected: Mapping[str, str]) -> Record:
    if record.check not in expected or record.status == "absent":
        return record
    if record.status == "fail":
        return record._replace(status="expected", message=f"expected: {expected[record.check]}")
    return record._replace(message="passes, though it was expected to fail")


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
