"""The models that come with the package are of the widths that compiled code is written for.

Others work as well, many times slower and without a word: here one would notice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from npuq.kernels.cpu import cdf_network
from npuq.models import conditional_rate, hyperprior, linear, noisy_rate
from npuq.models.noisy_rate import Softness
from npuq.nn import nonparametric
from npuq.nn.nonparametric import NonparametricParams
from npuq.nn.parameters import named_arrays
from npuq.trained.methods import METHODS
from npuq.trained.model import Model
from npuq.trained.shipped import shipped_model, shipped_qualities

SHIPPED = [
    (kind, method, quality)
    for kind in ("linear", "hyperprior")
    for method in METHODS[1:]
    for quality in shipped_qualities(kind)
]


def widths(density: NonparametricParams) -> tuple[int, ...]:
    return tuple(b.shape[1] for b in density.b[:-1])


def loss(model: Model, softness: Softness) -> float:
    """Of a picture of 64 x 64 pixels, as a step of training computes it."""
    rng = np.random.default_rng(0)
    if model.kind == "linear":
        x = rng.uniform(-127, 127, (linear.CHANNELS, 5)).astype(np.float32)
        u = rng.random(x.shape, np.float32) - np.float32(0.5)
        result, _ = linear.loss_forward(model.params, x, u, lmbda=0.01, softness=softness)
        return result.loss
    channels, latents = (model.params.analysis[i].w.shape[0] for i in (0, -1))
    x, u_1, u_2 = (
        rng.random(shape, np.float32) - np.float32(middle)
        for shape, middle in (
            ((1, 64, 64, 3), 0),
            ((1, 1, 1, channels), 0.5),
            ((1, 4, 4, latents), 0.5),
        )
    )
    return hyperprior.loss_forward(model.params, x, u_1, u_2, lmbda=0.01, softness=softness)[0].loss


@pytest.mark.skipif(not SHIPPED, reason="no models in this copy of the package")
@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda s: "-".join(map(str, s)))
def test_shipped_models_never_wait_for_the_plain_density(
    shipped: tuple[str, str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The linear model's has the widths 3, 3, 3 that a kernel is written out for, in float32.

    The hyperprior model's waits, with its widths 3, 3, 3, 3, which are those of CompressAI: there
    is one hyper-latent for 64 x 64 pixels and channel. Its residuals do not.
    """
    kind, method, quality = shipped
    model = shipped_model(method, quality, kind)
    assert all(a.dtype == np.float32 for a in named_arrays(model.params).values())
    if kind == "linear":
        assert widths(model.params.density) == cdf_network.WIDTHS
    else:
        assert widths(model.params.hyper_density) == hyperprior.DENSITY_WIDTHS

    def no_twin(*args: Any, **static: Any) -> Any:
        raise AssertionError("the plain function computes")

    softness = Softness(model.alpha, model.alpha_r, model.alpha > 0, model.alpha > 0)
    monkeypatch.setenv("NPUQ_KERNELS", "fast")
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")  # which would ask for the plain twins too
    if kind == "linear":
        monkeypatch.setattr(noisy_rate, "noisy_rate_bits", no_twin)
    monkeypatch.setattr(conditional_rate, "conditional_bits", no_twin)
    assert np.isfinite(loss(model, softness))


def test_fresh_models_have_the_widths_of_the_kernel_and_the_kernel_as_many_weights() -> None:
    rng = np.random.default_rng(0)
    for density in (nonparametric.init(rng, 2), linear.init(rng).density):
        assert widths(density) == cdf_network.WIDTHS == (3, 3, 3)
        assert cdf_network.packed(density).shape[1] == cdf_network.WEIGHTS
