"""Matrix products that add to what is there, on views as they lie in memory, one to a core.

NumPy's product cannot add, and SciPy's wrappers of BLAS copy what is not contiguous. BLAS itself
asks only that one of two strides be 1, so it is called here as SciPy's Cython interface offers it.
The plain twin is `c += a @ b`.

Whole jobs, each with products of its own, run best on a thread each: what one product leaves in the
cache of a core the next one finds there, and no thread waits for others within a product, which is
slow where a core is also used by somebody else.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from npuq.backend import Array
from npuq.runtime.threads import map_in_threads

S = TypeVar("S")
T = TypeVar("T")
SHARES = 8


def add_product(a: Array, b: Array, c: Array, *, overwrite: bool = False) -> None:
    """c += a b in place, or c = a b.

    Args:
        a, b: (m, k) and (k, n), of the type of `c`; each with one stride of 1.
        c: (m, n) float32 or float64, rows contiguous.
        overwrite: whatever was in `c` is not read.

    Raises:
        ValueError: the types differ.
    """
    m, n = c.shape
    if not a.dtype == b.dtype == c.dtype:
        raise ValueError(f"a, b and c must be of one type, not {a.dtype}, {b.dtype}, {c.dtype}")
    assert n == 1 or c.strides[1] == c.itemsize
    gemm, number = _gemm(c.dtype.char)
    # BLAS counts in columns, so it is given the transposes: c' = b' a'
    b_order, b_step = _order(b)
    a_order, a_step = _order(a)
    gemm(
        b_order, a_order, _integer(n), _integer(m), _integer(a.shape[1]),
        number[1], _address(b), b_step, _address(a), a_step,
        number[0 if overwrite else 1], _address(c), _integer(max(n, c.strides[0] // c.itemsize)),
    )  # fmt: skip


def _order(a: Array) -> tuple[bytes, Any]:
    """For BLAS, to which the transpose of `a` is given: whether to transpose it, and its stride."""
    rows, columns = a.strides
    if columns == a.itemsize:
        return b"N", _integer(max(rows // a.itemsize, a.shape[1]))
    assert rows == a.itemsize
    return b"T", _integer(max(columns // a.itemsize, a.shape[0]))


def _address(a: Array) -> int:
    return a.__array_interface__["data"][0]


@functools.lru_cache(1 << 10)
def _integer(value: int) -> Any:
    """The number by reference, as Fortran wants it; it is only read."""
    return ctypes.byref(ctypes.c_int(value))


@functools.cache
def _gemm(dtype: str) -> tuple[Callable[..., Any], list[Any]]:
    """BLAS's product for a type, and 0 and 1 of that type by reference."""
    from numba.extending import get_cython_function_address

    name, number = {"f": ("sgemm", ctypes.c_float), "d": ("dgemm", ctypes.c_double)}[dtype]
    address = get_cython_function_address("scipy.linalg.cython_blas", name)
    pointer = ctypes.c_void_p
    gemm = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, *[pointer] * 11)(address)
    return gemm, [ctypes.byref(number(value)) for value in (0, 1)]


def map_products(function: Callable[[S], T], jobs: Sequence[S]) -> list[T]:
    """`map_in_threads` for functions that call BLAS, by `add_product` or `np.dot` in a kernel."""
    with _one_thread_a_product():
        return map_in_threads(function, jobs)


def shares(jobs: Sequence[S]) -> list[Sequence[S]]:
    """The jobs in at most `SHARES` groups, all but the last of two or more, for sums of them all.

    However many threads there are, each sum is then of the same numbers in the same order.
    """
    size = max(2, -(-len(jobs) // SHARES))
    return [jobs[i : i + size] for i in range(0, len(jobs), size)]


_LOCK = threading.Lock()
_users, _threads_before = 0, 1


def _forget_users() -> None:
    """In a forked child, which has none of the threads that were computing."""
    global _users
    if _users > 0:
        _openblas_threads()[1](_threads_before)
    _users = 0
    _LOCK.release()


if hasattr(os, "register_at_fork"):  # the lock is held meanwhile: nobody is halfway through
    os.register_at_fork(
        before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_forget_users
    )


@contextlib.contextmanager
def _one_thread_a_product() -> Iterator[None]:
    """Keep SciPy's OpenBLAS from dividing products; another BLAS does as it likes."""
    global _users, _threads_before
    get_threads, set_threads = _openblas_threads()
    with _LOCK:
        if _users == 0:
            _threads_before = get_threads()
            set_threads(1)
        _users += 1
    try:
        yield
    finally:
        with _LOCK:
            _users = max(_users - 1, 0)  # 0 if this thread has been forked meanwhile
            if _users == 0:
                set_threads(_threads_before)


@functools.cache
def _openblas_threads() -> tuple[Callable[[], int], Callable[[int], Any]]:
    """How to ask and to tell it its number of threads."""
    import scipy.linalg.cython_blas

    # looked up in what this library is linked with
    library = ctypes.CDLL(scipy.linalg.cython_blas.__file__)
    for prefix in ("scipy_openblas", "openblas"):
        with contextlib.suppress(AttributeError):
            return (
                getattr(library, f"{prefix}_get_num_threads"),
                getattr(library, f"{prefix}_set_num_threads"),
            )
    return lambda: 1, lambda _: None
