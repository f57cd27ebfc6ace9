"""The device of these tests: the stand-in for CuPy, whose kernels run in the emulator.

With NPUQ_TEST_DEVICE=cuda it is CuPy itself and a GPU: the same tests, but that nothing is counted.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gpu import standin
from gpu.emulator import COMPILER
from gpu.standin import COUNT

IS_REAL = os.environ.get("NPUQ_TEST_DEVICE") == "cuda"


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stand-in in the place of CuPy, with counts of 0."""
    return standin.install(monkeypatch)


@pytest.fixture(scope="module")
def device() -> Iterator[Any]:
    """The device for a whole module of tests, whose kernels are ours."""
    if IS_REAL:
        yield pytest.importorskip("cupy")
        return
    if COMPILER is None:
        pytest.skip("no C++ compiler (g++ or c++): kernels cannot be emulated here")
    with pytest.MonkeyPatch.context() as patch:
        yield standin.install(patch)


def on_device(*arrays: Any) -> list[Any]:
    """The arrays on the device, which lie there by themselves and in the order of C."""
    cupy = sys.modules["cupy"]
    return [cupy.asarray(np.array(a, order="C")) for a in arrays]  # type: ignore[attr-defined]


def is_on_device(array: Any) -> bool:
    """Whether it is one of CuPy's arrays."""
    return isinstance(array, sys.modules["cupy"].ndarray)  # type: ignore[attr-defined]


@contextlib.contextmanager
def device_only(
    *, launches: int | None = None, others: int = 0, waits: int = 0, sent: int = 0
) -> Iterator[None]:
    """Within it the device is left to itself.

    Args:
        launches: exactly so many are made, or any number above 0.
        others: at most so many of them are not of our kernels, or the plain function has computed.
        waits: exactly so often the host waits for the device.
        sent: at most so many arrays travel there.
    """
    COUNT.clear()
    yield
    if IS_REAL:
        return
    made, own = COUNT["launches"], COUNT["own"]
    assert made == launches if launches is not None else own > 0, "the plain function computed"
    assert made - own <= others, "the plain function computed"
    assert COUNT["waits"] == waits, "the host waits for the device"
    assert COUNT["to device"] <= sent, "arrays travel to the device"
