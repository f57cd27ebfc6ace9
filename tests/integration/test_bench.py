"""The benchmark runs, says what is missing, and refuses parts that it has not got."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mpi
import pytest
from models import picture, tiny_model
from programs import module_at

from npuq.evaluation.metrics import mse
from npuq.io.image_writing import write_image
from npuq.trained.model_file import load_model

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
    older: Any = module_at(ROOT / "bench" / "paper" / "older_quantizers.py")
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
        "import json\nfrom speed import arrays\n"
        "arrays.SIDE, arrays.LARGE, arrays.ROUNDS = 16, 10_000_000, 2\n"
        "print(json.dumps(arrays.rows()))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT / "bench", capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    *small, large = json.loads(done.stdout)
    assert len(small) == 4 and all(row["encode"] > 0 and row["bits each"] > 1 for row in small)
    assert large["array MB"] < 40 and 0 < large["more to encode MB"] < 150


def module(name: str) -> Any:
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


def test_efficiency_on_paper_is_that_of_the_formula() -> None:
    """4 ranks: 6 MB of 8 go out at 1 MB a second, twice; 6 + 2 messages of 0.5 s each."""
    step, efficiency = module("speed.ranks").on_paper(2.0, 1.0, 8_000_000, 4, 1e6, 0.5)
    assert step == 2 + 1 + 12 + 4
    assert efficiency == (4 * 2 + 1) / (4 * 19)


# ---- the grid of models


QUICK = (
    "--steps=4", "--batch-size=2", "--crop=32", "--smaller-side=40,60", "--validation-crop=32",
    "--checkpoint-every=2",
)  # fmt: skip
GRID = ("linear-un-1", "linear-un-2", "linear-sr-1")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(3):
        write_image(folder / f"{number}.png", picture(64, 80, number))
    return folder


def train_grid(
    photographs: Path,
    runs: Path,
    *options: str,
    start: Sequence[str] = (),
    more: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "bench" / "train_weights.py", photographs, runs, *GRID, *more]
    return mpi.run([*start, *map(str, command), "--", *QUICK, *options])


@pytest.mark.slow
def test_a_grid_is_trained_and_goes_on(photographs: Path, tmp_path: Path) -> None:
    runs, weights = tmp_path / "runs", tmp_path / "weights"
    weights.mkdir()
    failed = train_grid(photographs, runs, "--init-model=nowhere.npz")
    assert failed.returncode == 1
    assert failed.stdout.count("nowhere.npz") == 3
    done = train_grid(photographs, runs, more=["--weights", str(weights)])
    assert done.returncode == 0, done.stderr
    assert "3 of 3 runs" in done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert sorted(row[0] for row in rows) == sorted(GRID)
    for model, lmbda, steps, bpp, psnr, loss, _ in rows:
        last = (runs / model / "history.csv").read_text().splitlines()[-1].split(",")
        trained = load_model(weights / f"{model}.npz")
        assert (trained.name, trained.lmbda) == (model, float(lmbda))
        assert (steps, float(loss)) == ("4", pytest.approx(float(last[6]), abs=1e-4))
        total = float(bpp) + float(lmbda) * 255**2 / 10 ** (float(psnr) / 10)
        assert float(loss) == pytest.approx(total, rel=2e-3)  # PSNR has two digits
    assert load_model(weights / "linear-sr-1.npz").alpha > 0

    # again: what is done stays, what is not goes on from its checkpoint
    (runs / "linear-un-2" / "done.json").unlink()
    before = {p: p.stat().st_mtime_ns for p in runs.glob("*/model.npz")}
    again = train_grid(photographs, runs)
    assert again.returncode == 0
    after = {p: p.stat().st_mtime_ns for p in runs.glob("*/model.npz")}
    assert {p.parent.name for p in before if before[p] != after[p]} == {"linear-un-2"}
    # other settings are another run, which is not trained over it
    other = train_grid(photographs, runs, "--seed=7")
    assert other.returncode == 1 and other.stdout.count("belongs to a run with seed 1, not 7") == 3


@pytest.mark.slow
def test_a_grid_on_ranks_is_that_of_one_process(photographs: Path, tmp_path: Path) -> None:
    if (reason := mpi.why_no_mpi()) is not None:
        pytest.skip(reason)
    for name, start in (("1", []), ("2", mpi.command(2))):
        done = train_grid(photographs, tmp_path / name, start=start)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 4
    for path in (tmp_path / "1").glob("*/model.npz"):
        assert path.read_bytes() == (tmp_path / "2" / path.parent.name / path.name).read_bytes()


def test_the_grid_is_the_papers() -> None:
    grid = module("train_weights")
    assert [round(value, 7) for value in grid.LAMBDAS.values()] == [
        0.0015625, 0.003125, 0.00625, 0.0125, 0.025, 0.05, 0.1, 0.2,
    ]  # fmt: skip
    shipped = {path.stem for path in (ROOT / "npuq" / "weights").glob("*.npz")}
    assert sorted(run.model for run in grid.RUNS) == sorted(shipped)
