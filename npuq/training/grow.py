"""A trained hyperprior model made into one of more latents that computes the same.

What is new must be able to learn, and must not be noticed at first. So every new unit gets small
random kernels on its way in, and kernels of 0 on its way out to whatever was there before: the
decoded picture, the hyper-latents and the scales and means of the old latents do not change at all.
The new latents are small and have the smallest scale, and cost next to nothing.

The hyper-synthesis has hidden layers of M and 3M/2 channels, which grow with M.

Shapes: kernels as in `npuq.models.hyperprior`.
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.models import hyperprior
from npuq.models.hyperprior import HyperpriorParams
from npuq.models.layers import Conv

AMPLITUDE = 0.1
"""Of the new kernels, relative to those that a model begins with."""


def grow_latents(
    params: HyperpriorParams, latents: int, rng: np.random.Generator
) -> HyperpriorParams:
    """A model of M' latents that decodes what one of M <= M' latents does (Sec. 5.1).

    Args:
        params: of the mean & scale hyperprior, with M latents.
        latents: M', even.
        rng: source of the new kernels.

    Returns:
        Parameters of M' latents, the old ones first; `params` itself where M' is M.

    Raises:
        ValueError: M' is below M or odd.
    """
    channels, old = params.analysis[0].w.shape[0], params.analysis[-1].w.shape[0]
    if latents == old:
        return params
    if latents < old or latents % 2:
        raise ValueError(f"latents must be even and at least {old}, not {latents}")
    dtype = params.analysis[0].w.dtype
    fresh = hyperprior.init(rng, channels=channels, latents=latents, dtype=dtype)
    first, second, third = params.hyper_synthesis
    fresh_first, fresh_second, fresh_third = fresh.hyper_synthesis
    scales_and_means = [
        _grown(Conv(third.w[half], third.b[half]), Conv(fresh_third.w[new], fresh_third.b[new]))
        for half, new in (
            (slice(None, old), slice(None, latents)),
            (slice(old, None), slice(latents, None)),
        )
    ]
    return params._replace(
        analysis=(*params.analysis[:-1], _grown(params.analysis[-1], fresh.analysis[-1])),
        synthesis=(
            _grown(params.synthesis[0], fresh.synthesis[0], transposed=True),
            *params.synthesis[1:],
        ),
        hyper_analysis=(
            _grown(params.hyper_analysis[0], fresh.hyper_analysis[0]),
            *params.hyper_analysis[1:],
        ),
        hyper_synthesis=(
            _grown(first, fresh_first, transposed=True),
            _grown(second, fresh_second, transposed=True),
            Conv(
                np.concatenate([conv.w for conv in scales_and_means]),
                np.concatenate([conv.b for conv in scales_and_means]),
            ),
        ),
    )


def _grown(conv: Conv, fresh: Conv, *, transposed: bool = False) -> Conv:
    """A convolution of the size of `fresh` that does to the old channels what `conv` does."""
    old, new = (c.w.swapaxes(0, 1) if transposed else c.w for c in (conv, fresh))
    c_out, c_in = old.shape[:2]
    w: Array = np.array(new) * new.dtype.type(AMPLITUDE)
    w[:c_out, c_in:] = 0
    w[:c_out, :c_in] = old
    b = np.zeros_like(fresh.b)
    b[:c_out] = conv.b
    return Conv(np.ascontiguousarray(w.swapaxes(0, 1)) if transposed else w, b)
