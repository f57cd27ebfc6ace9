"""The device of these tests: the stand-in for CuPy, whose kernels run in the emulator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gpu import standin
from gpu.emulator import COMPILER

from npuq.runtime import twins


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stand-in in the place of CuPy, with counts of 0."""
    return standin.install(monkeypatch)


@pytest.fixture(scope="module")
def device() -> Any:
    """The same for a whole module, whose kernels need a compiler; puts an array on the device."""
    if COMPILER is None:
        pytest.skip("no C++ compiler (g++ or c++): kernels cannot be emulated here")
    with pytest.MonkeyPatch.context() as patch:
        yield standin.install(patch)
        twins._find.cache_clear()


def on_device(*arrays: Any) -> list[Any]:
    """The arrays on the device."""
    return [standin.ndarray(np.array(a)) for a in arrays]
