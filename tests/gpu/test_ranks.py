"""Ranks on devices: who takes which, when sums go through NCCL, and when through the host."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest
from gpu.conftest import is_on_device

from npuq.ranks import devices
from npuq.ranks.sums import Sums


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The devices that are taken of two, by a CuPy that has NCCL."""
    found: list[int] = []
    cupy: Any = types.ModuleType("cupy")
    cupy.cuda = types.ModuleType("cupy.cuda")
    cupy.cuda.runtime = types.SimpleNamespace(getDeviceCount=lambda: 2)
    cupy.cuda.Device = lambda number: types.SimpleNamespace(use=lambda: found.append(number))
    cupy.cuda.nccl = types.SimpleNamespace(available=True)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "cupy.cuda", cupy.cuda)
    return found


def test_ranks_take_devices_in_turns(taken: list[int]) -> None:
    assert [devices.take_device(rank) for rank in range(5)] == [True, True, False, False, False]
    assert taken == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("absent", ["not built in", "not there"])
def test_without_nccl_sums_go_through_the_host(taken: list[int], absent: str) -> None:
    if absent == "not built in":
        sys.modules["cupy.cuda"].nccl.available = False  # type: ignore[attr-defined]
    else:
        del sys.modules["cupy.cuda"].nccl  # type: ignore[attr-defined]
    assert not devices.take_device(0)
    assert taken == [0]


class Twice:
    """The exchange of two ranks that hold the same."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def all_to_all(self, ours: Any, theirs: Any) -> None:
        assert isinstance(ours, self.xp.ndarray) and ours.shape == theirs.shape == (2, 2)
        for row in range(2):
            theirs[row] = ours[0]

    def all_gather(self, ours: Any, theirs: Any) -> None:
        assert isinstance(ours, self.xp.ndarray) and ours.shape == (2,)
        for row in range(2):
            theirs[row] = ours


@pytest.mark.parametrize("on", ["device", "host"])
def test_sums_stay_on_the_device_or_go_through_the_host(cupy: Any, on: str) -> None:
    arrays = {"a": cupy.asarray(np.float32([1, 2])), "b": cupy.asarray(np.float32([[3]]))}
    found = Sums(2, Twice(cupy if on == "device" else np)).of(arrays, 0.25)
    assert all(map(is_on_device, found.values()))
    assert found["b"].shape == (1, 1)
    # both ranks were rank 0: its first piece, of two numbers, twice; and padded by a zero
    np.testing.assert_array_equal(found["a"].get(), [0.5, 1.0])


def test_nccl_is_asked_as_cupy_documents_it(cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class NCCLBackend:
        def __init__(self, n_devices: int, rank: int, *, use_mpi: bool) -> None:
            asked.append((n_devices, rank, use_mpi))

        def all_to_all(self, in_array: Any, out_array: Any) -> None:
            asked.append((in_array.shape, out_array.shape))

        def all_gather(self, in_array: Any, out_array: Any, count: int) -> None:
            asked.append((in_array.shape, out_array.shape, count))

    module: Any = types.ModuleType("cupyx.distributed")
    module.NCCLBackend = NCCLBackend
    monkeypatch.setitem(sys.modules, "cupyx.distributed", module)
    Sums(2, devices.ByNccl(2, 1)).of({"a": cupy.asarray(np.ones((5, 1), np.float32))}, 1.0)
    assert asked == [(2, 1, True), ((2, 3), (2, 3)), ((3,), (2, 3), 3)]
