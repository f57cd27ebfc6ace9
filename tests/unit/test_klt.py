"""The start of quick hyperprior trainings: orthonormal, ordered, and a transform coder at once."""

from __future__ import annotations

import numpy as np
import pytest
from models import picture

from npuq.codec.tiles import analyse, synthesise
from npuq.evaluation.metrics import psnr
from npuq.models import hyperprior
from npuq.nn.parameters import named_arrays
from npuq.training.klt import COLOUR, DEVIATION, RHO, klt_stages, start_at_klt


@pytest.mark.parametrize("widths", [(12, 48), (64, 64, 64, 96), (5, 3, 2, 2)])
def test_stages_are_orthonormal_and_their_variances_fall(widths: tuple[int, ...]) -> None:
    stages, variances = klt_stages(widths)
    inputs = 3
    for stage, width in zip(stages, widths, strict=True):
        assert stage.shape == (min(width, 4 * inputs), inputs, 2, 2)
        rows = stage.reshape(len(stage), -1)
        np.testing.assert_allclose(rows @ rows.T, np.eye(len(rows)), atol=1e-12)
        inputs = len(stage)
    assert np.all(np.diff(variances) <= 1e-12) and variances[-1] > 0


def test_two_wide_stages_lose_nothing() -> None:
    """Then the variances are the eigenvalues of the covariance of 4x4 pixels, by another way."""
    _, variances = klt_stages((12, 48))
    along = RHO ** np.abs(np.arange(4)[:, None] - np.arange(4))
    of_colours = np.linalg.eigvalsh(COLOUR + (1 - COLOUR) * np.eye(3))
    of_one = np.linalg.eigvalsh(along)
    expected = np.sort(np.einsum("a,b,c->abc", of_colours, of_one, of_one).ravel())[::-1]
    np.testing.assert_allclose(variances, DEVIATION**2 * expected, rtol=1e-9)


def test_the_start_is_a_transform_coder_already() -> None:
    """Random kernels make nothing of a picture; these find it again, in steps of 10 grey levels."""
    fresh = hyperprior.init(np.random.default_rng(0), channels=48, latents=64)
    image, decoded = picture(128, 128), {}
    for name, params in (("random", fresh), ("klt", start_at_klt(fresh, 10.0))):
        y = analyse(image, params)
        decoded[name] = psnr(image, synthesise(y, params, image.shape[:2]))
    assert decoded["klt"] > 24 > 15 > decoded["random"]
    assert 5 < y[0].std() < 500 and y[1:].std() < y[0].std()


def test_it_keeps_shapes_and_types_and_scales_fit_the_latents() -> None:
    fresh = hyperprior.init(np.random.default_rng(0), channels=6, latents=8)
    start = start_at_klt(fresh, 20.0)
    for name, array in named_arrays(start).items():
        like = named_arrays(fresh)[name]
        assert (array.shape, array.dtype) == (like.shape, like.dtype)
    stages, variances = klt_stages((6, 6, 6, 8))
    scales = start.hyper_synthesis[-1].b[:8]
    np.testing.assert_allclose(scales, 255 / 20 * np.sqrt(variances), rtol=1e-6)
