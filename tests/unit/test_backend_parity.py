"""Every operation of the table on CuPy gives what it gives on NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from operations import OPERATIONS, Operation, gradients, make, upstream

from npuq.backend import has_cupy, to_device, to_host
from npuq.nn.parameters import named_arrays, with_arrays

pytestmark = pytest.mark.skipif(not has_cupy(), reason="needs CuPy and a device")

# Two libraries' elementary functions and sums in another order: some dozens of ulps.
TOLERANCE = {np.float32: 1e-4, np.float64: 1e-11}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    "operation", [op for op in OPERATIONS if not op.host_only], ids=lambda operation: operation.name
)
def test_device_agrees_with_host(operation: Operation, dtype: Any) -> None:
    args, static = make(operation, dtype)
    y = operation.forward(*args, **static)
    d_y = upstream(np.random.default_rng(3), y)
    expected = named_arrays(y) | gradients(operation, d_y, args, static)

    def on_device(tree: Any) -> Any:
        arrays = {name: to_device(a, "cuda") for name, a in named_arrays(tree).items()}
        return with_arrays(tree, arrays)

    device_args = on_device(args)
    actual = named_arrays(operation.forward(*device_args, **static))
    actual |= gradients(operation, on_device(d_y), device_args, static)

    for name, array in expected.items():
        assert type(actual[name]).__module__.startswith("cupy"), f"{name} left the device"
        assert actual[name].dtype == array.dtype, name
        scale = np.max(np.abs(array), initial=0.0)
        np.testing.assert_allclose(
            to_host(actual[name]), array, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale
        )
