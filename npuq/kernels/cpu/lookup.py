"""What depends on one of 256 dithers, looked up for each coefficient: the codec's two inner loops.

Their plain twins are one line of NumPy each, in `npuq.codec.quantizer`.
"""

from __future__ import annotations

import numpy as np

from npuq.runtime.compile import jit


@jit(error_model="numpy")
def floor_less(y, n, table, k):  # type: ignore[no-untyped-def]
    """k = floor(y - table[n]) + 1, of arrays (C, m)."""
    for c in range(np.uintp(len(y))):
        y_c, n_c, k_c = y[c], n[c], k[c]
        for i in range(np.uintp(y_c.size)):
            k_c[i] = np.int32(np.floor(y_c[i] - table[n_c[i]])) + np.int32(1)


@jit(error_model="numpy")
def plus(k, n, table, r):  # type: ignore[no-untyped-def]
    """r = k + table[n], of arrays (C, m)."""
    for c in range(np.uintp(len(k))):
        k_c, n_c, r_c = k[c], n[c], r[c]
        for i in range(np.uintp(k_c.size)):
            r_c[i] = np.float32(k_c[i]) + table[n_c[i]]
