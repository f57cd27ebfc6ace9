"""The fast twin of `npuq.nn.adam.adam_update`: one pass over memory, where NumPy makes ten."""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.runtime.compile import jit
from npuq.runtime.threads import for_each_range
from npuq.runtime.twins import takes

SMALL = 1 << 16  # numbers; below, one thread is done before a second has begun


# No sum depends on how the loop is divided, so that threads cannot change the result.
@jit(fastmath={"contract"}, error_model="numpy")
def _update(
    p, g, m, v, beta1, beta2, one_less_beta1, one_less_beta2, rate, correction, epsilon,
    p_new, m_new, v_new,
):  # fmt: skip
    for i in range(np.uintp(p.size)):
        m_new[i] = beta1 * m[i] + one_less_beta1 * g[i]
        v_new[i] = beta2 * v[i] + one_less_beta2 * (g[i] * g[i])
        p_new[i] = p[i] - rate * m_new[i] / (np.sqrt(correction * v_new[i]) + epsilon)


@takes(np.float32)
def adam_update(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    *,
    beta1: float,
    beta2: float,
    rate: float,
    correction1: float,
    correction2: float,
    epsilon: float,
) -> tuple[Array, Array, Array]:
    """Fast twin of `npuq.nn.adam.adam_update`."""
    p_new, m_new, v_new = (np.empty(p.shape, p.dtype) for _ in range(3))
    flat = [a.reshape(-1) for a in (p, g, m, v)]
    flat_new = [a.reshape(-1) for a in (p_new, m_new, v_new)]
    numbers = beta1, beta2, 1 - beta1, 1 - beta2, rate / correction1, 1 / correction2, epsilon
    scalars = tuple(map(np.float32, numbers))

    def run(start: int, stop: int) -> None:
        part = slice(start, stop)
        _update(*(a[part] for a in flat), *scalars, *(a[part] for a in flat_new))

    if p.size < SMALL:
        run(0, p.size)
    else:
        for_each_range(run, p.size)
    return p_new, m_new, v_new
