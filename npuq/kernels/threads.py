"""Running a compiled kernel, which holds no GIL, on all cores."""

from __future__ import annotations

import functools
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait


def thread_count() -> int:
    """How many threads to run: `NPUQ_THREADS` if it is set, else the cores this process may use.

    A container's share of processor time, unlike its set of cores, cannot be seen from here.

    Raises:
        ValueError: `NPUQ_THREADS` is not a positive integer.
    """
    if setting := os.environ.get("NPUQ_THREADS"):
        if not setting.isdecimal() or int(setting) < 1:
            raise ValueError(f"NPUQ_THREADS must be a positive integer, not {setting!r}")
        return int(setting)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="npuq")


if hasattr(os, "register_at_fork"):  # a forked child has the pool, but none of its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def for_each_range(function: Callable[[int, int], None], size: int) -> None:
    """Call `function(start, stop)` on parts of range(size), all at once, and wait.

    The parts are disjoint; which thread takes which cannot change the result of a function that
    writes only what belongs to its part. The calling thread works as well: it holds a core already,
    and were it to sleep, the others might all wake on that one.
    """
    threads = min(thread_count(), size)
    if threads <= 1:
        function(0, size)
        return
    parts = 4 * threads if size >= 16 * threads else threads  # small parts balance the load
    edges = [size * i // parts for i in range(parts + 1)]
    waiting = deque(zip(edges[:-1], edges[1:], strict=True))

    def work() -> None:
        while True:
            try:
                start, stop = waiting.popleft()
            except IndexError:  # no parts are left
                return
            function(start, stop)

    others = [_pool(threads).submit(work) for _ in range(threads - 1)]
    try:
        work()
    finally:
        wait(others)
    for future in others:
        future.result()
