"""How long a call may take: one that gives no answer has failed, and the next one is made.

A call in this process is interrupted by an alarm. Only the main thread hears it, not every system
has it, and code that does not come back to Python, as a loop in C, hears nothing: that can be
ended in a process of its own, as the command's (`npuq.checks.interpreter`).
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from npuq.errors import CheckError
from npuq.runtime.interruptions import heard_by

PATIENCE = 120.0
"""Seconds, unless another number is asked for; importing a framework may take twenty."""


class HungError(BaseException):
    """A call gave no answer. No `Exception`, as targets catch those."""


RAISED_BY_OTHERS = (Exception, SystemExit, HungError)
"""Whatever the code of a target may raise, and what interrupts it."""


def seconds_of(timeout: float | None) -> float:
    """A number of seconds that makes sense; `PATIENCE` for None.

    Raises:
        CheckError: it is none.
    """
    if timeout is None:
        return PATIENCE
    is_number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if not is_number or not 0 < timeout <= threading.TIMEOUT_MAX:
        raise CheckError(f"timeout must be a positive number of seconds, not {timeout!r}")
    return float(timeout)


def impatient(function: Callable[..., Any], timeout: float | None) -> Callable[..., Any]:
    """The same function, which raises `HungError` if it takes longer; None is as `seconds_of`.

    What it raises that is no `Exception`, as a panic of Rust code, becomes a `RuntimeError`.

    Raises:
        CheckError: a number is given, and no call can be interrupted here.
    """
    seconds = seconds_of(timeout)
    in_main_thread = threading.current_thread() is threading.main_thread()
    can_interrupt = in_main_thread and hasattr(signal, "setitimer")
    if not can_interrupt and timeout is not None:
        raise CheckError(
            "timeout works in the main thread of a POSIX system only: leave it out, or run the "
            "target in a process, by the command npuq check"
        )

    def call(*arguments: Any) -> Any:
        try:
            with _alarm_after(seconds) if can_interrupt else contextlib.nullcontext():
                return function(*arguments)
        except (*RAISED_BY_OTHERS, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise RuntimeError(f"{type(error).__name__}: {error}") from error

    return call


@contextlib.contextmanager
def _alarm_after(seconds: float) -> Iterator[None]:
    """Within it `HungError` is raised after so many seconds, and again each second if it is caught.

    An alarm that somebody else has set goes off when it should, or right after.
    """

    def give_up(number: int, frame: FrameType | None) -> None:
        raise HungError(f"no answer within {seconds:g} seconds")

    begin = time.monotonic()
    left, interval = 0.0, 0.0
    try:
        with heard_by(give_up, ("SIGALRM",)):
            left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
            try:
                yield
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        if left:
            rest = max(left - (time.monotonic() - begin), 1e-6)
            signal.setitimer(signal.ITIMER_REAL, rest, interval)
