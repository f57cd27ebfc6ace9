"""Twin of `npuq.nn.flat_adam` on a CUDA device: three kernels for all parameters."""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.launch import MULTIPROCESSORS, THREADS, launch, launch_each, size
from npuq.runtime.twins import takes

BLOCKS = 4 * MULTIPROCESSORS  # at most, that add squares
F, D = np.float32, np.float64


@takes(
    (F, F, F, F, F, np.uint8, D, D, np.int64),
    when=lambda *arrays: all(a.flags.c_contiguous for a in arrays) and arrays[0].size > 0,
)
def flat_adam(
    p: Array, g: Array, m: Array, v: Array, average: Array, group: Array, numbers: Array,
    lengths: Array, steps: Array,
) -> None:  # fmt: skip
    """Fast twin of `npuq.nn.flat_adam.flat_adam`."""
    import cupy

    blocks = min(BLOCKS, -(-p.size // THREADS))
    parts, decision = cupy.empty(blocks, np.float64), cupy.empty(4, np.float64)
    count = size(p.shape)
    launch("flat_adam", "add_squares", (blocks,), (THREADS,), g, parts, count)
    judged = parts, numbers, lengths, steps, decision, np.int32(blocks)
    launch("flat_adam", "judge", (1,), (THREADS,), *judged)
    averaged = size(average.shape)
    launch_each(
        "flat_adam", "flat_adam", p.size, p, g, m, v, average, group, numbers, decision, count,
        averaged,
    )  # fmt: skip
