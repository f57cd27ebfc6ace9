"""The demonstration: its picture, the detail that it shows, and which models it runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from models import picture

from npuq.cli import main
from npuq.evaluation.demo import most_telling
from npuq.evaluation.landscape import landscape
from npuq.io.image_writing import write_image
from npuq.io.images import read_image


def test_the_landscape_has_smooth_surfaces_edges_and_texture() -> None:
    image = landscape(512, 768, seed=7)
    assert (image.shape, image.dtype) == ((512, 768, 3), np.uint8)
    grey = image.astype(float).mean(axis=2)
    change = np.abs(np.diff(grey, axis=1))
    sky, shore, tower = change[10:100, 20:500], change[450:, 20:], change[150:300, 575:625]
    assert np.mean(sky < 3) > 0.99 and sky.mean() < 1  # nothing but slow changes
    assert np.ptp(grey[10:200, 100]) > 60  # yet they add up
    assert np.mean(shore > 3) > 0.3  # one pixel in three at least changes
    assert tower.max() > 60


def test_a_landscape_follows_its_seed_and_takes_any_shape() -> None:
    assert np.array_equal(landscape(40, 60, seed=1), landscape(40, 60, seed=1))
    assert not np.array_equal(landscape(40, 60, seed=1), landscape(40, 60, seed=2))
    for shape in ((16, 16), (17, 90), (90, 16)):
        assert landscape(*shape, seed=1).shape == (*shape, 3)
    with pytest.raises(ValueError, match="at least 16"):
        landscape(15, 100, seed=1)


def test_the_detail_is_an_edge_amid_smoothness() -> None:
    """Not texture, although it changes more, and not the smooth part alone."""
    rng = np.random.default_rng(0)
    image = np.full((120, 160, 3), 100, np.uint8)
    image[:, 90:] = rng.integers(0, 256, (120, 70, 3))
    image[40:60, 30:34] = 200
    top, left = most_telling(image, 40)
    assert top <= 40 and top + 40 >= 60 and left <= 30 and left + 40 >= 34  # the bar is inside
    assert left + 40 <= 90
    assert most_telling(np.zeros((30, 40, 3), np.uint8), 30) == (0, 0)
    for shape in ((1, 1), (1, 9), (7, 8)):
        side = min(shape)
        top, left = most_telling(picture(*shape), side)
        assert 0 <= top <= shape[0] - side and 0 <= left <= shape[1] - side


def test_the_built_in_picture_shows_the_tower_in_front_of_the_sky() -> None:
    top, left = most_telling(landscape(512, 768, seed=7), 123)
    assert top < 100 and left < 599 < left + 123  # 599 is its axis


@pytest.mark.filterwarnings("default::UserWarning")  # it is printed, and looked at
def test_a_model_that_is_left_out_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "a.png", picture())
    command = ["demo", f"{tmp_path}/a.png", f"--out={tmp_path}/out.png", "--json"]
    assert main([*command, "--quality=3"]) == 0
    printed = capsys.readouterr()
    assert "the hyperprior model is left out: it comes with qualities 1, 2, 4, 6" in printed.err
    assert len(json.loads(printed.out)) == 3
    assert main([*command, "--quality=3", "--model=linear"]) == 0  # nobody asked for the other
    assert capsys.readouterr().err == ""
    assert main(command) == 0
    printed = capsys.readouterr()
    assert {record["quality"] for record in json.loads(printed.out)} == {2}
    assert len(json.loads(printed.out)) == 6 and printed.err == ""
    assert read_image(tmp_path / "out.png").shape[1] > 1000
