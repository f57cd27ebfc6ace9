"""The quantizers of Sec. 2 in the linear model, and the two that are no bottleneck."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import unequal
from models import picture
from rates import older_rate

from npuq.backend import Array
from npuq.models import linear
from npuq.models.linear import LinearParams
from npuq.models.noisy_rate import Softness
from npuq.models.older_rate import OLDER_QUANTIZERS, SHARED
from npuq.nn import nonparametric
from npuq.nn.parameters import named_arrays
from npuq.paper.density import rate_bits
from npuq.training.kinds import objective_of
from npuq.training.options import TrainingOptions
from npuq.training.step import noise_of_step

LMBDA = 0.0125
ALPHA = 8.0
SMALL = 1e-4


def case(dtype: Any = np.float64) -> tuple[Array, Array, Any]:
    """Coefficients, noise and a density of three channels."""
    rng = np.random.default_rng(0)
    density = unequal.density(rng, 3, init_scale=2.0, dtype=dtype)
    y = rng.normal(0, 2, (3, 500)).astype(dtype)
    return y, (rng.random((3, 500)) - 0.5).astype(dtype), density


def softness_for(quantizer: str) -> Softness:
    return Softness(ALPHA if quantizer == "annealed" else 0.0)


@pytest.mark.parametrize("quantizer", OLDER_QUANTIZERS)
def test_the_rate_is_that_of_what_is_reconstructed(quantizer: str) -> None:
    """-log2(c(r + 1/2) - c(r - 1/2)), at integers the code length of Eq. 1."""
    y, u, density = case()
    coded = older_rate(y, u, density, quantizer, softness_for(quantizer).alpha)
    bits = rate_bits(coded.r, density, cdf=nonparametric)
    np.testing.assert_allclose(coded.bits, bits.sum(axis=1), rtol=1e-12)
    assert (quantizer in ("stochastic", "straight-through")) == np.array_equal(
        coded.r, np.rint(coded.r)
    )
    assert abs(coded.r - y).max() <= (1 if quantizer == "stochastic" else 0.5)


@pytest.mark.parametrize("quantizer", OLDER_QUANTIZERS)
def test_the_kernel_computes_the_same_in_single_precision(quantizer: str) -> None:
    """1e-4 of each gradient; near ties, of which there are none here, roundings could differ."""
    y, u, density = case(np.float32)
    alpha = softness_for(quantizer).alpha
    fast = named_arrays(older_rate(y, u, density, quantizer, alpha))
    y, u = y.astype(np.float64), u.astype(np.float64)
    for name, exact in named_arrays(older_rate(y, u, density, quantizer, alpha)).items():
        assert fast[name].dtype == (np.float64 if name == "bits" else np.float32)
        scale = abs(exact).max()
        np.testing.assert_allclose(fast[name], exact, rtol=0, atol=1e-4 * scale, err_msg=name)


def test_an_unknown_quantizer_is_refused() -> None:
    y, u, density = case()
    with pytest.raises(ValueError, match="quantizer must be one of stochastic, .*, not 'vector'"):
        older_rate(y, u, density, "vector", 0.0)


@pytest.mark.parametrize("quantizer", ["noise", *OLDER_QUANTIZERS])
def test_shared_noise_is_one_number_for_each_image(quantizer: str) -> None:
    alpha = softness_for(quantizer).alpha
    options = TrainingOptions(quantizer=quantizer, alpha_start=alpha, alpha_end=alpha)
    images = np.stack([picture(16, 24, seed) for seed in range(3)])
    _, u = objective_of(options).inputs(images, noise_of_step(0, 0))
    assert u.shape == (linear.CHANNELS, 3 * 6) and u.dtype == np.float32
    by_image = u.reshape(linear.CHANNELS, 3, 6)
    if quantizer in SHARED:
        assert np.all(by_image == by_image[:1, :, :1])
        assert len(np.unique(u)) == 3
    else:
        assert len(np.unique(u)) > 0.99 * u.size


# --- what is no bottleneck ----------------------------------------------------------------------


def tiny_coefficients(blocks: Array) -> LinearParams:
    """Weights that make the largest coefficient SMALL, and a density as narrow: hardly a bit."""
    rng = np.random.default_rng(0)
    largest = abs(linear.analyse(blocks, linear.init(rng, start="jpeg").analysis)).max()
    return linear.init(
        rng, start="jpeg", step=float(largest) / SMALL, init_scale=SMALL, dtype=np.float64
    )


def grey_blocks() -> Array:
    """A picture whose colour channels, two thirds of the coefficients, are all 0."""
    grey = np.repeat(picture(64, 64)[..., :1], 3, axis=-1)
    return linear.images_to_blocks(grey[None], np.float64)


def loss_of(params: LinearParams, blocks: Array, quantizer: str) -> linear.Loss:
    rng = np.random.default_rng(1)
    u = rng.random(blocks.shape) - 0.5
    if quantizer in SHARED:
        u[:] = u[0, 0]
    softness = softness_for(quantizer)
    return linear.loss_forward(
        params, blocks, u, lmbda=LMBDA, softness=softness, quantizer=quantizer
    )[0]


def test_soft_rounding_without_noise_sends_a_picture_for_nothing() -> None:
    """Sec. 4.1. Near 0, s is a straight line, which the decoder undoes; s_8'(0) = 8 / sinh(8)."""
    blocks = grey_blocks()
    params = tiny_coefficients(blocks)
    params = params._replace(synthesis=params.synthesis * np.sinh(ALPHA) / ALPHA)
    annealed = loss_of(params, blocks, "annealed")
    assert annealed.bpp < 1e-3 and annealed.mse < 0.01
    # Rounded, as in files, nothing is left; with noise, nothing but noise.
    assert loss_of(params, blocks, "straight-through").mse == pytest.approx((blocks**2).mean())
    assert loss_of(params, blocks, "noise").mse > 1e6


def test_shared_noise_sends_a_picture_for_nothing() -> None:
    """Sec. 3.2. A channel that is always 0 tells u, which a linear decoder subtracts."""
    blocks = grey_blocks()
    params = tiny_coefficients(blocks)
    known = linear.CHANNELS - 1
    np.testing.assert_allclose(linear.analyse(blocks, params.analysis)[known], 0, atol=1e-12)
    synthesis = params.synthesis.copy()
    synthesis[known] -= synthesis.sum(axis=0)  # sum_i V_i (y_i + u) without u
    params = params._replace(synthesis=synthesis)
    shared = loss_of(params, blocks, "shared-noise")
    assert shared.bpp < 1e-3 and shared.mse < 1e-9
    # Independent noise is not subtracted, and a shared shift in *quantization* sends nothing here.
    assert loss_of(params, blocks, "noise").mse > 1e6
    assert loss_of(params, blocks, "shared-shift").mse > 0.9 * (blocks**2).mean()
