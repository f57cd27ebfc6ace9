"""The uniform noise channel, Eq. 4, and the shift that all coefficients share, Sec. 3.2.

What universal quantization and rounding have to do, Eqs. 5, 6 and 8, are laws of `npuq.checks.laws`
(channel, quantization), to which `test_laws.py` holds them. Statistical bounds are those there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from strategies import DTYPES

from npuq.backend import Array
from npuq.checks.laws.noise import KOLMOGOROV, distance_to_uniform
from npuq.paper.channel import (
    shared_shift_noise,
    uniform_noise,
    uniform_noise_channel,
    uniform_noise_channel_backward,
    universal_dequantize,
    universal_quantize,
)


def universal(y: Array, u: Array) -> Array:
    return universal_dequantize(universal_quantize(y, u), u)


# --- Eq. 4 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_equation_4_noise_is_uniform_and_independent(dtype: Any) -> None:
    u = uniform_noise(np.random.default_rng(0), (2, 20_000), dtype)
    assert u.dtype == dtype
    assert np.all((u >= -0.5) & (u < 0.5))
    assert distance_to_uniform(u) < KOLMOGOROV / math.sqrt(u.size)
    assert abs(np.corrcoef(u)[0, 1]) < 5 / math.sqrt(20_000)
    np.testing.assert_array_equal(uniform_noise_channel(2 * u, u), 3 * u)


def test_equation_4_channel_is_differentiable() -> None:
    d_z, y = np.array([1.0, -2.0]), np.zeros(2)
    for gradient in uniform_noise_channel_backward(d_z, y, y):
        np.testing.assert_array_equal(gradient, d_z)
        assert not np.shares_memory(gradient, d_z)


# --- Sec. 3.2: the shared shift -----------------------------------------------------------------


def test_shared_shift_has_the_right_marginals() -> None:
    rng = np.random.default_rng(4)
    y = np.array([0.0, 0.37, -1.5])
    u = np.stack([shared_shift_noise(rng, (3,)) for _ in range(5_000)])
    assert np.all(u == u[:, :1])
    errors = universal(np.broadcast_to(y, u.shape), u) - y
    for i in range(3):
        assert distance_to_uniform(errors[:, i]) < KOLMOGOROV / math.sqrt(5_000)


def test_shared_shift_leaks_everything_through_one_known_coefficient() -> None:
    """A coefficient that is always 0 reveals u; under shared noise the others follow exactly."""
    rng = np.random.default_rng(5)
    y = np.concatenate([[0.0], rng.normal(0, 10, 50)])
    z = uniform_noise_channel(y, shared_shift_noise(rng, y.shape))
    # numbers up to 31, summed and subtracted, are right to some 3.6e-15
    np.testing.assert_allclose(z - z[0], y, rtol=0, atol=1e-14)
    independent = uniform_noise_channel(y, uniform_noise(rng, y.shape))
    assert np.std(independent - independent[0] - y) > 0.2


def test_shared_shift_quantization_is_neither_kind_of_noise() -> None:
    """Its errors differ where those of shared noise agree, and agree where independent ones do not.

    Coefficients a whole number apart have the same error; others have different ones.
    """
    rng = np.random.default_rng(6)
    y = np.array([0.2, 5.2, 0.7])
    errors = np.stack([universal(y, shared_shift_noise(rng, (3,))) - y for _ in range(200)])
    # numbers up to 6, added and subtracted, are right to some 9e-16
    np.testing.assert_allclose(errors[:, 0], errors[:, 1], rtol=0, atol=1e-14)
    np.testing.assert_allclose(abs(errors[:, 0] - errors[:, 2]), 0.5, rtol=0, atol=1e-14)
