"""Products that add to what is there are `c += a @ b`, whatever views they are given."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from npuq.runtime import blas as products
from npuq.runtime.blas import add_product, map_products
from npuq.runtime.scratch import KEPT, scratch
from npuq.runtime.threads import map_in_threads


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 4, 3), (1, 4, 3), (5, 1, 3), (5, 4, 1), (1, 1, 1)])
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True)], ids=str)
def test_it_is_the_plain_product(
    dtype: Any, shape: tuple[int, int, int], transposed: tuple[bool, bool]
) -> None:
    """On parts of larger arrays, which stay as they are around them."""
    m, k, n = shape
    rng = np.random.default_rng(0)

    def part(rows: int, columns: int, is_transposed: bool = False) -> Any:
        if is_transposed:
            return part(columns, rows).T
        return rng.standard_normal((rows + 2, columns + 3)).astype(dtype)[1 : rows + 1, 2:-1]

    a, b, c = part(m, k, transposed[0]), part(k, n, transposed[1]), part(m, n)
    around, before = c.base.copy(), c.copy()
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    add_product(a, b, c)
    np.testing.assert_allclose(c, before + a @ b, rtol=0, atol=tolerance)
    c[:] = np.nan
    add_product(a, b, c, overwrite=True)
    np.testing.assert_allclose(c, a @ b, rtol=0, atol=tolerance)
    c[:] = before
    np.testing.assert_array_equal(c.base, around)


def test_an_axis_added_to_a_vector_is_one_row() -> None:
    a, b, c = np.ones((1, 4)), np.ones((4, 3)), np.zeros(3)
    add_product(a, b, c[None])
    np.testing.assert_array_equal(c, 4)


def test_the_number_of_threads_of_blas_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = [4]
    monkeypatch.setattr(
        products, "_openblas_threads", lambda: (lambda: threads[-1], threads.append)
    )
    monkeypatch.setenv("NPUQ_THREADS", "2")
    both = threading.Barrier(2)

    def nested(job: int) -> list[int]:
        both.wait(10)
        return map_products(lambda _: threads[-1], [job])

    assert map_products(nested, [0, 1]) == [[1], [1]]
    assert threads == [4, 1, 4]
    with pytest.raises(ZeroDivisionError):
        map_products(lambda job: 1 // job, [0])
    assert threads[-1] == 4


def test_nested_calls_from_several_threads_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """All threads of the pool may be in jobs that have jobs of their own."""
    monkeypatch.setenv("NPUQ_THREADS", "2")

    def outer(job: int) -> list[int]:
        time.sleep(0.01)
        return map_in_threads(lambda inner: 10 * job + inner, range(3))

    with ThreadPoolExecutor(3) as users:
        found = list(users.map(lambda _: map_in_threads(outer, range(4)), range(6), timeout=30))
    assert found == [[[10 * job + inner for inner in range(3)] for job in range(4)]] * 6


def test_scratch_is_of_one_thread_and_is_kept_unless_it_is_large() -> None:
    one = scratch("test", (3, 4), np.dtype(np.float32))
    assert np.shares_memory(one, scratch("test", (2, 2), np.dtype(np.float64)))
    assert not np.shares_memory(one, scratch("other", (3, 4), np.dtype(np.float32)))
    with ThreadPoolExecutor(1) as other:
        theirs = other.submit(scratch, "test", (3, 4), np.dtype(np.float32)).result()
    assert not np.shares_memory(one, theirs)
    large = (KEPT + 1,)
    assert not np.shares_memory(*(scratch("test", large, np.dtype(np.uint8)) for _ in range(2)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("busy", ["in a product", "holding the lock"])
def test_a_process_forked_while_others_compute_is_as_good_as_new(
    busy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has as many threads a product as before, and waits for none that it has not got."""
    threads, begun, done = [3], threading.Event(), threading.Event()
    monkeypatch.setattr(
        products, "_openblas_threads", lambda: (lambda: threads[-1], threads.append)
    )

    def compute(_: int) -> None:
        begun.set()
        done.wait(10)

    def hold() -> None:
        with products._LOCK:
            begun.set()
            time.sleep(0.3)

    target = hold if busy == "holding the lock" else lambda: map_products(compute, [0])
    other = threading.Thread(target=target)
    other.start()
    begun.wait(10)
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(10)  # what ends a child that waits for ever
            assert threads[-1] == 3
            assert map_products(lambda _: threads[-1], [0]) == [1] and threads[-1] == 3
            os._exit(0)
        finally:
            os._exit(1)
    done.set()
    other.join()
    assert os.waitpid(child, 0)[1] == 0
    assert threads[-1] == 3 and products._users == 0
