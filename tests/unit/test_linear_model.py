"""The linear model: blocks are convolutions, coordinates are a change of basis (Sec. 5.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from npuq.models import linear
from npuq.models.noisy_rate import Softness
from npuq.nn.conv import conv2d, conv_transpose2d
from npuq.nn.parameters import named_arrays
from npuq.training.coordinates import coordinates, from_model, to_model, to_model_backward


def pictures(count: int, height: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3)).astype(np.uint8)


def test_analysis_is_a_convolution_and_synthesis_its_transpose() -> None:
    images = pictures(2, 24, 16)
    params = linear.init(np.random.default_rng(1), dtype=np.float64)
    blocks = linear.images_to_blocks(images, np.float64)
    y = linear.analyse(blocks, params.analysis)
    expected = conv2d(images - linear.GREY, params.analysis, stride=8)
    assert expected.shape == (2, 3, 2, 192)
    by_channel = expected.reshape(-1, 192).T
    np.testing.assert_allclose(y, by_channel, rtol=0, atol=1e-10)  # of coefficients up to 1000

    decoded = linear.blocks_to_images(linear.synthesise(y, params.synthesis), (2, 3, 2))
    expected = conv_transpose2d(expected, params.synthesis, stride=8)
    np.testing.assert_allclose(decoded - linear.GREY, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("count", "height", "width"), [(1, 8, 8), (2, 16, 40), (3, 32, 8)])
def test_blocks_and_back(count: int, height: int, width: int, dtype: Any) -> None:
    images = pictures(count, height, width)
    blocks = linear.images_to_blocks(images, dtype)
    assert blocks.dtype == dtype
    assert blocks.shape == (192, count * height * width // 64)
    back = linear.blocks_to_images(blocks, (count, height // 8, width // 8))
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, images)


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (9, 16), (1, 50), (17, 3)])
def test_padding_repeats_the_last_row_and_column(shape: tuple[int, int]) -> None:
    image = pictures(1, *shape)[0]
    padded = linear.pad_to_blocks(image)
    height, width = shape
    assert padded.shape == (-(-height // 8) * 8, -(-width // 8) * 8, 3)
    np.testing.assert_array_equal(padded[:height, :width], image)
    rows = np.minimum(np.arange(padded.shape[0]), height - 1)
    columns = np.minimum(np.arange(padded.shape[1]), width - 1)
    np.testing.assert_array_equal(padded, image[rows][:, columns])


def test_starts_are_orthogonal_or_jpeg() -> None:
    orthogonal = linear.init(np.random.default_rng(0), step=4.0, dtype=np.float64)
    W, V = (w.reshape(192, 192) for w in orthogonal[:2])
    np.testing.assert_allclose(W @ W.T, np.eye(192) / 16, atol=1e-13)
    np.testing.assert_allclose(V @ V.T, np.eye(192) * 16, atol=1e-11)
    assert abs(V.T @ W - np.eye(192)).max() > 0.1  # initialised independently
    jpeg = linear.init(np.random.default_rng(0), start="jpeg", step=4.0, dtype=np.float64)
    W, V = (w.reshape(192, 192) for w in jpeg[:2])
    np.testing.assert_allclose(V.T @ W, np.eye(192), atol=1e-12)
    grey = np.full((1, 8, 8, 3), 200, np.uint8)
    y = linear.analyse(linear.images_to_blocks(grey, np.float64), jpeg.analysis)
    assert y[0, 0] == pytest.approx(8 * (200 - 127.5) / 4)  # the DC coefficient of luma
    np.testing.assert_allclose(y[1:], 0, atol=1e-12)


def test_init_refuses_what_it_does_not_know() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="step must be positive"):
        linear.init(rng, step=0.0)
    with pytest.raises(ValueError, match="start must be 'orthogonal' or 'jpeg'"):
        linear.init(rng, start="zeros")
    with pytest.raises(ValueError, match="coordinates must be"):
        coordinates("wavelet", 1.0)


def test_loss_is_bits_per_pixel_plus_lambda_mse() -> None:
    params = linear.init(np.random.default_rng(2), start="jpeg", step=8.0, dtype=np.float64)
    blocks = linear.images_to_blocks(pictures(1, 16, 16), np.float64)
    u = np.random.default_rng(3).random(blocks.shape) - 0.5
    loss, kept = linear.loss_forward(params, blocks, u, lmbda=0.25, softness=Softness())
    assert loss.loss == pytest.approx(loss.bpp + 0.25 * loss.mse, rel=1e-14)
    assert loss.bpp == pytest.approx(kept.coded.bits.sum() / 256, rel=1e-14)
    # The transforms are inverse to each other: the error is the noise, seen through the synthesis.
    noise = linear.synthesise(u, params.synthesis)
    assert loss.mse == pytest.approx(np.mean(noise**2), rel=1e-12)


@pytest.mark.parametrize("kind", ["frequency", "pixel"])
def test_coordinates_are_a_change_of_basis(kind: str) -> None:
    rng = np.random.default_rng(4)
    basis = coordinates(kind, 6.0)
    params = linear.init(rng, dtype=np.float64)
    # from_model undoes to_model, in both orders
    for there, back in [(to_model, from_model), (from_model, to_model)]:
        for name, array in named_arrays(back(there(params, basis), basis)).items():
            np.testing.assert_allclose(array, named_arrays(params)[name], rtol=0, atol=1e-13)
    # <to_model(w), d> = <w, to_model_backward(d)>: the adjoint
    d = params._replace(
        analysis=rng.standard_normal(params.analysis.shape),
        synthesis=rng.standard_normal(params.synthesis.shape),
        density=linear.init(rng).density,
    )
    model, gradients = to_model(params, basis), to_model_backward(d, params, basis)
    for field in ("analysis", "synthesis"):
        left = np.vdot(getattr(model, field), getattr(d, field))
        right = np.vdot(getattr(params, field), getattr(gradients, field))
        assert left == pytest.approx(right, rel=1e-12)
    assert gradients.density is d.density
