"""The factorized-prior model of Ballé, Minnen, Singh, Hwang & Johnston (2018), to import.

    y = f(x),   z = y + u,   x_hat = g(z)

with the transforms of the hyperprior model and a non-parametric density of each channel of latents.
The paper does not train it; `npuq.exchange.compressai` brings it here, `npuq.codec.factorized`
codes with it. Layer for layer the architecture is that of CompressAI's `FactorizedPrior`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from npuq.models import hyperprior
from npuq.models.layers import Conv, Gdn
from npuq.nn import nonparametric
from npuq.nn.nonparametric import NonparametricParams


class FactorizedParams(NamedTuple):
    """Parameters; `..._gdn` stand between the convolutions of the stack of that name."""

    analysis: tuple[Conv, ...]
    analysis_gdn: tuple[Gdn, ...]
    synthesis: tuple[Conv, ...]
    synthesis_gdn: tuple[Gdn, ...]
    density: NonparametricParams


def init(
    rng: np.random.Generator,
    *,
    channels: int = 128,
    latents: int = 192,
    dtype: npt.DTypeLike = np.float32,
) -> FactorizedParams:
    """Fresh parameters, as `npuq.models.hyperprior.init` draws them (Sec. 5.1).

    Args:
        rng: source of randomness.
        channels: N, of all hidden layers.
        latents: M, of the coefficients.
        dtype: of all parameters.

    Raises:
        ValueError: a width is not positive.
    """
    like = hyperprior.init(rng, channels=channels, latents=latents, dtype=dtype, means=False)
    density = nonparametric.init(rng, latents, widths=hyperprior.DENSITY_WIDTHS, dtype=dtype)
    return FactorizedParams(
        like.analysis, like.analysis_gdn, like.synthesis, like.synthesis_gdn, density
    )


def shapes(*, channels: int, latents: int) -> FactorizedParams:
    """The shapes of what `init` makes, taking no memory.

    Raises:
        ValueError: a width is not positive.
    """
    like = hyperprior.shapes(channels=channels, latents=latents, means=False)
    density = nonparametric.shapes(latents, hyperprior.DENSITY_WIDTHS)
    return FactorizedParams(
        like.analysis, like.analysis_gdn, like.synthesis, like.synthesis_gdn, density
    )
