"""Small stand-ins for trained models and photographs."""

from __future__ import annotations

import functools

import numpy as np
import unequal

from npuq.backend import Array
from npuq.models import factorized, hyperprior, linear
from npuq.models.layers import Conv
from npuq.trained.make import make_model
from npuq.trained.model import Model


@functools.cache
def tiny_model(alpha: float = 0.0, step: float = 30.0, alpha_r: float | None = None) -> Model:
    """JPEG's transforms with an untrained density: a working model, if no good one."""
    rng = np.random.default_rng(1)
    params = linear.init(rng, start="jpeg", step=step, init_scale=2.0)
    # by so little that escapes, of which these pictures have many, cost what the densities say
    params = params._replace(density=unequal.unequal(rng, params.density, 0.2))
    name = f"tiny-{'sr' if alpha > 0 else 'un'}"
    return make_model(params, alpha=alpha, alpha_r=alpha_r, lmbda=0.0125, name=name)


@functools.cache
def tiny_hyperprior(alpha: float = 0.0) -> Model:
    """Random transforms, with latents of some quantization steps and scales about 3."""
    rng = np.random.default_rng(1)
    params = hyperprior.init(rng, channels=6, latents=8, init_scale=20.0)
    *analysis, last = params.analysis
    *hyper_analysis, hyper_last = params.hyper_analysis
    *hyper_synthesis, both = params.hyper_synthesis
    scales = np.repeat(np.float32([3, 0]), 8)
    params = params._replace(
        analysis=(*analysis, Conv(last.w * np.float32(40), last.b)),
        hyper_analysis=(*hyper_analysis, Conv(hyper_last.w * np.float32(20), hyper_last.b)),
        hyper_synthesis=(*hyper_synthesis, Conv(both.w * np.float32(3), both.b + scales)),
        hyper_density=unequal.unequal(rng, params.hyper_density),
    )
    name = f"tiny-hyperprior-{'sr' if alpha > 0 else 'un'}"
    return make_model(params, alpha=alpha, lmbda=0.0125, name=name, half=True)


def constant_layers(convs: tuple[Conv, ...], values: Array) -> tuple[Conv, ...]:
    """Layers without weights, whose outputs are `values` everywhere, exactly."""
    b = values.astype(np.float32)
    assert np.array_equal(b, values), "not float32"
    return (*convs[:-1], Conv(0 * convs[-1].w, b))


@functools.cache
def tiny_factorized() -> Model:
    """Random transforms, with latents of some quantization steps."""
    params = factorized.init(np.random.default_rng(2), channels=5, latents=7)
    *analysis, last = params.analysis
    params = params._replace(analysis=(*analysis, Conv(last.w * np.float32(40), last.b)))
    return make_model(params, alpha=0.0, lmbda=0.0125, name="tiny-factorized")


def picture(height: int = 48, width: int = 64, seed: int = 0) -> Array:
    """Soft colours, edges and some noise: uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 16
    phase = rng.uniform(0, 6, (4, 3))
    waves = np.sin(x[..., None] + phase[0]) + np.cos(y[..., None] * 1.3 + phase[1])
    edges = np.where((x + y)[..., None] > phase[2], 1.0, -1.0)
    noise = rng.normal(0, 0.1, (height, width, 3))
    return np.clip(127.5 + 40 * (waves + edges + noise), 0, 255).astype(np.uint8)
