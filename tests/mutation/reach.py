"""A plugin of pytest for `sample.py`: which tests reach which functions, and running those alone.

    NPUQ_REACH=FILE    write down every test's time and the functions of the package it enters
    NPUQ_CHOSEN=FILE   run the tests named in this list of JSON, in its order, and no others

What compiled functions call is not seen, nor are commands in processes of their own.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

PACKAGE = f"{os.sep}npuq{os.sep}"
reached: dict[str, dict[str, Any]] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    if "NPUQ_REACH" not in os.environ:
        return (yield)
    seen: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            seen.add(frame.f_code)

    sys.setprofile(note)
    threading.setprofile(note)
    try:
        return (yield)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        # a lambda or a comprehension belongs to the function that holds it: its line says which
        where = {(c.co_filename, c.co_firstlineno) for c in seen if PACKAGE in c.co_filename}
        reached.setdefault(item.nodeid, {"seconds": 0.0})["functions"] = sorted(
            ("npuq/" + file.rpartition(PACKAGE)[2].replace(os.sep, "/"), line)
            for file, line in where
            if "/tests/" not in file
        )


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if "NPUQ_REACH" in os.environ:
        reached.setdefault(report.nodeid, {"seconds": 0.0})["seconds"] += report.duration


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "NPUQ_CHOSEN" not in os.environ:
        return
    chosen = json.loads(Path(os.environ["NPUQ_CHOSEN"]).read_text(encoding="utf-8"))
    order = {name: i for i, name in enumerate(chosen)}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in order])
    items[:] = sorted(
        (item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid]
    )


def pytest_sessionfinish() -> None:
    if "NPUQ_REACH" in os.environ:
        Path(os.environ["NPUQ_REACH"]).write_text(json.dumps(reached), encoding="utf-8")
