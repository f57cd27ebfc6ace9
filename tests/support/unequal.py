"""Parameters whose entries all differ, for every test that computes with some.

The starts of training are special: all entries of the density's H are equal and its a are 0, GDN's
gamma is a multiple of the identity. There a transposed matrix, one weight read for another or a
forgotten term changes nothing, and no test can see it.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from npuq.backend import Array
from npuq.models import hyperprior, linear
from npuq.nn import nonparametric
from npuq.nn.parameters import named_arrays, with_arrays

Tree = TypeVar("Tree")


def unequal(rng: np.random.Generator, tree: Tree, spread: float = 0.5) -> Tree:
    """The tree with independent normal noise of the given deviation on each entry of each array."""
    arrays = {
        name: (a + spread * rng.standard_normal(a.shape)).astype(a.dtype)
        for name, a in named_arrays(tree).items()
    }
    return with_arrays(tree, arrays)


def density(rng: np.random.Generator, channels: int, **options: Any) -> Any:
    """A non-parametric density; `options` are those of `nonparametric.init`.

    With deviation 1/2 before softplus, the entries of one effective H differ by factors of 2, and
    those of a lie on both sides of 0.
    """
    return unequal(rng, nonparametric.init(rng, channels, **options))


def gdn(rng: np.random.Generator, channels: int, dtype: Any) -> tuple[Array, Array]:
    """beta in [1/2, 3/2) and gamma in [0, 0.3), without any symmetry."""
    beta, gamma = 0.5 + rng.random(channels), 0.3 * rng.random((channels, channels))
    return beta.astype(dtype), gamma.astype(dtype)


def linear_params(rng: np.random.Generator, **options: Any) -> linear.LinearParams:
    """A linear model of independent transforms; `options` are those of `linear.init`."""
    params = linear.init(rng, **options)
    return params._replace(density=unequal(rng, params.density))


def hyperprior_params(
    rng: np.random.Generator, *, channels: int, latents: int, dtype: Any = np.float64
) -> hyperprior.HyperpriorParams:
    """A hyperprior model whose latents, hyper-latents and means are some steps of the quantizer.

    Scales are about 2, and free parameters of GDN above their bounds: there the gradients to train
    with are the exact ones.
    """
    start = hyperprior.init(rng, channels=channels, latents=latents, init_scale=3.0, dtype=dtype)
    arrays = named_arrays(start._replace(hyper_density=unequal(rng, start.hyper_density)))
    for name, array in arrays.items():
        if "gdn" in name:  # their start is near the identity
            arrays[name] = np.abs(array + 0.2 * rng.standard_normal(array.shape)) + 0.02
        elif name.endswith(".w"):
            arrays[name] = 2 * array  # noise of the start keeps its size from layer to layer
    for name in ("analysis.3.w", "hyper_analysis.2.w"):
        arrays[name] = 3 * arrays[name]
    arrays["hyper_synthesis.2.b"] += np.repeat([2.5, 0.0], latents)
    return with_arrays(start, {name: array.astype(dtype) for name, array in arrays.items()})
