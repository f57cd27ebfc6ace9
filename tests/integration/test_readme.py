"""What the README says runs: its Python blocks as they stand, its commands on small pictures."""

from __future__ import annotations

import math
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from models import picture

from npuq.cli import COMMANDS, main
from npuq.evaluation.landscape import landscape
from npuq.io.images import read_image, write_image

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
QUICK = ["--steps=2", "--batch-size=1", "--crop=64", "--validation-crop=64", "--checkpoint-every=1"]


def blocks(language: str) -> list[str]:
    """The code blocks of a language, in order."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", README.read_text("utf-8"), re.M | re.S)
    assert found
    return [str(block) for block in found]


def command_lines() -> list[str]:
    """Lines of shell blocks that run npuq, but for those of the set-up and of whole trainings."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if "npuq" in line and "pip install" not in line]


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_blocks_run_by_themselves(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each from an empty namespace and in an empty folder, as somebody who copies it would."""
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks("python")[number], f"README block {number}", "exec"), {})


def test_the_blocks_print_what_the_laws_say(capsys: pytest.CaptureFixture[str]) -> None:
    """h[Y] < h[Y + U] < h[Y] + 0.05 for a logistic of scale 1, where h[Y] is 2 nats; Eq. 12 is no
    worse than Eq. 14. The mean of 100,000 has a standard error of 0.005 bit.
    """
    verify, compress = blocks("python")
    exec(verify, {})
    bits, flat, exact = (float(word) for word in capsys.readouterr().out.split())
    assert 2 / math.log(2) < bits < 2 / math.log(2) + 0.05
    assert exact <= flat
    exec(compress, {})
    assert re.fullmatch(r"0\.\d{3} bits per pixel, \d\d\.\d\d dB\n", capsys.readouterr().out)


def test_every_command_is_shown() -> None:
    shown = {word for line in command_lines() for word in shlex.split(line)}
    text = README.read_text("utf-8")
    for command in COMMANDS:
        assert command in shown or f"`npuq {command}" in text, command


def test_commands_run_in_their_order(tmp_path: Path) -> None:
    """As they stand; of trainings the first is cut to two steps, the others stop before them."""
    for folder in ("photos", "bin"):
        (tmp_path / folder).mkdir()
    write_image(tmp_path / "photo.png", landscape(48, 72, seed=1))
    for seed in range(3):
        write_image(tmp_path / f"photos/{seed}.png", picture(64, 64, seed))
    script = tmp_path / "bin" / "npuq"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m npuq "$@"\n')
    script.chmod(0o755)
    path = f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    trained = False
    for line in command_lines():
        if "import-compressai" in line or "PHOTOS" in line:
            continue
        if line.startswith("npuq train") and "--list-presets" not in line:
            if trained:
                continue
            line, trained = f"{line} {' '.join(QUICK)}", True
        done = subprocess.run(
            ["sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, timeout=300
        )
        assert done.returncode == 0, (line, done.stderr.decode())
    for made in ("decoded.png", "decoded.ppm"):
        assert read_image(tmp_path / made).shape == (48, 72, 3)
    for made in ("photo.npuq", "curves.png", "records.csv", "runs/mine/history.png"):
        assert (tmp_path / made).stat().st_size > 0


@pytest.mark.parametrize("line", [line for line in command_lines() if "npuq train" in line])
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
