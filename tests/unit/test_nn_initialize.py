"""Orthogonal matrices, the DCT and JPEG's transform."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft

from npuq.nn.conv import conv2d
from npuq.nn.initialize import (
    block_dct,
    dct_basis,
    jpeg_analysis,
    jpeg_synthesis,
    random_orthogonal,
)

RNG = np.random.default_rng(1)
BLOCK = RNG.uniform(0, 255, (3, 8, 8))

# 192 terms of a float64 sum.
EXACT = 1e-13


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 1e-6)])
def test_random_orthogonal_is_orthogonal(dtype: type, tolerance: float) -> None:
    Q = random_orthogonal(np.random.default_rng(0), 50, dtype)
    assert Q.dtype == dtype
    np.testing.assert_allclose(Q @ Q.T, np.eye(50), atol=tolerance)


def test_random_orthogonal_has_both_determinants_equally_often() -> None:
    """Without the sign correction, Householder's QR gives det = (-1)^(n-1), always."""
    rng = np.random.default_rng(0)
    for n in (1, 2, 3):
        rotations = sum(np.linalg.det(random_orthogonal(rng, n)) > 0 for _ in range(200))
        assert 70 < rotations < 130  # 100 within more than four standard deviations of 7.1


def test_dct_agrees_with_scipy() -> None:
    for n in (1, 2, 8, 13):
        expected = scipy.fft.dct(np.eye(n), axis=0, norm="ortho")
        np.testing.assert_allclose(dct_basis(n), expected, atol=1e-14)
        np.testing.assert_allclose(dct_basis(n) @ dct_basis(n).T, np.eye(n), atol=1e-14)


def test_jpeg_synthesis_inverts_jpeg_analysis() -> None:
    np.testing.assert_allclose(jpeg_analysis() @ jpeg_synthesis(), np.eye(192), atol=EXACT)


def test_block_dct_is_orthonormal() -> None:
    np.testing.assert_allclose(block_dct() @ block_dct().T, np.eye(192), atol=EXACT)


def test_jpeg_analysis_is_the_dct_of_ycbcr_planes() -> None:
    r, g, b = BLOCK
    y = 0.299 * r + 0.587 * g + 0.114 * b
    planes = np.stack([y, (b - y) / 1.772, (r - y) / 1.402])
    expected = scipy.fft.dctn(planes, axes=(1, 2), norm="ortho")
    actual = (jpeg_analysis() @ BLOCK.ravel()).reshape(3, 8, 8)
    np.testing.assert_allclose(actual, expected, atol=1e-11)  # of coefficients around 1000


def test_block_dct_is_the_dct_of_opponent_planes() -> None:
    r, g, b = BLOCK
    planes = np.stack([(r + g + b) / 3**0.5, (r - b) / 2**0.5, (r - 2 * g + b) / 6**0.5])
    expected = scipy.fft.dctn(planes, axes=(1, 2), norm="ortho")
    actual = (block_dct() @ BLOCK.ravel()).reshape(3, 8, 8)
    np.testing.assert_allclose(actual, expected, atol=1e-11)


def test_a_grey_block_has_only_a_luma_dc() -> None:
    coefficients = jpeg_analysis() @ np.full(192, 100.0)
    assert coefficients[0] == pytest.approx(8 * 100)
    np.testing.assert_allclose(coefficients[1:], 0, atol=1e-10)


def test_colours_agree_with_pillow() -> None:
    image = pytest.importorskip("PIL.Image")
    for colour in [(255, 0, 0), (0, 255, 0), (0, 0, 255), (12, 200, 99)]:
        block = np.repeat(np.array(colour, float), 64)
        ours = (jpeg_analysis() @ block)[[0, 64, 128]] / 8 + [0, 128, 128]
        pillow = image.new("RGB", (1, 1), colour).convert("YCbCr").getpixel((0, 0))
        # Integers, cut off at 255 and rounded from a fixed-point sum.
        np.testing.assert_allclose(np.minimum(ours, 255), pillow, atol=1)


def test_as_a_convolution_it_transforms_every_block() -> None:
    x = RNG.standard_normal((2, 16, 24, 3))
    y = conv2d(x, jpeg_analysis().reshape(192, 3, 8, 8), stride=8)
    block = x[1, 8:, 16:].transpose(2, 0, 1).ravel()
    np.testing.assert_allclose(y[1, 1, 2], jpeg_analysis() @ block, atol=1e-12)
