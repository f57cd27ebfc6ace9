"""Products by cuBLAS of matrices as they lie; the plain twin is in `npuq.nn.products`."""

from __future__ import annotations

from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda import cublas
from npuq.kernels.cuda.launch import contiguous
from npuq.kernels.cuda.precision import is_precise
from npuq.runtime.twins import takes


@takes(np.float32)
def product(a: Array, b: Array) -> Array:
    """Fast twin of `npuq.nn.products.product`; transposed ones are read as they lie."""
    import cupy

    (a, a_t), (b, b_t) = _as_it_lies(a), _as_it_lies(b)
    shape = a.shape[int(a_t)], b.shape[1 - int(b_t)]
    out = cupy.empty(shape, np.float32)
    multiply(a[None], b[None], out[None], a_t=a_t, b_t=b_t)
    return out


def _as_it_lies(a: Array) -> tuple[Array, bool]:
    """A matrix in the order of C, and whether its transpose is meant."""
    if a.T.flags.c_contiguous and not a.flags.c_contiguous:
        return a.T, True
    return contiguous(a)[0], False


def multiply(a: Array, b: Array, out: Array, *, a_t: bool = False, b_t: bool = False) -> None:
    """out = a b for each of a batch, in the precision of `npuq.kernels.cuda.precision`.

    cuBLAS has matrices by columns: what lies by rows is to it the transpose, and so it is asked for
    out' = b' a'.

    Args:
        a: (batch, m, k), or (batch, k, m) that is to be transposed (`a_t`).
        b: (batch, k, n), or (batch, n, k) that is to be transposed (`b_t`).
        out: (batch, m, n), written to. All are float32 and contiguous.
    """
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
    cublas.gemm_strided_batched(
        cublas.T if b_t else cublas.N, cublas.T if a_t else cublas.N, n, m, k,
        _address(b), b.shape[2], n * k,
        _address(a), a.shape[2], m * k,
        _address(out), n, m * n,
        batch, cublas.COMPUTE_32F if is_precise() else cublas.COMPUTE_32F_FAST_TF32,
    )  # fmt: skip


def _address(array: Any) -> int:
    return array.data.ptr
