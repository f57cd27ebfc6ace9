"""`-` for standard input and output: the same bytes as through files, and nothing else."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from models import picture, tiny_model
from PIL import Image

from npuq.cli import main
from npuq.codec.files import compress, decompress
from npuq.io.image_writing import encode_image, write_image
from npuq.io.images import read_image
from npuq.trained.model_file import save_model

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, a picture and a compressed file; tests only read it."""
    folder = tmp_path_factory.mktemp("place")
    save_model(folder / "sr.npz", tiny_model(16.0))
    write_image(folder / "photo.png", picture())
    (folder / "photo.npuq").write_bytes(compress(picture(), model=tiny_model(16.0), seed=1))
    return folder


def npuq(*words: object, stdin: bytes = b"") -> tuple[int, bytes, str]:
    """Status, stdout and stderr of a command of its own process."""
    done = subprocess.run(
        [sys.executable, "-m", "npuq", *map(str, words)],
        input=stdin,
        cwd=ROOT,
        capture_output=True,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr.decode()


def test_an_image_comes_from_a_pipe_and_its_file_goes_into_one(place: Path) -> None:
    model = f"--model={place}/sr.npz"
    photo = (place / "photo.png").read_bytes()
    status, out, said = npuq("compress", "-", "-", "--seed=1", model, stdin=photo)
    assert (status, out) == (0, (place / "photo.npuq").read_bytes())
    assert said == f"standard output: {len(out)} bytes, {8 * len(out) / (48 * 64):.4f} bpp\n"


@pytest.mark.parametrize(
    ("options", "format"),
    [
        ([], "PNG"),
        (["--format=png"], "PNG"),
        (["--format=ppm"], "PPM"),
        (["--format=bmp"], "BMP"),
        (["--format=tif"], "TIFF"),
        (["--format=webp"], "WEBP"),
    ],
)
def test_a_file_comes_from_a_pipe_and_its_image_goes_into_one(
    options: list[str], format: str, place: Path
) -> None:
    """A PPM holds bytes of all values, line ends of all systems among them."""
    file = (place / "photo.npuq").read_bytes()
    status, out, said = npuq(
        "decompress", "-", "-", f"--model={place}/sr.npz", *options, stdin=file
    )
    assert (status, said) == (0, "standard output: 64 x 48 pixels\n")
    image = Image.open(io.BytesIO(out))
    assert image.format == format
    np.testing.assert_array_equal(image, decompress(file, model=tiny_model(16.0)))


def test_info_reads_a_pipe(place: Path) -> None:
    file = (place / "photo.npuq").read_bytes()
    status, out, said = npuq("info", "-", "--json", stdin=file)
    assert (status, said, json.loads(out)["seed"]) == (0, "", 1)


def test_what_is_said_in_json_goes_where_the_text_would(place: Path, tmp_path: Path) -> None:
    model, file = f"--model={place}/sr.npz", place / "photo.npuq"
    status, out, said = npuq("decompress", file, "-", "--json", model)
    assert status == 0 and out.startswith(b"\x89PNG")
    assert json.loads(said) == {"file": "standard output", "height": 48, "width": 64}
    png = tmp_path / "a.png"
    status, out, said = npuq("decompress", file, png, "--json", model)
    assert (status, said) == (0, "")
    assert json.loads(out) == {"file": str(png), "height": 48, "width": 64}


def test_a_name_without_a_suffix_needs_a_format(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["decompress", f"{place}/photo.npuq", f"{tmp_path}/out", f"--model={place}/sr.npz"]
    assert main(command) == 2
    assert main([*command, "--format=ppm"]) == 0
    assert (tmp_path / "out").read_bytes().startswith(b"P6")
    command[2] += ".png"
    assert main([*command, "--format=ppm"]) == 2
    assert "another format than --format ppm" in capsys.readouterr().err
    assert main([*command, "--format=png"]) == 0
    command[2] = f"{tmp_path}/out.TIFF"
    assert main([*command, "--format=tif"]) == 0


@pytest.mark.parametrize(
    ("words", "stdin", "message"),
    [
        (["compress", "-", "-"], b"a text", "standard input: is not an image"),
        (["compress", "-", "-"], b"", "standard input: is not an image"),
        (["decompress", "-", "-"], b"a text", "standard input: this is not a file compressed"),
        (["decompress", "-", "-"], b"", "standard input: the file is empty"),
        (["info", "-"], b"NPUQ\1", "standard input: the file ends within its header"),
        (["info", "-"], b"PK\3\4", "standard input: is no compressed image; name a model"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    words: list[str], stdin: bytes, message: str
) -> None:
    status, out, said = npuq(*words, stdin=stdin)
    assert (status, out, said.count("\n")) == (2, b"", 1)
    assert said.startswith(f"npuq: error: {message}")


def test_transparency_of_a_pipe_is_warned_of(place: Path) -> None:
    contents = io.BytesIO()
    Image.new("RGBA", (9, 7)).save(contents, "PNG")
    status, _, said = npuq(
        "compress", "-", "-", f"--model={place}/sr.npz", stdin=contents.getvalue()
    )
    assert status == 0
    assert said.startswith("npuq: warning: standard input: transparent pixels are blended")


@pytest.mark.parametrize("stream", ["stdin", "stdout"])
def test_a_terminal_or_a_closed_stream_is_no_file(
    stream: str,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = place / "photo.npuq" if stream == "stdout" else "-"
    command = ["decompress", str(source), "-", f"--model={place}/sr.npz"]
    if stream == "stdin":
        monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    name = {"stdin": "standard input", "stdout": "standard output"}[stream]
    monkeypatch.setattr(getattr(sys, stream), "isatty", lambda: True, raising=False)
    assert main(command) == 2
    assert f"{name} is a terminal" in capsys.readouterr().err
    monkeypatch.setattr(sys, stream, None)
    assert main(command) == 2
    assert f"{name} is closed" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["compress", "decompress"])
def test_a_full_disk_behind_standard_output_is_an_error(
    command: str, unbuffered: str, place: Path
) -> None:
    source = place / ("photo.png" if command == "compress" else "photo.npuq")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "npuq", command, source, "-", f"--model={place}/sr.npz"],
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=120,
        )
    assert done.returncode == 2
    assert done.stderr == b"npuq: error: standard output: No space left on device\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_disk_that_fills_up_behind_standard_output_is_an_error(
    unbuffered: str, place: Path, tmp_path: Path
) -> None:
    """The first write is a short one then, which without a buffer is no error by itself."""
    resource = pytest.importorskip("resource")
    command = [sys.executable, "-m", "npuq", "decompress", "--format=ppm"]
    with (tmp_path / "out").open("wb") as out:
        done = subprocess.run(
            [*command, place / "photo.npuq", "-", f"--model={place}/sr.npz"],
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered, "NPUQ_KERNELS": "reference"},
            stdout=out,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
            timeout=120,
        )
    assert done.returncode == 2
    assert done.stderr.startswith(b"npuq: error: standard output: File too large")


def test_a_reader_who_leaves_is_no_traceback(place: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "npuq", "compress", place / "photo.png", "-",
             f"--model={place}/sr.npz"],
            cwd=ROOT,
            stdout=pipe,
            stderr=subprocess.PIPE,
            timeout=120,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_file_may_be_called_dash(place: Path, tmp_path: Path) -> None:
    """./- is a file; two streams of one name are not one file."""
    target = tmp_path / "-"
    command = ["compress", f"{place}/photo.png", str(target), f"--model={place}/sr.npz"]
    assert main(command) == 0
    assert target.stat().st_size > 0


def test_encoded_images_are_those_that_are_written(tmp_path: Path) -> None:
    image = picture(21, 34)
    for suffix in (".png", ".ppm", ".bmp", ".tif", ".webp"):
        write_image(tmp_path / f"a{suffix}", image)
        contents = encode_image(image, suffix)
        assert contents == (tmp_path / f"a{suffix}").read_bytes()
        name = tmp_path / f"a{suffix}"
        np.testing.assert_array_equal(read_image("a name", data=contents), read_image(name))
