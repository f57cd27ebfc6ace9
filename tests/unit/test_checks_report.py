"""What `npuq check` and the decorator of pytest show: lines that stand alone, JSON, JUnit."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import npuq
from npuq.checks import ours
from npuq.checks.catalogue import MISTAKES
from npuq.checks.names import NAMES
from npuq.checks.records import Record
from npuq.checks.report import explanation, junit, markdown, text
from npuq.cli import main

ROOT = Path(__file__).parents[2]

MINE = '''"""Soft rounding of somebody, with a textbook inverse, and rounding half to even."""
import numpy as np

def soft_round(y, alpha):
    r = y - np.floor(y) - 0.5
    return np.floor(y) + 0.5 * np.tanh(alpha * r) / np.tanh(alpha / 2) + 0.5

def soft_round_inverse(z, alpha):
    r = z - np.floor(z) - 0.5
    return np.floor(z) + 0.5 + np.arctanh(2 * np.tanh(alpha / 2) * r) / alpha

def round_half_up(y):
    return np.round(y)
'''
ONLY = ["--only", "soft_round.values", "--only", "soft_round_inverse.values", "--only", "round"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )


def test_status_and_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "mine.py", *ONLY]) == 1
    out = capsys.readouterr().out
    assert "probably: the textbook artanh inverse" in out
    assert "probably: half to even" in out
    assert out.endswith("2 failed, 3 absent\n")
    assert main(["check", "mine.py", "--only", "soft_round.values"]) == 0
    assert capsys.readouterr().out.endswith("2 passed, 0 failed, 0 absent\n")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("missing.py", "missing.py cannot be imported: FileNotFoundError"),
        ("no.such.module", "no.such.module cannot be imported: ModuleNotFoundError"),
        ("broken.py", "broken.py cannot be imported: ZeroDivisionError"),
        ("ends.py", "ends.py cannot be imported: SystemExit: 0"),
        ("mine.py:nothing", "mine.py has no nothing"),
        ("math", "math has no function of the list"),
    ],
)
def test_what_cannot_run_is_status_2(
    folder: Path, target: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.py").write_text("1 / 0")
    (folder / "ends.py").write_text("raise SystemExit(0)")
    assert main(["check", target]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["my mine-2", "class", "types", "mine.v2", "mine{2}", "it's"])
def test_lines_of_files_whose_names_cannot_be_imported_stand_alone(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A space, a keyword, a library that Python has imported, a dot, braces, a quotation mark."""
    (folder / "beside.py").write_text("import numpy as np\nround_half_up = np.round")
    (folder / f"{name}.py").write_text("import beside\nround_half_up = beside.round_half_up")
    inside = f"{name}.py:beside"
    for target in (f"{name}.py", inside):
        assert main(["check", target, "--only", "round_half_up.ties", "--json"]) == 1
        (record,) = json.loads(capsys.readouterr().out)
        shown = python("-c", record["counterexample"], cwd=folder.parent)
        assert shown.returncode == 0 and shown.stdout.startswith("["), shown.stderr


def test_lines_of_modules_whose_names_cannot_be_imported_stand_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "my-mine.py").write_text(MINE)
    assert main(["check", "my-mine", "--only", "round_half_up.ties", "--json"]) == 1
    (record,) = json.loads(capsys.readouterr().out)
    shown = python("-c", record["counterexample"], cwd=folder)
    assert shown.returncode == 0 and shown.stdout.startswith("["), shown.stderr


def test_lines_of_the_script_that_runs_are_lines_for_it(folder: Path) -> None:
    (folder / "script.py").write_text(
        f"{MINE}import sys, npuq\n"
        "record = npuq.check(sys.modules['__main__'], only=['round_half_up.ties'])[0]\n"
        "print(record.counterexample)\nexec(record.counterexample)"
    )
    shown = python("script.py", cwd=folder)
    assert shown.returncode == 0 and "__main__" not in shown.stdout, shown.stderr


def test_what_a_target_prints_is_no_part_of_the_report(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = "print('loaded')\ndef round_half_up(y):\n    print('called')\n    return y"
    (folder / "loud.py").write_text(code)
    assert main(["check", "loud.py", "--only", "round_half_up", "--json"]) == 1
    out, err = capfd.readouterr()
    assert len(json.loads(out)) == 4
    assert "loaded" in err and "called" in err


def test_json_has_all_fields_and_no_infinities(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "mine.py", "--only", "soft_round", "--json"]) == 1
    records = json.loads(capsys.readouterr().out)
    by_name = {record["check"]: record for record in records}
    failed = by_name["soft_round_inverse.values.float32"]
    assert failed["status"] == "fail" and failed["probably"] == "the textbook artanh inverse"
    assert by_name["soft_round_inverse.identity"]["error"] is None  # not a number
    assert by_name["soft_round_conditional_mean.identity"]["status"] == "absent"
    assert set(failed) == {
        "check", "equation", "status", "statement", "message", "error", "tolerance", "reason",
        "counterexample", "probably", "cost",
    }  # fmt: skip


def test_counterexamples_stand_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a new interpreter, elsewhere: the line shows one value, which is not the one due."""
    main(["check", "mine.py", *ONLY, "--json"])
    records = json.loads(capsys.readouterr().out)
    lines = [record["counterexample"] for record in records if record["status"] == "fail"]
    assert len(lines) == 2
    for line in lines:
        done = python("-c", line, cwd=Path("/"))
        assert done.returncode == 0, done.stderr
        shown = float(done.stdout.strip("[]\n"))
        assert abs(shown - float(line.rpartition("should be ")[2])) > 1e-4
        assert "np.array([" in line and len(line) < 250


def test_tolerances_are_multiplied_and_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As printed, Eq. 10 is good to a hundredth of what is allowed, but not to a millionth."""
    only = ["--only", "soft_round.values.float64"]
    assert main(["check", "mine.py", *only, "--tolerance-scale", "1"]) == 0
    assert main(["check", "mine.py", *only, "--tolerance-scale", "1e-6"]) == 1
    out = capsys.readouterr().out
    assert "allowed is: 1e-06 times (8 eps (1 + |y|)" in out
    assert main(["check", "mine.py", *only, "--tolerance-scale", "0"]) == 2
    one = ["--dtypes", "float32", "--tolerance-scale", "1e-6"]
    assert main(["check", "mine.py", "--only", "soft_round.values", *one]) == 1
    out, err = capsys.readouterr()
    assert "tolerance_scale must be a number from 1e-300 to 1" in err
    assert out.endswith("0 passed, 1 failed, 1 absent\n")


UNREPEATABLE = ("a dither that is drawn anew", "a decoder that draws its own noise")


def test_lines_show_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of all mistakes: executed, they print the wrong number that stands behind them."""
    mine = types.ModuleType("mine")
    monkeypatch.setitem(sys.modules, "mine", mine)
    shown = 0
    for mistake in MISTAKES:
        mine.__dict__.update(ours.FUNCTIONS | dict(mistake.partners) | dict(mistake.functions))
        for record in npuq.check(mine, only=[mistake.law]):
            line, printed = record.counterexample, list[Any]()
            assert "import mine" in line, (mistake.name, line)
            with np.errstate(all="ignore"):
                exec(line, {"print": lambda value, printed=printed: printed.append(value)})
            values = np.ravel(np.asarray(printed[0], np.float64))
            if found := re.search(r"# entry (\d+) is (\S+), should be (\S+)$", line):
                place, got, due = int(found[1]), *(float(eval(found[i])) for i in (2, 3))
                if mistake.name not in UNREPEATABLE:
                    right = pytest.approx(got, rel=1e-6, abs=1e-9, nan_ok=True)
                    assert values[place] == right, line
                assert values[place] != due and got != due, line
                shown += 1
            elif found := re.search(r"# (?:number (\d+) )?should be (\S+)$", line):
                value, due = values[int(found[1] or 1) - 1], float(eval(found[2]))
                assert value != pytest.approx(due, rel=1e-12), line
                shown += 1
    assert shown > 0.9 * len(MISTAKES)


def test_junit_has_a_case_for_each_check(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "mine.py", *ONLY, "--junit", "report.xml"]) == 1
    root = ElementTree.parse(folder / "report.xml").getroot()
    (suite,) = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    cases = suite.findall("testcase")
    counts = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": len(cases), "failures": 2, "errors": 0, "skipped": 3}
    failures = [case for case in cases if case.find("failure") is not None]
    assert {case.attrib["classname"] for case in failures} == {
        "mine.py.soft_round_inverse", "mine.py.round_half_up",
    }  # fmt: skip
    assert len([case for case in cases if case.find("skipped") is not None]) == 3
    assert "see: import numpy" in (failures[0].find("failure").text or "")  # type: ignore[union-attr]


ALLOWED = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id",
         "package", "file", "log", "url", "group"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": (
        {"name", "time", "classname", "group"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": ({"type", "message"}, set()),
    "skipped": ({"type", "message"}, set()),
}  # fmt: skip
"""Attributes and children of the schema that Jenkins reads JUnit's reports by, junit-10.xsd."""


def test_junit_is_as_its_schema_has_it() -> None:
    def mine(y: Any) -> Any:
        raise ValueError("\x1b[31mred\x1b[0m \x00 & <b> \ud800")

    known = {"round_half_up.ties": "known & <expected>"}
    records = npuq.check({"round_half_up": mine}, only=["round_"], expected_failed_checks=known)
    root = ElementTree.fromstring(junit(records, "a <target> \x07").encode())
    for element in root.iter():
        attributes, children = ALLOWED[element.tag]
        assert set(element.attrib) <= attributes, element.tag
        assert {child.tag for child in element} <= children
        if element.tag == "testsuite":
            assert {"name", "tests", "failures", "errors"} <= set(element.attrib)
    assert "[31mred" in (root.findtext(".//failure") or "")


def test_markdown_is_a_table() -> None:
    records = npuq.check({"round_half_up": np.round}, only=["round_half_up"])
    rows = markdown(records).splitlines()
    assert rows[3] == "| `round_half_up.ties` | Eq. 8 | fail | 1 | 0 | half to even |"
    assert all(row.count("|") == 7 for row in rows[:5])
    assert "see:" not in text(npuq.check(npuq, only=["round_half_up"]))


def test_reports_show_all_that_was_asked_and_count_what_was_not() -> None:
    one = Record("a", "Eq. 1", "pass", "s", "m", 0.5, 1.0, "r", "", "", "")
    records = [
        one,
        one._replace(check="long", status="fail"),
        one._replace(status="expected", message="as was foretold"),
        one._replace(check="gone", status="absent"),
    ]
    passed, failed, *why, expected, message, counts = text(records).splitlines()
    assert passed == "pass      a          0.5 of 1"
    assert failed == "fail      long       0.5 of 1"
    assert why == [f"    {line}" for line in explanation(records[1])]
    assert (expected[:11], message) == ("expected  a", "    as was foretold")
    assert counts == "1 passed, 1 failed, 1 failed as expected, 1 absent"
    long = text([one._replace(status="fail", message="two\nlines")]).splitlines()
    assert long[2:4] == ["    but: two", "    lines; error 0.5, allowed 1"]
    assert text(records[:1]).splitlines()[-1] == "1 passed, 0 failed, 0 absent"
    assert "gone" not in markdown(records) and markdown(records).endswith(counts)


def test_an_explanation_says_what_where_why_and_how_dear() -> None:
    mine = {"round_half_up": lambda y: np.round(y)}
    (record,) = npuq.check(mine, only=["round_half_up.ties"])
    heads = [line.partition(":")[0] for line in explanation(record)]
    assert heads == ["should hold", "but", "allowed is", "see", "probably", "costs"]
    assert record.counterexample == (
        "import numpy as np; print(round_half_up(np.array([0.5], 'float32')))  # should be 1.0"
    )


def test_functions_of_a_module_are_named_by_it_in_a_dict_too() -> None:
    (record,) = npuq.check({"round_half_up": np.round}, only=["round_half_up.ties"])
    assert record.status == "fail" and "import numpy; print(numpy.round(" in record.counterexample


def test_one_line_in_a_test_file(folder: Path) -> None:
    """Of a project that knows nothing of npuq: passed, failed, skipped and expected."""
    (folder / "test_mine.py").write_text(
        "import mine, npuq\n"
        "known = {'round_half_up.ties': 'known'}\n"
        "@npuq.parametrize_with_checks(mine, only=['soft_round', 'round_half_up'],"
        " expected_failed_checks=known)\n"
        "def test_mine(check):\n"
        "    check()\n"
    )
    done = python("-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "test_mine.py", cwd=folder)
    assert done.returncode == 1, done.stderr
    assert "FAILED test_mine.py::test_mine[soft_round_inverse.values.float32]" in done.stdout
    assert "probably: the textbook artanh inverse" in done.stdout
    assert "PASSED test_mine.py::test_mine[soft_round.values.float32]" in done.stdout
    assert "XFAIL test_mine.py::test_mine[round_half_up.ties]" in done.stdout
    assert "the target has no soft_round_backward" in done.stdout


def test_a_function_without_a_name_is_collected(folder: Path) -> None:
    """Two in one file, of which each has its own checks."""
    (folder / "test_mine.py").write_text(
        "import mine; from npuq import parametrize_with_checks as each\n"
        "test_mine = each(mine, only=['round_'])(lambda check: check())\n"
        "test_s = each(mine, only=['soft_round.v'])(lambda check: check())\n"
    )
    done = python("-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "test_mine.py", cwd=folder)
    assert "FAILED test_mine.py::test_mine[round_half_up.ties]" in done.stdout
    assert "PASSED test_mine.py::test_s[soft_round.values.float32]" in done.stdout
    assert "1 failed, 6 passed, 3 skipped" in done.stdout


PAGE = (ROOT / "npuq/checks/README.md").read_text("utf-8")


def test_the_page_has_the_list() -> None:
    """All names with their arguments."""
    rows = re.findall(r"^\| (`.+?) \| (.+?) \| .+ \|$", PAGE, re.M)
    listed = {
        name: arguments for names, arguments in rows for name in re.findall(r"`(\w+)`", names)
    }
    assert listed == {name: arguments for name, (arguments, _) in NAMES.items()}


def test_the_block_of_the_page_names_the_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    exec(compile(block, "page", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[:2] for line in lines] == [
        [f"soft_round_inverse.{law}", "the textbook artanh inverse"]
        for law in ("values.float32", "large_alpha", "identity", "odd", "shape.large_alpha")
    ]
