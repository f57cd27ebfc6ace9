"""The benchmark runs, says what is missing, and refuses parts that it has not got."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from models import picture, tiny_model

from npuq.evaluation.metrics import mse

ROOT = Path(__file__).parents[2]


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "bench", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_a_part_prints_a_table_and_writes_json(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    result = bench("products", "--json", path)
    assert result.returncode == 0, result.stderr
    assert "of the peak" in result.stdout
    report = json.loads(path.read_text())
    assert {"processor", "cores", "numpy", "numba"} <= report["machine"].keys()
    rows = {row["product"]: row for row in report["parts"]["products"]}
    assert rows["analyse"]["ms"] > 0


def test_an_unknown_part_is_named() -> None:
    result = bench("pace")
    assert result.returncode == 2
    assert "no part 'pace'" in result.stderr and "density" in result.stderr


def test_every_part_can_be_imported_without_its_peers() -> None:
    code = (
        "import importlib, runpy\n"
        "for part in runpy.run_path('__main__.py')['PARTS']:\n"
        "    module = importlib.import_module(f'speed.{part}')\n"
        "    assert module.TITLE and module.rows, part"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT / "bench", capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


PROGRAMS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("bench", "bench/paper")
    for path in (ROOT / folder).glob("*.py")
    if "argparse" in path.read_text()
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_says_how_it_is_called_and_is_called_where_it_lies(program: str) -> None:
    docstring = ast.get_docstring(ast.parse((ROOT / program).read_text()))
    called = program.removesuffix("/__main__.py")
    assert docstring is not None and f"python {called} " in docstring
    command = [sys.executable, program, "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "usage:" in done.stdout, done.stderr


@pytest.mark.slow
def test_the_hyperprior_parts_check_that_both_sides_compute_the_same() -> None:
    code = (
        "import json\nfrom speed import gdn, hyper\n"
        "rows = hyper.measure(4, 6, batch=1, size=64, rounds=1), gdn.measure((1, 4, 4, 3), True)\n"
        "print(json.dumps(rows))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "bench",
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    for row in json.loads(result.stdout):
        assert row["npuq ms"] > 0
        assert ("ratio to channels last" in row) == ("channels last ms" in row)


def test_all_ways_to_send_coefficients_deliver_a_picture() -> None:
    """At a high rate all for as many bits, and with one error, stochastic rounding with twice."""
    path = ROOT / "bench" / "paper" / "older_quantizers.py"
    spec = importlib.util.spec_from_file_location("older_quantizers", path)
    assert spec is not None and spec.loader is not None
    older = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(older)
    image, model = picture(64, 80), tiny_model(step=2.0)
    sent = {
        way: older.send(image, model, way, 0)
        for way in ("un+q", "un+uq", older.STOCHASTIC, older.SHARED_SHIFT)
    }
    errors = {way: mse(image, arrived) for way, (_, arrived) in sent.items()}
    for way, (bits, _) in sent.items():
        assert errors[way] / errors["un+q"] == pytest.approx(2 if "stoch" in way else 1, rel=0.1)
        assert bits == pytest.approx(sent["un+q"].bits, rel=0.05)
