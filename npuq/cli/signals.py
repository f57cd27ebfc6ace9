"""Signals that ask a program to end: it ends as on Ctrl-C, with nothing lost or half-written."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

ASKS_TO_END = ("SIGTERM", "SIGHUP")
"""What a batch system or a closed terminal sends; not every system has all of them."""


class Terminated(KeyboardInterrupt):
    """A signal asked the program to end. What is done on Ctrl-C is done for it as well.

    Attributes:
        status: the exit status that shells give to the signal, 128 and its number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


@contextlib.contextmanager
def ending_as_on_ctrl_c() -> Iterator[None]:
    """Within it, such signals raise `Terminated` in the main thread.

    A signal that is ignored stays so: `nohup` ignores SIGHUP.
    """
    if threading.current_thread() is not threading.main_thread():  # the only one that may ask
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise Terminated(number)

    before = {}
    for name in ASKS_TO_END:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
