"""`npuq import-compressai` and `export-compressai`: what they say when they cannot."""

from __future__ import annotations

import io
import json
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import picture, tiny_model

from npuq.cli import main
from npuq.exchange.compressai import export_state
from npuq.io.image_writing import write_image
from npuq.io.images import read_image
from npuq.models import hyperprior
from npuq.trained.make import make_model
from npuq.trained.model import Model
from npuq.trained.model_file import load_model, save_model


def small_model(alpha: float = 0.0) -> Model:
    params = hyperprior.init(np.random.default_rng(0), channels=3, latents=4)
    return make_model(params, alpha=alpha, lmbda=1.0, name="small")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "state.npz"
    np.savez(path, **export_state(small_model()))  # type: ignore[arg-type]
    return path


def fails(capsys: pytest.CaptureFixture[str], *command: object) -> str:
    """Run a command that must fail as the rules say; its message."""
    assert main([str(word) for word in command]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("npuq: error: ") and printed.err.count("\n") == 1
    return printed.err


def test_an_imported_model_compresses(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, photo, file, out = (tmp_path / n for n in ("m.npz", "a.png", "a.npuq", "b.png"))
    write_image(photo, picture(40, 50))
    assert main(["import-compressai", str(state), str(model)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{model}: model state, mbt2018-mean, N = 3, M = 4, hash ")
    assert main(["compress", str(photo), str(file), "--method=un+uq", f"--model={model}"]) == 0
    assert main(["decompress", str(file), str(out), f"--model={model}"]) == 0
    assert read_image(out).shape == (40, 50, 3)


def test_both_ways_say_the_same_in_json(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, back = tmp_path / "m.npz", tmp_path / "back.npz"
    assert main(["import-compressai", str(state), str(model), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts.pop("hash") == load_model(model).hash.hex()
    assert facts == {
        "file": str(model), "name": "state", "architecture": "mbt2018-mean", "size": [3, 4]
    }  # fmt: skip
    assert main(["export-compressai", str(model), str(back), "--json"]) == 0
    with np.load(back) as arrays:
        assert json.loads(capsys.readouterr().out) == {
            "file": str(back),
            "architecture": "mbt2018-mean",
            "net": "compressai.models.MeanScaleHyperprior",
            "arrays": len(arrays),
        }


def test_nothing_but_numpy_is_needed_for_npz(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["import-compressai", str(state), f"{tmp_path}/m.npz"]) == 0
    assert main(["export-compressai", f"{tmp_path}/m.npz", f"{tmp_path}/again.npz"]) == 0
    with np.load(state) as first, np.load(tmp_path / "again.npz") as second:
        assert first.keys() == second.keys()
        assert all(np.array_equal(first[name], second[name]) for name in first)


def test_without_pytorch_its_files_are_not_read_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # makes its import fail
    save_model(tmp_path / "m.npz", small_model())
    for command in (
        ["import-compressai", tmp_path / "a.pth.tar", tmp_path / "out.npz"],
        ["export-compressai", tmp_path / "m.npz", tmp_path / "out.pth"],
    ):
        assert "needs PyTorch: pip install 'npuq[crosscheck]'" in fails(capsys, *command)
    assert [path.name for path in tmp_path.iterdir()] == ["m.npz"]


def as_torch(contents: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        pytest.importorskip("torch").save(contents, path)

    return write


class Code:
    """What a pickle runs when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("import npuq; npuq.intruder = True",)


@pytest.mark.parametrize("name", ["a.npz", "a.pth"])
@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_text("Dear reader,\nthis is no model.\n"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(pickle.dumps({"g_a.0.weight": Code()})),
        lambda path: path.mkdir(),
    ],
    ids=["text", "empty", "code", "folder"],
)
def test_what_is_no_state_dict(
    write: Callable[[Path], None], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "a.pth":
        pytest.importorskip("torch")
    write(tmp_path / name)
    said = fails(capsys, "import-compressai", tmp_path / name, tmp_path / "out.npz")
    assert f"{name} is not a state dict" in said
    assert not (tmp_path / "out.npz").exists() and not hasattr(sys.modules["npuq"], "intruder")


@pytest.mark.parametrize(
    "contents",
    [
        [1.0, 2.0],
        {"state_dict": 3},
        {"g_a.0.weight": "a text"},
        {"g_a.0.weight": Code()},
    ],
    ids=["list", "number", "text", "code"],
)
def test_what_pytorch_wrote_that_is_no_state_dict(
    contents: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_torch(contents)(tmp_path / "a.pth")
    said = fails(capsys, "import-compressai", tmp_path / "a.pth", tmp_path / "out.npz")
    assert "a.pth is not a state dict" in said
    assert not (tmp_path / "out.npz").exists() and not hasattr(sys.modules["npuq"], "intruder")


def test_tensors_of_pytorch_are_no_larger_than_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One number can stand for any shape there, by strides of 0; an archive can be compressed."""
    torch = pytest.importorskip("torch")
    shapes = {name: array.shape for name, array in export_state(small_model()).items()}
    one = torch.ones(1)
    torch.save({name: one.expand(*shape) for name, shape in shapes.items()}, tmp_path / "a.pth")
    said = fails(capsys, "import-compressai", tmp_path / "a.pth", tmp_path / "out.npz")
    assert "a.pth" in said and "more than the file holds" in said
    with (
        zipfile.ZipFile(tmp_path / "a.pth") as stored,
        zipfile.ZipFile(tmp_path / "b.pth", "w", zipfile.ZIP_DEFLATED) as compressed,
    ):
        for member in stored.namelist():
            compressed.writestr(member, stored.read(member))
    said = fails(capsys, "import-compressai", tmp_path / "b.pth", tmp_path / "out.npz")
    assert "b.pth: is compressed" in said


@pytest.mark.parametrize("wrapper", ["_orig_mod.", "module."])
def test_files_of_wrapped_models(
    wrapper: str, state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with np.load(state) as file:
        np.savez(tmp_path / "wrapped.npz", **{wrapper + name: file[name] for name in file})
    for path in (state, tmp_path / "wrapped.npz"):
        assert main(["import-compressai", str(path), f"{tmp_path}/{path.stem}.model.npz"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].split("hash")[1] == said[1].split("hash")[1]


@pytest.mark.parametrize("part", [0.2, 0.9, 0.999])
@pytest.mark.parametrize("name", ["a.npz", "a.pth"])
def test_truncated_files(
    name: str, part: float, state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    data = state.read_bytes()
    if name == "a.pth":
        torch = pytest.importorskip("torch")
        buffer = io.BytesIO()
        torch.save({k: torch.tensor(a) for k, a in export_state(small_model()).items()}, buffer)
        data = buffer.getvalue()
    path.write_bytes(data[: int(part * len(data))])
    said = fails(capsys, "import-compressai", path, tmp_path / "out.npz")
    assert f"{name} is not a state dict, or is damaged" in said
    assert not (tmp_path / "out.npz").exists()


def test_arrays_that_do_not_fit(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with np.load(state) as file:
        arrays = dict(file)
    out = tmp_path / "out.npz"
    for name, change, message in (
        ("g_a.2.weight", None, "has no g_a.2.weight, which mbt2018-mean needs"),
        ("g_a.2.weight", np.zeros(3, np.float32), "g_a.2.weight of the state dict has shape (3,)"),
        ("h_a.2.weight", arrays["h_a.2.weight"] * np.nan, "not finite"),
        ("g_a.2.weight", np.array([None]), "holds other objects"),
        ("mask", np.zeros(3), "holds mask, which mbt2018-mean does not have"),
    ):
        changed = {k: a for k, a in (arrays | {name: change}).items() if a is not None}
        np.savez(tmp_path / "bad.npz", **changed)  # type: ignore[arg-type]
        said = fails(capsys, "import-compressai", tmp_path / "bad.npz", out)
        assert "bad.npz" in said and message in said
    assert not out.exists()


def test_names_and_places(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "m.npz"
    save_model(model, small_model())
    before = state.read_bytes(), model.read_bytes()
    nowhere, out = tmp_path / "no" / "where.npz", tmp_path / "out.npz"
    assert "no such file" in fails(capsys, "import-compressai", tmp_path / "none.npz", out)
    assert "must end in" in fails(capsys, "import-compressai", tmp_path / "a.onnx", out)
    assert "does not exist" in fails(capsys, "import-compressai", state, nowhere)
    assert "is an input" in fails(capsys, "import-compressai", state, state)
    assert "finite" in fails(capsys, "import-compressai", state, out, "--lmbda=nan")
    assert "no g_a.0.weight" in fails(capsys, "import-compressai", model, out)
    assert "no such model file" in fails(capsys, "export-compressai", tmp_path / "none.npz", out)
    assert "not a model file" in fails(capsys, "export-compressai", state, out)
    assert "must end in" in fails(capsys, "export-compressai", model, tmp_path / "out.bin")
    assert "does not exist" in fails(capsys, "export-compressai", model, nowhere)
    assert "is an input" in fails(capsys, "export-compressai", model, model)
    save_model(tmp_path / "linear.npz", tiny_model())
    assert "linear kind" in fails(capsys, "export-compressai", tmp_path / "linear.npz", out)
    assert (state.read_bytes(), model.read_bytes()) == before
    assert {p.name for p in tmp_path.iterdir()} == {"state.npz", "m.npz", "linear.npz"}


@pytest.mark.filterwarnings("default::UserWarning")  # it is printed, and looked at
def test_what_compressai_does_not_know_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(tmp_path / "sr.npz", small_model(16.0))
    assert main(["export-compressai", f"{tmp_path}/sr.npz", f"{tmp_path}/out.npz"]) == 0
    assert capsys.readouterr().err.startswith("npuq: warning: model small was trained with soft")
    assert main(["import-compressai", f"{tmp_path}/out.npz", f"{tmp_path}/again.npz"]) == 0
    assert load_model(tmp_path / "again.npz").alpha == 0
