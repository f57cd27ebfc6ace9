"""Tiles of the hyperprior's transforms: they cover the image once, and no seam shows."""

from __future__ import annotations

import numpy as np
import pytest
from models import picture, tiny_hyperprior

from npuq.codec import tiles
from npuq.trained.integer_scales import scale_indexes
from npuq.trained.model import hyper_of

PARAMS = tiny_hyperprior().params
SMALL = (4, 8)  # latents: several tiles each way in a picture of 200 x 330
IMAGE = picture(200, 330)


@pytest.mark.parametrize("size", [(1, 1), (4, 8), (5, 17), (40, 3)])
def test_tiles_cover_a_grid_once_and_know_where_they_are(size: tuple[int, int]) -> None:
    grid = np.arange(size[0] * size[1]).reshape(size)
    seen = np.zeros(size, int)
    for core, outer, inner in tiles.tiles_of(size, SMALL):
        seen[core] += 1
        np.testing.assert_array_equal(grid[outer][inner], grid[core])
        for c, o, most in zip(core, outer, size, strict=True):
            assert o.start == max(0, c.start - 2) and o.stop == min(most, c.stop + 2)
    assert np.all(seen == 1)


def test_the_overlap_is_as_wide_as_the_transforms_see() -> None:
    """Tiles are the whole image to rounding; with one row less of overlap they are not."""
    whole, tiled = (tiles.analyse(IMAGE, PARAMS, tile_size=tile) for tile in ((64, 64), SMALL))
    np.testing.assert_allclose(tiled, whole, atol=1e-5 * np.abs(whole).max())
    whole, tiled = (
        tiles.hyper_analyse(whole, PARAMS, tile_size=tile) for tile in ((64, 64), (1, 2))
    )
    np.testing.assert_allclose(tiled, whole, atol=1e-5 * np.abs(whole).max())


def test_pictures_are_put_together_without_a_seam() -> None:
    y_hat = tiles.analyse(IMAGE, PARAMS) / 20
    whole, tiled = (
        tiles.synthesise(y_hat, PARAMS, IMAGE.shape[:2], tile_size=tile)
        for tile in ((64, 64), SMALL)
    )
    assert whole.std() > 1
    assert np.abs(whole.astype(int) - tiled).max() <= 1 and np.mean(whole != tiled) < 1e-3


@pytest.mark.parametrize("transform", ["analyse", "hyper_analyse", "synthesise"])
def test_with_less_overlap_seams_would_show(
    transform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    y = tiles.analyse(IMAGE, PARAMS)
    run = {
        "analyse": lambda: tiles.analyse(IMAGE, PARAMS, tile_size=SMALL),
        "hyper_analyse": lambda: tiles.hyper_analyse(y, PARAMS, tile_size=(1, 2)),
        "synthesise": lambda: tiles.synthesise(y / 20, PARAMS, IMAGE.shape[:2], tile_size=SMALL),
    }[transform]
    right = run().astype(float)
    monkeypatch.setattr(tiles, "OVERLAP", 1)
    assert np.abs(run() - right).max() > 1e-3 * np.abs(right).max()


def test_tiles_find_exactly_the_scales_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Integers: equal, not nearly so. And so are four images at once and one by one."""
    model = tiny_hyperprior()
    hyper = hyper_of(model)
    rng = np.random.default_rng(0)
    w = rng.integers(-5000, 5000, (4, 6, 10, 13))
    whole = scale_indexes(w, hyper.scales)
    assert np.unique(whole).size >= 8
    for image, expected in zip(w, whole, strict=True):
        np.testing.assert_array_equal(scale_indexes(image[None], hyper.scales)[0], expected)
        for core, outer, inner in tiles.tiles_of((10, 13), (3, 4)):
            part = scale_indexes(image[(slice(None), *outer)][None], hyper.scales)[0]
            np.testing.assert_array_equal(
                part[(slice(None), *tiles.scaled(inner, 4))],
                expected[(slice(None), *tiles.scaled(core, 4))],
            )


@pytest.mark.parametrize(("height", "width"), [(1, 1), (64, 64), (65, 128), (640, 7)])
def test_latents_are_whole_hyper_latents(height: int, width: int) -> None:
    rows, columns = tiles.latent_size(height, width)
    assert rows % 4 == columns % 4 == 0
    assert 16 * rows >= height > 16 * rows - 64 and 16 * columns >= width > 16 * columns - 64
    image = np.full((height, width, 3), 77, np.uint8)
    assert tiles.analyse(image, PARAMS).shape == (8, rows, columns)
    shape = (height, width, 3)
    assert tiles.synthesise(np.zeros((8, rows, columns), np.float32), PARAMS, shape[:2]).shape == (
        shape
    )
