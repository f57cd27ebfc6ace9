"""Signals wait until what must not be cut in two is done."""

from __future__ import annotations

import signal
import threading

import pytest

from npuq.runtime.interruptions import interruptions_deferred


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_comes_at_the_end(number: int) -> None:
    seen: list[str] = []

    def handler(*_: object) -> None:
        seen.append("handled")
        raise KeyboardInterrupt

    before = signal.signal(number, handler)
    try:
        with pytest.raises(KeyboardInterrupt), interruptions_deferred():
            signal.raise_signal(number)
            signal.raise_signal(number)
            seen.append("done")
        assert seen == ["done", "handled"]
        assert signal.getsignal(number) is handler
        with interruptions_deferred():
            seen.append("again")
        assert seen[-1] == "again"
    finally:
        signal.signal(number, before)


def test_errors_pass_and_handlers_return() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="inside"), interruptions_deferred():
        raise ValueError("inside")
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_have_none() -> None:
    done: list[bool] = []

    def work() -> None:
        with interruptions_deferred():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
