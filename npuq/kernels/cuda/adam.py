"""Twin of `npuq.nn.adam` on a CUDA device."""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.launch import contiguous, launch_each, size
from npuq.runtime.twins import takes


@takes(np.float32)
def adam_update(
    p: Array, g: Array, m: Array, v: Array, *,
    beta1: float, beta2: float, rate: float, correction1: float, correction2: float, epsilon: float,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Fast twin of `npuq.nn.adam.adam_update`."""
    import cupy

    p, g, m, v = contiguous(p, g, m, v)
    p_new, m_new, v_new = (cupy.empty_like(p) for _ in range(3))
    numbers = beta1, beta2, 1 - beta1, 1 - beta2, rate / correction1, 1 / correction2, epsilon
    launch_each(
        "adam", "adam_update", p.size, p, g, m, v, p_new, m_new, v_new,
        *map(np.float32, numbers), size(p.shape),
    )  # fmt: skip
    return p_new, m_new, v_new
