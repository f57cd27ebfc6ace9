"""How kernels are found and launched: names, signatures, what the compiler is told."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npuq
from npuq.kernels.cuda import launch

PACKAGE = Path(npuq.__file__).parent
ROOMS = ("nn", "coding", "codec", "models", "training", "paper")
MODULES = sorted(path.stem for path in launch.HERE.glob("*.py") if path.stem != "__init__")


def twins_of(stem: str) -> dict[str, Any]:
    """The functions of a module of kernels that say which arrays they take."""
    module = importlib.import_module(f"npuq.kernels.cuda.{stem}")
    return {name: f for name, f in vars(module).items() if hasattr(f, "takes")}


TWINS = [(stem, name) for stem in MODULES for name in twins_of(stem)]


@pytest.mark.parametrize(("stem", "name"), TWINS, ids=[".".join(twin) for twin in TWINS])
def test_a_twin_has_the_name_and_the_arguments_of_a_plain_function(stem: str, name: str) -> None:
    """Of one that looks for it; or nobody would ever call it, or only with arguments that fail."""
    (room,) = (room for room in ROOMS if (PACKAGE / room / f"{stem}.py").exists())
    function = getattr(importlib.import_module(f"npuq.{room}.{stem}"), name)
    plain = function.plain  # what has twins has one
    ours, theirs = inspect.signature(twins_of(stem)[name]), inspect.signature(plain)
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in theirs.parameters.values()
    ]


def test_there_are_twins() -> None:
    assert len(TWINS) >= 20


def test_every_file_of_kernels_is_launched() -> None:
    text = "".join((launch.HERE / f"{stem}.py").read_text(encoding="utf-8") for stem in MODULES)
    for file in launch.HERE.glob("*.cu"):
        assert f'"{file.stem}"' in text, file.name


def test_a_changed_header_is_compiled_anew(monkeypatch: Any, tmp_path: Path) -> None:
    """CuPy keeps what it has compiled by code and options, and does not look into headers."""
    before = launch.options()
    (tmp_path / "some.cuh").write_text("#define X 1")
    monkeypatch.setattr(launch, "HERE", tmp_path)
    made = [launch.options.__wrapped__()]
    (tmp_path / "some.cuh").write_text("#define X 2")
    made.append(launch.options.__wrapped__())
    assert len({options[-1] for options in (before, *made)}) == 3


def test_arrays_that_a_kernel_cannot_count_are_refused() -> None:
    assert launch.size((1 << 15, (1 << 16) - 1)) == (1 << 31) - (1 << 15)
    assert type(launch.size((3,))) is np.int32
    with pytest.raises(ValueError, match="must have fewer"):
        launch.size((1 << 15, 1 << 16))
