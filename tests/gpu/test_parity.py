"""Every operation of the table gives on the stand-in, with emulated kernels, what it does on NumPy.

`tests/unit/test_backend_parity.py` compares the same where there is a device.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gpu.conftest import IS_REAL, is_on_device
from gpu.standin import COUNT
from operations import OPERATIONS, Operation, gradients, make, upstream

from npuq.backend import to_device
from npuq.nn.parameters import named_arrays, with_arrays

pytestmark = pytest.mark.usefixtures("device")

# Sums in another order: some dozens of ulps.
TOLERANCE = {np.float32: 1e-4, np.float64: 1e-11}
WAITS = {"paper.mse"}  # it returns a number of Python's
ROWS = [operation for operation in OPERATIONS if not operation.host_only]


def on_device(tree: Any) -> Any:
    return with_arrays(tree, {k: to_device(a, "cuda") for k, a in named_arrays(tree).items()})


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("operation", ROWS, ids=lambda operation: operation.name)
def test_device_agrees_with_host(operation: Operation, dtype: Any) -> None:
    args, static = make(operation, dtype)
    y = operation.forward(*args, **static)
    d_y = upstream(np.random.default_rng(3), y)
    expected = named_arrays(y) | gradients(operation, d_y, args, static)
    given, d_given = on_device(args), on_device(d_y)
    COUNT.clear()
    found = operation.forward(*given, **static)
    actual = named_arrays(found) | gradients(operation, d_given, given, static)
    assert IS_REAL or not COUNT["waits"] or operation.name in WAITS, "the host waits for the device"
    for name, array in expected.items():
        assert is_on_device(actual[name]), f"{name} left the device"
        assert actual[name].dtype == array.dtype, name
        scale = np.max(np.abs(array), initial=0.0)
        tolerance = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype] * scale}
        np.testing.assert_allclose(actual[name].get(), array, **tolerance)
