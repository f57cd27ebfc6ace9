"""The benchmark runs, says what is missing, and refuses parts that it has not got."""

from __future__ import annotations

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
    result = bench("speed")
    assert result.returncode == 2
    assert "no part 'speed'" in result.stderr and "density" in result.stderr


@pytest.mark.slow
def test_the_hyperprior_parts_check_that_both_sides_compute_the_same() -> None:
    code = (
        "import json, gdn, hyper\n"
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
    path = ROOT / "bench" / "older_quantizers.py"
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


@pytest.mark.slow
def test_the_part_of_arrays_runs_on_small_ones() -> None:
    """Rates of whole calls, and memory of a process of its own."""
    code = (
        "import arrays, json\n"
        "arrays.SIDE, arrays.LARGE, arrays.ROUNDS = 16, 10_000_000, 2\n"
        "rows = [arrays._one('x', arrays.WIDTHS, arrays._tables(), {}), arrays.large()]\n"
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
    small, large = json.loads(result.stdout)
    assert small["encode"] > 0 and small["bits each"] > 1
    assert large["array MB"] < 40 and 0 < large["more to encode MB"] < 150
