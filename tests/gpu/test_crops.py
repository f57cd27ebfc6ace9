"""Crops on the device are those of Pillow, pixel for pixel: CUDA C in the emulator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gpu.conftest import device_only, on_device
from hypothesis import example, given, settings
from hypothesis import strategies as st

from npuq.training.crops import Choice, Resident, cut_crops, draw_crops, resident
from npuq.training.photographs import training_batch

pytestmark = pytest.mark.usefixtures("device")


def photographs(seed: int) -> list[Any]:
    """Noise, with all that rounding can hit, and edges from black to white, which overshoot."""
    rng = np.random.default_rng(seed)
    sizes = [(40, 57), (91, 64), (33, 33), (7, 50), (120, 85), (40, 57)]
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    images[1][:] = 255 * (np.arange(64)[:, None] // 8 % 2)
    return images


def on(images: list[Any], choices: Any, crop: int, scale: float) -> Any:
    on_images = Resident(*on_device(*resident(images)))
    (on_choices,) = on_device(np.array(choices, np.int32))
    with device_only(launches=3):
        crops = cut_crops(on_images, on_choices, crop=crop, scale=scale)
    return crops.get()


@given(
    seed=st.integers(0, 999),
    crop=st.sampled_from([1, 5, 16, 24]),
    low=st.integers(3, 40),
    more=st.integers(0, 60),
)
@example(seed=3, crop=16, low=20, more=40)
@example(seed=5, crop=24, low=5, more=0)  # smaller than the crop: continued by reflection
@settings(max_examples=12)
def test_a_batch_is_that_of_the_host(seed: int, crop: int, low: int, more: int) -> None:
    images = photographs(seed)
    drawing: dict[str, Any] = {
        "seed": seed, "step": 7, "batch_size": 5, "crop": crop,
        "smaller_side": (low, low + more), "turns": True,
    }  # fmt: skip
    choices = draw_crops([image.shape[:2] for image in images], **drawing)
    scales = [n / m for c in choices for n, m in zip(images[c[0]].shape, c[1:3], strict=False)]
    want = training_batch(images, **drawing)
    np.testing.assert_array_equal(on(images, choices, crop, max(1.0, *scales)), want)
    host = cut_crops(resident(images), np.array(choices, np.int32), crop=crop, scale=1.0)
    np.testing.assert_array_equal(host, want)


def test_each_field_of_a_choice() -> None:
    """One by one, so that no two can change places without being seen."""
    images = photographs(1)
    plain = Choice(0, 30, 43, 2, 5, 0, 0)
    changed = [
        plain, plain._replace(photograph=5), plain._replace(height=31), plain._replace(width=44),
        plain._replace(top=3), plain._replace(left=6), plain._replace(mirrored=1),
        *(plain._replace(turns=n, mirrored=m) for n in (1, 2, 3) for m in (0, 1)),
        Choice(0, 40, 57, 3, 9, 0, 0), Choice(3, 2, 10, 0, 0, 1, 1),  # as it is; much reduced
    ]  # fmt: skip
    got = on(images, changed, 12, 5.0)
    host = cut_crops(resident(images), np.array(changed, np.int32), crop=12, scale=5.0)
    np.testing.assert_array_equal(got, host)
    assert len(np.unique(got.reshape(len(got), -1), axis=0)) == len(got)


def test_wrong_arguments_are_refused() -> None:
    images = resident(photographs(0))
    choices = np.zeros((1, 7), np.int32)
    for wrong in ({"crop": 0}, {"scale": 0.5}, {"scale": np.nan}):
        with pytest.raises(ValueError, match="choices must be"):
            cut_crops(images, choices, **({"crop": 4, "scale": 1.0} | wrong))
    with pytest.raises(ValueError, match="choices must be"):
        cut_crops(images, choices[:, :6], crop=4, scale=1.0)
