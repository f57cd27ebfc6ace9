"""What `npuq/checks/MATRIX.md` says of other libraries, where they are installed; and its table."""

from __future__ import annotations

import doctest
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
from programs import module_at

from npuq.checks.catalogue import LAWS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "npuq" / "checks" / "MATRIX.md").read_text("utf-8")
RESULTS = json.loads((ROOT / "bench" / "results" / "matrix.json").read_text("utf-8"))
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
FOLDER = ROOT / "bench" / "matrix"
STAND_INS = (
    "torchvision", "torchvision.transforms", "lpips", "fvcore", "fvcore.nn",
    "fvcore.nn.jit_handles",
)  # fmt: skip
"""What two of the libraries import and do not need for this."""


def load(name: str) -> Any:
    return module_at(FOLDER / f"{name}.py")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[1][:48])
def test_each_block_shows_what_it_says(block: str) -> None:
    libraries = re.findall(r"^>>> (?:import|from) (.*)$", block, re.MULTILINE)
    names = {word.split(".")[0] for line in libraries for word in re.findall(r"[\w.]+", line)[:1]}
    for name in sorted(names | {"tensorflow_compression"} & set(re.findall(r"\w+", block))):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    load("stand_ins").stand_in(*STAND_INS)
    test = doctest.DocTestParser().get_doctest(block, {}, "MATRIX.md", None, 0)
    assert doctest.DocTestRunner().run(test).failed == 0


def test_the_table_is_that_of_the_results() -> None:
    matrix = load("matrix")
    for line in matrix.markdown(RESULTS["rows"]).splitlines():
        assert " ".join(line.split()) in PAGE
    assert {line["row"] for line in RESULTS["rows"]} == {row.title for row in matrix.ROWS}


def test_every_check_has_a_column_and_failures_are_checks() -> None:
    matrix = load("matrix")
    assert {matrix.group_of(law.name) for law in LAWS} == set(matrix.GROUPS)
    names = {law.name for law in LAWS}
    for line in RESULTS["rows"]:
        assert all(failure["check"] in names for failure in line["failures"])
        assert len(line["failures"]) == sum(c["fail"] for c in line["counts"].values())
        assert str(ROOT) not in json.dumps(line)
    assert sum(bool(line["failures"]) for line in RESULTS["rows"]) == 4
