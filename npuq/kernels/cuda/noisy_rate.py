"""Twin of `npuq.models.noisy_rate` on a CUDA device: three kernels, of which one does the work."""

from __future__ import annotations

from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.launch import MULTIPROCESSORS, contiguous, launch, launch_each, size
from npuq.kernels.cuda.softness import fit, flags_of, numbers_of
from npuq.runtime.twins import takes

WIDTHS = (3, 3, 3)  # hidden widths of the densities that are written out
WEIGHTS = 43  # of one of them
THREADS = 128
BLOCKS = 4 * MULTIPROCESSORS  # about, over all channels


@takes(
    np.float32,
    when=lambda y, u, density, softness: (
        tuple(b.shape[1] for b in density.b[:-1]) == WIDTHS and y.size > 0 and fit(softness)
    ),
)
def noisy_rate(
    y: Array, u: Array, density: Any, softness: Any
) -> tuple[Array, Array, Array, Array, Any]:
    """Rate, reconstruction and gradients of one use of the channel (Eq. 21).

    Returns:
        The members of its `NoisyRate`.
    """
    import cupy

    y, u, *params = contiguous(y, u, *density.H, *density.b, *density.a)
    channels, count = y.shape
    blocks = min(-(-count // THREADS), max(1, BLOCKS // channels))
    weights = cupy.empty((channels, WEIGHTS), np.float32)
    parts = cupy.empty((blocks, channels, WEIGHTS + 1), np.float32)
    r, d_y, dr_dy = (cupy.empty_like(y) for _ in range(3))
    bits = cupy.empty(channels, np.float64)
    d_params = [cupy.empty_like(p) for p in params]
    C = np.int32(channels)
    launch_each("noisy_rate", "pack", channels * WEIGHTS, *params, weights, C)
    launch(
        "noisy_rate", "noisy_rate", (blocks, channels), (THREADS,),
        y, u, weights, numbers_of(softness), r, d_y, dr_dy, parts, flags_of(softness),
        size((count,)),
    )  # fmt: skip
    launch_each(
        "noisy_rate", "add_parts", channels * (WEIGHTS + 1), parts, *params, *d_params, bits,
        np.int32(blocks), C,
    )  # fmt: skip
    d_density = density._replace(
        H=tuple(d_params[:4]), b=tuple(d_params[4:8]), a=tuple(d_params[8:])
    )
    return r, bits, d_y, dr_dy, d_density
