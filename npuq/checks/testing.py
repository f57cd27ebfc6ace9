"""The laws in a test file of yours, by one decorator of pytest."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from npuq.checks.door import check as check_target
from npuq.checks.door import chosen, chosen_dtypes, prepared
from npuq.checks.law import DTYPES
from npuq.checks.report import explanation


def parametrize_with_checks(
    target: Any,
    *,
    framework: str | None = None,
    dtypes: Sequence[str] = DTYPES,
    only: Sequence[str] = (),
    expected_failed_checks: Mapping[str, str] | None = None,
) -> Any:
    """A decorator of pytest: a test for each check of `npuq.check`.

        @npuq.parametrize_with_checks(mine, framework="torch")
        def test_mine(check):
            check()

    Args:
        target, framework, dtypes, only, expected_failed_checks: as in `npuq.check`.

    Returns:
        `pytest.mark.parametrize` of one argument, `check`. Called, it does nothing if the check
        passes, fails the test with the report, skips it where a function is absent, and makes it an
        expected failure where that was foretold.

    Raises:
        CheckError: the target cannot be judged, or no check has such a name.
    """
    import pytest

    expected = {} if expected_failed_checks is None else expected_failed_checks
    # what cannot be judged is said once, and not by every test
    chosen_dtypes(dtypes, prepared(target, framework)[0])
    names = [law.name for law in chosen(only, expected)]
    options: dict[str, Any] = {"framework": framework, "dtypes": dtypes}
    checks = [functools.partial(_run, target, name, expected, options) for name in names]
    return pytest.mark.parametrize("check", checks, ids=names)


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
