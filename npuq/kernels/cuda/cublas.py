"""cuBLAS by its C interface: CuPy's refuses to be recorded into a CUDA graph.

CuPy finds and loads the library, and makes the handle; the one function that is needed, and what
sets its stream and its workspace, are called here. A workspace of one's own is what cuBLAS asks for
in graphs, and with it the same products give the same bits.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from typing import Any

import numpy as np

N, T = 0, 1  # a matrix as it lies, or its transpose
FLOAT32 = 0  # cudaDataType_t
COMPUTE_32F, COMPUTE_32F_FAST_TF32 = 68, 77  # cublasComputeType_t
DEFAULT_ALGORITHM = -1
WORKSPACE = 1 << 25  # bytes: what cuBLAS takes by itself on an H100

_INT, _LONG, _POINTER = ctypes.c_int, ctypes.c_longlong, ctypes.c_void_p
SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cublasSetStream_v2": (_POINTER, _POINTER),
    "cublasSetWorkspace_v2": (_POINTER, _POINTER, ctypes.c_size_t),
    "cublasGemmStridedBatchedEx": (
        _POINTER, _INT, _INT, _INT, _INT, _INT,
        _POINTER, _POINTER, _INT, _INT, _LONG,
        _POINTER, _INT, _INT, _LONG,
        _POINTER, _POINTER, _INT, _INT, _LONG,
        _INT, _INT, _INT,
    ),
}  # fmt: skip
"""What each takes; all return a status, 0 for success."""

_ONE, _ZERO = np.ones(1, np.float32), np.zeros(1, np.float32)
_thread = threading.local()


def gemm_strided_batched(
    a_t: int, b_t: int, m: int, n: int, k: int,
    a: int, lda: int, stride_a: int, b: int, ldb: int, stride_b: int,
    c: int, ldc: int, stride_c: int, batch: int, compute: int,
) -> None:  # fmt: skip
    """c = op(a) op(b) for each of a batch, matrices by columns in float32, on the current stream.

    Args:
        a_t, b_t: N or T.
        m, n, k: c is (m, n), op(a) (m, k) and op(b) (k, n).
        a, b, c: addresses; the leading dimension and the step to the next of the batch follow each.
        batch: how many.
        compute: COMPUTE_32F or COMPUTE_32F_FAST_TF32.

    Raises:
        RuntimeError: cuBLAS refuses, or cannot be loaded.
    """
    import cupy

    handle = _handle(cupy)
    status = library(cupy).cublasGemmStridedBatchedEx(
        handle, a_t, b_t, m, n, k,
        _ONE.ctypes.data, a, FLOAT32, lda, stride_a, b, FLOAT32, ldb, stride_b,
        _ZERO.ctypes.data, c, FLOAT32, ldc, stride_c,
        batch, compute, DEFAULT_ALGORITHM,
    )  # fmt: skip
    _check(status, "cublasGemmStridedBatchedEx")


def _handle(cupy: Any) -> int:
    """This thread's handle, whose stream is the current one."""
    device, stream = cupy.cuda.runtime.getDevice(), cupy.cuda.get_current_stream().ptr
    handles: dict[Any, dict[str, Any]] = _thread.__dict__.setdefault("handles", {})
    kept = handles.setdefault((cupy, device), {})
    if not kept:
        kept["handle"] = cupy.cuda.cublas.create()
        kept["workspace"] = cupy.cuda.alloc(WORKSPACE)
        kept["stream"] = None
    if kept["stream"] != stream:
        found, workspace = library(cupy), kept["workspace"].ptr
        _check(found.cublasSetStream_v2(kept["handle"], stream), "cublasSetStream")
        status = found.cublasSetWorkspace_v2(kept["handle"], workspace, WORKSPACE)
        _check(status, "cublasSetWorkspace")  # a new stream resets it
        kept["stream"] = stream
    return kept["handle"]


def library(cupy: Any) -> Any:
    """The library that CuPy has loaded, with the types of what its functions take."""
    return _library(cupy)


@functools.cache
def _library(cupy: Any) -> Any:
    cupy.cuda.device.get_cublas_handle()  # now it is loaded, from wherever it was installed
    major = cupy.cuda.runtime.runtimeGetVersion() // 1000
    name = f"cublas64_{major}.dll" if os.name == "nt" else f"libcublas.so.{major}"
    try:
        found = ctypes.CDLL(name)
    except OSError as error:
        raise RuntimeError(f"cuBLAS cannot be loaded: {error}") from error
    for function, types in SIGNATURES.items():
        getattr(found, function).argtypes = types
    return found


def _check(status: int, function: str) -> None:
    if status:
        raise RuntimeError(f"{function} of cuBLAS failed with status {status}")
