"""Training crops: a pure function of seed and step, and truly crops of the resized image."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from npuq.backend import Array
from npuq.errors import InvalidImageError, TrainingError
from npuq.training.photographs import (
    Photographs,
    batches,
    describe_photographs,
    load_photographs,
    training_batch,
    validation_crops,
)

pillow = pytest.importorskip("PIL.Image")


def noise(height: int, width: int, seed: int = 0) -> Array:
    """White noise: the picture on which a wrong filter or position shows most."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(7):
        pillow.fromarray(noise(40 + i, 50, seed=i)).save(tmp_path / f"{i}.png")
    return tmp_path


@pytest.mark.parametrize(
    ("height", "width", "smaller", "crop"),
    [(90, 131, 53, 32), (131, 90, 60, 60), (300, 77, 20, 16), (64, 64, 63, 61), (50, 70, 50, 50)],
)
def test_a_crop_equals_the_crop_of_the_whole_resized_image(
    height: int, width: int, smaller: int, crop: int
) -> None:
    image = noise(height, width)
    scale = smaller / min(height, width)
    new_height, new_width = round(height * scale), round(width * scale)
    whole = pillow.fromarray(image).resize((new_width, new_height), pillow.Resampling.BICUBIC)
    whole = np.asarray(whole).astype(int)
    fits = []
    for step in range(6):
        batch = training_batch(
            [image], seed=3, step=step, batch_size=2, crop=crop, smaller_side=(smaller, smaller)
        ).astype(int)
        for sample in batch:
            fits.append(
                min(
                    np.abs(whole[top : top + crop, left : left + crop] - candidate).max()
                    for candidate in (sample, sample[:, ::-1])
                    for top in range(new_height - crop + 1)
                    for left in range(new_width - crop + 1)
                )
            )
    # Pillow rounds its filter weights to integers; window and whole differ in the last bit of
    # the positions, which may move a rounded result by one level in each of the two passes
    assert max(fits) <= 2


def test_a_batch_depends_on_seed_and_step_only() -> None:
    images = [noise(60, 80), noise(70, 61, seed=1)]
    make = partial(training_batch, images, batch_size=3, crop=16, smaller_side=(20, 50))
    again = make(seed=5, step=9)
    assert again.shape == (3, 16, 16, 3) and again.dtype == np.uint8
    np.testing.assert_array_equal(make(seed=5, step=9), again)
    assert not np.array_equal(make(seed=5, step=10), again)
    assert not np.array_equal(make(seed=6, step=9), again)
    assert not np.array_equal(make(seed=9, step=5), again)


def test_positions_reach_every_corner_and_mirroring_happens() -> None:
    image = np.zeros((6, 6, 3), np.uint8)
    image[..., 0] = np.arange(6)  # the column
    image[..., 1] = np.arange(6)[:, None]  # the row
    batch = training_batch([image], seed=0, step=0, batch_size=400, crop=4).astype(int)
    left = np.minimum(batch[:, 0, 0, 0], batch[:, 0, -1, 0])
    top = batch[:, 0, 0, 1]
    assert set(zip(top, left, strict=True)) == {(t, s) for t in range(3) for s in range(3)}
    mirrored = batch[:, 0, 0, 0] > batch[:, 0, -1, 0]
    assert 140 < mirrored.sum() < 260  # 200 expected, six standard deviations of 10


def test_the_smaller_side_takes_both_ends_of_its_range() -> None:
    image = np.repeat(np.arange(0, 240, 2, dtype=np.uint8)[:, None, None], 120, axis=1)
    image = np.repeat(image, 3, axis=2)  # a ramp: its slope in a crop tells the scale
    batch = training_batch([image], seed=0, step=0, batch_size=200, crop=16, smaller_side=(30, 60))
    rows = batch[:, :, 8, 0].astype(float)
    slope = (rows[:, -3] - rows[:, 2]) / 11  # 2 * 120 / side levels a row
    side = 240 / slope
    assert 29 < side.min() < 32 and 57 < side.max() < 62
    assert abs(np.mean(side) - 45) < 3  # standard error 0.6; a ramp of levels adds rounding


def test_the_range_begins_no_lower_than_the_crop() -> None:
    image = noise(40, 40)
    batch = training_batch([image], seed=0, step=0, batch_size=4, crop=40, smaller_side=(5, 9))
    for sample in batch:
        assert any(np.array_equal(image, candidate) for candidate in (sample, sample[:, ::-1]))


def test_small_photographs_are_continued_by_reflection_not_enlarged() -> None:
    image = noise(5, 9)
    (sample,) = training_batch([image], seed=0, step=1, batch_size=1, crop=16)
    plain = sample if np.array_equal(sample[:5, :9], image) else sample[:, ::-1]
    np.testing.assert_array_equal(plain[:5, :9], image)
    np.testing.assert_array_equal(plain[5:10], plain[:5][::-1])
    one = np.full((1, 1, 3), 7, np.uint8)
    assert (training_batch([one], seed=0, step=0, batch_size=1, crop=16) == 7).all()


def test_the_input_is_neither_changed_nor_shared() -> None:
    image = noise(20, 20)
    before = image.copy()
    batch = training_batch([image], seed=0, step=0, batch_size=1, crop=20)
    batch[:] = 0
    np.testing.assert_array_equal(image, before)


def test_errors() -> None:
    with pytest.raises(TrainingError, match="no photographs"):
        training_batch([], seed=0, step=0)
    with pytest.raises(ValueError, match="smaller_side"):
        training_batch([noise(9, 9)], seed=0, step=0, smaller_side=(9, 8))
    with pytest.raises(ValueError, match="crop"):
        training_batch([noise(9, 9)], seed=0, step=0, crop=0)


def test_loading_keeps_every_kth_file_aside(folder: Path) -> None:
    calls: list[tuple[int, int]] = []
    photographs = load_photographs(
        folder, validation_every=3, progress=lambda done, total: calls.append((done, total))
    )
    assert calls == [(i, 7) for i in range(1, 8)]
    assert [image.shape[0] for image in photographs.training] == [40, 41, 43, 44, 46]
    assert [image.shape[0] for image in photographs.validation] == [42, 45]
    np.testing.assert_array_equal(photographs.training[0], noise(40, 50, seed=0))
    assert load_photographs(folder, validation_every=None).validation == ()
    few = load_photographs(folder)  # fewer than twenty: the last one is kept aside
    assert [image.shape[0] for image in few.training] == [40, 41, 42, 43, 44, 45]
    assert [image.shape[0] for image in few.validation] == [46]


def test_a_single_photograph_is_for_training(tmp_path: Path) -> None:
    pillow.fromarray(noise(8, 8)).save(tmp_path / "a.png")
    photographs = load_photographs(tmp_path)
    assert (len(photographs.training), len(photographs.validation)) == (1, 0)


def test_many_photographs_keep_every_20th_aside(tmp_path: Path) -> None:
    for i in range(41):
        pillow.fromarray(noise(1, 1 + i)).save(tmp_path / f"{i:02}.bmp")
    photographs = load_photographs(tmp_path)
    assert [image.shape[1] for image in photographs.validation] == [20, 40]
    assert len(photographs.training) == 39


def test_a_description_tells_folders_apart(folder: Path) -> None:
    before = describe_photographs(folder)
    assert before["data"] == folder.name and before["files"] == 7
    assert describe_photographs(folder) == before
    (folder / "0.png").rename(folder / "00.png")
    renamed = describe_photographs(folder)
    assert renamed["files"] == 7 and renamed != before
    (folder / "1.png").write_bytes(b"shorter")
    assert describe_photographs(folder) != renamed


def test_loading_reduces_large_photographs(folder: Path) -> None:
    photographs = load_photographs(folder, smaller_side_max=10, threads=1)
    assert {min(image.shape[:2]) for image in photographs.training} == {10}


def test_loading_errors(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="validation_every"):
        load_photographs(folder, validation_every=1)
    with pytest.raises(InvalidImageError, match="no such folder"):
        load_photographs(tmp_path / "absent")
    (folder / "broken.jpg").write_bytes(b"not a picture")
    with pytest.raises(InvalidImageError, match="broken.jpg"):
        load_photographs(folder)


def test_validation_crops_are_central() -> None:
    image = noise(30, 40)
    crops = validation_crops(Photographs((), (image, image)), crop=10)
    assert crops.shape == (2, 10, 10, 3)
    np.testing.assert_array_equal(crops[0], image[10:20, 15:25])
    assert validation_crops(Photographs((image,), ()), crop=10).shape == (0, 10, 10, 3)


@pytest.mark.parametrize("ahead", [1, 2, 9])
def test_batches_made_ahead_are_the_batches_made_when_asked(ahead: int) -> None:
    images = [noise(60, 80)]
    source = partial(training_batch, images, batch_size=2, crop=8, smaller_side=(20, 50))
    made = list(batches(source, seed=4, first_step=3, stop_step=9, ahead=ahead))
    assert [step for step, _ in made] == list(range(3, 9))
    for step, batch in made:
        np.testing.assert_array_equal(batch, source(seed=4, step=step))
    assert list(batches(source, seed=4, first_step=3, stop_step=3)) == []


def test_slow_and_fast_batches_come_in_order() -> None:
    def source(*, seed: int, step: int) -> Array:
        time.sleep(0.01 if step % 2 == 0 else 0.0)
        return np.array([seed, step])

    made = list(batches(source, seed=1, first_step=0, stop_step=8))
    assert [(step, int(batch[1])) for step, batch in made] == [(i, i) for i in range(8)]


def test_no_more_is_made_than_asked_and_threads_end_when_closed() -> None:
    started: list[int] = []

    def source(*, seed: int, step: int) -> Array:
        started.append(step)
        return np.zeros(1)

    iterator = batches(source, seed=0, first_step=0, stop_step=1000, ahead=3)
    next(iterator)
    iterator.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 5
    while any(t.name.startswith("npuq-batches") for t in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert max(started) <= 2


def test_an_error_of_the_source_is_raised_at_its_step() -> None:
    def source(*, seed: int, step: int) -> Array:
        if step == 2:
            raise TrainingError("step 2 is broken")
        return np.zeros(1)

    iterator = batches(source, seed=0, first_step=0, stop_step=5)
    assert [next(iterator)[0], next(iterator)[0]] == [0, 1]
    with pytest.raises(TrainingError, match="step 2"):
        next(iterator)


def test_turns_give_all_eight_orientations_and_change_nothing_else() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    corners = set()
    for step in range(100):
        settings = {"seed": 1, "step": step, "batch_size": 1, "crop": 9, "smaller_side": (9, 9)}
        (plain,) = training_batch([image], **settings)
        (turned,) = training_batch([image], **settings, turns=True)
        assert any(np.array_equal(np.rot90(plain, k), turned) for k in range(4))
        corners.add(turned.tobytes())
    assert corners == {
        np.rot90(side, k).tobytes() for side in (image, image[:, ::-1]) for k in range(4)
    }
