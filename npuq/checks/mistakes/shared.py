"""Mistakes of dithers that are shared, of the non-parametric density, and of rounding about it."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from npuq.backend import Array
from npuq.checks.laws.nonparametric import NAME, exact_bits, logits
from npuq.checks.mistakes.mistake import Mistake


def _dither(shape: tuple[int, ...], *numbers: int) -> Array:
    return np.random.default_rng(numbers).integers(0, 256, shape) / 256 + 1 / 512 - 0.5


def without_tensor(shape: tuple[int, ...], seeds: Array, tensor: int) -> Array:
    """Hyper-latents and latents begin with the same seed."""
    return np.stack([_dither(shape, int(seed)) for seed in seeds])


def summed(shape: tuple[int, ...], seeds: Array, tensor: int) -> Array:
    """A generator that begins at seed + tensor."""
    return np.stack([_dither(shape, int(seed) + tensor) for seed in seeds])


def through_the_batch(shape: tuple[int, ...], seeds: Array, tensor: int) -> Array:
    """One generator for the batch, which begins with the first image's seed."""
    return _dither((len(seeds), *shape), int(seeds[0]), tensor)


def one_for_all(shape: tuple[int, ...], seeds: Array, tensor: int) -> Array:
    """What is broadcast over the batch."""
    return np.broadcast_to(_dither(shape, int(seeds[0]), tensor), (len(seeds), *shape))


def _with_logits(change: Callable[..., tuple[Array, ...]], z: Array, *arrays: Array) -> Array:
    return exact_bits(z, *change(*arrays))


def _exponential(*arrays: Array) -> tuple[Array, ...]:
    """Matrices whose softplus is the exponential of these."""
    return tuple(
        np.log(np.expm1(np.exp(a.astype(np.float64)))) if k % 3 == 0 else a
        for k, a in enumerate(arrays)
    )


def _untransformed_factors(*arrays: Array) -> tuple[Array, ...]:
    """Factors whose tanh is these."""
    return tuple(
        np.arctanh(a.astype(np.float64)) if k % 3 == 2 else a for k, a in enumerate(arrays)
    )


def _transposed(*arrays: Array) -> tuple[Array, ...]:
    """Matrices transposed where they are square."""
    return tuple(
        np.swapaxes(a, 1, 2) if k % 3 == 0 and a.shape[1] == a.shape[2] else a
        for k, a in enumerate(arrays)
    )


def upper_tail(z: Array, *arrays: Array) -> Array:
    """c(z + 1/2) - c(z - 1/2) by itself: in the upper tail 1 less 1."""
    z, *arrays = (np.asarray(a, np.float64) for a in (z, *arrays))  # type: ignore[assignment]
    high, low = (1 / (1 + np.exp(-logits(z + half, *arrays))) for half in (0.5, -0.5))
    return np.asarray(-np.log2(high - low))


def floored(z: Array, *arrays: Array) -> Array:
    """log max(p, 1e-9)."""
    return np.minimum(exact_bits(z, *arrays), -np.log2(1e-9))


_OTHERS = "nothing in a model trained so, everything with the parameters of others"

MISTAKES = (
    Mistake(
        "one seed for two tensors",
        "latents tell the noise of hyper-latents, and the other way round: less of a bottleneck",
        "batch_dither.tensors", {"batch_dither": without_tensor},
    ),
    Mistake(
        "a seed that is the sum of seed and tensor",
        "the second tensor of an image has the noise of the next image's first",
        "batch_dither.tensors", {"batch_dither": summed},
    ),
    Mistake(
        "a dither that goes on through the batch",
        "a file that decodes in the batch that it was made in, and nowhere else",
        "batch_dither.position", {"batch_dither": through_the_batch},
    ),
    Mistake(
        "one dither for all images of a batch",
        "one pattern of errors in all of them; and files that need the first image's seed",
        "batch_dither.images", {"batch_dither": one_for_all},
    ),
    Mistake(
        "a median ignored",
        "zeros are not where the density has its peak: up to half a bit a coefficient and more",
        "round_about.values", {"round_about": lambda y, loc: np.floor(y + 0.5)},
    ),
    Mistake(
        "the location is not added back", "all that is decoded is moved by the location",
        "round_about.values", {"round_about": lambda y, loc: np.floor(y - loc + 0.5)},
    ),
    Mistake(
        "the location is added where it should be subtracted",
        "all that is decoded is moved by twice the location",
        "round_about.values", {"round_about": lambda y, loc: np.floor(y + loc + 0.5) + loc},
    ),
    *(
        Mistake(name, cost, f"{NAME}.values", {NAME: functools.partial(_with_logits, change)})
        for name, cost, change in (
            ("exp in place of softplus", _OTHERS, _exponential),
            ("factors without their tanh", _OTHERS, _untransformed_factors),
            ("matrices transposed", _OTHERS, _transposed),
        )
    ),
    Mistake(
        "1 less 1 in the upper tail", "infinite bits for outliers, on one side only",
        f"{NAME}.tails", {NAME: upper_tail},
    ),
    Mistake(
        "a floor of 1e-9 under the density",
        "outliers seem to cost 30 bits whatever they cost, and no gradient brings them back",
        f"{NAME}.tails", {NAME: floored},
    ),
)  # fmt: skip
