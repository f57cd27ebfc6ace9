"""Running a compiled kernel, which holds no GIL, on all cores."""

from __future__ import annotations

import functools
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

from npuq.errors import SettingError

S = TypeVar("S")
T = TypeVar("T")


def thread_count() -> int:
    """How many threads to run: `NPUQ_THREADS` if it is set, else the cores this process may use.

    A container's share of processor time, unlike its set of cores, cannot be seen from here.

    Raises:
        SettingError: `NPUQ_THREADS` is not a positive integer.
    """
    if setting := os.environ.get("NPUQ_THREADS"):
        if not setting.isdecimal() or int(setting) < 1:
            raise SettingError(f"NPUQ_THREADS must be a positive integer, not {setting!r}")
        return int(setting)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_thread = threading.local()


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="npuq")


if hasattr(os, "register_at_fork"):  # a forked child has the pool, but none of its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def map_in_threads(function: Callable[[S], T], jobs: Sequence[S]) -> list[T]:
    """The results of `function`, which holds no GIL, for each job, in their order.

    The calling thread works as well: it holds a core already, and were it to sleep, the others
    might all wake on that one. The first error ends the work, and is raised. A function that comes
    here again has its jobs done by its own thread: all others may be waiting likewise.
    """
    if getattr(_thread, "is_working", False):
        return [function(job) for job in jobs]
    waiting = deque(enumerate(jobs))
    results: dict[int, T] = {}

    def work() -> None:
        _thread.is_working = True
        try:
            take_jobs()
        finally:
            _thread.is_working = False

    def take_jobs() -> None:
        while True:
            try:
                number, job = waiting.popleft()
            except IndexError:  # no jobs are left
                return
            try:
                results[number] = function(job)
            except BaseException:
                waiting.clear()
                raise

    threads = min(thread_count(), len(jobs))
    # in the caller's context, which says what NumPy does about overflow
    others = [_pool(threads).submit(copy_context().run, work) for _ in range(threads - 1)]
    try:
        work()
    finally:
        wait(others)
    for other in others:
        other.result()
    return [results[number] for number in range(len(jobs))]


def divided(length: int, most: int) -> list[slice]:
    """`length` things in order, at most so many at a time."""
    return [slice(start, min(start + most, length)) for start in range(0, length, most)]


def for_each_range(function: Callable[[int, int], None], size: int) -> None:
    """Call `function(start, stop)` on parts of range(size), all at once, and wait.

    The parts are disjoint; which thread takes which cannot change the result of a function that
    writes only what belongs to its part.
    """
    threads = min(thread_count(), size)
    parts = 4 * threads if size >= 16 * threads else threads  # small parts balance the load
    edges = [size * i // parts for i in range(parts + 1)] if threads > 1 else [0, size]
    map_in_threads(lambda part: function(*part), list(zip(edges[:-1], edges[1:], strict=True)))
