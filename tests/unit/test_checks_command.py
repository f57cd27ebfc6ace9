"""`npuq check --command`: a program in any language, by lines of JSON."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npuq
from npuq.checks.command import running
from npuq.checks.wire import decoded, encoded
from npuq.cli import main
from npuq.errors import CheckError

PAGE = (Path(npuq.__file__).parent / "checks/README.md").read_text("utf-8")


def program(folder: Path, text: str) -> str:
    (folder / "program.py").write_text(text)
    return shlex.join([sys.executable, str(folder / "program.py")])


def test_the_program_of_the_page_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = re.findall(r"^```text\n(import base64.*?)^```$", PAGE, re.M | re.S)
    assert (
        main(["check", "--command", program(tmp_path, block), "--only", "soft_round.values"]) == 1
    )
    out = capsys.readouterr().out
    assert out.count("probably: no division by tanh(alpha/2)") == 2
    right = block.replace("/ 2 + 0.5", "/ math.tanh(alpha / 2) / 2 + 0.5")
    assert (
        main(["check", "--command", program(tmp_path, right), "--only", "soft_round.values"]) == 0
    )


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3).T,
        np.array(2.5),
        np.array([1, -2], np.int32),
        np.array([1.5], ">f8"),
        np.zeros((0, 3)),
    ],
)
def test_arrays_cross_over_and_back(value: np.ndarray) -> None:
    back = decoded(encoded(value))
    np.testing.assert_array_equal(back, value)
    assert back.dtype == value.dtype.newbyteorder("=") and back.shape == value.shape
    first, second = decoded(encoded((value, 3.0)))
    np.testing.assert_array_equal(first, value)
    assert second == 3.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not list its functions: the program has ended"),
        ("print('ready')", "answered no JSON but 'ready"),
        ("print('[]')", "answered no object"),
        ("import sys; sys.stdout.buffer.write(b'\\xff\\n')", "answered no JSON but '\ufffd"),
        ("print('{}')", "does not list its functions: 'names'"),
        ("print('{\"names\": 3}')", "does not list its functions"),
        ('print(\'{"names": ["gdn"], "dtypes": [16]}\')', "float32 and float64: [16]"),
        ('print(\'{"names": ["gdn"], "dtypes": []}\')', "float32 and float64: []"),
        ('print(\'{"names": ["gdn"], "dtypes": "float32"}\')', "float32 and float64: 'float32'"),
    ],
)
def test_programs_that_do_not_speak_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CheckError, match=re.escape(message)), running(program(tmp_path, text)):
        pass


@pytest.mark.parametrize("command", ["no-such-program", "'"])
def test_what_cannot_be_started_is_refused(command: str) -> None:
    with pytest.raises(CheckError, match="cannot be started"), running(command):
        pass


@pytest.mark.parametrize("command", ["", " ", ["./mine"], Path("mine"), 3, b"mine"])
def test_what_is_no_command_is_refused(command: Any) -> None:
    with pytest.raises(CheckError, match="a command is text, a program and its arguments, not"):
        npuq.parametrize_with_checks(command=command)


def test_lines_keep_the_braces_of_a_command(tmp_path: Path) -> None:
    text = (
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    request = json.loads(line)\n"
        "    answer = {'names': ['round_half_up'], 'result': request.get('arguments', [0])[0]}\n"
        "    print(json.dumps(answer), flush=True)\n"
    )
    command = f"{program(tmp_path, text)} {{x}} {{}} }}{{"
    with running(command) as target:
        record = npuq.check(target, only=["round_half_up.values"])[0]
    assert record.status == "fail" and f"function_of({command!r}, 'round_half_up')" in (
        record.counterexample
    )
    shown = subprocess.run(
        [sys.executable, "-c", record.counterexample], capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith("[")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ('{"error": "no such thing"}', "no such thing"),
        ("{}", "neither result nor error"),
        ('{"result": {"dtype": "float64"}}', "holds no array"),
        ('{"result": {"dtype": "float64", "shape": [9], "data": "AAAA"}}', "ValueError"),
        (None, "the program has ended"),
    ],
)
def test_what_goes_wrong_in_a_call_is_a_failure(
    tmp_path: Path, answer: str | None, message: str
) -> None:
    text = 'print(\'{"names": ["round_half_up"]}\', flush=True); input(); input()\n'
    text += "" if answer is None else f"print({answer!r}, flush=True); input()\n"
    with running(program(tmp_path, text)) as functions:
        (record,) = npuq.check(functions, only=["round_half_up.ties"])
    assert record.status == "fail" and message in record.message


def test_a_program_that_ends_in_a_call_is_started_again(tmp_path: Path) -> None:
    """And reads nothing that is not JSON, of which infinities are no part."""
    (tmp_path / "ends.py").write_text(
        "import json, sys\n"
        "def no(text): raise SystemExit('no JSON: ' + text)\n"
        "for line in sys.stdin:\n"
        "    request = json.loads(line, parse_constant=no)\n"
        "    if 'list' in request:\n"
        "        print(json.dumps({'names': ['soft_round']}), flush=True)\n"
        "    elif request['arguments'][1] == 0:\n"
        "        sys.exit()\n"
        "    else:\n"
        "        print(json.dumps({'result': request['arguments'][0]}), flush=True)\n"
    )
    with running(f"{sys.executable} {tmp_path / 'ends.py'}") as target:
        records = npuq.check(target, only=["soft_round.i", "soft_round.odd"])
    identity, infinite, odd = records
    assert identity.message == "EndedError: the program has ended"
    assert infinite.status == "fail" and "values are wrong" in infinite.message
    assert odd.status == "pass"


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text(
        "import json, sys, time\n"
        "for line in sys.stdin:\n"
        "    request = json.loads(line)\n"
        "    if 'list' in request:\n"
        "        print(json.dumps({'names': ['soft_round']}), flush=True)\n"
        "    elif request['arguments'][1] == 0:\n"
        "        time.sleep(1000)\n"
        "    else:\n"
        "        print(json.dumps({'result': request['arguments'][0]}), flush=True)\n"
    )
    with running(f"{sys.executable} {tmp_path / 'hangs.py'}", timeout=1.5) as target:
        with pytest.raises(CheckError, match="runs already: give the timeout to what started it"):
            npuq.check(target, timeout=1.5)
        identity, odd = npuq.check(target, only=["soft_round.identity", "soft_round.odd"])
    assert identity.message == "EndedError: the program gave no answer within 1.5 seconds"
    assert odd.status == "pass"


def test_a_program_of_one_precision_is_asked_in_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so, and takes nothing else."""
    text = (
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    request = json.loads(line)\n"
        "    if 'list' in request:\n"
        "        answer = {'names': ['soft_round'], 'dtypes': ['float32']}\n"
        "    else:\n"
        "        (y, alpha) = request['arguments']\n"
        "        answer = {'result': y} if y['dtype'] == 'float32' else {'error': y['dtype']}\n"
        "    print(json.dumps(answer), flush=True)\n"
    )
    only = ["--only", "soft_round.identity", "--only", "soft_round.values.float64"]
    command = ["check", "--command", program(tmp_path, text), *only]
    assert main(command) == 0
    assert capsys.readouterr().out.endswith("1 passed, 0 failed, 1 absent\n")
    assert main([*command, "--dtypes", "float64"]) == 2
    assert "computes in float32 only, not in float64" in capsys.readouterr().err


def test_either_a_target_or_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["npuq", "--command", "true"]):
        assert main(["check", *arguments]) == 2
        assert "give either a target or a command" in capsys.readouterr().err
    assert main(["check", "--command", "true", "--framework", "torch"]) == 2
    assert "leave framework out" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_a_program_in_c(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example, which has two faults; the lines that show them ask the program."""
    source = Path(__file__).parents[2] / "examples/answers_in_c.c"
    program = tmp_path / "answers"
    done = subprocess.run(
        ["cc", "-std=c99", "-Wall", "-Werror", "-o", str(program), str(source), "-lm"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert main(["check", "--command", str(program), "--json"]) == 1
    failed = [r for r in json.loads(capsys.readouterr().out) if r["status"] == "fail"]
    assert [(r["check"], r["probably"]) for r in failed] == [
        ("soft_round.identity", "no case for alpha = 0 in Eq. 10"),
        ("round_half_up.ties", "half to even"),
    ]
    exec(failed[1]["counterexample"])
    assert capsys.readouterr().out == "[0.]\n"
    assert failed[1]["counterexample"].endswith("# should be 1.0")
