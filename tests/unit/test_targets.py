"""The best file of at most so many bytes, against all that there are; and what the command says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from models import picture, tiny_model

from npuq.cli import main
from npuq.codec.files import compress, decompress
from npuq.errors import TargetError
from npuq.evaluation.landscape import landscape
from npuq.evaluation.metrics import mse, psnr
from npuq.evaluation.rate_distortion import Job, jobs_for
from npuq.evaluation.targets import compress_to_fit
from npuq.io.image_writing import write_image
from npuq.trained.make import make_model
from npuq.trained.methods import METHODS

IMAGE = landscape(72, 88, seed=3)
JOBS = jobs_for(METHODS, (1, 4, 8))
FILES = [compress(IMAGE, method=job.method, model=job.model, seed=2) for job in JOBS]
ERRORS = [mse(IMAGE, decompress(data)) for data in FILES]
SIZES = sorted(map(len, FILES))


@pytest.mark.parametrize("largest", [*SIZES, SIZES[3] - 1, 10**9])
def test_the_least_distortion_that_fits_is_taken(largest: int) -> None:
    fit = compress_to_fit(IMAGE, JOBS, largest, seed=2)
    fitting = [i for i, data in enumerate(FILES) if len(data) <= largest]
    best = min(fitting, key=lambda i: ERRORS[i])
    assert (fit.data, fit.job, fit.fitting) == (FILES[best], JOBS[best], len(fitting))
    assert fit.psnr == psnr(IMAGE, decompress(fit.data))


def test_neither_size_nor_order_of_the_jobs_decides() -> None:
    """The larger of two files need not be the better one, as with rounding beside the channel."""
    best = compress_to_fit(IMAGE, JOBS, 10**9, seed=2)
    assert best == compress_to_fit(IMAGE, JOBS[::-1], 10**9, seed=2)
    assert len(best.data) < SIZES[-1]


def test_of_equally_good_files_the_smallest_is_taken() -> None:
    """A model that says all coefficients are likelier than they are, and the same transform."""
    model = tiny_model(0.0)
    wide = model.params.density
    image = np.full((16, 16, 3), 128, np.uint8)
    sloppy = make_model(
        model.params._replace(density=wide._replace(H=tuple(h - 1 for h in wide.H))),
        alpha=0.0, lmbda=1.0, name="sloppy",
    )  # fmt: skip
    jobs = [Job(m, "un+q", None) for m in (model, sloppy)]
    sizes = [len(compress(image, method="un+q", model=job.model)) for job in jobs]
    assert sizes[0] != sizes[1]
    for order in (jobs, jobs[::-1]):
        assert len(compress_to_fit(image, order, 10**9).data) == min(sizes)


def test_what_cannot_be_says_how_small_it_gets() -> None:
    smallest = SIZES[0]
    with pytest.raises(TargetError, match=f"{smallest - 1} bytes; the smallest has {smallest} "):
        compress_to_fit(IMAGE, JOBS, smallest - 1, seed=2)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_image("photo.png", IMAGE)
    np.save("y.npy", np.zeros(3))
    return tmp_path


@pytest.mark.usefixtures("place")
def test_the_command_says_what_it_chose(capsys: pytest.CaptureFixture[str]) -> None:
    for target in ("--target-bytes=1500", f"--target-bpp={8 * 1500.5 / IMAGE[..., 0].size}"):
        assert main(["compress", "photo.png", "a.npuq", target, "--seed=2", "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        data = Path("a.npuq").read_bytes()
        assert len(data) == facts["bytes"] <= 1500
        made = compress(IMAGE, method=facts["method"], quality=facts["quality"], seed=2)
        assert data == made and facts["psnr"] == psnr(IMAGE, decompress(data))
        fit = compress_to_fit(IMAGE, jobs_for(METHODS, range(1, 9)), 1500, seed=2)
        assert (data, facts["fitting"]) == (fit.data, fit.fitting)
    assert main(["compress", "photo.png", "a.npuq", "--target-bytes=1500", "--method=un+q"]) == 0
    assert " dB by un+q at quality " in capsys.readouterr().out


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--target-bytes=100", "photo.png: no file is as small as 100 bytes; the smallest has"),
        ("--target-bpp=0.01", "photo.png: no file is as small as 7 bytes"),
        ("--target-bpp=0", "above 0"),
        ("--target-bpp=nan", "finite"),
        ("--target-bytes=0", "at least 1"),
        ("--target-bytes=9 --target-bpp=1", "not allowed with"),
        ("--target-bytes=900 --quality=3", "leave --quality out"),
    ],
)
def test_what_cannot_be_is_one_line_and_writes_nothing(
    options: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compress", "photo.png", "a.npuq", *options.split()]) == 2
    message = capsys.readouterr().err
    assert says in message and message.count("\n") == 1
    assert not Path("a.npuq").exists()


@pytest.mark.usefixtures("place")
def test_arrays_have_no_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", "y.npy", "a.npuq", "--step=1", "--target-bytes=100"]) == 2
    assert "for images" in capsys.readouterr().err


@pytest.mark.usefixtures("place")
def test_several_images_have_no_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", "photo.png", ".", "--target-bytes=1500"]) == 2
    assert "one image at a time" in capsys.readouterr().err
    assert main(["compress", "photo.png", ".", "--tables=t.npz"]) == 2
    assert "one at a time" in capsys.readouterr().err


def test_a_picture_of_ones_own_model(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from npuq.trained.model_file import save_model

    save_model(place / "m.npz", tiny_model(16.0))
    write_image("photo.png", picture())
    assert (
        main(["compress", "photo.png", "a.npuq", "--model", "m.npz", "--target-bpp", "1e300"]) == 0
    )
    assert "by un+uq+sr, the best of 1 that fit" in capsys.readouterr().out
