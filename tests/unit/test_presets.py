"""`npuq train --list-presets`: what it prints is what the presets set."""

from __future__ import annotations

import argparse
import dataclasses

import pytest

from npuq.cli import main
from npuq.cli.settings import add_settings, given_settings
from npuq.training.options import TrainingOptions
from npuq.training.presets import PRESETS


def listing(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["train", "--list-presets"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_options_of_the_list_typed_make_the_presets(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_settings(parser)
    options: dict[str, dict[str, object]] = {}
    head = ""
    words: dict[str, list[str]] = {}
    for line in listing(capsys).splitlines():
        if line[0] != " ":
            head = line
            words[head] = []
        else:
            words[head] += line.split("  ")
    for head, typed in words.items():
        name, _, before = head.removesuffix(" with").partition(":")
        flags = [word.strip() for word in typed if word.strip()[:1] == "-"]
        base = options[before.strip()] if before else {}
        options[name] = base | given_settings(parser.parse_args(flags))
    assert options.keys() == PRESETS.keys()
    for name, preset in PRESETS.items():
        assert TrainingOptions(**options[name]) == TrainingOptions(**preset), name


def test_the_first_is_told_in_full_and_no_word_is_broken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = listing(capsys).splitlines()
    assert max(map(len, lines)) <= 100
    first = " ".join(lines[1 : next(i for i in range(1, 99) if lines[i][0] != " ")])
    for field in dataclasses.fields(TrainingOptions):
        assert field.name.replace("_", "-") in first
