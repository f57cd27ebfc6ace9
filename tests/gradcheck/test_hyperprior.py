"""The whole loss of the hyperprior model against finite differences, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from npuq.models import hyperprior
from npuq.models.noisy_rate import Softness
from npuq.nn.parameters import named_arrays, with_arrays

N, M = 4, 6
LMBDA = 0.01


def case(seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    params = hyperprior.init(rng, channels=N, latents=M, dtype=np.float64)
    arrays = {  # away from the special points of the start, and with latents of some size
        name: a * (2.0 if name.endswith(".w") else 1.0) + 0.01 * rng.standard_normal(a.shape)
        for name, a in named_arrays(params).items()
    }
    # above their bounds, where the gradient to train with is the exact one
    for name in arrays:
        if "gdn" in name:
            arrays[name] = np.abs(arrays[name]) + 0.02
    arrays["hyper_synthesis.2.b"] = np.repeat([2.0, 0.0], M)
    x = rng.random((1, 64, 64, 3))
    u_1, u_2 = rng.random((1, 1, 1, N)) - 0.5, rng.random((1, 4, 4, M)) - 0.5
    return with_arrays(params, arrays), x, u_1, u_2


@pytest.mark.parametrize("shape", [(1, 64, 64, 1), (1, 64, 32, 3), (0, 64, 64, 3), (64, 64, 3)])
def test_what_are_no_pixels_is_refused(shape: tuple[int, ...]) -> None:
    params, _, u_1, u_2 = case()
    with pytest.raises(ValueError, match="multiples of 64"):
        hyperprior.loss_forward(params, np.zeros(shape), u_1, u_2, lmbda=LMBDA, softness=Softness())


@pytest.mark.parametrize("softness", [Softness(), Softness(3.0, 3.0), Softness(2.0, 5.0)], ids=str)
def test_gradient_of_the_loss(softness: Softness) -> None:
    """Along random directions in the parameters of each layer."""
    params, x, u_1, u_2 = case()

    def loss(arrays: dict[str, Any]) -> float:
        model = with_arrays(params, arrays)
        return hyperprior.loss_forward(model, x, u_1, u_2, lmbda=LMBDA, softness=softness)[0].loss

    arrays = named_arrays(params)
    _, forward = hyperprior.loss_forward(params, x, u_1, u_2, lmbda=LMBDA, softness=softness)
    gradients = named_arrays(hyperprior.loss_backward(forward, params, lmbda=LMBDA))
    assert gradients.keys() == arrays.keys()
    rng = np.random.default_rng(1)
    for name, array in arrays.items():
        direction = rng.standard_normal(array.shape)
        direction /= np.linalg.norm(direction)
        step = 1e-5
        up, down = (loss(arrays | {name: array + sign * step * direction}) for sign in (1, -1))
        numeric = (up - down) / (2 * step)
        analytic = float(np.vdot(gradients[name], direction))
        # the loss is of the size of some hundreds, so that its rounding is 1e-13 / 1e-5 = 1e-8
        assert analytic == pytest.approx(numeric, rel=1e-5, abs=3e-6), name


def test_expected_gradients_replace_what_reaches_the_encoder() -> None:
    """Eqs. (17) and (20) change neither the loss nor the gradients of what comes after the noise
    of the coefficients."""
    params, x, u_1, u_2 = case()
    found = []
    for expected in (False, True):
        softness = Softness(5.0, 5.0, expected, expected)
        loss, forward = hyperprior.loss_forward(params, x, u_1, u_2, lmbda=LMBDA, softness=softness)
        found.append((loss, hyperprior.loss_backward(forward, params, lmbda=LMBDA)))
    (loss, sampled), (loss_too, expected_gradients) = found
    assert loss == loss_too
    for name in ("synthesis", "synthesis_gdn"):
        ours, theirs = (named_arrays(getattr(g, name)) for g in (sampled, expected_gradients))
        for key in ours:
            np.testing.assert_array_equal(ours[key], theirs[key])
    assert np.any(sampled.analysis[0].w != expected_gradients.analysis[0].w)
