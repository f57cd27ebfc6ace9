"""cuBLAS's batched product for the stand-in: addresses, leading dimensions and all.

Matrices lie by columns: entry (i, j) at i + j ld. Every number that is read or written has to lie
within one array of the stand-in's.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy as np

HANDLE = 4711
CUDA_R_32F = 0
CONSTANTS = {
    "CUBLAS_OP_N": 0, "CUBLAS_OP_T": 1, "CUBLAS_COMPUTE_32F": 68,
    "CUBLAS_COMPUTE_32F_FAST_TF32": 77, "CUBLAS_GEMM_DEFAULT": -1,
}  # fmt: skip
_ARRAYS: dict[int, Any] = {}


def remember(array: Any) -> None:
    """Note where an array lies, as long as it lives."""
    key = id(array)
    _ARRAYS[key] = weakref.ref(array, lambda _: _ARRAYS.pop(key, None))


def gemm_strided_batched(
    handle: int, trans_a: int, trans_b: int, m: int, n: int, k: int,
    alpha: int, a: int, a_type: int, lda: int, stride_a: int,
    b: int, b_type: int, ldb: int, stride_b: int,
    beta: int, c: int, c_type: int, ldc: int, stride_c: int,
    batch: int, compute: int, algorithm: int,
) -> int:  # fmt: skip
    """c = alpha op(a) op(b) + beta c for each of a batch; the bytes that are read and written.

    Raises:
        RuntimeError: a status of cuBLAS, or an address where no array is.
    """
    known = {68, 77}
    if handle != HANDLE or {a_type, b_type, c_type} != {CUDA_R_32F} or compute not in known:
        raise RuntimeError("CUBLAS_STATUS_NOT_SUPPORTED")
    rows_a, columns_a = (k, m) if trans_a else (m, k)
    rows_b, columns_b = (n, k) if trans_b else (k, n)
    if min(m, n, k, batch) < 1 or lda < rows_a or ldb < rows_b or ldc < m or algorithm != -1:
        raise RuntimeError("CUBLAS_STATUS_INVALID_VALUE")
    A = _matrices(a, rows_a, columns_a, lda, stride_a, batch)
    B = _matrices(b, rows_b, columns_b, ldb, stride_b, batch)
    C = _matrices(c, m, n, ldc, stride_c, batch)
    if batch > 1 and stride_c < ldc * (n - 1) + m:
        raise RuntimeError("products of a batch overlap")
    A = A.swapaxes(1, 2) if trans_a else A
    B = B.swapaxes(1, 2) if trans_b else B
    if compute == 77:
        A, B = _tf32(A), _tf32(B)
    one, zero = (ctypes.c_float.from_address(address).value for address in (alpha, beta))
    C[:] = one * (A @ B) + (zero * C if zero else 0)
    return A.nbytes + B.nbytes + C.nbytes


def _matrices(address: int, rows: int, columns: int, ld: int, stride: int, batch: int) -> Any:
    last = 4 * ((batch - 1) * stride + (columns - 1) * ld + rows)
    for found in list(_ARRAYS.values()):
        array = found()
        if array is None or not array.size or not array.flags.c_contiguous:
            continue
        start = array.ctypes.data
        if start <= address and address + last <= start + array.nbytes:
            flat = array.reshape(-1)[(address - start) // 4 :]
            shape, strides = (batch, rows, columns), (4 * stride, 4, 4 * ld)
            return np.lib.stride_tricks.as_strided(flat, shape, strides)
    raise RuntimeError(f"cuBLAS was given {last} bytes from where no array has so many")


def _tf32(a: Any) -> Any:
    bits = np.ascontiguousarray(a).view(np.uint32)
    return ((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)
