"""Curves of several images: compared, in the format of CompressAI, and from the command."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from models import picture, tiny_model

import npuq
from npuq.cli import main
from npuq.evaluation.curves import bd_rates, compressai_results
from npuq.evaluation.landscape import landscape
from npuq.evaluation.records import Record
from npuq.io.image_writing import write_image
from npuq.trained.model_file import save_model


def record(image: str, method: str, quality: int, bpp: float, psnr: float, ms: float) -> Record:
    return Record(image, f"linear-{quality}", method, quality, 7, bpp, bpp, psnr, 1.0, ms)


RECORDS = [
    record(image, method, quality, bpp * share * 2**quality, 24 + 3 * quality + extra, 0.9 + extra)
    for quality in (3, 1, 2)
    for method, share in (("un+q", 1.0), ("un+uq", 1.25))
    for image, bpp, extra in (("a", 0.1, -0.05), ("b", 0.3, 0.05))
]


def test_rates_are_compared_by_the_means_over_images() -> None:
    """A quarter more bits at each quality; the other way round, a fifth fewer."""
    assert bd_rates(RECORDS, "un+q") == {"un+uq": pytest.approx(25)}
    assert bd_rates(RECORDS, "un+uq") == {"un+q": pytest.approx(-20)}
    means = {q: (0.2 * 2**q, 24 + 3 * q) for q in (1, 2, 3)}  # one image alone would say another
    other = [r for r in RECORDS if r.method == "un+q"] + [
        record("a", "un+uq", q, 1.5 * bpp, psnr, 0.9) for q, (bpp, psnr) in means.items()
    ]
    assert bd_rates(other, "un+q") == {"un+uq": pytest.approx(50)}


def test_what_cannot_be_compared_says_why() -> None:
    far = [r._replace(psnr=r.psnr + 50) if r.method == "un+uq" else r for r in RECORDS]
    (reason,) = bd_rates(far, "un+q").values()
    assert isinstance(reason, str) and "no common range" in reason
    (reason,) = bd_rates([r for r in RECORDS if r.method == "un+uq"], "un+q").values()
    assert isinstance(reason, str) and "two points" in reason


def test_the_format_of_compressai() -> None:
    """One file a curve; lists of one length, from small to large files; means over the images."""
    found = compressai_results(RECORDS, "linear")
    assert set(found) == {"un+q", "un+uq"}
    one = found["un+uq"]
    assert set(one) == {"name", "description", "results"}
    assert one["name"] == "npuq-linear-un+uq" and "2 image" in one["description"]
    assert one["results"] == {
        "bpp": pytest.approx([0.5, 1.0, 2.0]),
        "psnr-rgb": pytest.approx([27, 30, 33]),
        "ms-ssim-rgb": pytest.approx([0.9] * 3),
    }
    small = compressai_results([r._replace(ms_ssim=math.nan) for r in RECORDS], "linear")
    assert set(small["un+q"]["results"]) == {"bpp", "psnr-rgb"}
    exact = [r._replace(psnr=math.inf) if r.quality == 3 else r for r in RECORDS]
    assert len(compressai_results(exact, "linear")["un+q"]["results"]["bpp"]) == 2


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    Path("results").mkdir()
    write_image("photos/a.png", landscape(48, 64, seed=1))
    Path("photos/b.png").write_bytes(b"no picture")
    write_image("photos/c.png", landscape(48, 64, seed=2))
    save_model("m.npz", tiny_model(0.0))


@pytest.mark.usefixtures("photos")
def test_eval_compares_and_writes_though_a_picture_is_bad(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["eval", "photos", "--bd-rate=un+uq", "--compressai=results"]
    assert main([*command, "--csv=records.csv"]) == 2
    lines = capsys.readouterr().out.splitlines()
    curves = {}
    for path in sorted(Path("results").iterdir()):
        curve = json.loads(path.read_text())
        assert path.name == f"{curve['name']}.json"
        curves[curve["name"].removeprefix("npuq-linear-")] = curve["results"]
    assert set(curves) == {"un+q", "un+uq", "un+uq+sr"}
    assert len(curves["un+q"]["bpp"]) == 8
    for line, method in zip(lines[-2:], ("un+q", "un+uq+sr"), strict=True):
        sides = [(curves[m]["bpp"], curves[m]["psnr-rgb"]) for m in ("un+uq", method)]
        rate = npuq.bd_rate(*sides[0], *sides[1])
        assert line == f"{method} beside un+uq, at equal PSNR: {rate:+.1f} % bits"


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--bd-rate un+q --quality 3", "two qualities"),
        ("--bd-rate un+q --method un+q", "and another"),
        ("--bd-rate un+q --model m.npz", "two qualities"),
        ("--bd-rate un+q --json", "leave --json out"),
        ("--bd-rate best", "invalid choice"),
        ("--compressai none", "none: there is no such folder"),
        ("--compressai photos/a.png", "there is no such folder"),
    ],
)
def test_what_cannot_be_is_said_before_the_work(
    options: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "photos", *options.split()]) == 2
    printed = capsys.readouterr()
    assert says in printed.err and printed.err.count("\n") == 1 and printed.out == ""


def test_a_model_of_ones_own_gives_one_point(tmp_path: Path) -> None:
    save_model(tmp_path / "mine.npz", tiny_model(16.0))
    write_image(tmp_path / "a.png", picture())
    options = [f"--model={tmp_path}/mine.npz", f"--compressai={tmp_path}"]
    assert main(["eval", f"{tmp_path}/a.png", *options]) == 0
    curve = json.loads((tmp_path / "npuq-mine-un+uq+sr.json").read_text())
    assert len(curve["results"]["psnr-rgb"]) == 1
