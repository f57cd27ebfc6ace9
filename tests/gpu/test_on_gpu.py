"""The two calls of `bench/on_gpu.py`, rehearsed on the stand-in; what fails or is late costs itself
alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gpu.conftest import IS_REAL
from gpu.emulator import COMPILER
from models import picture
from programs import module_at

from npuq.io.image_writing import write_image
from npuq.runtime import twins
from npuq.trained.model_file import load_model

PROGRAM = Path(__file__).parents[2] / "bench" / "on_gpu.py"
pytestmark = pytest.mark.skipif(IS_REAL or COMPILER is None, reason="a rehearsal, on the stand-in")


@pytest.fixture(scope="module")
def on_gpu() -> Any:
    before = list(sys.path)
    module = module_at(PROGRAM)
    sys.path[:] = before
    return module


def records(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]


def rehearse(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=500)


@pytest.mark.slow
def test_the_first_call(tmp_path: Path) -> None:
    done = rehearse(tmp_path, "first", str(tmp_path), "--dry", "--seconds", "400")
    assert done.returncode == 0, done.stderr
    found = records(tmp_path)
    log = (tmp_path / "log.txt").read_text()
    ends = {record["part"]: record["status"] for record in found if "status" in record}
    assert ends == dict.fromkeys(
        ["versions", "ceilings", "parity", "graphs", "short", "training"], 0
    ), log
    assert "test_launch.py" in log and " PASSED" in log
    assert [r["same"] for r in found if "same" in r] == [True]
    assert all(r["refused"] == [] for r in found if "refused" in r)
    assert all(r["ms"] > 0 for r in found if r.get("of") == "npuq")
    assert {r["ceiling"] for r in found if "ceiling" in r} >= {"copy", "product, tf32"}
    for part, step in ((60, 2), (100, 3)):
        model = load_model(tmp_path / f"model-{part}.npz")
        assert model.kind == "hyperprior"
        assert {"file": f"model-{part}.npz", "step": step}.items() <= next(
            r for r in found if r.get("file") == f"model-{part}.npz"
        ).items()
    # a trunk goes on from there, with its options and with crops that it has not seen
    there, before = tmp_path / "trunk", model.training
    there.mkdir()
    (tmp_path / "photographs").mkdir()
    for i in range(3):
        write_image(tmp_path / "photographs" / f"{i}.png", picture(90, 100, i))
    with_them = "--trunk", "model-100.npz", "--photographs", "photographs"
    command = [sys.executable, str(PROGRAM), "part", "training", str(there), "--dry", *with_them]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    after = load_model(there / "model-100.npz").training
    assert (before["crops"], after["crops"]) == (3, 6)
    assert after["options"] == before["options"] | {"seed": 3}


def test_a_part_that_fails_or_is_late_costs_itself_alone(
    on_gpu: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_gpu, "GRACE", 6)
    parts = {"no such part": 20.0, "parity": 5.0, "versions": 20.0, "ceilings": 20.0}
    monkeypatch.setitem(on_gpu.CALLS, "first", parts)
    slow = "import time; print('tests/gpu/test_gdn.py::test_x FAILED', flush=True); time.sleep(60)"
    real = subprocess.Popen

    def started(command: list[str], **more: Any) -> Any:
        return real([sys.executable, "-c", slow] if "parity" in command else command, **more)

    monkeypatch.setattr(on_gpu.subprocess, "Popen", started)
    assert on_gpu.main(["first", str(tmp_path), "--dry", "--seconds", "60"]) == 0
    found = records(tmp_path)
    ends = {record["part"]: record["status"] for record in found if "status" in record}
    assert ends["no such part"] == 1 and ends["versions"] == ends["ceilings"] == 0
    assert "ended after 5 s" in ends["parity"]
    assert [r["without"] for r in found if "without" in r] == [["gdn"]]
    assert any("package" in r for r in found)


def test_who_is_asked_to_end_lets_the_part_save_what_it_has(
    on_gpu: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves = (
        "import os, signal, sys, time\n"
        "def save(*_): open('saved', 'w').close(); sys.exit(3)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        f"os.kill({os.getpid()}, signal.SIGTERM)\n"
        "time.sleep(60)"
    )
    real = subprocess.Popen
    monkeypatch.setattr(
        on_gpu.subprocess,
        "Popen",
        lambda _, **more: real([sys.executable, "-c", saves], **more | {"cwd": tmp_path}),
    )
    before = signal.getsignal(signal.SIGTERM)
    assert on_gpu.main(["first", str(tmp_path), "--dry"]) == 1
    assert signal.getsignal(signal.SIGTERM) is before
    (record,) = records(tmp_path)
    assert "status 3" in record["status"] and (tmp_path / "saved").exists()


@pytest.mark.parametrize(
    "line",
    [
        "tests/gpu/test_rates.py::test_x[1] FAILED   [ 3%]",
        "[gw3] [  3%] FAILED tests/gpu/test_rates.py::test_x[1] ",
        "ERROR tests/gpu/test_rates.py - ImportError",
    ],
)
def test_kernels_whose_tests_fail_are_done_without(on_gpu: Any, tmp_path: Path, line: str) -> None:
    passed = "[gw1] [  1%] PASSED tests/gpu/test_gdn.py::test_y"
    (tmp_path / "log").write_text(f"tests/gpu/test_conv.py::a FAILED\n{passed}\n{line}\n")
    begin = len("tests/gpu/test_conv.py::a FAILED\n")
    found = on_gpu.failed_kernels(tmp_path / "log", begin)
    assert found == ["conditional_rate", "noisy_rate"]


def test_no_time_is_no_part(on_gpu: Any, tmp_path: Path) -> None:
    assert on_gpu.main(["second", str(tmp_path), "--dry", "--seconds", "1"]) == 0
    assert {r.get("skipped") for r in records(tmp_path)} == {"no time is left"}


def test_twins_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUQ_WITHOUT_TWINS", "gdn,conv.conv2d")
    find = twins.twin_of.__wrapped__
    assert find("gdn", "gdn", np) is None is find("conv", "conv2d", np)
    assert find("conv", "conv_transpose2d", np) is not None


def test_what_travels(on_gpu: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    image = np.random.default_rng(0).integers(0, 256, (900, 40, 3), np.uint8)
    write_image(tmp_path / "a" / "x.png", image)
    monkeypatch.syspath_prepend(str(PROGRAM.parent))
    assert on_gpu.main(["pack", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert (tmp_path / "b" / "x.webp").stat().st_size < (tmp_path / "a" / "x.png").stat().st_size
    project = on_gpu.bytes_of_the_project()
    assert 1 << 20 < project < 1 << 25  # less than half of what travels
    monkeypatch.setattr(on_gpu, "MOST", project + 100)
    assert on_gpu.main(["pack", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
