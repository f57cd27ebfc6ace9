"""Matrix products that add to what is there, on views as they lie in memory.

NumPy's product cannot add, and SciPy's wrappers of BLAS copy what is not contiguous. BLAS itself
asks only that one of two strides be 1, so it is called here as SciPy's Cython interface offers it.
The plain twin is `c += a @ b`.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from npuq.backend import Array


def add_product(a: Array, b: Array, c: Array, *, overwrite: bool = False) -> None:
    """c += a b in place, or c = a b.

    Args:
        a, b: (m, k) and (k, n), of the type of `c`; each with one stride of 1.
        c: (m, n) float32 or float64, rows contiguous.
        overwrite: whatever was in `c` is not read.
    """
    m, n = c.shape
    # BLAS counts in columns, so it is given the transposes: c' = b' a'
    b_order, b_step = _order(b)
    a_order, a_step = _order(a)
    number = ctypes.c_double if c.dtype == np.float64 else ctypes.c_float
    assert a.dtype == b.dtype == c.dtype and c.strides[1] == c.itemsize
    by_reference = ctypes.byref
    integer = ctypes.c_int
    _gemm(c.dtype.char)(
        b_order, a_order,
        by_reference(integer(n)), by_reference(integer(m)), by_reference(integer(a.shape[1])),
        by_reference(number(1)),
        b.ctypes.data, by_reference(integer(b_step)),
        a.ctypes.data, by_reference(integer(a_step)),
        by_reference(number(0 if overwrite else 1)),
        c.ctypes.data, by_reference(integer(c.strides[0] // c.itemsize)),
    )  # fmt: skip


def _order(a: Array) -> tuple[bytes, int]:
    """For BLAS, to which the transpose of `a` is given: whether to transpose it, and its stride."""
    rows, columns = (stride // a.itemsize for stride in a.strides)
    if columns == 1:
        return b"N", max(rows, a.shape[1])
    assert rows == 1
    return b"T", max(columns, a.shape[0])


@functools.cache
def _gemm(dtype: str) -> Callable[..., Any]:
    from numba.extending import get_cython_function_address

    name = {"f": "sgemm", "d": "dgemm"}[dtype]
    address = get_cython_function_address("scipy.linalg.cython_blas", name)
    pointer = ctypes.c_void_p
    return ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, *[pointer] * 11)(address)
