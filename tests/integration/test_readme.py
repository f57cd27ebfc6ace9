"""What the pages say runs: their Python blocks as they stand, their commands on small pictures."""

from __future__ import annotations

import math
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.special
import scipy.stats
from models import picture

from npuq.cli import COMMANDS, main
from npuq.evaluation.landscape import landscape
from npuq.io.image_writing import write_image
from npuq.io.images import read_image

ROOT = Path(__file__).parents[2]
README, QUESTIONS = "README.md", "npuq/paper/QUESTIONS.md"
COMMAND_PAGES = (README, "npuq/cli/README.md")
QUICK = ["--steps=2", "--batch-size=1", "--crop=64", "--validation-crop=64", "--checkpoint-every=1"]
NUMBER = re.compile(r"-?\d+\.?\d*")


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a language, in order."""
    text = (ROOT / page).read_text("utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)
    assert found
    return [str(block) for block in found]


def command_lines(page: str) -> list[str]:
    """Lines of shell blocks that run npuq, but for those of the set-up."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith(("npuq ", "cat ")) and "pip" not in line]


def run(block: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a block prints, from an empty namespace, as for somebody who copies it."""
    capsys.readouterr()
    exec(compile(block, "block", "exec"), {})
    return capsys.readouterr().out


@pytest.mark.parametrize("number", range(len(blocks(README, "python"))))
def test_python_blocks_run_by_themselves(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each from an empty namespace and in an empty folder, as somebody who copies it would."""
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks(README, "python")[number], f"README block {number}", "exec"), {})


def test_the_blocks_print_what_the_laws_say(capsys: pytest.CaptureFixture[str]) -> None:
    """Both sides of Eq. 7 agree, and with SciPy's distribution; Eq. 12 is no worse than Eq. 14."""
    read, verify, cross_check, compress, latents = blocks(README, "python")
    largest, _, text = run(read, capsys).partition("\n")
    assert float(largest) < 1e-14  # some eps of float64, for |y| up to 2
    assert "s_alpha(y): Eq. (10)" in text

    law, errors = run(verify, capsys).splitlines()
    left, right = (float(word) for word in re.findall(r"= (\d\.\d\d) bits", law))
    z = np.arange(-10, 10, 1 / 64)
    p = np.diff(scipy.stats.logistic(scale=0.1).cdf([z - 0.5, z + 0.5]), axis=0)
    assert right == pytest.approx(scipy.special.entr(p).sum() / 64 / math.log(2), abs=0.0051)
    # by counting 100,000 symbols whose log-probabilities deviate by some 1.5 bits: 0.005 bits
    assert left == pytest.approx(right, abs=0.02)
    flat, exact = (float(word) for word in errors.split())
    assert exact < flat

    assert run(cross_check, capsys) == "the same\n"
    assert re.fullmatch(r"0\.\d{3} bits per pixel, \d\d\.\d\d dB\n", run(compress, capsys))

    bits, error = (float(word) for word in re.findall(r"\d\.\d{3}", run(latents, capsys)))
    assert error == 0.25
    z = np.arange(-40, 40, 1 / 64)  # in steps
    p = np.diff(scipy.stats.laplace(scale=2.0).cdf([z - 0.5, z + 0.5]), axis=0)
    assert bits == pytest.approx(scipy.special.entr(p).sum() / 64 / math.log(2), rel=0.004)


ANSWERS = re.findall(
    r"^```python\n(.*?)^```\n```text\n(.*?)^```$",
    (ROOT / QUESTIONS).read_text("utf-8"),
    re.M | re.S,
)


def test_every_question_has_an_answer_that_runs() -> None:
    text = (ROOT / QUESTIONS).read_text("utf-8")
    assert len(ANSWERS) == len(blocks(QUESTIONS, "python")) == len(re.findall(r"^## ", text, re.M))


@pytest.mark.parametrize("number", range(len(ANSWERS)))
def test_answers_print_what_the_page_shows(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Word for word, but for the last digits of numbers, which other versions may draw anew."""
    block, shown = ANSWERS[number]
    printed = run(block, capsys)
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", shown)
    numbers = [[float(word) for word in NUMBER.findall(text)] for text in (printed, shown)]
    # errors of means over 20,000 draws or more, and the last digit shown
    assert numbers[0] == pytest.approx(numbers[1], rel=0.02, abs=0.0051)


def test_every_command_is_shown() -> None:
    pages = "".join((ROOT / page).read_text("utf-8") for page in COMMAND_PAGES)
    text = " ".join(pages.split())
    shown = {
        word for page in COMMAND_PAGES for line in command_lines(page) for word in line.split()
    }
    for command in COMMANDS:
        assert command in shown or f"`npuq {command}" in text, command


@pytest.mark.slow
@pytest.mark.parametrize("page", COMMAND_PAGES)
def test_commands_run_in_their_order(page: str, tmp_path: Path) -> None:
    """As they stand; of trainings the first is cut to two steps, the others stop before them."""
    for folder in ("photos", "compressed", "bin"):
        (tmp_path / folder).mkdir()
    for name in ("photo.png", "more.png"):
        write_image(tmp_path / name, landscape(48, 72, seed=1))
    np.save(tmp_path / "latents.npy", np.arange(60.0).reshape(3, 20))
    for seed in range(3):
        write_image(tmp_path / f"photos/{seed}.png", picture(64, 64, seed))
    script = tmp_path / "bin" / "npuq"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m npuq "$@"\n')
    script.chmod(0o755)
    path = f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    trained = False
    for line in command_lines(page):
        if line.startswith("npuq train") and "--list-presets" not in line:
            if trained:
                continue
            line, trained = f"{line} {' '.join(QUICK)}", True
        done = subprocess.run(
            ["sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, timeout=300
        )
        assert done.returncode == 0, (line, done.stderr.decode())
    assert read_image(tmp_path / "decoded.png").shape == (48, 72, 3)
    assert (tmp_path / "photo.npuq").stat().st_size > 0
    if page != README:
        assert read_image(tmp_path / "decoded.ppm").shape == (48, 72, 3)
        assert np.load(tmp_path / "decoded.npy").shape == (3, 20)
        for made in ("curves.png", "records.csv", "runs/mine/history.png"):
            assert (tmp_path / made).stat().st_size > 0


TRAININGS = [
    line
    for page in (*COMMAND_PAGES, "bench/README.md")
    for line in command_lines(page)
    if "npuq train" in line
]


@pytest.mark.parametrize("line", TRAININGS)
def test_trainings_are_understood(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to where photographs would be read: of an empty folder, of which they complain."""
    if "--list-presets" in line:
        return
    words = shlex.split(line, comments=True)[1:]
    words[1:3] = [str(tmp_path), str(tmp_path / "run")]
    assert main(words) == 2
    assert "holds no images" in capsys.readouterr().err
