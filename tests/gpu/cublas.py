"""cuBLAS's batched product for the stand-in: addresses, leading dimensions and all.

Matrices lie by columns: entry (i, j) at i + j ld. Every number that is read or written has to lie
within one array of the stand-in's.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from npuq.kernels.cuda.cublas import SIGNATURES

HANDLE = 4711
CUDA_R_32F = 0
_ARRAYS: dict[int, Any] = {}


def remember(array: Any) -> None:
    """Note where an array lies, as long as it lives."""
    key = id(array)
    _ARRAYS[key] = weakref.ref(array, lambda _: _ARRAYS.pop(key, None))


def arrays() -> list[Any]:
    """All that live now."""
    return [array for found in list(_ARRAYS.values()) if (array := found()) is not None]


class Library:
    """The functions of the library that are called, and what C makes of their arguments."""

    def __init__(self, multiply: Callable[..., None], stream: Callable[[], int]) -> None:
        self._multiply, self._current, self._stream, self._workspace = multiply, stream, 0, 0

    def cublasSetStream_v2(self, *args: Any) -> int:  # noqa: N802
        handle, self._stream = converted("cublasSetStream_v2", args)
        self._workspace = 0
        return 0 if handle == HANDLE else 1

    def cublasSetWorkspace_v2(self, *args: Any) -> int:  # noqa: N802
        _, self._workspace, _ = converted("cublasSetWorkspace_v2", args)
        return 0

    def cublasGemmStridedBatchedEx(self, *args: Any) -> int:  # noqa: N802
        if self._stream != self._current():
            raise RuntimeError("cuBLAS computes on another stream than the current one")
        if not self._workspace:
            raise RuntimeError("cuBLAS has no workspace of its own")
        self._multiply(*converted("cublasGemmStridedBatchedEx", args))
        return 0


def converted(function: str, args: tuple[Any, ...]) -> list[int]:
    """The arguments as C sees them."""
    types = SIGNATURES[function]
    if len(types) != len(args):
        raise TypeError(f"{function} takes {len(types)} arguments, not {len(args)}")
    return [kind(arg).value or 0 for kind, arg in zip(types, args, strict=True)]


def gemm_strided_batched(
    handle: int, trans_a: int, trans_b: int, m: int, n: int, k: int,
    alpha: int, a: int, a_type: int, lda: int, stride_a: int,
    b: int, b_type: int, ldb: int, stride_b: int,
    beta: int, c: int, c_type: int, ldc: int, stride_c: int,
    batch: int, compute: int, algorithm: int, *, dry: bool = False,
) -> int:  # fmt: skip
    """c = alpha op(a) op(b) + beta c for each of a batch; the bytes that are read and written.

    A `dry` one checks its arguments alone.

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
    if dry:
        return int(A.nbytes + B.nbytes + C.nbytes)
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
