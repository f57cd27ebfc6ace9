"""Twins of the pair in `npuq.models.noisy_rate` on a CUDA device.

Forward takes three kernels, of which one does the work: it finds values and derivatives, and keeps
these. Backward is the products with them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.launch import MULTIPROCESSORS, contiguous, launch, launch_each, size
from npuq.kernels.cuda.softness import flags_of, numbers_of
from npuq.kernels.rates import NoisyRateDerivatives, fit
from npuq.nn.parameters import scaled
from npuq.runtime.twins import takes

WEIGHTS = {(3, 3, 3): 43, (3, 3, 3, 3): 58}
"""How many a channel has in the densities that are written out, by their hidden widths."""
THREADS = 128
BLOCKS = 4 * MULTIPROCESSORS  # about, over all channels


def widths_of(density: Any) -> tuple[int, ...]:
    """Its hidden widths."""
    return tuple(b.shape[1] for b in density.b[:-1])


@takes(
    np.float32,
    when=lambda y, u, density, softness: (
        widths_of(density) in WEIGHTS and y.size > 0 and fit(softness)
    ),
)
def noisy_rate_forward(
    y: Array, u: Array, density: Any, softness: Any
) -> tuple[Array, Array, NoisyRateDerivatives]:
    """Fast twin of `npuq.models.noisy_rate.noisy_rate_forward`.

    Returns:
        The members of its `NoisyRate`.
    """
    import cupy

    y, u, *params = contiguous(y, u, *density.H, *density.b, *density.a)
    (channels, count), hidden = y.shape, len(density.a)
    entries = WEIGHTS[widths_of(density)]
    blocks = min(-(-count // THREADS), max(1, BLOCKS // channels))
    weights = cupy.empty((channels, entries), np.float32)
    parts = cupy.empty((blocks, channels, entries + 1), np.float32)
    r, d_y, dr_dy = (cupy.empty_like(y) for _ in range(3))
    bits = cupy.empty(channels, np.float64)
    d_params = [cupy.empty_like(p) for p in params]
    C = np.int32(channels)
    launch_each("noisy_rate", f"pack_{hidden}", channels * entries, *params, weights, C)
    launch(
        "noisy_rate", f"noisy_rate_{hidden}", (blocks, channels), (THREADS,),
        y, u, weights, numbers_of(softness), r, d_y, dr_dy, parts, flags_of(softness),
        size((count,)),
    )  # fmt: skip
    launch_each(
        "noisy_rate", f"add_parts_{hidden}", channels * (entries + 1),
        parts, *params, *d_params, bits, np.int32(blocks), C,
    )  # fmt: skip
    d_density = density._replace(
        H=tuple(d_params[: hidden + 1]),
        b=tuple(d_params[hidden + 1 : 2 * hidden + 2]),
        a=tuple(d_params[2 * hidden + 2 :]),
    )
    return r, bits, NoisyRateDerivatives(d_y, dr_dy, d_density)


@takes(kept=NoisyRateDerivatives)
def noisy_rate_backward(d_r: Array, d_bits: Array, kept: NoisyRateDerivatives) -> tuple[Array, Any]:
    """Fast twin of `npuq.models.noisy_rate.noisy_rate_backward`: d_y and d_density (Eq. 21)."""
    import cupy

    (d_r,) = contiguous(d_r.astype(np.float32, copy=False))
    (d_each,) = contiguous(d_bits.astype(np.float64, copy=False))
    d_y = cupy.empty_like(kept.d_y)
    launch_each(
        "noisy_rate", "noisy_rate_backward", d_y.size, d_r, d_each, kept.d_y, kept.dr_dy, d_y,
        size(d_y.shape[1:]), size(d_y.shape),
    )  # fmt: skip
    return d_y, scaled(kept.d_density, d_bits.astype(np.float32))
