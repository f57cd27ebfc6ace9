"""The stand-in for CuPy refuses what CuPy refuses, and counts what the host has to wait for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gpu import standin
from gpu.standin import COUNT, NAMES


def test_it_has_no_name_that_cupy_lacks() -> None:
    for name in NAMES.keys() & standin.MODULES.keys():
        module = standin.MODULES[name]
        own = {n for n in vars(module) if not n.startswith("__")} - {"scipy", "special"}
        assert own <= set(NAMES[name]), name
    methods = {n for n in vars(standin.ndarray) if not n.startswith("_")} - {"on_host"}
    assert methods <= set(NAMES["ndarray"])


# What is easily written and fails on a device, or makes the host wait there.
SLIPS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "an array of the host beside one of the device": lambda cupy, x, y: x + np.ones(3),
    "the same the other way round": lambda cupy, x, y: np.ones(3) * x,
    "an array of the host in a function": lambda cupy, x, y: cupy.maximum(x, np.zeros(3)),
    "np.asarray of one": lambda cupy, x, y: np.asarray(x),
    "an array of the host written into one": lambda cupy, x, y: x.__setitem__(0, np.ones(1)),
    "an array of no axes of the host": lambda cupy, x, y: x * np.array(2.0),
    "a function of SciPy": lambda cupy, x, y: scipy_expit(x),
    "a product of both": lambda cupy, x, y: x @ np.ones(3),
    "a function that CuPy lacks": lambda cupy, x, y: np.isclose(x, x).real.trapezoid,
    "a method that CuPy lacks": lambda cupy, x, y: x.tostring(),
    "an index": lambda cupy, x, y: range(y),
    "floats into integers": lambda cupy, x, y: y.__iadd__(x),
    "a result of the host": lambda cupy, x, y: cupy.add(x, x, out=np.ones(3)),
    "a list of both": lambda cupy, x, y: cupy.concatenate([x, np.ones(3)]),
}


def scipy_expit(x: Any) -> Any:
    import scipy.special

    return scipy.special.expit(x)


@pytest.mark.parametrize("slip", SLIPS)
def test_slips_are_refused(slip: str, cupy: Any) -> None:
    x, y = cupy.asarray(np.arange(3.0)), cupy.asarray(np.arange(3))
    with pytest.raises((TypeError, AttributeError, NotImplementedError)):
        SLIPS[slip](cupy, x, y)


WAITS: dict[str, Callable[[Any, Any], Any]] = {
    "float": lambda cupy, x: float(x.sum()),
    "int": lambda cupy, x: int(x.sum()),
    "if": lambda cupy, x: bool((x > 0).all()),
    "comparison of two numbers": lambda cupy, x: 1 if x.sum() > 2 else 0,
    "get": lambda cupy, x: x.get(),
    "item": lambda cupy, x: x.sum().item(),
    "tolist": lambda cupy, x: x.tolist(),
    "nonzero": lambda cupy, x: cupy.nonzero(x),
    "max of Python": lambda cupy, x: max(x.sum(), x.sum()),
}


@pytest.mark.parametrize("name", WAITS)
def test_waits_are_counted(name: str, cupy: Any) -> None:
    x = cupy.asarray(np.arange(3.0))
    COUNT.clear()
    WAITS[name](cupy, x)
    assert COUNT["waits"] == 1


def test_launches_and_bytes_are_counted(cupy: Any) -> None:
    x = cupy.asarray(np.ones((4, 5), np.float32))
    assert COUNT["to device"] == 1
    COUNT.clear()
    y = x + cupy.broadcast_to(x[:1], (4, 5))  # of the second, 20 bytes are read
    y += 1
    assert (y.T.reshape(4, 5) == 3).all()
    assert COUNT["launches"] == 2 + 3  # a copy in the other order, a comparison, a reduction
    assert COUNT["elementwise"] == 3 and COUNT["copy"] == 1 and COUNT["reduction"] == 1
    assert COUNT["bytes"] == (80 + 20 + 80) + 160 + 160 + (80 + 20) + (20 + 1)
    assert COUNT["waits"] == 1  # the assertion's own


def test_functions_of_numpy_go_to_those_of_cupy(cupy: Any) -> None:
    x = cupy.asarray(np.arange(3.0))
    assert isinstance(np.exp(x), standin.ndarray)
    assert isinstance(np.concatenate([x, x]), standin.ndarray)
    assert isinstance(np.float64(2) * x, standin.ndarray)
