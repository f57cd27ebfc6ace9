"""The laws in a test file of yours, by one decorator of pytest."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from npuq.checks.door import check as check_target
from npuq.checks.door import chosen, prepared
from npuq.checks.law import scaled
from npuq.checks.report import explanation


def parametrize_with_checks(
    target: Any,
    *,
    framework: str | None = None,
    only: Sequence[str] = (),
    expected_failed_checks: Mapping[str, str] | None = None,
    tolerance_scale: float = 1.0,
) -> Any:
    """A decorator of pytest: a test for each check of `npuq.check`.

        @npuq.parametrize_with_checks(mine, framework="torch")
        def test_mine(check):
            check()

    Args:
        target, framework, only, expected_failed_checks, tolerance_scale: as in `npuq.check`.

    Returns:
        `pytest.mark.parametrize` of one argument, `check`. Called, it does nothing if the check
        passes, fails the test with the report, skips it where a function is absent, and makes it an
        expected failure where that was foretold.

    Raises:
        CheckError: the target cannot be judged, no check has such a name, or the tolerances cannot
            be multiplied by that.
    """
    import pytest

    expected = {} if expected_failed_checks is None else expected_failed_checks
    prepared(target, framework)  # what cannot be judged is said once, and not by every test
    checks = [
        functools.partial(_run, target, framework, law.name, expected, law.scale)
        for law in (scaled(law, tolerance_scale) for law in chosen(only, expected))
    ]
    return pytest.mark.parametrize("check", checks, ids=[check.args[2] for check in checks])


def _run(
    target: Any, framework: str | None, name: str, expected: Mapping[str, str], scale: float
) -> None:
    import pytest

    of_it = {name: expected[name]} if name in expected else {}
    records = check_target(
        target, framework=framework, only=[name], expected_failed_checks=of_it,
        tolerance_scale=scale,
    )  # fmt: skip
    record = next(record for record in records if record.check == name)
    if record.status == "absent":
        pytest.skip(record.message)
    if record.status == "expected":
        pytest.xfail(record.message)
    if record.status == "fail":
        pytest.fail("\n".join([record.check, *explanation(record)]), pytrace=False)
