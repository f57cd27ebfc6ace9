"""The hyperprior model beside CompressAI's `MeanScaleHyperprior` with the same parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import unequal
from in_compressai import hyperprior_loss, our_hyperprior_loss

from npuq.models.noisy_rate import Softness
from npuq.nn.parameters import cast

N, M = 6, 10
LMBDA = 0.01


def case(dtype: Any) -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    params = unequal.hyperprior_params(rng, channels=N, latents=M)
    x, u_1, u_2 = (rng.random(shape) for shape in ((2, 64, 128, 3), (2, 1, 2, N), (2, 4, 8, M)))
    return tuple(cast((params, x, u_1 - 0.5, u_2 - 0.5), dtype))


@pytest.mark.parametrize(
    ("dtype", "softness", "rtol"),
    [
        (np.float32, Softness(), 1e-5),
        (np.float64, Softness(), 1e-10),
        # the textbook inverse of s, in PyTorch, cancels some digits
        (np.float64, Softness(2.0, 5.0), 1e-9),
    ],
    ids=str,
)
def test_values_are_those_of_compressai(dtype: Any, softness: Softness, rtol: float) -> None:
    """Of the largest of each kind: layers, scales and means, bits, reconstructions, the loss."""
    found, _ = our_hyperprior_loss(*case(dtype), lmbda=LMBDA, softness=softness)
    expected, _ = hyperprior_loss(*case(dtype), lmbda=LMBDA, softness=softness)
    assert found.keys() == expected.keys() and found["bits"].dtype == dtype
    for name, value in expected.items():
        assert np.max(np.abs(found[name] - value)) <= rtol * np.max(np.abs(value)), name


@pytest.mark.parametrize("softness", [Softness(), Softness(2.0, 5.0)], ids=str)
@pytest.mark.parametrize("lmbda", [0.0, LMBDA])
def test_gradients_are_those_of_autograd(lmbda: float, softness: Softness) -> None:
    """With lambda 0, of the rate alone; to 1e-8 of the largest entry of each array."""
    _, found = our_hyperprior_loss(*case(np.float64), lmbda=lmbda, softness=softness)
    _, expected = hyperprior_loss(*case(np.float64), lmbda=lmbda, softness=softness)
    for name, value in expected.items():
        error = np.max(np.abs(found[name] - value))
        assert error <= 1e-8 * np.max(np.abs(value)), name
