"""SSIM and MS-SSIM against independent implementations, where they are installed."""

from __future__ import annotations

import numpy as np
import pytest

from npuq.backend import Array
from npuq.evaluation.metrics import ms_ssim, ssim


def pair(height: int, width: int, seed: int) -> tuple[Array, Array]:
    """A smooth picture with noise on it, and that picture with more: SSIM well inside (0, 1)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.arange(height)[:, None, None], np.arange(width)[:, None]
    x = 128 + 60 * np.sin(rows / (7 + 20 * rng.random(3)) + columns / (5 + 30 * rng.random(3)))
    x = x + rng.normal(0, 20, x.shape)
    y = x + rng.normal(0, 5 + 30 * rng.random(), x.shape)
    x, y = (np.rint(np.clip(image, 0, 255)).astype(np.uint8) for image in (x, y))
    return x, y


@pytest.mark.parametrize("seed", range(3))
def test_pytorch_msssim(seed: int) -> None:
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("pytorch_msssim")
    x, y = pair(192, 256, seed)  # even at all five scales: elsewhere the paddings differ
    x_torch, y_torch = (
        torch.from_numpy(np.moveaxis(image, 2, 0)[None].astype(np.float64)) for image in (x, y)
    )
    # their window is made in float32, with a relative error of up to 6e-8 a weight; measured 6e-7
    assert ssim(x, y) == pytest.approx(float(theirs.ssim(x_torch, y_torch)), abs=1e-5)
    assert ms_ssim(x, y) == pytest.approx(float(theirs.ms_ssim(x_torch, y_torch)), abs=1e-5)


def test_pytorch_msssim_at_an_odd_size_differs_by_its_padding_only() -> None:
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("pytorch_msssim")
    x, y = pair(195, 233, 0)
    x_torch, y_torch = (
        torch.from_numpy(np.moveaxis(image, 2, 0)[None].astype(np.float64)) for image in (x, y)
    )
    # they pad odd sizes with zeros on both sides: borders darken in both pictures alike
    assert ms_ssim(x, y) == pytest.approx(float(theirs.ms_ssim(x_torch, y_torch)), abs=0.02)


def test_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    x, y = pair(64, 48, 3)
    expected = metrics.structural_similarity(
        x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=2
    )
    # scikit-image crops by half a window, as we do, and computes in float64
    assert ssim(x, y) == pytest.approx(float(expected), abs=1e-5)


def test_tensorflow() -> None:
    tf = pytest.importorskip("tensorflow")
    for height, width in ((192, 256), (195, 233)):
        x, y = pair(height, width, 4)
        # TensorFlow computes in float32
        assert ssim(x, y) == pytest.approx(float(tf.image.ssim(x, y, 255)), abs=1e-4)
        expected = float(tf.image.ssim_multiscale(x, y, 255))
        assert ms_ssim(x, y) == pytest.approx(expected, abs=1e-4)
