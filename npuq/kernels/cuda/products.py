"""Batches of matrix products by cuBLAS, on arrays as they lie. The one file that calls it."""

from __future__ import annotations

from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.precision import is_precise

_ONE, _ZERO = np.ones(1, np.float32), np.zeros(1, np.float32)


def multiply(a: Array, b: Array, out: Array, *, a_t: bool = False, b_t: bool = False) -> None:
    """out = a b for each of a batch, in the precision of `npuq.kernels.cuda.precision`.

    cuBLAS has matrices by columns: what lies by rows is to it the transpose, and so it is asked for
    out' = b' a'.

    Args:
        a: (batch, m, k), or (batch, k, m) that is to be transposed (`a_t`).
        b: (batch, k, n), or (batch, n, k) that is to be transposed (`b_t`).
        out: (batch, m, n), written to. All are float32 and contiguous.
    """
    import cupy
    from cupy.cuda import cublas, device

    batch, m, n = out.shape
    k = a.shape[1] if a_t else a.shape[2]
    shapes = (batch, k, m) if a_t else (batch, m, k), (batch, n, k) if b_t else (batch, k, n)
    assert (a.shape, b.shape) == shapes, (a.shape, b.shape, out.shape)
    assert all(x.dtype == np.float32 and x.flags.c_contiguous for x in (a, b, out))
    if not out.size:
        return
    if not k:
        out.fill(0)
        return
    kind = cupy.cuda.runtime.CUDA_R_32F
    how = cublas.CUBLAS_COMPUTE_32F if is_precise() else cublas.CUBLAS_COMPUTE_32F_FAST_TF32
    cublas.gemmStridedBatchedEx(
        device.get_cublas_handle(),
        cublas.CUBLAS_OP_T if b_t else cublas.CUBLAS_OP_N,
        cublas.CUBLAS_OP_T if a_t else cublas.CUBLAS_OP_N,
        n, m, k,
        _ONE.ctypes.data, _address(b), kind, b.shape[2], n * k,
        _address(a), kind, a.shape[2], m * k,
        _ZERO.ctypes.data, _address(out), kind, n, m * n,
        batch, how, cublas.CUBLAS_GEMM_DEFAULT,
    )  # fmt: skip


def _address(array: Any) -> int:
    return array.data.ptr
