"""What `npuq info` knows: of models, of checkpoints, and of archives that are neither."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import picture, tiny_hyperprior, tiny_model

from npuq.cli import main
from npuq.cli.describe import describe, describe_model
from npuq.codec.files import compress
from npuq.errors import ModelError, TrainingError
from npuq.models.factorized import init as factorized_init
from npuq.nn.adam import AdamState
from npuq.trained.make import make_model
from npuq.trained.methods import METHODS
from npuq.trained.model_file import save_model
from npuq.training.checkpoint import HISTORY, TrainingState, save_checkpoint
from npuq.training.options import TrainingOptions
from npuq.training.presets import PRESETS


def test_a_compressed_file_is_told_by_its_header(tmp_path: Path) -> None:
    data = compress(picture(), model=tiny_model(16.0), method="un+q", seed=3)
    (tmp_path / "a").write_bytes(data)
    facts = describe(tmp_path / "a")
    assert (facts["type"], facts["method"], facts["seed"]) == ("image", "un+q", 3)
    assert facts["alpha"] == "inf" and facts["bytes"] == len(data)
    json.dumps(facts, allow_nan=False)


def test_a_model_is_told_by_kind_size_and_making(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    options = {"steps": 7, "lmbda": 0.0125, "alpha_start": 1.0, "alpha_end": 12.0}
    training = {"preset": "fast-sr", "data": "holidays", "options": options, "hash": "a lie"}
    model = tiny_model(12.0)._replace(training=training)
    save_model(path, model)
    facts = describe(path)
    assert (facts["type"], facts["kind"], facts["name"]) == ("model", "linear", "tiny-sr")
    assert facts["hash"] == model.hash.hex()  # not what the training claims
    assert facts["size"] == [192] and facts["bytes"] == path.stat().st_size
    density = 192 * (3 + 9 + 9 + 3 + 3 + 3 + 3 + 1 + 3 + 3 + 3)  # H, b, a of widths 3, 3, 3
    assert facts["parameters"] == 2 * 192 * 192 + density
    assert (facts["lmbda"], facts["alpha"], facts["alpha_r"]) == (0.0125, 12.0, 12.0)
    assert facts["methods"] == list(METHODS)
    assert (facts["data"], facts["preset"], facts["steps"]) == ("holidays", "fast-sr", 7)
    assert facts["differs_from_preset"] == {"steps": 7, "alpha_end": 12.0}


def test_models_of_other_kinds_have_two_sizes() -> None:
    facts = describe_model(tiny_hyperprior(0.0))
    assert (facts["kind"], facts["size"]) == ("hyperprior", [6, 8])
    assert facts["methods"] == ["un+q", "un+uq"]
    assert facts["differs_from_preset"] is None and facts["steps"] is None
    params = factorized_init(np.random.default_rng(0), channels=3, latents=5)
    facts = describe_model(make_model(params, alpha=0.0, lmbda=1.0, name="f"))
    assert (facts["kind"], facts["size"]) == ("factorized", [3, 5])


@pytest.mark.parametrize(
    "training",
    [
        {"options": 3, "preset": [], "ranks": 4},
        {"options": {"a": math.nan}, "ranks": [[0, math.inf]]},
    ],
)
def test_any_training_can_be_told(training: dict[str, Any]) -> None:
    facts = describe_model(tiny_model(0.0)._replace(training=training))
    assert facts["steps"] is None
    json.dumps(facts, allow_nan=False)


def checkpoint(
    path: Path,
    step: int,
    rows: int,
    ranks: tuple[tuple[int, int], ...] = ((0, 1),),
    **changed: Any,
) -> TrainingOptions:
    options = TrainingOptions(**(PRESETS["fast-hyperprior-sr"] | {"steps": 1000} | changed))
    one = {"w": np.zeros(2, np.float32)}
    history = [[float(10 * i + j) for j in range(len(HISTORY))] for i in range(rows)]
    state = TrainingState(step, one, AdamState(step, one, one), {}, history, skipped=1, ranks=ranks)
    provenance = {"preset": "fast-hyperprior-sr", "name": "mine", "data": "holidays", "step": -1}
    save_checkpoint(path, state, options, provenance)
    return options


def test_a_checkpoint_is_told_by_its_step(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    checkpoint(path, 500, 3, lmbda=0.05, lmbda_decay=((750, 0.1),), alpha_r=20.0)
    facts = describe(path)
    assert (facts["type"], facts["kind"], facts["size"]) == ("checkpoint", "hyperprior", [64, 96])
    assert (facts["step"], facts["steps"], facts["name"]) == (500, 1000, "mine")
    assert facts["skipped"] == 1
    assert facts["ranks"] == [{"ranks": 1, "from_step": 0}]
    assert facts["lmbda"] == pytest.approx(0.5)  # before it falls to a tenth
    assert (facts["alpha"], facts["alpha_r"]) == (8.5, 20.0)  # half way from 1 to 16
    assert facts["differs_from_preset"] == {
        "lmbda": 0.05, "steps": 1000, "lmbda_decay": [[750, 0.1]], "alpha_r": 20.0
    }  # fmt: skip
    assert facts["last_row"] == {name: 20.0 + j for j, name in enumerate(HISTORY)}
    checkpoint(path, 1, 0)
    assert describe(path)["last_row"] is None


def rewritten(path: Path, **members: bytes) -> None:
    """The archive with other contents of some members."""
    with zipfile.ZipFile(path) as old:
        kept = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, contents in (kept | {f"{k}.npy": v for k, v in members.items()}).items():
            new.writestr(name, contents)


def npy(contents: bytes) -> bytes:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({len(contents)},), }}"
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode() + contents


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"manifest": npy(b"no JSON")}, ModelError),
        ({"manifest": npy(b"[1]")}, ModelError),
        ({"manifest": b"no array"}, ModelError),
        ({"manifest": npy(b'{"step": 1}' + b" " * (1 << 25))}, ModelError),  # 33 MB in 33 kB
        ({"manifest": npy(b'{"step": 1}')}, TrainingError),
        ({"manifest": npy(b'{"step": "a", "options": {}, "provenance": {}}')}, TrainingError),
        ({"history": npy(b"too short")}, TrainingError),
        ({"history": npy(bytes(8 * len(HISTORY) << 19))}, TrainingError),
    ],
)
def test_archives_that_are_neither(
    members: dict[str, bytes],
    error: type[Exception],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "checkpoint.npz"
    checkpoint(path, 1, 1)
    rewritten(path, **members)
    with pytest.raises(error, match=str(path)):
        describe(path)
    assert main(["info", str(path), "--json"]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    save_model(path, tiny_model(0.0))
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ModelError):
        describe(path)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(ModelError, match="neither a model nor a checkpoint"):
        describe(path)


def test_people_read_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "checkpoint.npz"
    checkpoint(path, 250, 1, lmbda=0.1)
    assert main(["info", str(path)]) == 0
    lines = [line.split(None, 1) for line in capsys.readouterr().out.splitlines()]
    facts = {name: value for name, value in lines}
    assert facts["size"] == "64, 96" and facts["alpha"] == "4.75"
    assert facts["differs_from_preset"] == "lmbda 0.1, steps 1000"
    assert facts["ranks"] == "1 from step 0 on"


def test_ranks_are_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of a checkpoint, and of the model that such a run made."""
    checkpoint(tmp_path / "checkpoint.npz", 250, 1, ranks=((0, 4), (120, 2)))
    training = {"ranks": [[0, 4], [120, 2]]}
    save_model(tmp_path / "model.npz", tiny_model(0.0)._replace(training=training))
    for path in (tmp_path / "checkpoint.npz", tmp_path / "model.npz"):
        assert main(["info", str(path)]) == 0
        lines = [line.split(None, 1) for line in capsys.readouterr().out.splitlines()]
        assert ["ranks", "4 from step 0 on, 2 from step 120 on"] in lines
        assert main(["info", "--json", str(path)]) == 0
        told = json.loads(capsys.readouterr().out)["ranks"]
        assert told == [{"ranks": 4, "from_step": 0}, {"ranks": 2, "from_step": 120}]
