"""CUDA graphs for the stand-in: what is launched while a stream is captured runs when replayed.

While it is captured nothing computes: what functions return holds NaN, or 0 where it is integers,
and arrays that are written to stay as they are. Refused is what CUDA and CuPy refuse then: to wait,
to copy between the host and the device, to call cuBLAS by CuPy's functions, to load kernels, to
launch on another stream, to take memory from a pool that others take from.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


class Stream:
    """What `cupy.cuda.Stream` is, as far as it is needed."""

    null: Stream
    current: Stream
    captured: Stream | None = None
    actions: list[Callable[[], Any]]
    _next = 0

    def __init__(self, *, non_blocking: bool = False) -> None:
        Stream._next += 1
        self.ptr = 0x1000 * Stream._next
        self.may_capture = non_blocking
        self._before: list[Stream] = []

    def __enter__(self) -> Stream:
        self._before.append(Stream.current)
        Stream.current = self
        return self

    def __exit__(self, *_: Any) -> None:
        Stream.current = self._before.pop()

    def synchronize(self) -> None:
        refuse("a captured stream cannot be waited for")

    def begin_capture(self, mode: int | None = None) -> None:
        if not self.may_capture or Stream.captured is not None:
            raise RuntimeError("cudaErrorStreamCaptureUnsupported")
        if Allocator.current is None:
            raise RuntimeError("the graph would share its memory with others")
        Stream.captured, Stream.actions = self, []

    def end_capture(self) -> Graph:
        if Stream.captured is not self:
            raise RuntimeError("cudaErrorIllegalState")
        Stream.captured = None
        return Graph(Stream.actions)


Stream.null = Stream.current = Stream()


class Graph:
    """What `end_capture` returns."""

    launched: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, actions: list[Callable[[], Any]]) -> None:
        self._actions = actions

    def upload(self, stream: Stream | None = None) -> None:
        """Take it to the device ahead of time."""

    def launch(self, stream: Stream | None = None) -> None:
        refuse("a graph is launched within another")
        Graph.launched()
        for action in self._actions:
            action()


class Allocator:
    """Where memory comes from."""

    current: Any = None


class MemoryPool:
    """What `cupy.cuda.MemoryPool` is, as far as it is needed."""

    def malloc(self, size: int) -> Any:
        """Never called: NumPy has its own."""


@contextlib.contextmanager
def using_allocator(allocator: Any = None) -> Iterator[None]:
    """As `cupy.cuda.using_allocator`."""
    before, Allocator.current = Allocator.current, allocator
    try:
        yield
    finally:
        Allocator.current = before


def is_captured() -> bool:
    """Whether a stream is being captured, and is the current one.

    Raises:
        RuntimeError: it is not the current one.
    """
    if Stream.captured is None:
        return False
    if Stream.captured is not Stream.current:
        raise RuntimeError("a kernel is launched on another stream than the one that is captured")
    return True


def refuse(what: str) -> None:
    """Refuse it while a stream is captured."""
    if Stream.captured is not None:
        raise RuntimeError(f"cudaErrorStreamCaptureUnsupported: {what}")


def perform(action: Callable[[], Any]) -> None:
    """Do what changes an array, or note it down to be done when the graph is launched."""
    if is_captured():
        Stream.actions.append(action)
    else:
        action()


def fresh(compute: Callable[[], Any]) -> Any:
    """The numbers that a kernel makes, in an array of their own; at each launch it makes them."""
    values = np.asarray(compute())
    if is_captured():
        Stream.actions.append(lambda: np.copyto(values, compute()))
        values.fill(np.nan if values.dtype.kind in "fc" else 0)
    return values
