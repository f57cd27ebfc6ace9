"""Figures: which numbers are drawn, and what is said where there are none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import picture, tiny_model

from npuq.cli import main
from npuq.errors import NpuqError, TrainingError
from npuq.evaluation import figures
from npuq.evaluation.figures import (
    draw_rate_distortion,
    draw_training,
    rate_distortion_curves,
    read_published,
)
from npuq.evaluation.records import Record
from npuq.io.image_writing import write_image
from npuq.io.images import read_image
from npuq.trained.model_file import save_model
from npuq.training.checkpoint import HISTORY


def record(image: str, method: str, quality: int, bpp: float, psnr: float, ms: float) -> Record:
    return Record(image, f"linear-{quality}", method, quality, 10, bpp, bpp, psnr, 9.0, ms)


RECORDS = [
    record("b.png", "un+uq+sr", 2, 0.9, 31.0, 0.98),
    record("a.png", "un+uq+sr", 2, 0.7, 33.0, 0.96),
    record("a.png", "un+uq+sr", 1, 0.1, 20.0, 0.9),
    record("b.png", "un+uq+sr", 1, 0.3, 26.0, 0.8),
    record("a.png", "un+q", 1, 0.5, 25.0, math.nan),
    record("b.png", "un+q", 1, 0.7, 26.0, 0.7),
]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that would have been written."""
    found: list[Any] = []
    monkeypatch.setattr(figures, "write_figure", lambda path, figure: found.append(figure))
    return found


def lines(axes: Any) -> dict[str, list[tuple[float, float]]]:
    return {
        line.get_label(): [(float(x), float(y)) for x, y in line.get_xydata()]
        for line in axes.get_lines()
    }


def test_a_point_is_the_mean_of_the_images() -> None:
    curves = rate_distortion_curves(RECORDS, "psnr")
    assert list(curves) == ["un+q", "un+uq+sr"]
    assert curves["un+uq+sr"] == [pytest.approx((0.2, 23.0)), pytest.approx((0.8, 32.0))]
    assert curves["un+q"] == [pytest.approx((0.6, 25.5))]
    assert list(rate_distortion_curves(RECORDS, "ms_ssim")) == ["un+uq+sr"]


def test_one_curve_a_method_and_others_beside_them(drawn: list[Any]) -> None:
    draw_rate_distortion("a.png", RECORDS, {"JPEG": [(0.2, 20.0), (0.4, 24.0)]})
    left, right = drawn[0].axes
    assert list(lines(left)) == ["UN + Q", "UN + UQ + SR", "JPEG"]
    assert lines(left)["JPEG"] == [(0.2, 20.0), (0.4, 24.0)]
    assert lines(left)["UN + UQ + SR"] == [pytest.approx((0.2, 23.0)), pytest.approx((0.8, 32.0))]
    assert lines(right)["UN + UQ + SR"] == [pytest.approx((0.2, 0.85)), pytest.approx((0.8, 0.97))]
    assert len({line.get_color() for line in left.get_lines()}) == 3
    assert drawn[0].get_suptitle() == "linear: mean of 2 images"


def test_small_pictures_have_one_panel(drawn: list[Any]) -> None:
    draw_rate_distortion("a.png", [r._replace(ms_ssim=math.nan) for r in RECORDS])
    assert [axes.get_ylabel() for axes in drawn[0].axes] == ["PSNR [dB]"]
    with pytest.raises(NpuqError, match="nothing to draw"):
        draw_rate_distortion("a.png", [])


def history(path: Path, rows: int, validation: float = 1.0) -> Path:
    """A loss of 100 - step, and one of validation that is 10 more."""
    text = [",".join(HISTORY)]
    for step in range(1, rows + 1):
        loss = 100.0 - step
        held_out = [(loss + 10) * validation, loss + 11, loss + 12]
        text.append(",".join(map(str, [step, 0.1, 7, loss, loss + 1, loss + 2, *held_out])))
    path.write_text("\n".join(text) + "\n")
    return path


def test_training_is_drawn_against_steps(drawn: list[Any], tmp_path: Path) -> None:
    assert draw_training("a.png", history(tmp_path / "history.csv", 20)) == 20
    loss, bpp, mse = drawn[0].axes
    assert lines(loss)["training"] == [(step, 100 - step) for step in range(1, 21)]
    assert lines(loss)["held-out pictures"] == [(step, 110 - step) for step in range(1, 21)]
    assert lines(bpp)["training"][0] == (1, 100) and lines(mse)["training"][0] == (1, 101)
    low, high = loss.get_ylim()
    assert low < 80 and 108 < high < 109.9  # the first step, of 20, is not settled


def test_without_validation_there_is_no_curve_of_it(drawn: list[Any], tmp_path: Path) -> None:
    draw_training("a.png", history(tmp_path / "history.csv", 1, validation=math.nan))
    assert list(lines(drawn[0].axes[0])) == ["training"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows yet"),
        (",".join(HISTORY) + "\n", "has no rows yet"),
        ("step,loss\n1,2\n", "line 2 has no number under bpp"),
        (",".join(HISTORY) + "\n1,2\n", "line 2 has no number under loss"),
        (",".join(HISTORY) + "\n" + "1," * 8 + "1\n" + "x," * 8 + "1\n", "line 3 has no number"),
        ("\xff\0", "is not a CSV file|has no rows"),
    ],
)
def test_histories_that_are_none(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(TrainingError, match=message) as caught:
        draw_training(tmp_path / "a.png", path)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "a.png").exists()


def test_published_curves_are_read_and_sorted(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("psnr,name,bpp\n30,a,1\n25,a,0.5\n28,b,0.7\n")
    assert read_published(path) == {"a": [(0.5, 25), (1, 30)], "b": [(0.7, 28)]}
    for text in ("name,bpp\na,1\n", "name,bpp,psnr\na,1,x\n", "name,bpp,psnr\na,1,inf\n"):
        path.write_text(text)
        with pytest.raises(NpuqError, match="theirs.csv"):
            read_published(path)


# ---- commands


def test_eval_draws_what_it_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_model(tmp_path / "m.npz", tiny_model(16.0))
    write_image(tmp_path / "photo.png", picture())
    (tmp_path / "theirs.csv").write_text("name,bpp,psnr\nJPEG,1,30\n")
    out = tmp_path / "curve.png"
    command = ["eval", f"{tmp_path}/photo.png", f"--model={tmp_path}/m.npz", f"--plot={out}"]
    assert main([*command, f"--published={tmp_path}/theirs.csv", "--json"]) == 0
    assert "psnr" in capsys.readouterr().out
    assert np.ptp(read_image(out)) > 200
    for wrong, message in (
        ([*command[:3], "--published=a.csv"], "--plot"),
        ([*command, f"--published={tmp_path}/no.csv"], "no such file"),
        ([*command[:3], f"--plot={tmp_path}/a.xyz"], "must end in"),
        ([*command[:3], f"--plot={tmp_path}/photo.png"], "is an input"),
        ([*command[:3], f"--csv={tmp_path}/new.png", f"--plot={tmp_path}/new.png"], "one file"),
    ):
        assert main(wrong) == 2
        printed = capsys.readouterr()
        assert message in printed.err and printed.out == ""


def test_plot_draws_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history(tmp_path / "history.csv", 5)
    assert main(["plot", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/history.png: 5 steps\n"
    assert read_image(tmp_path / "history.png").shape[1] > 1000
    out = tmp_path / "other.svg"
    assert main(["plot", f"{tmp_path}/history.csv", str(out), "--json"]) == 0
    assert out.exists() and '"steps": 5' in capsys.readouterr().out
    for wrong, message in (
        (["plot", f"{tmp_path}/no"], "no such file"),
        (["plot", str(tmp_path), f"{tmp_path}/a.xyz"], "must end in"),
        (["plot", str(tmp_path), f"{tmp_path}/no/a.png"], "does not exist"),
    ):
        assert main(wrong) == 2
        assert message in capsys.readouterr().err
