"""What the backend says where a device is missing, broken, or mixed with the host."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest
from gpu.conftest import on_device

from npuq.backend import has_cupy, to_device, to_host, why_no_cupy, xp_of
from npuq.errors import DeviceError
from npuq.nn.gdn import gdn
from npuq.runtime.twins import has_twins


def test_the_library_of_arrays(cupy: Any) -> None:
    x, (y,) = np.ones(3), on_device(np.ones(3))
    assert xp_of() is xp_of(x) is xp_of(x, 2.0, x) is np
    assert xp_of(y) is xp_of(y, y) is cupy
    assert xp_of(to_device(x, "cuda")) is cupy and xp_of(to_host(y)) is np


def test_arrays_of_two_devices_are_refused_by_what_has_twins(cupy: Any) -> None:
    x, beta, gamma = np.ones((2, 3)), np.ones(3), np.ones((3, 3))
    with pytest.raises(DeviceError, match="array 1 of 3 lies on the host and array 2 on a CUDA"):
        gdn(x, *on_device(beta, gamma))
    with pytest.raises(DeviceError, match="array 3 of 3 lies on the host and array 1 on a CUDA"):
        gdn(*on_device(x, beta), gamma)

    @has_twins()
    def shifted(x: Any, *, by: Any) -> Any:
        return x + by

    with pytest.raises(DeviceError):  # by its name, too
        shifted(x, by=on_device(x)[0])


def test_a_device_that_multiplies(cupy: Any) -> None:
    assert has_cupy() and why_no_cupy() is None


def broken(**names: Any) -> types.ModuleType:
    module = types.ModuleType("cupy")
    runtime = types.SimpleNamespace(getDeviceCount=names.pop("count"))
    vars(module).update(names, cuda=types.SimpleNamespace(runtime=runtime), ndarray=type(None))
    return module


def raises(error: Exception) -> Any:
    def call(*_: Any) -> Any:
        raise error

    return call


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (broken(count=raises(RuntimeError("no driver"))), "finds no CUDA device: no driver"),
        (broken(count=lambda: 0), "finds no CUDA device"),
        (
            broken(count=lambda: 1, ones=raises(ImportError("libcublas.so.13"))),
            r"cannot multiply matrices.*libcublas.so.13.*npuq\[cuda13\]",
        ),
        (broken(count=lambda: 1, ones=lambda *_: np.zeros((2, 2))), "multiplies matrices wrongly"),
        (None, r"not installed: install npuq\[cuda12\] or npuq\[cuda13\]"),
    ],
)
def test_what_is_missing_is_said(module: Any, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if module is None:
        monkeypatch.setattr("builtins.__import__", without_cupy(__import__))
        monkeypatch.delitem(sys.modules, "cupy", raising=False)
    else:
        monkeypatch.setitem(sys.modules, "cupy", module)
    assert not has_cupy()
    with pytest.raises(RuntimeError, match=f"no CUDA device can be used, but 'cpu' can: .*{says}"):
        to_device(np.ones(2), "cuda")


def without_cupy(really: Any) -> Any:
    def imported(name: str, *args: Any, **options: Any) -> Any:
        if name == "cupy":
            raise ModuleNotFoundError("No module named 'cupy'", name="cupy")
        return really(name, *args, **options)

    return imported


def test_a_library_that_cannot_be_loaded_is_told_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)  # its import raises ModuleNotFoundError
    assert "not installed" in str(why_no_cupy())

    def imported(name: str, *args: Any, **options: Any) -> Any:
        if name == "cupy":
            raise ImportError("libcuda.so.1: cannot open shared object file")
        return really(name, *args, **options)

    really = __import__
    monkeypatch.delitem(sys.modules, "cupy")
    monkeypatch.setattr("builtins.__import__", imported)
    assert why_no_cupy() == "CuPy cannot be loaded: libcuda.so.1: cannot open shared object file"
