"""The laws in a test file of yours, by one decorator of pytest."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

from npuq.checks.door import check as check_target
from npuq.checks.door import chosen, chosen_dtypes, prepared
from npuq.checks.interpreter import opened
from npuq.checks.law import DTYPES, scale_of
from npuq.checks.report import explanation
from npuq.checks.target import Target


def parametrize_with_checks(
    target: Any = None,
    *,
    framework: str | None = None,
    dtypes: Sequence[str] = DTYPES,
    only: Sequence[str] = (),
    expected_failed_checks: Mapping[str, str] | None = None,
    timeout: float | None = None,
    tolerance_scale: float = 1.0,
    python: str | os.PathLike[str] | None = None,
    command: str | None = None,
) -> Any:
    """A decorator of pytest: a test for each check of `npuq.check`.

        @npuq.parametrize_with_checks(mine, framework="torch")
        def test_mine(check):
            check()

    In one line, `test_mine = npuq.parametrize_with_checks(mine)(lambda check: check())`.

    Args:
        target, framework, dtypes, only, expected_failed_checks, timeout, tolerance_scale: as in
            `npuq.check`.
        python: another interpreter, in which the target lives, then given as text: the name of a
            module, or a file as seen from where pytest runs. Its process runs until pytest ends.
        command: in place of a target, a program that answers lines of JSON.

    Returns:
        A decorator that has pytest parametrize one argument, `check`. Called, it does nothing if
        the check passes, fails the test with the report, skips it where a function is absent, and
        makes it an expected failure where that was foretold.

    Raises:
        CheckError: the target cannot be judged, no check has such a name, or the tolerances cannot
            be multiplied by that.
    """
    import pytest

    expected = {} if expected_failed_checks is None else expected_failed_checks
    names = [law.name for law in chosen(only, expected)]
    options: dict[str, Any] = {"framework": framework, "timeout": timeout}
    if python is not None or command is not None:
        process = opened(target, command=command, python=python, **options)
        target, options = _until_the_end(process), {"framework": None, "timeout": None}
    # what cannot be judged is said once, and not by every test
    chosen_dtypes(dtypes, prepared(target, **options)[0])
    options |= {"dtypes": dtypes, "tolerance_scale": scale_of(tolerance_scale)}
    checks = [functools.partial(_run, target, name, expected, options) for name in names]
    mark = pytest.mark.parametrize("check", checks, ids=names)

    def decorate(test: Any) -> Any:
        if getattr(test, "__name__", "") == "<lambda>":  # which a mark takes for an argument
            test.__name__ = "test"
        return mark(test)

    return decorate


def _until_the_end(process: contextlib.AbstractContextManager[Target]) -> Target:
    """A target whose process is ended with this one."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(process)


def _run(target: Any, name: str, expected: Mapping[str, str], options: Mapping[str, Any]) -> None:
    import pytest

    of_it = {name: expected[name]} if name in expected else {}
    records = check_target(target, only=[name], expected_failed_checks=of_it, **options)
    record = next(record for record in records if record.check == name)
    if record.status == "absent":
        pytest.skip(record.message)
    if record.status == "expected":
        pytest.xfail(record.message)
    if record.status == "fail":
        pytest.fail("\n".join([record.check, *explanation(record)]), pytrace=False)
