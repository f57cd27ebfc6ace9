"""`npuq compress` of several images into a folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from models import picture

from npuq.cli import main
from npuq.codec.files import compress
from npuq.io.image_writing import write_image


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Three pictures, one of them in a folder of a folder, and a folder for what they become."""
    for folder in ("in/below", "out"):
        (tmp_path / folder).mkdir(parents=True)
    for name, seed in (("a", 1), ("in/b", 2), ("in/below/c", 3)):
        write_image(tmp_path / f"{name}.png", picture(40, 56, seed))
    return tmp_path


def files(place: Path) -> list[str]:
    return sorted(path.name for path in (place / "out").iterdir())


def test_each_image_becomes_the_file_that_it_becomes_alone(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{place}/a.png", f"{place}/in", f"{place}/out"]
    assert main(["compress", *names, "--quality=2", "--seed=7", "--json"]) == 0
    assert files(place) == ["a.npuq", "b.npuq", "c.npuq"]
    facts = json.loads(capsys.readouterr().out)
    for seed, name, fact in zip((1, 2, 3), "abc", facts, strict=True):
        data = (place / "out" / f"{name}.npuq").read_bytes()
        assert data == compress(picture(40, 56, seed), quality=2, seed=7)
        assert fact == {
            "file": f"{place}/out/{name}.npuq", "height": 40, "width": 56, "bytes": len(data),
            "bpp": 8 * len(data) / (40 * 56),
        }  # fmt: skip


def test_one_image_goes_into_a_folder_that_is_there(place: Path) -> None:
    assert main(["compress", f"{place}/a.png", f"{place}/out"]) == 0
    assert files(place) == ["a.npuq"]


def test_a_bad_image_does_not_end_the_rest(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "in" / "bad.png").write_bytes(b"none")
    assert main(["compress", f"{place}/in", f"{place}/out"]) == 2
    assert files(place) == ["b.npuq", "c.npuq"]
    out, errors = capsys.readouterr()
    assert out.splitlines()[0].startswith(f"{place}/out/b.npuq: ")
    assert f"npuq: error: {place}/in/bad.png: is not an image" in errors
    assert "1 of 3 images could not be compressed" in errors


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["compress", *words]) == 2
    return capsys.readouterr().err


def test_what_is_refused_before_anything_is_written(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, out = f"{place}/a.png", f"{place}/out"
    assert "several images need one; create it first" in refusal(
        capsys, a, f"{place}/in", f"{place}/new"
    )
    write_image(place / "in" / "a.bmp", picture(40, 56, 4))
    assert f"a.png and {place}/in/a.bmp would both become" in refusal(capsys, a, f"{place}/in", out)
    assert "there is no such file or folder" in refusal(capsys, a, f"{place}/none.png", out)
    assert "standard input is one image" in refusal(capsys, a, "-", out)
    assert "arrays, .npy files, one at a time" in refusal(capsys, a, a, out, "--step=1")
    np.save(place / "y.npy", np.ones(3))
    assert "arrays are compressed one at a time" in refusal(capsys, a, f"{place}/y.npy", out)
    (place / "out" / "a.npuq").mkdir()
    assert "a folder has that name" in refusal(capsys, a, out)
    (place / "out" / "a.npuq").rmdir()
    assert files(place) == []


def test_no_image_is_overwritten(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image(place / "a.bmp", picture(40, 56, 1))
    image = place / "out" / "x.npuq"
    (place / "a.bmp").rename(image)
    (place / "x.png").symlink_to(image)
    before = image.read_bytes()
    assert "x.npuq: is an input" in refusal(capsys, f"{place}/x.png", f"{place}/out")
    assert image.read_bytes() == before
