"""What holds for every row of the table: dtype, fresh arrays, and arguments left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from operations import OPERATIONS, Operation, gradients, make, upstream

from npuq.nn.parameters import named_arrays


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_dtype_is_kept_and_arrays_are_fresh(operation: Operation, dtype: Any) -> None:
    args, static = make(operation, dtype)
    arrays = named_arrays(args)
    before = {name: array.copy() for name, array in arrays.items()}
    y = operation.forward(*args, **static)
    d_y = upstream(np.random.default_rng(3), y)
    grads = gradients(operation, d_y, args, static)

    inputs = [*arrays.values(), *named_arrays(d_y).values()]
    outputs = [*named_arrays(y).items(), *grads.items()]
    for name, output in outputs:
        assert output.dtype == dtype, name
        assert np.all(np.isfinite(output)), name
        assert not any(np.shares_memory(output, other) for other in inputs), name
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, before[name])
