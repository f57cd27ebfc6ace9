"""Dead leaves: deterministic, covered everywhere, with the statistics of natural pictures."""

from __future__ import annotations

import numpy as np
import pytest

from npuq.backend import Array
from npuq.training import dead_leaves as module
from npuq.training.dead_leaves import dead_leaves, dead_leaves_batch, dead_leaves_validation


def spectral_slope(image: Array) -> float:
    """gamma of the fit power ~ 1 / f^gamma to the radially averaged spectrum of the grey picture.

    A Hann window keeps the jump between opposite borders out of the spectrum.
    """
    grey = image.astype(float).mean(axis=2)
    n = len(grey)
    window = np.hanning(n)
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window * window[:, None])) ** 2
    frequency = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n))
    edges = np.geomspace(3 / n, 0.4, 10)
    rings = [(frequency >= a) & (frequency < b) for a, b in zip(edges, edges[1:], strict=False)]
    x = [np.log(frequency[ring]).mean() for ring in rings]
    y = [np.log(power[ring].mean()) for ring in rings]
    return float(-np.polyfit(x, y, 1)[0])


def test_the_spectrum_falls_like_that_of_natural_pictures() -> None:
    # a law of the ensemble: one picture may consist of a single large leaf
    slope = np.mean([spectral_slope(dead_leaves(128, 128, seed=seed)) for seed in range(5)])
    assert 1.5 < slope < 2.8
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3))
    assert abs(spectral_slope(noise)) < 0.3  # the measure itself tells noise apart


def test_channels_are_correlated_but_not_equal() -> None:
    pixels = np.concatenate([dead_leaves(64, 64, seed=s).reshape(-1, 3) for s in range(4)])
    correlation = np.corrcoef(pixels.T)[np.triu_indices(3, 1)]
    assert correlation.min() > 0.4 and correlation.max() < 0.99
    assert pixels.std() > 30  # and the contrast is that of a picture


def test_leaves_have_texture() -> None:
    # a ground on which one huge leaf lies: radii so large that a small picture sees few edges
    pictures = [
        dead_leaves(24, 24, seed=s, smallest_radius=400, largest_radius=500) for s in range(8)
    ]
    spread = [picture.std(axis=(0, 1)).max() for picture in pictures]
    assert np.median(spread) > 2
    assert max(spread) > 2 * min(spread)  # calm ones and busy ones


def test_the_same_seed_gives_the_same_picture() -> None:
    first = dead_leaves(30, 45, seed=7)
    assert first.shape == (30, 45, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, dead_leaves(30, 45, seed=7))
    assert not np.array_equal(first, dead_leaves(30, 45, seed=8))


@pytest.mark.parametrize("scattered", [0, 10**9])
def test_both_ways_of_covering_give_the_same_picture(
    monkeypatch: pytest.MonkeyPatch, scattered: int
) -> None:
    expected = dead_leaves(16, 20, seed=1)
    monkeypatch.setattr(module, "SCATTERED", scattered)
    np.testing.assert_array_equal(dead_leaves(16, 20, seed=1), expected)


def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = dead_leaves(40, 30, seed=1)
    monkeypatch.setattr(module, "BAND", 7)
    np.testing.assert_array_equal(dead_leaves(40, 30, seed=1), expected)


def test_radii_follow_the_power_law() -> None:
    """P(R > r) = (r^-2 - r_max^-2) / (r_min^-2 - r_max^-2), where position does not select."""
    rng = np.random.default_rng(0)
    smallest, largest = 2.0, 8.0
    leaves = module._fall(rng, 100_000, 100_000, smallest, largest)
    # the form's smaller eigenvalue is the longer half axis to the power -2
    mean, half = (leaves.a + leaves.c) / 2, (leaves.a - leaves.c) / 2
    radius = (mean - np.hypot(half, leaves.b)).astype(float) ** -0.5
    for r in (2.5, 4.0, 6.0):
        tail = (r**-2 - largest**-2) / (smallest**-2 - largest**-2)
        # 4096 draws: five standard deviations of a proportion
        assert abs((radius > r).mean() - tail) < 5 * np.sqrt(tail * (1 - tail) / len(radius))


def test_the_bounding_box_is_the_leaf_s() -> None:
    leaves = module._fall(np.random.default_rng(1), 1000, 1000, 2.0, 50.0)
    leaves = module.Leaves(*(part[:300] for part in leaves))
    angle = np.linspace(0, 2 * np.pi, 721)[:, None]
    y, x = np.sin(angle), np.cos(angle)
    reach = (leaves.a * y**2 + 2 * leaves.b * y * x + leaves.c * x**2) ** -0.5
    # half a degree of direction misses the extreme by at most a relative (0.0044 * 2.2)^2 / 2,
    # at the narrowest leaf, and float32 adds a little
    np.testing.assert_allclose((reach * y).max(0), leaves.reach_row, rtol=2e-4)
    np.testing.assert_allclose((reach * x).max(0), leaves.reach_column, rtol=2e-4)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (17, 2), (65, 3)])
def test_any_size(height: int, width: int) -> None:
    assert dead_leaves(height, width, seed=0).shape == (height, width, 3)


def test_errors() -> None:
    with pytest.raises(ValueError, match="height"):
        dead_leaves(0, 5, seed=0)
    for smallest, largest in ((5, 5), (0, 5), (5, np.inf), (np.nan, 5)):
        with pytest.raises(ValueError, match="radii"):
            dead_leaves(5, 5, seed=0, smallest_radius=smallest, largest_radius=largest)


def test_a_batch_depends_on_seed_and_step_only() -> None:
    batch = dead_leaves_batch(seed=2, step=3, batch_size=2, crop=16)
    assert batch.shape == (2, 16, 16, 3) and batch.dtype == np.uint8
    np.testing.assert_array_equal(batch, dead_leaves_batch(seed=2, step=3, batch_size=2, crop=16))
    assert not np.array_equal(batch[0], batch[1])
    other = dead_leaves_batch(seed=3, step=2, batch_size=2, crop=16)
    assert not np.array_equal(batch, other)


def test_validation_pictures_are_in_no_batch() -> None:
    held_out = dead_leaves_validation(seed=2, count=4, crop=16)
    assert held_out.shape == (4, 16, 16, 3)
    np.testing.assert_array_equal(held_out, dead_leaves_validation(seed=2, count=4, crop=16))
    pictures = [dead_leaves_batch(seed=2, step=s, batch_size=3, crop=16) for s in range(4)]
    assert len({picture.tobytes() for picture in (*held_out, *np.concatenate(pictures))}) == 4 + 12
