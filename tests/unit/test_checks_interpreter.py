"""`npuq check --python`: a target in another interpreter, which knows nothing of npuq."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import npuq
from npuq.checks import interpreter
from npuq.cli import main
from npuq.errors import CheckError

ROOM = Path(npuq.__file__).parent / "checks"
ALONE = ("worker", "wire", "importing", "frameworks")
"""What runs there."""

MINE = '''"""Rounding half to even; it says so, and looks for npuq."""
import sys
import numpy as np

print("hello from the target")
assert not [name for name in sys.modules if name.split(".")[0] == "npuq"]
assert not [path for path in sys.path if path.endswith("checks")]

def round_half_up(y):
    print("rounding")
    return np.round(y)

def soft_round(y, alpha):
    raise NotImplementedError("not yet")

def entropy_encode(symbols, probabilities):
    return symbols.astype("<u2").tobytes()

def entropy_decode(data, probabilities):
    return data.view("<u2").astype(int)
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ALONE)
def test_what_runs_there_imports_nothing_of_npuq_and_runs_on_old_pythons(name: str) -> None:
    text = (ROOM / f"{name}.py").read_text("utf-8")
    ast.parse(text, feature_version=(3, 8))
    assert not re.search(r"^\s*(from|import) npuq", text, re.M)
    assert "strict=" not in text and "removeprefix" not in text  # of Python 3.10 and 3.9


def test_a_target_is_judged_there(mine: Path, capfd: pytest.CaptureFixture[str]) -> None:
    only = ["--only", "round_half_up", "--only", "entropy_decode.round_trip"]
    assert main(["check", "mine.py", "--python", sys.executable, *only]) == 1
    out, err = capfd.readouterr()
    assert "probably: half to even" in out and out.endswith("4 passed, 1 failed, 0 absent\n")
    assert "hello" not in out and "hello from the target" in err and "rounding" in err


def test_counterexamples_run_there(mine: Path) -> None:
    with interpreter.running(sys.executable, "mine.py") as target:
        (record,) = npuq.check(target, only=["round_half_up.ties"])
    assert "npuq" not in record.counterexample
    done = subprocess.run(
        [sys.executable, "-c", record.counterexample], cwd="/", capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[0.]", done.stderr
    assert record.counterexample.endswith("# should be 1.0")


@pytest.mark.parametrize("inside", ["Mine", "MINE", "Mine.part"])
def test_counterexamples_of_what_is_in_a_module_run_there(mine: Path, inside: str) -> None:
    (mine / "mine.py").write_text(
        "import types\nimport numpy as np\n"
        "class Mine:\n    round_half_up = staticmethod(np.round)\n"
        "    part = types.SimpleNamespace(round_half_up=np.round)\n"
        "MINE = {'round_half_up': np.round}\n"
    )
    with interpreter.running(sys.executable, f"mine.py:{inside}") as target:
        (record,) = npuq.check(target, only=["round_half_up.ties"])
    done = subprocess.run(
        [sys.executable, "-c", record.counterexample], cwd="/", capture_output=True, text=True
    )
    assert done.stdout == "[0.]\n", (done.stderr, record.counterexample)


def test_what_is_too_long_for_a_line_is_shown_by_the_command(mine: Path) -> None:
    with interpreter.running(sys.executable, "mine.py") as target:
        (record,) = npuq.check(target, only=["entropy_encode.length"])
    line = f"npuq check mine.py --python {shlex.quote(sys.executable)} --only entropy_encode.length"
    assert record.status == "fail"
    assert len(record.counterexample) < 2000 or record.counterexample == line


def test_what_a_target_raises_is_a_failure_that_names_it(mine: Path) -> None:
    with interpreter.running(sys.executable, "mine.py") as target:
        (record,) = npuq.check(target, only=["soft_round.values.float64"])
    assert (record.status, record.message) == (
        "fail",
        "RuntimeError: NotImplementedError: not yet",
    )


@pytest.mark.parametrize(
    ("python", "target", "framework", "message"),
    [
        ("no-such-python", "mine.py", None, "no-such-python: cannot be started"),
        (sys.executable, "missing.py", None, "missing.py, in .*FileNotFoundError"),
        (sys.executable, "mine.py:nothing", None, "mine.py has no nothing"),
        (sys.executable, "math", None, "math has no function of the list"),
        (sys.executable, "mine.py", "theano", "torch, jax or tensorflow"),
        ("true", "mine.py", None, "the program has ended"),
        ("", "mine.py", None, "python must be the path of an interpreter, not ''"),
        (3, "mine.py", None, "python must be the path of an interpreter, not 3"),
        (None, "ends.py", None, "^ends.py: the program has ended"),
        (None, "panics.py", None, "BaseException: no"),
    ],
)
def test_what_cannot_run_there_is_refused(
    mine: Path, python: Any, target: str, framework: str | None, message: str
) -> None:
    (mine / "ends.py").write_text("import os; os._exit(0)")
    (mine / "panics.py").write_text("raise BaseException('no')")
    with pytest.raises(CheckError, match=message):  # noqa: SIM117
        with interpreter.running(python, target, framework):
            pass


def test_the_interpreter_may_be_a_path(mine: Path) -> None:
    with interpreter.running(Path(sys.executable), "mine.py") as target:
        (record,) = npuq.check(target, only=["soft_round.values.float64"])
    assert record.message == "RuntimeError: NotImplementedError: not yet"


def test_numpy_is_needed_there(mine: Path) -> None:
    """An interpreter without its packages."""
    bare = mine / "bare"
    bare.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -S -E "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(CheckError, match="No module named 'numpy'"):  # noqa: SIM117
        with interpreter.running(str(bare), "mine.py"):
            pass


def test_the_framework_is_that_of_the_interpreter(mine: Path) -> None:
    with (
        interpreter.running(sys.executable, "mine.py") as target,
        pytest.raises(CheckError, match="leave the framework torch out"),
    ):
        npuq.check(target, framework="torch")
