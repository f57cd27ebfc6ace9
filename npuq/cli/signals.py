"""Signals that ask a program to end: it ends as on Ctrl-C, with nothing lost or half-written."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from npuq.runtime.interruptions import heard_by

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

    def end(number: int, frame: FrameType | None) -> None:
        raise Terminated(number)

    with heard_by(end, ASKS_TO_END, replaces=lambda present: present == signal.SIG_DFL):
        yield
