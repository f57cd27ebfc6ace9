"""The paper's figures and numbers are drawn from results by commands, which say what is absent."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import picture

from npuq.evaluation.figures import TITLES
from npuq.evaluation.metrics import psnr
from npuq.evaluation.records import Record, as_json
from npuq.io.image_writing import write_image
from npuq.io.images import read_image
from npuq.training.checkpoint import HISTORY

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "bench" / "paper"
sys.path.insert(0, str(PAPER))
try:
    import figure
    import statements
    import tables
    from figures import courses, layout, pictures, rates, style
finally:
    sys.path.remove(str(PAPER))

IMAGES = {
    "linear": ("kodim03", "kodim16", "kodim23"),
    "hyperprior": ("kodim02", "kodim15", "kodim21"),
}
SHIFT = {"un+q": 0.0, "un+uq": -1.0, "un+uq+sr": 0.5}  # decibels of a method, at equal rates


def write_records(results: Path, model: str) -> None:
    """0.1 to 1.6 bits per pixel; 30 dB at 0.2, 5 dB more for each factor of two."""
    records = [
        Record(
            image, f"{model}-x-{quality}", method, quality, 1000, 0.1 * 2**quality, 0.1,
            25 + 5 * quality + SHIFT[method] + number, 100.0 - quality, 0.9 + 0.01 * quality,
        )
        for number, image in enumerate(IMAGES[model])
        for quality in range(5)
        for method in TITLES
    ]  # fmt: skip
    (results / rates.FILES[model]).write_text(json.dumps({"records": as_json(records)}))


def write_course(results: Path, name: str, losses: list[float]) -> None:
    (results / "curves").mkdir(exist_ok=True)
    with (results / "curves" / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, HISTORY, restval=1.0)
        writer.writeheader()
        for number, loss in enumerate(losses, 1):
            writer.writerow({"step": 10 * number, "loss": 2 * loss, "validation_loss": loss})


RUNS = [
    *(run for runs in (*courses.FIG2B.values(), *courses.FIG3B.values()) for run in runs),
    *courses.FIG5A,
]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for model in IMAGES:
        write_records(tmp_path, model)
    for number, run in enumerate(RUNS):
        write_course(tmp_path, run.name, [9, 3 + number, 2 + number, 1.5 + number])
    rows = [
        {
            "expected_gradients": e,
            "lmbda": 0.1,
            "loss": 5 - e,
            "bpp": 1 + e,
            "psnr": 30 + e,
            "pictures": 7,
        }
        for e in (True, False)
    ]
    (tmp_path / "expected_gradients.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return tmp_path


def lines(axes: Any) -> dict[str, list[tuple[float, float]]]:
    return {
        str(line.get_label()): [(float(x), float(y)) for x, y in line.get_xydata()]
        for line in axes.get_lines()
    }


# --- figures ------------------------------------------------------------------------------------


def test_every_figure_but_the_pictures_is_one_command(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, PAPER / "figure.py", *"123456", "--results", results, "--out", out]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert sorted(path.name for path in out.iterdir()) == [f"fig0{n}.png" for n in range(1, 7)]
    for path in out.iterdir():
        image = read_image(path)
        assert image.shape[1] >= 700 and image.std() > 10
        assert (image[0] == 255).mean() > 0.9, "nothing is cut off above"


def test_curves_are_means_of_the_images_and_the_papers_points_are_beside(results: Path) -> None:
    with style.in_style():
        a, images, *_ = layout.figure_2(results).axes
    ours = lines(a)
    for method, title in TITLES.items():
        expected = [(0.1 * 2**q, 26 + 5 * q + SHIFT[method]) for q in range(5)]
        np.testing.assert_allclose(ours[title], expected)
    drawn = {point for name, line in lines(images).items() for point in line}
    for point in rates.published()["paper_linear"]["points"]:
        assert (point["bpp"], point["psnr"]) in drawn


def test_courses_are_the_losses_asked_for_on_one_scale(results: Path) -> None:
    """A training that is not stable leaves the axes, and flattens no other."""
    write_course(results, "fig3b-13", [9, 500, 2, 700])
    write_course(results, "fig3b-anneal-e", [9, 3, 2, float("nan")])
    for losses, factor in (("held-out", 1), ("training", 2)):
        with style.in_style():
            _, _, *panels = layout.figure_3(results, losses).axes
        anneal, seven, thirteen = panels
        assert lines(thirteen)[courses.SAMPLED] == [
            (10, 9 * factor), (20, 500 * factor), (30, 2 * factor), (40, 700 * factor),
        ]  # fmt: skip
        bottom, top = anneal.get_ylim()
        assert (bottom, top) == seven.get_ylim() == thirteen.get_ylim()
        assert 0 < bottom < 2 * factor and 9 * factor < top < 50 * factor


def test_expected_gradients_at_all_rates_are_left_out_with_a_word(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with style.in_style():
        *_, c = layout.figure_6(results).axes
        assert lines(c) == {courses.E: [(2, 31)], courses.SAMPLED: [(1, 30)]}
        path = results / "expected_gradients.jsonl"
        path.unlink()
        assert len(layout.figure_6(results).axes) == 2
        assert "python bench/held_out.py" in capsys.readouterr().err
        path.write_text('{"bpp": 1}\n')
        layout.figure_6(results)
    assert "each line must have bpp, expected_gradients" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "absent", "command"),
    [
        (2, "kodak.json", "python bench/paper/kodak.py KODAK --model linear"),
        (6, "kodak_hyperprior.json", "python bench/paper/kodak.py KODAK --model hyperprior"),
        (2, "curves/fig2b-high.csv", "bash bench/paper/train_curves.sh"),
        (3, "curves/fig3b-7-e.csv", "bash bench/paper/train_curves.sh"),
        (5, "curves/fig5a-un-jpeg.csv", "bash bench/paper/train_curves.sh"),
    ],
)
def test_what_is_absent_is_named_with_the_command_that_makes_it(
    number: int, absent: str, command: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(number), "--results", str(results), "--out", str(results / "out")]
    (results / absent).unlink()
    assert figure.main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        f"figure {number}: {results / absent}: there is no such file; `{command}"
    )
    (results / absent).write_text("step\n")
    if absent.endswith("csv"):
        assert figure.main(arguments) == 2
        assert f"{absent}: is no history" in capsys.readouterr().err
    assert not (results / "out").exists()
    assert (PAPER / re.findall(r"bench/paper/(\S+)", command)[0]).exists()


# --- pictures -----------------------------------------------------------------------------------


def test_the_quality_is_the_one_nearest_in_rate() -> None:
    printed = [{"method": "UN+Q", "bpp": 0.4}, {"method": "UN+UQ+SR", "bpp": 0.2}]
    by_quality = {3: (0.3, 0.2), 2: (0.4, 0.1), 1: (4.0, 0.25)}
    rates_of = {q: {"un+q": a, "un+uq": 9.0, "un+uq+sr": b} for q, (a, b) in by_quality.items()}
    assert pictures.nearest_quality(rates_of, printed) == 3
    equal = {quality: rates_of[2] for quality in (7, 5, 6)}
    assert pictures.nearest_quality(equal, printed) == 5


def test_crops_are_shown_pixel_by_pixel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the rates and PSNRs of files, made anew by the shipped models."""
    import npuq

    monkeypatch.setattr(pictures, "CROP", 40)
    monkeypatch.setattr(pictures, "shipped_qualities", lambda model: (3, 6))
    choice = pictures.Choice("linear", "kodim16", 24, 48)
    monkeypatch.setitem(pictures.PICTURES, 8, choice)
    image = picture(80, 96)
    write_image(tmp_path / "kodim16.png", image)
    assert figure.main(["8", "--kodak", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    drawn = read_image(tmp_path / "out" / "fig08.png")
    side = 40 * pictures.ENLARGED
    shown = {"original": image}
    quality, files = pictures.files_of(
        image, "linear", pictures.printed_points("linear", "kodim16")
    )
    assert quality == 3  # a picture so small has more bits a pixel at any quality
    with style.in_style():
        texts = [text.get_text() for text in pictures.draw(8, tmp_path).texts]
    for method, file in files.items():
        data = npuq.compress(image, method=method, quality=quality)
        assert file.bpp == 8 * len(data) / (80 * 96)
        shown[method] = npuq.decompress(data)
        above = texts.index(TITLES[method])
        ratio = round(100 * file.bpp / files["un+q"].bpp)
        assert texts[above + 1] == f"{file.bpp:.3f} bpp ({ratio} %)"
        assert texts[above + 2] == f"{psnr(image, shown[method]):.2f} dB"
    assert texts[-1] == "paper: 0.623 bpp (83 %)\n32.54 dB"
    for number, pixels in enumerate(shown.values()):
        left = pictures.GAP // 2 + number * (side + pictures.GAP)
        found = drawn[pictures.ABOVE : pictures.ABOVE + side, left : left + side]
        for row, column in np.ndindex(pictures.ENLARGED, pictures.ENLARGED):
            every = found[row :: pictures.ENLARGED, column :: pictures.ENLARGED]
            np.testing.assert_array_equal(every, pixels[24:64, 48:88])


def test_photographs_that_are_absent_or_others_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert figure.main(["7"]) == 2
    assert "figure 7: needs kodim03.png: give the folder" in capsys.readouterr().err
    arguments = ["12", "--kodak", str(tmp_path), "--out", str(tmp_path / "out")]
    assert figure.main(arguments) == 2
    assert "kodim21.png: there is no such file" in capsys.readouterr().err
    write_image(tmp_path / "kodim21.png", picture())
    assert figure.main(arguments) == 2
    assert "kodim21: is 64 x 48, not the one of Kodak" in capsys.readouterr().err


@pytest.mark.slow
def test_what_kodak_measures_is_what_figures_and_tables_read(tmp_path: Path) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for number, name in enumerate(IMAGES["linear"]):
        write_image(photographs / f"{name}.png", picture(176, 168, number))
    command = [sys.executable, PAPER / "kodak.py", photographs, "--out", tmp_path]
    command += ["--qualities", "3,4,5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    records = rates.read_records(tmp_path, "linear")
    assert {(r.image, r.quality) for r in records} == {
        (name, quality) for name in IMAGES["linear"] for quality in (3, 4, 5)
    }
    rows = tables.rates_table(tmp_path, "linear").splitlines()[2:]
    assert len(rows) == 9 and len(records) == 27
    mean = np.mean([r.bpp for r in records if (r.method, r.quality) == ("un+uq", 5)])
    assert "| 5 | UN + UQ | " in rows[7] and f"| {mean:.3f} |" in rows[7]
    assert done.stdout.count("bits   ") == 9  # payloads beside what the tables promise


# --- tables -------------------------------------------------------------------------------------


def test_printed_points_beyond_our_curve_are_told_with_its_end(results: Path) -> None:
    """All are in the table: 30 dB at 0.2 bpp and so on, by a curve that is straight in log rate."""
    rows = [line[2:-2].split(" | ") for line in tables.points_table(results).splitlines()[2:]]
    assert len(rows) == 18
    by_point = {(row[1], row[2]): row for row in rows}
    row = by_point["kodim03, linear", "UN + Q"]
    # the rates of the three files are 0.672, 0.762 and 0.562 in the paper, 0.8 here
    assert row[3] == "0.672 bpp (100 %), 34.33 dB" and row[4] == "3: 0.800 bpp (100 %), 40.00 dB"
    at = 25 + 5 * np.log2(0.672 / 0.1)
    assert row[5] == f"{at:.2f} dB (+{at - 34.33:.2f})"
    row = by_point["kodim02, hyperprior", "UN + UQ + SR"]
    assert row[3] == "0.059 bpp (93 %), 29.55 dB"
    assert row[5] == "beyond our curve, which ends at 0.100 bpp, 25.50 dB"
    records = rates.read_records(results, "linear")
    of_image = [r for r in records if r.image == "kodim16"]
    end = "beyond our curve, which ends at 1.600 bpp, 45.00 dB"
    assert tables.at_rate(of_image, "un+uq", 1.7, 44.0) == end
    assert tables.at_rate(of_image, "un+uq", 1.6, 46.0) == "45.00 dB (−1.00)"


def test_curves_are_compared_at_equal_rates_where_both_reach(results: Path) -> None:
    """Straight in log rate: 5 dB for a factor of two, from 0.1 to 1.6 bpp."""
    rows = [line[2:-2].split(" | ") for line in tables.equal_rates_table(results).splitlines()[2:]]
    assert [float(row[0]) for row in rows] == list(tables.RATES)
    for bpp, q, uq, sr, gain, _ in rows:
        at = 26 + 5 * np.log2(float(bpp) / 0.1)
        for cell, method in ((q, "un+q"), (uq, "un+uq"), (sr, "un+uq+sr")):
            assert float(cell) == pytest.approx(at + SHIFT[method], abs=0.006)
        assert gain == "+0.50"
    narrow = json.loads((results / "kodak_hyperprior.json").read_text())
    narrow["records"] = [r for r in narrow["records"] if r["method"] != "un+q" or r["bpp"] < 0.5]
    (results / "kodak_hyperprior.json").write_text(json.dumps(narrow))
    last = tables.equal_rates_table(results).splitlines()[-1][2:-2].split(" | ")
    assert (last[1], last[4]) == ("", "") and last[3] != ""


def test_losses_of_files_are_told_in_pairs(results: Path) -> None:
    found = dict((row[0], row[2]) for row in statements.statements(results, "held-out"))
    assert found["Fig. 6C"] == "losses of files: λ = 0.1 4.000, without 5.000 (+25 %)"
    (results / courses.GRADIENTS).unlink()
    found = dict((row[0], row[2]) for row in statements.statements(results, "held-out"))
    assert found["Fig. 6C"] == "not run"


def test_tables_go_into_their_places_and_a_page_without_one_stays(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    places = [
        f"<!-- table {name} -->\n<!-- end -->\n" for name in ("linear", "hyperprior", "points")
    ]
    head = "# Head\n<!-- table equal -->\n<!-- end -->\n"
    page.write_text(head + "between\n".join(places))
    arguments = ["--results", str(results), "--write", str(page)]
    before = page.read_text()
    assert tables.main(arguments) == 2
    assert "has no place for the table 'statements'" in capsys.readouterr().err
    assert page.read_text() == before
    page.write_text(before + "<!-- table statements -->\nold\n<!-- end -->\ntail")
    for _ in range(2):
        assert tables.main(arguments) == 0
        text = page.read_text()
        assert text.startswith("# Head\n") and text.endswith("\n<!-- end -->\ntail")
        assert text.count("between\n") == 2 and "old" not in text
        assert text.count("| quality |") == 2 and text.count("beyond our curve") >= 6
    # SHIFT: half a decibel and one, at 5 dB for a factor of two in rate
    assert f"−{100 * (1 - 2**-0.1):.1f} % bits" in text
    assert f"+{100 * (2**0.2 - 1):.1f} % bits" in text
    assert text.count("+0.50 dB at ") == 5
    (results / "kodak.json").unlink()
    assert tables.main(arguments) == 2 and page.read_text() == text


def test_the_page_has_the_tables_that_its_results_give() -> None:
    """`python bench/paper/tables.py --write bench/README.md` brings it up to date."""
    page = (ROOT / "bench" / "README.md").read_text("utf-8")
    results = ROOT / "bench" / "results"
    made = {
        "linear": tables.rates_table(results, "linear"),
        "hyperprior": tables.rates_table(results, "hyperprior"),
        "equal": tables.equal_rates_table(results),
        "points": tables.points_table(results),
    }
    assert tables.fill(page, made, "bench/README.md") == page
    assert any(
        tables.fill(page, {"statements": tables.statements_table(results, losses)}, "") == page
        for losses in courses.LOSSES
    )


def test_the_page_shows_every_figure_and_its_command() -> None:
    page = (ROOT / "bench" / "README.md").read_text("utf-8")
    for number in range(1, 13):
        assert f"](results/fig{number:02}.png)\n" in page
        assert (ROOT / "bench" / "results" / f"fig{number:02}.png").stat().st_size < 320_000
