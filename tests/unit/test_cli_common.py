"""What commands share: numbers that options take, and the bar of what takes a while."""

from __future__ import annotations

import argparse
import io
from typing import Any

import pytest

from npuq.cli import common


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "one", ""])
def test_options_take_finite_numbers_alone(text: str) -> None:
    assert common.number("-2.5e3") == -2500
    with pytest.raises(argparse.ArgumentTypeError, match="must be a finite number, not"):
        common.number(text)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Bar:
    """A bar of tqdm, without its drawing."""

    def __init__(self, **options: Any) -> None:
        self.options, self.n, self.closed = options, 0, False
        made.append(self)

    def update(self, more: int) -> None:
        assert not self.closed
        self.n += more

    def close(self) -> None:
        self.closed = True


made: list[Bar] = []


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Bar]:
    monkeypatch.setattr(common, "load_tqdm", lambda: Bar)
    made.clear()
    return made


def test_the_bar_shows_what_is_done_and_is_closed_whatever_happens(
    bars: list[Bar], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", Terminal())

    def bands() -> None:
        with common.band_progress() as show:
            assert show is not None
            show(1, 3)
            show(3, 3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bands()
    (bar,) = bars
    assert (bar.n, bar.closed, bar.options["total"]) == (3, True, 3)


def test_one_band_has_no_bar(bars: list[Bar], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Terminal())
    with common.band_progress() as show:
        assert show is not None
        show(1, 1)
    assert not bars


@pytest.mark.parametrize("stderr", [None, io.StringIO()])
def test_where_nobody_watches_there_is_no_bar(
    stderr: Any, bars: list[Bar], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", stderr)
    with common.band_progress() as show:
        assert show is None
