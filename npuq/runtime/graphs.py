"""CUDA graphs: what a function launches on a device, recorded once and launched as one.

A graph holds launches with their arguments, and nothing of the Python that made them. So a
function that is to be recorded must launch the same with the same arguments each time, read what
changes from arrays on the device, and neither wait for it nor copy from or to the host.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Hashable, Iterator
from typing import Any


class Graphs:
    """Recorded functions, one for each key, all with their memory in one pool and on one stream.

    Attributes:
        refused: why a function could not be recorded, by its key; it is called each time then.
    """

    def __init__(self) -> None:
        import cupy

        self._cupy = cupy
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self._pool = cupy.cuda.MemoryPool()
        self._graphs: dict[Hashable, Any] = {}
        self.refused: dict[Hashable, str] = {}

    @contextlib.contextmanager
    def stream(self) -> Iterator[None]:
        """Within it all is launched on the stream of the graphs, after all that was before."""
        self._cupy.cuda.get_current_stream().synchronize()  # ours does not wait for any other
        with self._stream:
            yield

    def call(self, key: Hashable, function: Callable[[], Any]) -> None:
        """Do what a function does: by calling it, the first time, which loads kernels and takes
        memory; by recording it, the second; and then by launching what was recorded.

        Its results are lost, as the memory that they lie in is taken for the next call.
        """
        with self._cupy.cuda.using_allocator(self._pool.malloc):
            if key not in self._graphs:
                function()
                self._graphs[key] = None
                return
            if self._graphs[key] is None and key not in self.refused:
                self._record(key, function)
            if key in self.refused:
                function()
                return
        self._graphs[key].launch(self._stream)

    def _record(self, key: Hashable, function: Callable[[], Any]) -> None:
        was_enabled = gc.isenabled()
        gc.disable()  # what it destroyed might call CUDA in between
        self._stream.begin_capture()
        try:
            function()
            self._graphs[key] = self._stream.end_capture()
        except Exception as error:  # the end alone may say that something was refused
            self.refused[key] = f"{type(error).__name__}: {error}"
            with contextlib.suppress(Exception):  # a stream that was invalidated says so once more
                self._stream.end_capture()
        finally:
            if was_enabled:
                gc.enable()
