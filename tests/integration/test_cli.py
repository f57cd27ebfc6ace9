"""The command line: what it does, and what it says when it cannot."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import picture, tiny_hyperprior, tiny_model
from PIL import Image

from npuq import cli
from npuq.cli import main
from npuq.codec.files import compress, decompress
from npuq.io.image_writing import write_image
from npuq.io.images import read_image
from npuq.trained import shipped as shipped_models
from npuq.trained.methods import METHODS
from npuq.trained.model_file import save_model

KEYS = [
    "image", "model", "method", "quality", "bytes", "bpp", "bpp_estimated", "psnr", "mse",
    "ms_ssim",
]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models, a picture and a compressed file; tests only read it."""
    folder = tmp_path_factory.mktemp("place")
    save_model(folder / "un.npz", tiny_model(0.0))
    save_model(folder / "sr.npz", tiny_model(16.0))
    write_image(folder / "photo.png", picture())
    (folder / "photo.npuq").write_bytes(compress(picture(), model=tiny_model(16.0), seed=1))
    return folder


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package whose weights are small models of quality 4, two of each kind."""
    folder = tmp_path / "weights"
    folder.mkdir()
    save_model(folder / "linear-un-4.npz", tiny_model(0.0))
    save_model(folder / "linear-sr-4.npz", tiny_model(16.0))
    save_model(folder / "hyperprior-un-4.npz", tiny_hyperprior(0.0))
    save_model(folder / "hyperprior-sr-4.npz", tiny_hyperprior(16.0))
    monkeypatch.setattr(shipped_models, "WEIGHTS", folder)
    caches = [f for f in vars(shipped_models).values() if hasattr(f, "cache_clear")]
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def in_process(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "npuq", *map(str, command)],
        env=os.environ | environment,
        cwd=Path(cli.__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )


def fails(capsys: pytest.CaptureFixture[str], *command: object) -> str:
    """Run a command that must fail as the rules say; its message."""
    assert main([str(word) for word in command]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("npuq: error: ") and printed.err.count("\n") == 1
    return printed.err


# ---- what it does


@pytest.mark.parametrize(("method", "model"), list(zip(METHODS, ("un", "un", "sr"), strict=True)))
def test_compress_and_decompress_are_the_library(
    method: str, model: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "a.npuq", tmp_path / "a.png"
    command = ["compress", f"{place}/photo.png", str(file), "--seed=9", f"--method={method}"]
    assert main([*command, f"--model={place}/{model}.npz"]) == 0
    data = file.read_bytes()
    printed = capsys.readouterr().out
    assert f"{len(data)} bytes" in printed and printed.count("\n") == 1
    model_used = tiny_model(16.0 if model == "sr" else 0.0)
    assert data == compress(picture(), method=method, model=model_used, seed=9)
    assert main(["decompress", str(file), str(out), f"--model={place}/{model}.npz"]) == 0
    assert np.array_equal(read_image(out), decompress(data, model=model_used))


def test_another_process_another_coder_another_thread_count(place: Path, tmp_path: Path) -> None:
    """The same symbols, so the same pixels and, the other way round, the same bytes."""
    plain = {
        "NPUQ_KERNELS": "reference",
        "NUMBA_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    options = (f"--model={place}/sr.npz",)
    file, out = tmp_path / "a.npuq", tmp_path / "a.png"
    done = in_process("compress", place / "photo.png", file, "--seed=1", *options, **plain)
    assert (done.returncode, done.stderr) == (0, "")
    assert file.read_bytes() == (place / "photo.npuq").read_bytes()
    done = in_process("decompress", place / "photo.npuq", out, *options, **plain)
    assert (done.returncode, done.stderr) == (0, "")
    data = (place / "photo.npuq").read_bytes()
    assert np.array_equal(read_image(out), decompress(data, model=tiny_model(16.0)))


def test_models_of_the_package_need_not_be_named(
    shipped: None, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "a.npuq", tmp_path / "a.png"
    assert main(["compress", f"{place}/photo.png", str(file), "--seed=1"]) == 0
    assert file.read_bytes() == (place / "photo.npuq").read_bytes()
    assert main(["decompress", str(file), str(out)]) == 0
    assert main(["info", str(file)]) == 0
    assert "tiny-sr" in capsys.readouterr().out


def test_the_hyperprior_model_is_chosen_by_its_name(
    shipped: None, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, file, out = f"{place}/photo.png", tmp_path / "a.npuq", tmp_path / "a.png"
    assert main(["compress", photo, str(file), "--model=hyperprior", "--quality=4"]) == 0
    expected = compress(picture(), model=tiny_hyperprior(16.0))
    assert file.read_bytes() == expected
    assert main(["decompress", str(file), str(out)]) == 0
    assert np.array_equal(read_image(out), decompress(expected))
    assert main(["decompress", str(file), str(tmp_path / "b.png"), "--model=hyperprior"]) == 0
    capsys.readouterr()
    assert main(["info", str(file), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["model"], facts["tensors"]) == ("tiny-hyperprior-sr", 2)
    assert main(["eval", photo, "--model=hyperprior", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [(r["method"], r["quality"]) for r in records] == [(m, 4) for m in METHODS]
    assert "must be one of 4" in fails(
        capsys, "compress", photo, file, "--model=hyperprior", "--quality=5"
    )
    assert "leave it or --model out" in fails(
        capsys, "compress", photo, file, f"--model={place}/sr.npz", "--quality=4"
    )


def test_info_tells_the_header(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", f"{place}/photo.npuq", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    size = (place / "photo.npuq").stat().st_size
    assert facts["method"] == "un+uq+sr" and facts["alpha"] == 16.0
    assert (facts["height"], facts["width"], facts["seed"]) == (48, 64, 1)
    assert facts["model"] is None and facts["model_hash"] == tiny_model(16.0).hash.hex()
    assert facts["bytes"] == size and 0 < facts["payload_bytes"] < size
    assert facts["bpp"] == pytest.approx(8 * size / (48 * 64))


def test_eval_prints_records(
    shipped: None, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "records.csv"
    assert main(["eval", f"{place}/photo.png", "--json", f"--csv={table}"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [list(record) for record in records] == [KEYS] * 3
    assert [record["method"] for record in records] == list(METHODS)
    assert {record["quality"] for record in records} == {4}
    assert {record["ms_ssim"] for record in records} == {None}  # the picture is too small
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["bytes"]) for row in rows] == [record["bytes"] for record in records]


def test_eval_of_a_folder_ends_in_means(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(2):
        write_image(tmp_path / f"{seed}.png", picture(16, 16, seed))
    command = ["eval", str(tmp_path), f"--model={place}/un.npz"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["image", *["0.png"] * 2, *["1.png"] * 2,
                                                   "mean", "mean"]  # fmt: skip
    assert main([*command, "--method=un+q", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [(r["method"], r["quality"]) for r in records] == [("un+q", None)] * 2


def broken_folder(folder: Path) -> list[str]:
    """Two sound pictures and two that are not; their names in order."""
    for name in ("a.png", "c.png"):
        write_image(folder / name, picture(16, 16))
    (folder / "b.png").write_bytes(b"no picture")
    (folder / "d.png").write_bytes((folder / "a.png").read_bytes()[:60])
    return [str(folder / f"{letter}.png") for letter in "abcd"]


def test_bad_pictures_do_not_take_the_rest_with_them(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, table = tmp_path / "photos", tmp_path / "records.csv"
    folder.mkdir()
    a, b, c, d = broken_folder(folder)
    command = ["eval", str(folder), f"--model={place}/un.npz", "--method=un+q"]
    assert main([*command, f"--csv={table}", "--json"]) == 2
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert [line.split(": ")[2] for line in lines[:2]] == [b, d]
    assert lines[2:] == ["npuq: error: 2 of 4 images could not be evaluated"]
    results = json.loads(printed.out)
    assert [result["image"] for result in results] == [a, b, c, d]
    assert [list(results[n]) for n in (0, 2)] == [KEYS] * 2
    assert [list(results[n]) for n in (1, 3)] == [["image", "error"]] * 2
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [a, b, c, d]
    assert [row["error"] for row in rows] == [result.get("error", "") for result in results]
    assert [row["bytes"] for row in rows] == [str(result.get("bytes", "")) for result in results]
    assert not any(None in row or None in row.values() for row in rows)  # columns as in the header
    assert main(command) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["image", "a.png", "c.png", "mean"]
    assert "mean of 2" in lines[-1]


def test_where_all_pictures_are_bad_the_reports_say_so(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "records.csv"
    (tmp_path / "a.png").write_bytes(b"no picture")
    command = ["eval", f"{tmp_path}/a.png", f"--model={place}/un.npz", f"--csv={table}"]
    assert main([*command, "--json"]) == 2
    printed = capsys.readouterr()
    assert [list(result) for result in json.loads(printed.out)] == [["image", "error"]]
    assert printed.err.count("\n") == 1 and table.read_text().count("\n") == 2
    assert main(command) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (MemoryError(), 2)])
def test_what_is_finished_survives_the_end_of_an_evaluation(
    error: BaseException,
    status: int,
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from npuq.evaluation import rate_distortion as evaluate

    real = evaluate.evaluate_files

    def interrupted(paths: list[Path], *args: Any, **options: Any) -> Iterator[object]:
        yield from real(paths[:1], *args, **options)
        raise error

    monkeypatch.setattr(evaluate, "evaluate_files", interrupted)
    photo, table = f"{place}/photo.png", tmp_path / "records.csv"
    command = ["eval", photo, photo, f"--model={place}/sr.npz", "--json", f"--csv={table}"]
    assert main(command) == status
    assert [record["image"] for record in json.loads(capsys.readouterr().out)] == [photo]
    assert table.read_text().count("\n") == 2


def test_pictures_that_share_a_name_are_called_by_their_paths(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("x/a.png", "y/a.png", "y/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_image(tmp_path / name, picture(16, 16))
    assert main(["eval", str(tmp_path), f"--model={place}/sr.npz"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == [
        f"{tmp_path}/x/a.png", f"{tmp_path}/y/a.png", "b.png"
    ]  # fmt: skip


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are text there")
def test_names_that_are_no_text_are_spelled_out_in_every_report(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, bad, table = (os.fsdecode(os.fsencode(tmp_path) + end) for end in
                        (b"/\xff.png", b"/\xfe.png", b"/\xfd.csv"))  # fmt: skip
    write_image(name, picture(16, 16))
    Path(bad).touch()
    command = ["eval", name, bad, f"--model={place}/sr.npz", f"--csv={table}"]
    assert main([*command, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)[0]["image"] == name
    rows = list(csv.DictReader(Path(table).read_text().splitlines()))
    assert [row["image"] for row in rows] == [f"{tmp_path}/\\udc{end}.png" for end in ("ff", "fe")]
    done = in_process(*command)
    assert done.returncode == 2 and r"\udcff.png" in done.stdout and r"\udcfe.png" in done.stderr


def test_demo_writes_a_table_and_a_picture(
    shipped: None, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo.png"
    assert main(["demo", f"{place}/photo.png", f"--out={out}", "--quality=4", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [list(record) for record in records] == [KEYS] * 6
    assert [record["model"].split("-")[1] for record in records] == [
        "un", "un", "sr", "hyperprior", "hyperprior", "hyperprior"
    ]  # fmt: skip
    height, width = read_image(out).shape[:2]
    assert width > 1000 and height > 800
    assert not list(tmp_path.glob("*.npuq"))


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (13, 7)])
def test_demo_takes_pictures_of_any_shape(
    shape: tuple[int, int], shipped: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "a.png", picture(*shape))
    out = tmp_path / "demo.png"
    assert main(["demo", f"{tmp_path}/a.png", f"--out={out}", "--quality=4"]) == 0
    assert out.exists() and str(out) in capsys.readouterr().out


# ---- pictures


@pytest.mark.filterwarnings("default::UserWarning")  # it is printed, and looked at
@pytest.mark.parametrize(
    ("mode", "size", "warned"),
    [
        ("L", (40, 24), False),
        ("1", (40, 24), False),
        ("P", (40, 24), False),
        ("CMYK", (40, 24), False),
        ("RGBA", (40, 24), True),
        ("LA", (40, 24), True),
        ("RGB", (1, 1), False),
        ("RGB", (500, 1), False),
        ("RGB", (1, 500), False),
    ],
)
def test_pictures_of_other_kinds_and_shapes_work(
    mode: str,
    size: tuple[int, int],
    warned: bool,
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    image = Image.new(mode, size)  # transparent where there is an alpha channel
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path)
    model = f"--model={place}/sr.npz"
    assert main(["compress", str(path), f"{tmp_path}/a.npuq", model]) == 0
    assert main(["decompress", f"{tmp_path}/a.npuq", f"{tmp_path}/b.png", model]) == 0
    assert read_image(tmp_path / "b.png").shape == (size[1], size[0], 3)
    err = capsys.readouterr().err
    assert err.count("\n") == warned and err.startswith("npuq: warning: " if warned else "")


def write_16_bit(path: Path) -> None:
    Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_text("a text"), "not an image"),
        (lambda path: path.write_bytes(b""), "not an image"),
        (lambda path: path.mkdir(), "folder"),
        (lambda path: None, "no such file"),
        (write_16_bit, "more than 8 bits"),
    ],
)
@pytest.mark.parametrize("command", ["compress", "eval", "demo"])
def test_bad_pictures(
    command: str,
    write: object,
    message: str,
    shipped: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, out = tmp_path / "a.png", tmp_path / "out.png"
    assert callable(write)
    write(path)
    arguments = {
        "compress": [path, out],
        "eval": [path],
        "demo": [path, f"--out={out}", "--quality=4"],
    }[command]
    said = fails(capsys, command, *arguments)
    if not (command == "eval" and path.is_dir()):  # to eval, that is an empty folder
        assert message in said
    assert "a.png" in said and not out.exists()


# ---- files


def damaged(data: bytes, kind: str) -> bytes:
    return {
        "text": b"Dear reader,\nthis is no picture.\n",
        "empty": b"",
        "newer": data[:4] + bytes([data[4] + 1]) + data[5:],
        "truncated": data[:-5],
        "header only": data[:30],
        "longer": data + b"\0",
        "wrong header": data[:20] + bytes([data[20] ^ 1]) + data[21:],
        "wrong payload": data[:-40] + bytes([data[-40] ^ 1]) + data[-39:],
    }[kind]


@pytest.mark.parametrize(
    "kind",
    ["text", "empty", "newer", "truncated", "header only", "longer", "wrong header",
     "wrong payload"],
)  # fmt: skip
@pytest.mark.parametrize("command", ["decompress", "info"])
def test_bad_files(
    command: str, kind: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "a.npuq", tmp_path / "out.png"
    path.write_bytes(damaged((place / "photo.npuq").read_bytes(), kind))
    more = [out, f"--model={place}/sr.npz"] if command == "decompress" else []
    said = fails(capsys, command, path, *more)
    assert ("newer" in said) == (kind == "newer")
    assert list(tmp_path.iterdir()) == [path]


def test_models_that_do_not_fit(
    shipped: None, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, file, out = place / "photo.png", place / "photo.npuq", tmp_path / "out"
    png = tmp_path / "out.png"
    assert "no such model file" in fails(capsys, "compress", photo, out, "--model=no.npz")
    assert "not a model" in fails(capsys, "compress", photo, out, f"--model={photo}")
    assert "needs model" in fails(capsys, "decompress", file, png, f"--model={place}/un.npz")
    assert "without soft rounding" in fails(
        capsys, "compress", photo, out, f"--model={place}/un.npz"
    )
    assert "quality must be" in fails(capsys, "compress", photo, out, "--quality=9")
    assert "quality must be" in fails(capsys, "eval", photo, "--quality=9")
    assert "--model" in fails(capsys, "eval", photo, "--quality=2", f"--model={place}/un.npz")
    stranger = tmp_path / "stranger.npuq"
    stranger.write_bytes(compress(picture(), model=tiny_model(16.0, 50.0)))
    assert "does not come with npuq" in fails(capsys, "decompress", stranger, png)
    damaged_model = tmp_path / "damaged.npz"
    damaged_model.write_bytes((place / "un.npz").read_bytes()[:-200])
    assert "damaged" in fails(capsys, "decompress", file, png, f"--model={damaged_model}")
    assert not out.exists() and not png.exists()


def test_places_that_cannot_be_written(
    shipped: None, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, file, nowhere = place / "photo.png", place / "photo.npuq", tmp_path / "no" / "where"
    (tmp_path / "a file").write_text("")
    assert "does not exist" in fails(capsys, "compress", photo, nowhere)
    assert "does not exist" in fails(capsys, "decompress", file, f"{nowhere}.png")
    assert "does not exist" in fails(capsys, "demo", photo, f"--out={nowhere}.png")
    assert "must end in" in fails(capsys, "demo", photo, f"--out={tmp_path}/demo.xyz")
    assert "lossless" in fails(capsys, "decompress", file, tmp_path / "a.jpg")
    assert "does not exist" in fails(capsys, "eval", photo, f"--csv={nowhere}")
    fails(capsys, "train", place, tmp_path / "a file", "--steps=1")
    assert {path.name for path in tmp_path.iterdir()} == {"a file", "weights"}


def test_nothing_is_written_over_its_own_source(
    shipped: None, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, file, model, link = (tmp_path / name for name in ("a.png", "b.png", "c.png", "d.png"))
    photo.write_bytes((place / "photo.png").read_bytes())
    file.write_bytes((place / "photo.npuq").read_bytes())
    model.write_bytes((place / "sr.npz").read_bytes())
    link.symlink_to(photo)
    folder = tmp_path / "run"
    folder.mkdir()
    start = folder / "model.npz"
    start.write_bytes(model.read_bytes())
    before = {path: path.read_bytes() for path in (photo, file, model, start)}
    for command in (
        ["compress", photo, tmp_path / "weights" / ".." / "a.png"],
        ["compress", link, photo],
        ["compress", photo, model, "--model", model],
        ["decompress", file, file],
        ["decompress", file, model, "--model", model],
        ["demo", photo, "--out", link],
        ["eval", photo, "--csv", photo],
        ["eval", tmp_path, "--csv", link],
        ["eval", photo, "--csv", model, "--model", model],
        ["train", tmp_path, folder, "--init-model", start],
    ):
        assert "is an input" in fails(capsys, *command)
    assert all(path.read_bytes() == data for path, data in before.items())


def test_a_table_is_printed_even_if_its_file_cannot_be_written(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    command = ["eval", f"{place}/photo.png", f"--model={place}/un.npz", f"--csv={tmp_path}/a.csv"]
    assert main(command) == 2
    printed = capsys.readouterr()
    assert "photo.png" in printed.out and "No space left" in printed.err


def test_every_damaged_byte_and_every_truncation_is_noticed(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = compress(picture(1, 1), model=tiny_model(16.0), seed=1)
    path, out = tmp_path / "a.npuq", tmp_path / "out.png"
    flips = [
        whole[:i] + bytes([whole[i] ^ (1 + i % 255)]) + whole[i + 1 :] for i in range(len(whole))
    ]
    for data in (*flips, *(whole[:length] for length in range(len(whole)))):
        path.write_bytes(data)
        said = fails(capsys, "decompress", path, out, f"--model={place}/sr.npz")
        assert str(path) in said
        assert list(tmp_path.iterdir()) == [path]
    path.write_bytes(whole)
    assert main(["decompress", str(path), str(out), f"--model={place}/sr.npz"]) == 0


def test_the_package_has_all_its_models() -> None:
    sizes = {path.name: path.stat().st_size for path in shipped_models.WEIGHTS.glob("*.npz")}
    qualities = {"linear": range(1, 9), "hyperprior": (1, 2, 4, 6)}
    assert sizes.keys() == {
        f"{model}-{kind}-{n}.npz"
        for model, numbers in qualities.items()
        for kind in ("un", "sr")
        for n in numbers
    }
    assert min(sizes.values()) > 100_000
    assert max(sizes.values()) < 8_000_000 and sum(sizes.values()) < 70_000_000


# ---- usage and surroundings


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["expand"],
        ["compress"],
        ["compress", "a.png"],
        ["compress", "a.png", "b", "--seed=-1"],
        ["compress", "a.png", "b", "--method=jpeg"],
        ["compress", "a.png", "b", "--quality=1", "--model=m.npz"],
        ["compress", "a.png", "b", "--quality=4", "--model=m.npz"],  # 4 is what it would be anyway
        ["info", "a", "b"],
        ["eval"],
        ["demo", "--quality=two"],
        ["eval", "a.png", "--quality=two"],
        ["eval", "a.png", "--seed=1.5"],
        ["train", "a", "b", "--steps=many"],
    ],
)
def test_wrong_usage(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "invalid _" not in fails(capsys, *command)  # argparse's way to name our functions


@pytest.mark.parametrize("command", [[], *([name] for name in cli.COMMANDS)])
def test_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: npuq")


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_options_of_one_name_are_told_in_one_way(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    if command != "train":  # which says where it is while it runs
        assert re.search(r"--json print a JSON (object|list of records) instead of", text)
        assert "--seed" not in text or "--seed S of the dither (default: 0)" in text
    assert len(re.findall(r"\bdefault\b", text)) == text.count("(default: ")


@pytest.mark.parametrize(
    ("package", "command"),
    [
        ("PIL", ["compress", "{place}/photo.png", "out.npuq"]),
        ("PIL", ["eval", "{place}/photo.png"]),
        ("tqdm", ["train", "{place}", "{place}/run"]),
        ("matplotlib.figure", ["demo"]),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    package: str,
    command: list[str],
    shipped: None,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # makes its import fail
    said = fails(capsys, *(word.format(place=place) for word in command))
    assert "pip install 'npuq[cli]'" in said
    assert not (place / "run").exists()


def test_without_a_terminal_there_is_no_bar_and_no_need_of_tqdm(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert main(["eval", f"{place}/photo.png", f"--model={place}/un.npz"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), 130, "npuq: error: interrupted"),
        (MemoryError("Unable to allocate 9 TiB"), 2, "npuq: error: out of memory: Unable"),
        (PermissionError(13, "Permission denied", "a.npuq"), 2, "a.npuq: Permission denied"),
    ],
)
def test_what_goes_wrong_outside_of_us(
    error: BaseException,
    status: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(args: object) -> None:
        raise error

    command = types.SimpleNamespace(add_arguments=lambda parser: None, run=run)
    monkeypatch.setattr(cli, "import_module", lambda name: command)
    assert main(["info"]) == status
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_a_bug_is_not_dressed_up_as_an_error_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(args: object) -> None:
        raise ValueError("a bug")

    command = types.SimpleNamespace(add_arguments=lambda parser: None, run=run)
    monkeypatch.setattr(cli, "import_module", lambda name: command)
    with pytest.raises(ValueError, match="a bug"):
        main(["info"])


def test_a_broken_pipe_is_no_traceback(place: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with contextlib.closing(os.fdopen(write, "w")) as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "npuq", "info", f"{place}/photo.npuq"],
            cwd=Path(cli.__file__).parents[2],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("NPUQ_THREADS", "0", "NPUQ_THREADS must be a positive integer, not '0'"),
        ("NPUQ_THREADS", "abc", "NPUQ_THREADS must be a positive integer, not 'abc'"),
        ("NPUQ_KERNELS", "foo", "NPUQ_KERNELS must be fast or reference, not 'foo'"),
    ],
)
@pytest.mark.parametrize("command", ["compress", "decompress", "info", "eval", "train", "demo"])
def test_settings_of_the_environment_are_checked_before_any_work(
    command: str,
    name: str,
    value: str,
    message: str,
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(name, value)
    photo, file, model = place / "photo.png", place / "photo.npuq", f"--model={place}/sr.npz"
    arguments = {
        "compress": [photo, tmp_path / "out", model],
        "decompress": [file, tmp_path / "out.png", model],
        "info": [file],
        "eval": [photo, model],
        "train": ["dead-leaves", tmp_path / "run", "--steps=1"],
        "demo": [f"--out={tmp_path}/out.png"],
    }[command]
    assert message in fails(capsys, command, *arguments)
    assert not list(tmp_path.iterdir())


def closed_stderr(command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run with `2>&-`."""
    return subprocess.run(
        ["sh", "-c", '"$@" 2>&-', "sh", sys.executable, "-m", "npuq", command,
         *map(str, arguments)],
        cwd=Path(cli.__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        timeout=240,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="no such shell")
def test_a_closed_stderr_is_no_traceback_and_stdout_not_in_its_place(
    place: Path, tmp_path: Path
) -> None:
    done = closed_stderr("info", tmp_path / "absent.npuq")
    assert (done.returncode, done.stdout) == (2, "")
    Image.new("RGBA", (16, 16)).save(tmp_path / "a.png")  # of which there is a warning
    done = closed_stderr("eval", tmp_path / "a.png", f"--model={place}/sr.npz", "--json")
    assert done.returncode == 0 and len(json.loads(done.stdout)) == 1
    options = ("--steps=1", "--batch-size=1", "--crop=16", "--validation-crop=16")
    done = closed_stderr("train", "dead-leaves", tmp_path / "run", *options)
    assert done.returncode == 0 and done.stdout.count("\n") == 1
    assert (tmp_path / "run" / "model.npz").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_a_stderr_that_takes_nothing_changes_no_exit_status(place: Path, tmp_path: Path) -> None:
    Image.new("RGBA", (16, 16)).save(tmp_path / "a.png")
    model = f"--model={place}/sr.npz"
    for command, status in (
        (["info", tmp_path / "absent.npuq"], 2),
        (["compress", tmp_path / "a.png", tmp_path / "a.npuq", model], 0),
    ):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "npuq", *map(str, command)],
                cwd=Path(cli.__file__).parents[2],
                stdout=subprocess.PIPE,
                stderr=full,
                timeout=120,
            )
        assert done.returncode == status
    assert (tmp_path / "a.npuq").exists()


def test_a_package_that_cannot_be_loaded_is_not_called_missing(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For instance for want of memory, under `ulimit -v`."""

    class Failing:
        def find_spec(self, name: str, *_: object) -> None:
            if name in ("PIL", "tqdm", "matplotlib.figure"):
                raise ImportError("failed to map segment from shared object")

    for name in [n for n in sys.modules if n.split(".")[0] in ("PIL", "tqdm", "matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Failing(), *sys.meta_path])
    for package, command in (
        ("Pillow", ["compress", f"{place}/photo.png", "out.npuq"]),
        ("tqdm", ["train", f"{place}", f"{place}/run"]),
        ("matplotlib", ["demo"]),
    ):
        said = fails(capsys, *command)
        assert f"needs {package}, which cannot be loaded: failed to map segment" in said


def test_a_closed_stdout_is_no_traceback(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # what Python makes of `>&-`
    assert main(["info", f"{place}/photo.npuq"]) == 0
    assert capsys.readouterr().err == ""


def test_names_that_the_terminal_cannot_show_are_spelled_out(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "h\u00e4user.png"
    command = ("decompress", place / "photo.npuq", out, f"--model={place}/sr.npz")
    done = in_process(*command, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"h\xe4user.png: 64 x 48 pixels" in done.stdout and out.exists()


def test_the_front_door_is_quick() -> None:
    """`import npuq` and `npuq --help` load no numerical library."""
    script = """
import sys, npuq, npuq.cli
assert "compress" in dir(npuq) and not hasattr(npuq, "no_such_name")
try:
    npuq.cli.main(["--help"])
except SystemExit:
    pass
heavy = {"numpy", "numba", "scipy", "cupy", "PIL", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
for name in npuq.__all__:
    getattr(npuq, name)
assert not {"numba", "cupy"} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(cli.__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
