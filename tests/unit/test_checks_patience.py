"""Targets that hang, crash, or write where the report goes: they fail, and the judge goes on."""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import npuq
from npuq.backend import Array
from npuq.checks import interpreter
from npuq.checks.catalogue import LAWS
from npuq.checks.diagnosis import observations
from npuq.checks.patience import HungError
from npuq.cli import main
from npuq.errors import CheckError

ONLY = ["soft_round.identity", "soft_round.odd"]
"""Of the first, alpha is 0."""


def sleeps(y: Array, alpha: float) -> Array:
    if alpha == 0:
        time.sleep(1000)
    return y


def catches(y: Array, alpha: float) -> Array:
    """What it catches, and what it catches once only."""
    if alpha == 0:
        with contextlib.suppress(BaseException):
            time.sleep(3)
        for _ in range(3):
            with contextlib.suppress(Exception):
                time.sleep(3)
    return y


needs_alarms = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX")


@needs_alarms
@pytest.mark.parametrize("mine", [sleeps, catches])
def test_a_call_that_hangs_is_a_failure_and_the_others_are_made(mine: Any) -> None:
    identity, odd = npuq.check({"soft_round": mine}, only=ONLY, timeout=0.2)
    assert (identity.status, identity.message) == (
        "fail",
        "HungError: no answer within 0.2 seconds",
    )
    assert "sleeps(" in identity.counterexample or "catches(" in identity.counterexample
    assert identity.probably == "" and odd.status == "pass"


@needs_alarms
def test_what_hangs_in_float32_is_not_said_to_take_float64_only() -> None:
    def mine(y: Array, alpha: float) -> Array:
        if y.dtype == "float32":
            time.sleep(1000)
        return y

    record = npuq.check({"soft_round": mine}, only=ONLY[:1], timeout=0.05)[0]
    assert record.message.startswith("HungError") and record.probably == ""


@needs_alarms
def test_what_hangs_where_a_failure_is_examined_is_no_harm() -> None:
    """One entry alone is what the line of code is looked for with."""

    def mine(y: Array) -> Array:
        if y.size == 1:
            time.sleep(1000)
        return np.round(y)

    record = npuq.check({"round_half_up": mine}, only=["round_half_up.ties"], timeout=0.05)[0]
    assert "entry" in record.counterexample and record.probably == "half to even"
    law = next(law for law in LAWS if law.name == "round_half_up.ties")

    def hangs(y: Array) -> Array:
        raise HungError

    assert observations(law, {"round_half_up": hangs}) is None


@needs_alarms
def test_alarms_of_others_go_off_in_time() -> None:
    heard = list[float]()

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(time.monotonic())

    before = signal.signal(signal.SIGALRM, hear)
    begin = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        npuq.check({"soft_round": npuq.soft_round}, only=["soft_round.odd"], timeout=50)
        assert signal.getsignal(signal.SIGALRM) is hear and heard == []
        time.sleep(2)
        assert 0.9 < heard[0] - begin < 1.9
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_no_alarm_outside_of_the_main_thread() -> None:
    found = list[Any]()

    def judge(**options: Any) -> None:
        try:
            found.extend(npuq.check({"soft_round": npuq.soft_round}, only=ONLY, **options))
        except CheckError as error:
            found.append(error)

    for options in ({}, {"timeout": 1.0}):
        thread = threading.Thread(target=judge, kwargs=options)
        thread.start()
        thread.join()
    assert [record.status for record in found[:2]] == ["pass", "pass"]
    assert "in the main thread of a POSIX system only" in str(found[2])


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), float("inf"), True, "5", [1]])
def test_other_times_are_refused(timeout: Any) -> None:
    for judge in (npuq.check, npuq.parametrize_with_checks):
        with pytest.raises(CheckError, match="timeout must be a positive number of seconds, not"):
            judge({"soft_round": abs}, timeout=timeout)  # type: ignore[operator]


# --- the command --------------------------------------------------------------------------------

HARD = """
import ctypes, os, time
from npuq import soft_round as right

C = ctypes.PyDLL(None)

def soft_round(y, alpha):
    if alpha == 0:
        C.sleep(1000)  # with Python's lock held: no alarm is heard
    if alpha == float("inf"):
        os.abort()
    C.puts(b"hello from C")
    C.fflush(None)
    return right(y, alpha)
"""


@pytest.fixture
def hard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "hard.py").write_text(HARD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@needs_alarms
def test_what_hangs_behind_a_wrapper_is_ended(hard: Path) -> None:
    """Whose end alone would leave the interpreter, and the pipe that it writes to."""
    wrapper = hard / "wrapper"
    wrapper.write_text(f'#!/bin/sh\n{shlex.quote(sys.executable)} "$@"\necho the end >&2\n')
    wrapper.chmod(0o755)
    (hard / "sleeps.py").write_text("import time\ndef round_half_up(y):\n    time.sleep(60)")
    begin = time.monotonic()
    with interpreter.running(str(wrapper), "sleeps.py", timeout=1) as target:
        (record,) = npuq.check(target, only=["round_half_up.ties"])
    assert record.message == "EndedError: the program gave no answer within 1 seconds"
    assert time.monotonic() - begin < 30


@needs_alarms
def test_the_command_ends_what_hangs_or_crashes_in_c(
    hard: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    only = [word for name in (*ONLY, "soft_round.infinite") for word in ("--only", name)]
    assert main(["check", "hard.py", "--timeout", "1.5", "--json", *only]) == 1
    out, err = capfd.readouterr()
    records = {r["check"].partition(".")[2]: r for r in json.loads(out)}
    assert records["identity"]["message"] == (
        "EndedError: the program gave no answer within 1.5 seconds"
    )
    assert records["infinite"]["message"] == "EndedError: the program has ended"
    assert records["odd"]["status"] == "pass"
    assert "hello from C" in err


@needs_alarms
@pytest.mark.parametrize("form", ["--json", "--markdown"])
def test_what_c_prints_is_no_part_of_the_report(
    hard: Path, form: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "hard.py", form, "--only", "soft_round.odd"]) == 0
    out, err = capfd.readouterr()
    assert "hello" not in out and "hello from C" in err
    assert out.startswith("[" if form == "--json" else "| check |")


def test_times_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "npuq", "--timeout", "0"]) == 2
    assert "timeout must be a positive number" in capsys.readouterr().err


# --- pytest -------------------------------------------------------------------------------------


def outcomes(decorate: Any) -> list[str]:
    found = []
    for check in decorate(lambda check: check()).pytestmark[0].args[1]:
        try:
            check()
            found.append("passed")
        except pytest.fail.Exception as failure:
            found.append(str(failure))
    return found


@needs_alarms
def test_the_decorator_is_as_impatient() -> None:
    identity, odd = outcomes(
        npuq.parametrize_with_checks({"soft_round": sleeps}, only=ONLY, timeout=0.2)
    )
    assert "no answer within 0.2 seconds" in identity and odd == "passed"


@needs_alarms
def test_the_decorator_judges_other_interpreters_and_programs(hard: Path) -> None:
    there = {"python": sys.executable, "timeout": 1.5}
    identity, odd = outcomes(npuq.parametrize_with_checks("hard.py", only=ONLY, **there))
    assert "gave no answer within 1.5 seconds" in identity and odd == "passed"
    (hard / "answers.py").write_text(
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    request = json.loads(line)\n"
        "    answer = {'names': ['soft_round'], 'result': request.get('arguments', [0])[0]}\n"
        "    print(json.dumps(answer), flush=True)\n"
    )
    command = f"{sys.executable} answers.py"
    assert outcomes(npuq.parametrize_with_checks(command=command, only=ONLY)) == ["passed"] * 2


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        (None, {"python": sys.executable}, "give either a target or a command"),
        ("npuq", {"command": "true"}, "give either a target or a command"),
        (None, {"command": "true", "framework": "torch"}, "leave framework out"),
        (None, {"command": "true", "python": "python"}, "leave python out"),
        (npuq, {"python": sys.executable}, "a module's name or a file's, not <module 'npuq'"),
        ("missing.py", {"python": sys.executable}, "missing.py cannot be imported"),
        (None, {"command": "no-such-program"}, "cannot be started"),
        (None, {}, "NoneType has no function of the list"),
    ],
)
def test_what_the_decorator_cannot_judge_is_refused(
    target: Any, options: Any, message: str
) -> None:
    with pytest.raises(CheckError, match=message):
        npuq.parametrize_with_checks(target, **options)
