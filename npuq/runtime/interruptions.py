"""Signals: who hears them for a while, and what must not be cut in two, which they wait for."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], None]


@contextlib.contextmanager
def heard_by(
    handler: Handler, names: Sequence[str], *, replaces: Callable[[Any], bool] = lambda _: True
) -> Iterator[dict[int, Any]]:
    """Within it the handler hears signals, in the main thread, the only one that may ask for them.

    Args:
        handler: as of `signal.signal`.
        names: of signals; not every system has all of them.
        replaces: whether to take the place of who hears a signal so far.

    Yields:
        Who heard them before, by number, and will again.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in names:
            number = getattr(signal, name, None)
            if number is not None and replaces(signal.getsignal(number)):
                before[number] = signal.signal(number, handler)
    try:
        yield before
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextlib.contextmanager
def interruptions_deferred() -> Iterator[None]:
    """Within it SIGINT and SIGTERM do nothing; at its end, what they would have done happens."""
    came: list[tuple[int, FrameType | None]] = []
    earlier: dict[int, Any] = {}
    try:
        with heard_by(lambda *call: came.append(call), ("SIGINT", "SIGTERM")) as earlier:
            yield
    finally:
        for number, frame in came[:1]:
            handler = earlier[number]
            if callable(handler):
                handler(number, frame)
            elif handler == signal.SIG_DFL:
                signal.raise_signal(number)
